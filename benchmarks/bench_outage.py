"""A gateway that knows nothing, and one whose authorities are gone: how long who asks waits.

    python -m benchmarks.bench_outage

A root, the node of a delegated owner, and the gateway, run on this machine with one worker each.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import dns.edns
import dns.message

from benchmarks.peers import CSID, ELSEWHERE
from benchmarks.report import Report, number, percentile
from benchmarks.server import CHECKOUT
from csid import names
from resolver.server.recursive import orders

SUFFIX: Final = "csid.internal."
OWNER: Final = f"x0000000000000101t.{SUFFIX}"
NODE_HOST: Final = "127.0.0.31"
WALKS: Final = 300
POPULAR: Final = 1_000
AT_ONCE: Final = 100  # questions, what a socket has room for the answers to
TTL: Final = 2
WAIT_SECONDS: Final = 10.0
EDE_STALE: Final = 3


def name_of(at: int) -> str:
    return f"n{at:05d}.gcv.110000.6450.{OWNER}"


def zones() -> dict[str, str]:
    head = f"$TTL {TTL}\n@ SOA ns h 1 1 1 1 {TTL}\n@ NS ns\n"
    node = "".join(f'{name_of(at)} TXT "v=csid1"\n' for at in range(WALKS + POPULAR))
    return {
        SUFFIX: f"{head}ns A 127.0.0.1\n{OWNER} NS ns.{OWNER}\nns.{OWNER} A {NODE_HOST}\n",
        OWNER: f"{head}ns A {NODE_HOST}\n{node}",
    }


def data_of(folder: Path, origin: str, text: str) -> Path:
    """A data directory with a zone."""
    folder.mkdir()
    file, data = folder / "zone", folder / "data"
    file.write_text(f"$ORIGIN {origin}\n{text}")
    for words in (["init", "--suffix", ELSEWHERE], ["zone", "load", str(file)]):
        done = [*CSID, *words, "--data", str(data)]
        subprocess.run(done, check=True, capture_output=True, cwd=CHECKOUT)
    return data


@contextmanager
def running(words: Sequence[str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server, and its port."""
    process = subprocess.Popen(
        [*CSID, *words, "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        yield process, int(ready.split(",")[0].split()[2].rpartition(":")[2])
    finally:
        process.terminate()
        process.wait()


def asked(sock: socket.socket, some: Sequence[int]) -> dict[int, tuple[float, bool, bool]]:
    """Ask for all at once; when each was answered, whether with data, and whether as stale."""
    begun: dict[int, float] = {}
    found: dict[int, tuple[float, bool, bool]] = {}
    for at in some:
        begun[at] = time.perf_counter()
        sock.send(dns.message.make_query(name_of(at), "TXT", use_edns=0, id=at).to_wire())
    end = time.monotonic() + WAIT_SECONDS
    while len(found) < len(some) and time.monotonic() < end:
        octets = sock.recv(4_096)
        now = time.perf_counter()
        message = dns.message.from_wire(octets)
        stale = any(
            isinstance(one, dns.edns.EDEOption) and one.code == EDE_STALE for one in message.options
        )
        found[message.id] = (now - begun[message.id], bool(message.answer), stale)
    return found


def walks(sock: socket.socket, folder: Path) -> list[float]:
    """Milliseconds of answers to who asks a gateway that has just forgotten everything."""
    taken = []
    for at in range(WALKS):
        orders.forget(folder, names.ROOT)
        (seconds, is_there, _) = asked(sock, [at])[at]
        assert is_there
        taken.append(seconds * 1e3)
    return sorted(taken)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="csid-outage-", dir=options.work))
    popular = range(WALKS, WALKS + POPULAR)
    try:
        data = {
            origin: data_of(work / f"d{at}", origin, text)
            for at, (origin, text) in enumerate(zones().items())
        }
        folder = work / "gateway"
        with ExitStack() as stack:
            words = ["serve", "--data", str(data[SUFFIX]), "--listen", "127.0.0.1:0"]
            root, port = stack.enter_context(running(words))
            words = ["serve", "--data", str(data[OWNER]), "--listen", f"{NODE_HOST}:{port}"]
            node, _ = stack.enter_context(running(words))
            words = ["gateway", "--data", str(folder), "--root", f"127.0.0.1:{port}"]
            words += ["--listen", "127.0.0.1:0", "--suffix", SUFFIX]
            _, at = stack.enter_context(running(words))
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sock.connect(("127.0.0.1", at))
            sock.settimeout(WAIT_SECONDS)
            cold = walks(sock, folder)
            together = [range(one, one + AT_ONCE) for one in popular[::AT_ONCE]]
            for some in together:
                asked(sock, some)
            for process in (root, node):
                process.kill()
                process.wait()
            time.sleep(TTL + 1)
            gone = {}
            for some in together:
                gone |= asked(sock, some)
            again = {one: asked(sock, [one])[one] for one in popular}
    finally:
        shutil.rmtree(work)

    def share(of: dict[int, tuple[float, bool, bool]]) -> str:
        return f"{sum(there and stale for _, there, stale in of.values()) / POPULAR:.1%}"

    def times(of: dict[int, tuple[float, bool, bool]]) -> list[float]:
        return sorted(seconds * 1e3 for seconds, _, _ in of.values())

    rows = [
        ["cold walk root → node → answer", *_two(cold), ""],
        [f"authorities dead, {AT_ONCE} at once: first", *_two(times(gone)), share(gone)],
        ["then, one by one", *_two(times(again)), share(again)],
    ]
    heads = ["what", "p50 ms", "p99 ms", "answered, marked as stale"]
    Report("outage", {"walks": WALKS, "popular": POPULAR}).add("a gateway", heads, rows)


def _two(ordered: Sequence[float]) -> tuple[str, str]:
    return number(percentile(ordered, 50)), number(percentile(ordered, 99))


if __name__ == "__main__":
    main()
