"""Single durable assignments by many clients, against bare LMDB commits on the same disk.

Run from the checkout: `python -m benchmarks.bench_assign [--seconds N] [--work DIR] [--keep]`.
Slices take turns, since a disk's rate changes within minutes: bare synced commits of one put, by
one client (LMDB has one writer); then assignments through all rules, journal and audit log, each
acknowledged when it is on disk, by 1 client, by 16 threads that share a writer, and by 16 processes
that share nothing but the directory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from threading import Thread

import lmdb

from benchmarks.bench_import import ADMINISTRATOR, accredit, csid, owner_codes
from benchmarks.report import Report, number
from benchmarks.server import CHECKOUT
from csid.identifier import make
from csid.record import Record
from registry.rules.requests import Assign, Request
from registry.rules.serials import text
from registry.service import Registry

CLIENTS = 16
ROUNDS = 8
VALUE = b"x" * 200  # octets of a bare put: about those of an assignment's row
RECORD = Record({"state": "active", "endpoints": ["https://a.cloud.example:8443"], "vcpu": 8})


def requests(client: str) -> Callable[[], Request]:
    """Requests for codes that nobody else asks for."""
    owner = owner_codes()[0]
    numbers = count()

    def following() -> Request:
        serial = client + text(next(numbers), 6)
        code = make(owner, "6450", "330106", "GCV", "G15M05X6", serial)
        return Request(ADMINISTRATOR, Assign(code, RECORD))

    return following


def bare(environment: lmdb.Environment, seconds: float) -> float:
    """Synced commits of one put, a second."""
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        with environment.begin(write=True) as txn:
            txn.put(time.perf_counter_ns().to_bytes(8, "big"), VALUE)
        done += 1
    return done / (time.perf_counter() - started)


def threads(registry: Registry, clients: Sequence[Callable[[], Request]], seconds: float) -> float:
    """Assignments a second of clients that are threads of one process."""
    end = time.perf_counter() + seconds
    done = [0] * len(clients)

    def client(place: int) -> None:
        following = clients[place]
        while time.perf_counter() < end:
            decision = registry.submit(following())
            assert decision.status.success, decision.detail
            done[place] += 1

    started = time.perf_counter()
    running = [Thread(target=client, args=(place,)) for place in range(len(clients))]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(done) / (time.perf_counter() - started)


def processes(data: Path, seconds: float, round_: int) -> float:
    """Assignments a second of clients that are processes."""
    words = [sys.executable, "-m", "benchmarks.bench_assign", "--data", str(data)]
    running = [
        subprocess.Popen(
            [*words, "--seconds", str(seconds), "--client", f"{round_}{client:02d}"],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for client in range(CLIENTS)
    ]
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()  # it is ready
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in running)


def client_process(data: Path, name: str, seconds: float) -> None:
    """One client of `processes`: waits for a line, then prints its rate."""
    with Registry.open(data, writable=True) as registry:
        print("ready", flush=True)
        sys.stdin.readline()
        print(threads(registry, [requests("P" + name)], seconds), flush=True)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="of each slice")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--work", type=Path, default=cache / "csid-bench")
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--client", default="", help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.client:
        client_process(options.data, options.client, options.seconds)
        return
    report = Report("assign", {"clients": CLIENTS, "rounds": ROUNDS, "seconds": options.seconds})
    folder = options.work / "assign"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    data = folder / "data"
    csid("init", "--data", data)
    environment = lmdb.open(str(folder / "bare"), map_size=1 << 30)
    rates: dict[str, list[float]] = {}
    clients = [requests(f"T{client:02d}") for client in range(CLIENTS)]
    for round_ in range(ROUNDS):
        seconds = options.seconds
        rates.setdefault("bare LMDB, 1 client", []).append(bare(environment, seconds))
        with Registry.open(data, writable=True) as registry:
            if not round_:
                accredit(registry)
            for size, name in ((1, "1 client"), (CLIENTS, f"{CLIENTS} threads")):
                rates.setdefault(name, []).append(threads(registry, clients[:size], seconds))
        rates.setdefault(f"{CLIENTS} processes", []).append(processes(data, seconds, round_))
    environment.close()
    with Registry.open(data) as registry:
        assert registry.verify().agrees
    shutil.rmtree(folder)
    report.raw = dict(rates)
    base = rates["bare LMDB, 1 client"]
    made = [
        [
            name,
            number(median(each), 0),
            number(min(each), 0),
            number(max(each), 0),
            number(median(one / other for one, other in zip(each, base, strict=True))),
        ]
        for name, each in rates.items()
    ]
    heads = ("clients", "commits or assignments/s", "least", "most", "against bare, same round")
    report.add("durable assignments, medians of the rounds", heads, made)
    if options.keep:
        report.write()


if __name__ == "__main__":
    main()
