"""Single durable assignments by many clients, against bare LMDB commits on the same disk.

Run from the checkout: `python -m benchmarks.bench_assign [--seconds N] [--work DIR] [--keep]`.
Slices take turns, since a disk's rate changes within minutes: bare synced commits of one put, by
one client (LMDB has one writer); then assignments through all rules, journal and audit log, each
acknowledged when it is on disk. Without a node: by 1 client, by 16 threads that share a writer, and
by 16 processes that share nothing but the directory. Through the writer of a running node: by 16
processes, each with one in flight, and with 16; with the CPU time that the writer took.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from threading import Thread
from typing import NamedTuple

import lmdb

from benchmarks.bench_import import ADMINISTRATOR, accredit, csid, owner_codes
from benchmarks.processes import cpu_seconds, family
from benchmarks.report import Report, number
from benchmarks.server import CHECKOUT
from csid.identifier import make
from csid.record import Record
from registry.rules.requests import Assign, Request
from registry.rules.serials import text
from registry.service import Registry
from registry.writer.client import Pending, connected

CLIENTS = 16
ROUNDS = 8
MADE_BEFORE = 4_000  # requests for a second, made before it begins
BARE = "bare LMDB, 1 client"
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


class Slice(NamedTuple):
    """What one slice came to: a second, ms from asking to knowing, CPU µs of the writer."""

    rate: float
    median_ms: float
    late_ms: float  # 99 of 100 are not later
    cpu_us: float


def slice_of(rate: float, waits: list[float], cpu: float = 0.0) -> Slice:
    """From the seconds of each."""
    waits.sort()
    return Slice(rate, waits[len(waits) // 2] * 1e3, waits[len(waits) * 99 // 100] * 1e3, cpu * 1e6)


def threads(registry: Registry, clients: Sequence[Callable[[], Request]], seconds: float) -> Slice:
    """Assignments of clients that are threads of one process."""
    end = time.perf_counter() + seconds
    waits: list[list[float]] = [[] for _ in clients]

    def client(place: int) -> None:
        following = clients[place]
        while (begun := time.perf_counter()) < end:
            decision = registry.submit(following())
            assert decision.status.success, decision.detail
            waits[place].append(time.perf_counter() - begun)

    started = time.perf_counter()
    running = [Thread(target=client, args=(place,)) for place in range(len(clients))]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    every = [one for mine in waits for one in mine]
    return slice_of(len(every) / (time.perf_counter() - started), every)


def processes(data: Path, seconds: float, name: str, in_flight: int, writer: int = 0) -> Slice:
    """Assignments of clients that are processes.

    Args:
        in_flight: asked by each before the first is answered; 0 is without a node.
        writer: the process whose CPU time counts.
    """
    words = [sys.executable, "-m", "benchmarks.bench_assign", "--data", str(data)]
    words += ["--seconds", str(seconds), "--in-flight", str(in_flight)]
    running = [
        subprocess.Popen(
            [*words, "--client", f"{name}{client:02d}"],
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
    before = cpu_seconds([writer]) if writer else 0.0
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [json.loads(process.communicate()[0]) for process in running]
    cpu = cpu_seconds([writer]) - before if writer else 0.0
    every = [one for _, waits in said for one in waits]
    return slice_of(sum(rate for rate, _ in said), every, cpu / len(every))


def client_process(data: Path, name: str, seconds: float, in_flight: int) -> None:
    """One client of `processes`: waits for a line, then prints its rate and how long each took."""
    following = requests(name)
    if not in_flight:
        with Registry.alone(data) as registry:
            print("ready", flush=True)
            sys.stdin.readline()
            done = threads(registry, [following], seconds)
            print(json.dumps((done.rate, [done.median_ms / 1e3])), flush=True)
        return
    writer = connected(data)
    assert writer is not None, "no node runs"
    made = deque(following() for _ in range(int(seconds * MADE_BEFORE)))
    print("ready", flush=True)
    sys.stdin.readline()
    asked: deque[tuple[float, Pending]] = deque()
    waits: list[float] = []
    started = time.perf_counter()
    while time.perf_counter() - started < seconds or asked:
        while len(asked) < in_flight and time.perf_counter() - started < seconds:
            request = made.popleft() if made else following()
            asked.append((time.perf_counter(), writer.ask([request])))
        begun, pending = asked.popleft()
        assert writer.decisions(pending)[0].status.success
        waits.append(time.perf_counter() - begun)
    rate = len(waits) / (time.perf_counter() - started)
    writer.close()
    print(json.dumps((rate, waits)), flush=True)


@contextmanager
def node(data: Path) -> Iterator[int]:
    """A running node; gives the process id of its writer."""
    words = [sys.executable, "-m", "gateway.cli", "serve", "--data", str(data)]
    words += ["--listen", "127.0.0.1:0", "--workers", "1"]
    with subprocess.Popen(words, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        serving.stdout.readline()  # it is ready
        module = b"gateway.writing"
        pids = family(serving.pid)
        (writer,) = (p for p in pids if module in Path(f"/proc/{p}/cmdline").read_bytes())
        yield writer
        serving.terminate()


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="of each slice")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--work", type=Path, default=cache / "csid-bench")
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--client", default="", help=argparse.SUPPRESS)
    parser.add_argument("--in-flight", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.client:
        client_process(options.data, options.client, options.seconds, options.in_flight)
        return
    settings = {"clients": CLIENTS, "rounds": options.rounds, "seconds": options.seconds}
    report = Report("assign", settings)
    folder = options.work / "assign"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    slices = measured(folder, options.rounds, options.seconds)
    shutil.rmtree(folder)
    report.raw = {name: [one._asdict() for one in each] for name, each in slices.items()}
    base = [one.rate for one in slices[BARE]]
    made = [
        [
            name,
            number(median(one.rate for one in each), 0),
            number(min(one.rate for one in each), 0),
            number(max(one.rate for one in each), 0),
            number(median(one.rate / other for one, other in zip(each, base, strict=True))),
            *(number(median(column)) for column in list(zip(*each, strict=True))[1:]),
        ]
        for name, each in slices.items()
    ]
    heads = (
        "clients",
        "commits or assignments/s",
        "least",
        "most",
        "against bare, same round",
        "ms, median",
        "ms, 99 of 100",
        "CPU µs of the node's writer",
    )
    report.add("durable assignments, medians of the rounds", heads, made)
    if options.keep:
        report.write()


def measured(folder: Path, rounds: int, seconds: float) -> dict[str, list[Slice]]:
    """The slices of all rounds, by what was measured."""
    data = folder / "data"
    csid("init", "--data", data)
    with Registry.alone(data) as registry:
        accredit(registry)
    environment = lmdb.open(str(folder / "bare"), map_size=1 << 30)
    slices: dict[str, list[Slice]] = {}
    clients = [requests(f"T{client:02d}") for client in range(CLIENTS)]
    for round_ in range(rounds):

        def take(name: str, found: Slice) -> None:
            slices.setdefault(name, []).append(found)

        take(BARE, Slice(bare(environment, seconds), 0, 0, 0))
        with Registry.alone(data) as registry:
            for size, name in ((1, "no node, 1 client"), (CLIENTS, f"no node, {CLIENTS} threads")):
                take(name, threads(registry, clients[:size], seconds))
        take(f"no node, {CLIENTS} processes", processes(data, seconds, f"P{round_}", 0))
        with node(data) as writer:
            for in_flight in (1, 16):
                name = f"node, {CLIENTS} processes, {in_flight} in flight"
                mark = f"{'RS'[in_flight > 1]}{round_}"
                take(name, processes(data, seconds, mark, in_flight, writer))
    environment.close()
    with Registry.open(data) as registry:
        assert not registry.verify().faults
    return slices


if __name__ == "__main__":
    main()
