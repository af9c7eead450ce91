"""Whole transfers of a zone, in: from the first octet to durable and visible, beside Knot as a
secondary of the same primary. What takes the zone is on core 0, the primary on core 1.

Run from the checkout: `python -m benchmarks.bench_intake [--names N] [--rounds N] [--keep]`. Ours
is the code of the sync process (`resolver/sync/transfer/fetch.py`) with a blocking connection in
place of its loop, from the connection on; Knot is measured from its start, which is quick without
zones. The primary is Knot; names out of order come from a file of messages, whose records were
shuffled.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import processes
from benchmarks.data import Data, build
from benchmarks.measure import LOADER_CORE, Figures, load, median_of
from benchmarks.names import SUFFIX
from benchmarks.peers import FIRST_PORT, Knot, Ours
from benchmarks.report import Report, mebibytes, number, ratio
from benchmarks.server import CHECKOUT, SERVER_CORE, PeerError

SECRET = bytes(range(32))
KEY = "transfer.bench."
HOST = "127.0.0.1"
PATIENCE = 120.0  # seconds for a transfer
SAMPLE_SECONDS = 0.05  # between two looks at the memory of a process
RECORDS_PER_MESSAGE = 150  # of those that come out of order
ME = (sys.executable, "-m", "benchmarks.bench_intake")


class Primary(Knot):
    """Knot that lets itself be transferred from, on the other core."""

    name = "knot-primary"

    def files(self) -> dict[str, str]:
        (text,) = super().files().values()
        secret = base64.b64encode(SECRET).decode()
        rights = (
            f"key:\n  - id: {KEY}\n    algorithm: hmac-sha256\n    secret: {secret}\n"
            f"acl:\n  - id: plain\n    address: {HOST}\n    action: transfer\n"
            f"  - id: signed\n    address: {HOST}\n    key: {KEY}\n    action: transfer\n"
        )
        text = text.replace("template:\n", f"{rights}template:\n")
        return {"knot.conf": text.replace("zone:\n", "    acl: [plain, signed]\nzone:\n")}

    def command(self) -> Sequence[str | Path]:
        return ["taskset", "-c", str(LOADER_CORE), *super().command()]


class Taking(Knot):
    """Knot that takes the zone from a port: as it comes, without a file or journal of it."""

    name = "knot-secondary"
    serves_zone = False  # it answers before the zone is there
    port_of_primary = 0

    def files(self) -> dict[str, str]:
        (text,) = super().files().values()
        remote = f"remote:\n  - id: primary\n    address: {HOST}@{self.port_of_primary}\n"
        text = text.replace("template:\n", f"{remote}template:\n").replace(
            "any: warning", "any: info"
        )
        text = text.replace("zonefile-load: whole", "zonefile-load: none")
        return {"knot.conf": re.sub(r'file: ".*"', "master: primary", text)}


def receive(directory: Path, port: int, signed: bool, again: bool) -> None:
    """Take the zone from a port of this machine into a data directory; in rounds if `again`."""
    from csid import names
    from resolver.store.environment import Store
    from resolver.sync.transfer.fetch import Fetch
    from resolver.sync.tsig import Key

    key = Key(names.from_text(KEY), "hmac-sha256", SECRET) if signed else None
    with (
        Store.open(directory, writable=True)
        if directory.exists()
        else Store.create(directory, "elsewhere.internal.", "0.BENCH")
    ) as store:
        while True:
            cpu, wall = time.process_time(), time.monotonic()
            origin = names.from_text(SUFFIX)
            fetch = Fetch(store, origin, key, int(time.time()), full=True)
            with socket.create_connection((HOST, port), PATIENCE) as connection:
                connection.sendall(len(fetch.request).to_bytes(2, "big") + fetch.request)
                with connection.makefile("rb", 1 << 16) as stream:
                    while True:
                        size = int.from_bytes(stream.read(2), "big")
                        message = stream.read(size)
                        if not size or len(message) < size:
                            raise PeerError("the connection ended before the transfer did")
                        if fetch.receive(message, int(time.time())):
                            break
            if not again:
                cpu, wall = time.process_time() - cpu, time.monotonic() - wall
                print(json.dumps({"cpu": cpu, "wall": wall}))
                return


def measured(words: Sequence[object], ended: Callable[[], bool] | None, log: Path) -> Figures:
    """Run a process on the server's core until it ends, or until something holds: its CPU and wall
    seconds, and the most memory of its own.
    """
    begin = time.monotonic()
    peak, cpu = 0, 0.0
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *map(str, words)],
            cwd=CHECKOUT,
            env={**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            while process.poll() is None:
                try:
                    peak = max(peak, processes.memory(process.pid).own)
                    cpu = processes.cpu_seconds([process.pid])
                except OSError:  # it has just ended
                    break
                if ended is not None and ended():
                    break
                if time.monotonic() - begin > PATIENCE:
                    raise PeerError(f"no transfer in {PATIENCE:.0f} s: {log.read_text()[-500:]}")
                time.sleep(SAMPLE_SECONDS)
            wall = time.monotonic() - begin
        finally:
            if ended is not None:
                process.terminate()
            code = process.wait()
    if ended is None and code:
        raise PeerError(f"the transfer failed: {log.read_text()[-500:]}")
    return {"cpu": cpu, "wall": wall, "own": peak}


def ours(data: Data, work: Path, port: int, signed: bool = False) -> Figures:
    """A transfer into a new data directory."""
    directory = work / "intake-data"
    shutil.rmtree(directory, ignore_errors=True)
    begun = [*ME, "--receive", directory, "--port", port, *(["--signed"] if signed else [])]
    try:
        log = work / "intake.log"
        figures = measured(begun, None, log)
        return {**figures, **json.loads(log.read_text())}
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def knot(data: Data, work: Path, port: int) -> Figures:
    """A transfer into Knot."""
    peer = Taking(data, work, FIRST_PORT + 72)
    peer.port_of_primary = port
    shutil.rmtree(peer.folder, ignore_errors=True)
    peer.prepare()
    log = work / "intake-knot.log"
    return measured(
        list(peer.command()), lambda: "AXFR, incoming" in (text := log.read_text())
        and "finished" in text and "serial none" in text, log
    )  # fmt: skip


def shuffled(data: Data, port: int) -> Path:
    """A file with the messages of the zone, its records in no order."""
    path = data.folder / "shuffled.axfr"
    if path.exists():
        return path
    from csid import names
    from resolver.sync.transfer.incoming import record

    origin = names.from_text(SUFFIX)
    request = bytes(5) + b"\1" + bytes(6) + origin + b"\0\xfc\0\1"
    records: list[bytes] = []
    with socket.create_connection((HOST, port), PATIENCE) as connection:
        connection.sendall(len(request).to_bytes(2, "big") + request)
        with connection.makefile("rb") as stream:
            while len(records) < 2 or records[-1] != records[0]:
                message = stream.read(int.from_bytes(stream.read(2), "big"))
                at = 12
                for _ in range(message[5]):
                    at = names.read_key(message, at)[1] + 4
                for _ in range(int.from_bytes(message[6:8], "big")):
                    owner, rrtype, rrclass, ttl, rdata, at = record(message, at)
                    head = b"".join(
                        part.to_bytes(size, "big")
                        for part, size in ((rrtype, 2), (rrclass, 2), (ttl, 4), (len(rdata), 2))
                    )
                    records.append(names.wire_of_key(owner) + head + rdata)
    soa, *rest = records[:-1]
    random.Random(1).shuffle(rest)
    records = [soa, *rest, soa]
    with path.with_suffix(".part").open("wb") as file:
        for start in range(0, len(records), RECORDS_PER_MESSAGE):
            part = records[start : start + RECORDS_PER_MESSAGE]
            head = b"\0\0\x84\0\0\1" + len(part).to_bytes(2, "big") + bytes(4)
            message = head + request[12:] + b"".join(part)
            file.write(len(message).to_bytes(2, "big") + message)
    return path.with_suffix(".part").rename(path)


@contextmanager
def feeding(path: Path) -> Iterator[int]:
    """A server that answers every request with the messages of a file; its port."""
    content = path.read_bytes()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                identity = stream.read(int.from_bytes(stream.read(2), "big"))[:2]
                at = 0
                parts = []
                while at < len(content):
                    size = int.from_bytes(content[at : at + 2], "big")
                    parts += [content[at : at + 2], identity, content[at + 4 : at + 2 + size]]
                    at += 2 + size
                try:
                    connection.sendall(b"".join(parts))
                except OSError:
                    continue

    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


class Followed(Ours):
    """Our server over a data directory that a transfer writes to meanwhile."""

    name = "ours-followed"

    @property
    def directory(self) -> Path:
        return self.folder.parent / f"followed-data-{self.data.folder.name}"

    @property
    def pids(self) -> list[int]:
        """The worker: others of its processes are still starting while it answers."""
        return [
            pid
            for pid in super().pids
            if b"resolver.server.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]


def busy(data: Data, work: Path, port: int, seconds: float) -> dict[str, list[Figures]]:
    """Hits, without and during whole transfers of the zone that is asked for; without them before
    and afterwards, as the other core is not busy with the same in both.
    """
    server = Followed(data, work, FIRST_PORT + 73)
    server.prepare()
    with server.started():
        load(server, "hits", seconds)  # the file is mapped
        quiet = [load(server, "hits", seconds)]
        words = [*ME, "--receive", server.directory, "--port", port, "--again"]
        process = subprocess.Popen(
            ["taskset", "-c", str(LOADER_CORE), *map(str, words)], cwd=CHECKOUT
        )
        try:
            time.sleep(1.0)
            during = load(server, "hits", seconds)
            if process.poll() is not None:
                raise PeerError("the transfer ended early")
        finally:
            process.terminate()
            process.wait()
        quiet.append(load(server, "hits", seconds))
    shutil.rmtree(server.directory, ignore_errors=True)
    return {"quiet": quiet, "during transfers": [during]}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of load during a transfer")
    parser.add_argument("--work", type=Path, default=cache / "csid-bench")
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    parser.add_argument("--receive", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--signed", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--again", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.receive is not None:
        receive(options.receive, options.port, options.signed, options.again)
        return
    work = options.work.resolve()
    data = build(work, options.names)
    report = Report("intake", {"names": options.names, "rounds": options.rounds})
    primary = Primary(data, work, FIRST_PORT + 71)
    primary.prepare()
    runs: dict[str, list[Figures]] = {}
    answers: dict[str, list[Figures]] = {}
    with primary.started(), feeding(shuffled(data, primary.port)) as feeder:
        ways: dict[str, Callable[[], Figures]] = {
            "knot": lambda: knot(data, work, primary.port),
            "ours": lambda: ours(data, work, primary.port),
            "ours, signed": lambda: ours(data, work, primary.port, signed=True),
            "ours, out of order": lambda: ours(data, work, feeder),
        }
        for _ in range(options.rounds):
            for name, way in ways.items():
                runs.setdefault(name, []).append(way())
            for name, figures in busy(data, work, primary.port, options.seconds).items():
                answers.setdefault(name, []).extend(figures)
    report.raw |= {"transfers": runs, "answers": answers}
    base = {part: median_of(runs["knot"], part) for part in ("cpu", "wall")}
    rows = []
    for name, made in runs.items():
        cpu, wall = median_of(made, "cpu"), median_of(made, "wall")
        own = mebibytes(int(median_of(made, "own") or 0))
        rows.append(
            [
                name,
                number(cpu),
                ratio(cpu, base["cpu"]),
                number(wall),
                ratio(wall, base["wall"]),
                own,
            ]
        )
    heads = ["", "CPU s", "× Knot", "wall s", "× Knot", "own MiB"]
    report.add("A whole zone comes in", heads, rows)
    quiet = median_of(answers["quiet"], "server_cpu_us")
    rows = [
        [name, number(cpu), ratio(cpu, quiet), str(sum(run["lost"] for run in made))]
        for name, made in answers.items()
        for cpu in [median_of(made, "server_cpu_us")]
    ]
    report.add("Hits meanwhile", ["", "CPU µs/query of a worker", "× quiet", "lost"], rows)
    if options.keep:
        report.write()


if __name__ == "__main__":
    main()
