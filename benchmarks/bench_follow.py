"""What it costs to follow many zones: the start of the sync process, its memory, a refresh.

Run from the checkout: `python -m benchmarks.bench_follow [--zones N] [--work DIR]`. The zones
follow a server that answers for their SOA at once and has nothing new; a refresh is the CPU time of
the engine and of the commits for it, without sockets. The start is that of `csid serve` over the
same directory, to its first answer.
"""

from __future__ import annotations

import argparse
import gc
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from csid import names
from csid.protocol import NS, SOA
from resolver.store.build import build
from resolver.store.environment import Store
from resolver.store.node import RRset
from resolver.sync import states
from resolver.sync.actions import Open, Present, Send
from resolver.sync.engine import Engine
from resolver.sync.settings import FOLLOWS, Follow, Target, pack, where

SOA_DATA = b"\2ns\0\1h\0" + b"".join(
    number.to_bytes(4, "big") for number in (1, 3_600, 600, 86_400, 60)
)
SOA_SET = RRset(60, [SOA_DATA])
NS_SET = RRset(60, [b"\2ns\7example\0"])
PRIMARY = ("127.0.0.1", 9)
BATCH = 2_000


def made(path: Path, zones: int) -> None:
    """A data directory with many zones that follow, none of which is due."""
    with Store.create(path, "csid.internal.", "0.EXAMPLE") as store:
        pass
    later = int(time.time()) + 100_000
    follow = pack(Follow((Target(*PRIMARY),)))
    with Store.open(path, writable=True, sync=False) as store:
        for first in range(0, zones, BATCH):
            with store.write() as txn:
                for number in range(first, min(zones, first + BATCH)):
                    origin = names.from_text(origin_of(number))
                    txn.replace_zone(origin, build(origin, {origin: {SOA: SOA_SET, NS: NS_SET}}))
                    apex = names.key_of(origin)
                    txn.table(FOLLOWS).put(where(apex), follow)
                    states.begin(txn, apex)
                    state = states.StateRow(later + number % 3_600, 1, 1, later, later)
                    states.settle(txn, [states.Settled(apex, 0, state)])


def origin_of(number: int) -> str:
    return f"z{number:06}.follow.test."


def bookkeeping(path: Path, zones: int) -> tuple[float, float]:
    """CPU microseconds of one refresh of each zone, and what the memory grew by in MiB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gc.collect()
    gc.freeze()  # as the process does once it has begun
    with Store.open(path, writable=True, sync=False) as store:
        engine = Engine(Random(1))
        now = int(time.time()) + 200_000
        done = 0
        begun = time.process_time()
        answering = 0.0
        while done < zones:
            with store.read() as read:
                engine.look(Present(read, 0.0, now))
            while engine.actions:
                actions, engine.actions = engine.actions, []
                started = time.process_time()
                answers = [
                    (action.link, answered(action.message))
                    for action in actions
                    if isinstance(action, Send)
                ]
                answering += time.process_time() - started
                with store.read() as read:
                    present = Present(read, 0.0, now)
                    for action in actions:
                        if isinstance(action, Open):
                            engine.opened(present, action.link)
                    for link, answer in answers:
                        engine.received(present, link, answer)
            settled = engine.looking.outcomes.take()
            done += len(settled)
            assert not any(one.state is None or one.state.failures for one in settled)
            with store.write() as txn:
                states.settle(txn, settled)
            engine.looking.outcomes.wrote(True)
        spent = time.process_time() - begun - answering
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return 1e6 * spent / zones, grown / 1_024


def answered(query: bytes) -> bytes:
    """The answer of a server that has nothing new."""
    question = query[12 : query.index(b"\0\0\6\0\1") + 5]  # without the OPT record
    record = b"\xc0\x0c\0\6\0\1\0\0\0\x3c" + len(SOA_DATA).to_bytes(2, "big") + SOA_DATA
    return query[:2] + b"\x84\0\0\1\0\1\0\0\0\0" + question + record


def started(path: Path, origin: str) -> tuple[float, float]:
    """Seconds from starting `csid serve` to its first answer, about a zone; MiB of its sync
    process.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve", "--data", str(path), "--listen", f"127.0.0.1:{port}", "--workers", "1"]
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *words], stdout=subprocess.DEVNULL
    )
    try:
        query = b"\0\1\0\0\0\1\0\0\0\0\0\0" + names.from_text(origin) + b"\0\6\0\1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.01)
            while True:
                sock.sendto(query, ("127.0.0.1", port))
                try:
                    if sock.recv(512)[7]:
                        break
                except OSError:
                    continue
        first = time.monotonic() - begun
        time.sleep(3)
        return first, memory_of(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def memory_of(parent: int) -> float:
    """MiB of the private pages of the sync process of a server."""
    for stat in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"registry.sync.process" not in stat.read_bytes():
                continue
            status = (stat.parent / "status").read_text()
            if f"PPid:\t{parent}\n" not in status:
                continue
            rollup = (stat.parent / "smaps_rollup").read_text()
        except OSError:
            continue
        private = re.findall(r"Private_(?:Clean|Dirty): +(\d+) kB", rollup)
        return sum(map(int, private)) / 1_024
    return float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--zones", type=int, default=100_000)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="csid-follow-", dir=options.work))
    try:
        made(folder / "data", options.zones)
        first, octets = started(folder / "data", origin_of(0))
        print(f"{options.zones:,} zones: first answer {first:.2f} s, sync process {octets:.0f} MiB")
        spent, grown = bookkeeping(folder / "data", options.zones)
        print(f"a refresh: {spent:.1f} µs of bookkeeping; memory grew by {grown:.0f} MiB")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
