"""Selection over HTTP with a million pools: start, memory, answers to eight clients.

    python -m benchmarks.bench_select_http [--rows 1000000] [--seconds 20] [--keep]

The process of `csid system run selection` has one core, the clients the other. Its
folder is filled as a process leaves it: rows, and the columns in a file. Clients ask one demand
after the other on a connection each; figures are CPU of the process and the times that the clients
wait.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np

from benchmarks import supplies
from benchmarks.measure import LOADER_CORE
from benchmarks.report import Report, number
from benchmarks.server import SERVER_CORE
from csid.record import encode
from gateway.systems.contract import TABLES_OCTETS
from gateway.systems.selection import kept, rows, snapshot
from gateway.systems.selection.rows import Change, Rows
from gateway.systems.selection.state import SNAPSHOT
from gateway.systems.selection.supply import Supply
from resolver.tables import Tables

CLIENTS = 8
BATCH = 10_000
REGISTRY = "http://127.0.0.1:9"  # which has said all of it, and says nothing now
HEADERS = {"Content-Type": "application/json"}
_HZ = os.sysconf("SC_CLK_TCK")


def fill(folder: Path, count: int) -> None:
    """A folder as a process leaves it that has followed a registry with so many pools."""
    supply = Supply()
    tables = Tables(folder / "tables.mdb", (*rows.TABLES, kept.TABLE), TABLES_OCTETS, lasting=True)
    book = Rows(tables)
    given = supplies.rows(count)
    while batch := list(islice(given, BATCH)):
        book.apply(REGISTRY, [Change(one.identifier, encode(one.record)) for one in batch])
        for one in batch:
            supply.put(one.identifier, one.record)
            if one.status is not None:
                supply.status(one.identifier, one.status)
    supply.tidy()
    number = book.number()
    snapshot.write(supply, folder / SNAPSHOT, str(number))
    book.let_go(number)
    tables.close()


def ask(port: int, bodies: list[bytes], seconds: float, told: Connection) -> None:
    """One client, until the time is over; tells how long it has waited each time."""
    os.sched_setaffinity(0, {LOADER_CORE})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    waited, at = [], 0
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        begun = time.perf_counter()
        path = "/v1/select?explain=false"
        connection.request("POST", path, bodies[at % len(bodies)], HEADERS)
        answer = connection.getresponse()
        octets = answer.read()
        waited.append(time.perf_counter() - begun)
        if answer.status != 200:
            sys.exit(f"{answer.status}: {octets[:300]!r}")
        at += 1
    told.send(waited)


def child_of(pid: int) -> int:
    """The process below the supervisor."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return int(text.split()[0])


def cpu(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _HZ


def memory_mib(pid: int) -> tuple[float, float]:
    """Its own memory; and its share of the pages of files, which the kernel takes back at need."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]
    sizes = {name: int(rest.split()[0]) for name, _, rest in (one.partition(":") for one in lines)}
    return sizes["Pss_Anon"] / 1024, sizes["Pss_File"] / 1024


def measure(folder: Path, seconds: float) -> dict[str, Any]:
    """Start it, ask it, end it."""
    config = folder / "csid.toml"
    config.write_text(f'[selection]\nregistry = ["{REGISTRY}"]\n', encoding="utf-8")
    words = [sys.executable, "-m", "gateway.cli", "system", "run", "selection"]
    words += ["--data", str(folder), "--listen", "127.0.0.1:0", "--config", str(config)]
    words = ["taskset", "-c", str(SERVER_CORE), *words]
    begun = time.perf_counter()
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        ready = server.stdout.readline()
        port = int(ready.split(",")[0].rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/v1/select", b'{"top": 10}', HEADERS)
        whole = json.loads(connection.getresponse().read())
        first = time.perf_counter() - begun
        pid = child_of(server.pid)
        locations = [one["identifier"].split("/")[2] for one in whole["results"]]
        demands = list(supplies.demands(2_000, locations * 50))
        bodies = [msgspec.json.encode(one) for one in demands]
        waited: list[float] = []
        for warming in (True, False):
            clients = []
            before, started = cpu(pid), time.perf_counter()
            for number in range(CLIENTS):
                ours, theirs = multiprocessing.Pipe(duplex=False)
                lot = bodies[number::CLIENTS]
                args = (port, lot, 3.0 if warming else seconds, theirs)
                client = multiprocessing.Process(target=ask, args=args)
                client.start()
                clients.append((client, ours))
            waited = [one for _, ours in clients for one in ours.recv()]
            spent, took = cpu(pid) - before, time.perf_counter() - started
            for client, _ in clients:
                client.join()
        own, files = memory_mib(pid)
        return {
            "supply": whole["supply"],
            "start to first answer, s": first,
            "answers/s": len(waited) / took,
            "CPU ms an answer": spent * 1e3 / len(waited),
            "waited p50, ms": float(np.percentile(waited, 50)) * 1e3,
            "waited p99, ms": float(np.percentile(waited, 99)) * 1e3,
            "own memory, MiB": own,
            "pages of files, MiB": files,
        }
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    parser.add_argument("--folder", type=Path, help="kept here, and taken from here next time")
    args = parser.parse_args()
    with TemporaryDirectory() as made:
        folder = args.folder or Path(made)
        if not (folder / "selection" / SNAPSHOT).exists():
            fill(folder / "selection", args.rows)
        figures = measure(folder, args.seconds)
    report = Report("select-http", {"rows": args.rows, "clients": CLIENTS, "seconds": args.seconds})
    report.raw |= figures
    rows = [[name, number(figure)] for name, figure in figures.items()]
    report.add(f"Selection over HTTP, {CLIENTS} clients, one core", ["", ""], rows)
    if args.keep:
        report.write()


if __name__ == "__main__":
    main()
