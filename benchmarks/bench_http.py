"""Registrations over HTTPS by one client, on a connection that stays open: singly, in batches; and
singly by eight connections at once.

Run from the checkout: `python -m benchmarks.bench_http [--seconds N] [--rounds N] [--keep]`.
Each is durable when it is answered. They take turns; requests are made before their slice begins.
With the CPU time that this client and the processes of the interface and of the writer took for
one. What no interface could do without, in the same rounds: the same client and a server that
answers over TLS whatever it is sent; and a commit of LMDB with one row, synced.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import lmdb
import uvloop

from benchmarks.bench_import import accredit, csid, owner_codes
from benchmarks.processes import cpu_seconds, family
from benchmarks.report import Report, number
from benchmarks.server import CHECKOUT
from csid.identifier import make
from gateway.http.connections import context_of
from gateway.http.writing import BATCH_MAX
from registry.rules.serials import text
from registry.service import Registry

ROUNDS = 5
SINGLE, BATCHES = "singly", f"batches of {BATCH_MAX:,}"
AT_ONCE = "singly, 8 connections"
ECHO, COMMIT = "floor: a bare TLS echo", "floor: a bare synced commit"
CONNECTIONS = 8
MODULES = {"interface": b"gateway.http.process", "writer": b"gateway.writing"}
RECORD = {"state": "active", "endpoints": ["https://a.cloud.example:8443"], "vcpu": 8}
MADE_BEFORE = {SINGLE: 4_000, BATCHES: 40, ECHO: 10_000, AT_ONCE: 1_000}  # bodies for a second


class Slice(NamedTuple):
    """What one slice came to: registrations a second, CPU µs of one."""

    rate: float
    client_us: float
    interface_us: float = 0.0
    writer_us: float = 0.0


class Address(NamedTuple):
    """Who serves, and where."""

    host: str
    port: int
    pids: dict[str, int]
    folder: Path  # of the certificate

    def connect(self) -> http.client.HTTPSConnection:
        """A connection, made when it is first needed."""
        context = ssl.create_default_context(cafile=str(self.folder / "cert.pem"))
        return http.client.HTTPSConnection(self.host, self.port, context=context)


def registrations() -> Iterator[dict[str, object]]:
    """Registrations of codes that nobody else asks for."""
    owner = owner_codes()[0]
    for one in count():
        code = make(owner, "6450", "330106", "GCV", "G15M05X6", text(one, 8))
        yield {"identifier": str(code), "record": RECORD}


@contextmanager
def offered(data: Path, folder: Path) -> Iterator[Address]:
    """A running node with its interface."""
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += [
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=bench",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    words += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(words, check=True, capture_output=True)
    lines = ['listen = "127.0.0.1:0"', "per-second = 1_000_000"]
    lines += [f'tls-cert = "{folder}/cert.pem"', f'tls-key = "{folder}/key.pem"']
    (folder / "csid.toml").write_text("\n".join(["[http]", *lines]))
    words = [sys.executable, "-m", "gateway.cli", "serve", "--data", str(data), "--workers", "1"]
    words += ["--listen", "127.0.0.1:0", "--config", str(folder / "csid.toml")]
    with subprocess.Popen(words, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        ready = serving.stdout.readline()
        host, _, port = ready.partition(" http ")[2].partition(",")[0].rpartition(":")
        yield Address(host, int(port), found_in(serving.pid), folder)
        serving.terminate()


def found_in(server: int) -> dict[str, int]:
    """The processes that registrations go through, by what they are."""
    found: dict[str, int] = {}
    until = time.monotonic() + 10
    while len(found) < len(MODULES) and time.monotonic() < until:
        for pid in family(server):
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            found |= {name: pid for name, module in MODULES.items() if module in line}
    return {name: found[name] for name in MODULES}  # in the order of the columns


def slice_of(
    connection: http.client.HTTPSConnection,
    token: str,
    kind: str,
    some: Iterator[dict[str, object]],
    seconds: float,
    pids: Mapping[str, int],
) -> Slice:
    """What a slice comes to."""
    path, size = ("/v1/batches", BATCH_MAX) if kind == BATCHES else ("/v1/identifiers", 1)
    bodies = []
    for _ in range(int(MADE_BEFORE[kind] * seconds)):
        items = [next(some) for _ in range(size)]
        given = items[0] if size == 1 else {"items": [{"op": "assign", **one} for one in items]}
        bodies.append(json.dumps(given).encode())
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    before = [cpu_seconds([pid]) for pid in pids.values()]
    own = time.thread_time()
    done, started = 0, time.perf_counter()
    for body in bodies:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status in (200, 201), said
        assert size == 1 or b"urn:" not in said, said[:500]
        done += size
        if time.perf_counter() - started >= seconds:
            break
    rate = done / (time.perf_counter() - started)
    spent = [cpu_seconds([pid]) - one for pid, one in zip(pids.values(), before, strict=True)]
    own = time.thread_time() - own
    return Slice(rate, *(one / done * 1e6 for one in (own, *spent)))


def at_once(
    address: Address, token: str, some: Iterator[dict[str, object]], seconds: float
) -> Slice:
    """The same by many connections."""
    count_each = int(MADE_BEFORE[AT_ONCE] * seconds)
    given = [[next(some) for _ in range(count_each)] for _ in range(CONNECTIONS)]

    def one(mine: list[dict[str, object]]) -> Slice:
        return slice_of(address.connect(), token, AT_ONCE, iter(mine), seconds, {})

    before, own = [cpu_seconds([pid]) for pid in address.pids.values()], time.process_time()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        rate = sum(found.rate for found in pool.map(one, given))
    spent = [cpu_seconds([pid]) for pid in address.pids.values()]
    done = rate * seconds
    took = [after - first for after, first in zip(spent, before, strict=True)]
    return Slice(rate, *(one / done * 1e6 for one in (time.process_time() - own, *took)))


class Echo(asyncio.Protocol):
    """Answers what is sent, as soon as a whole body may have come."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"}"):
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            self._transport.write(head + b"content-length: 2\r\n\r\n{}")


async def echo(folder: Path) -> None:
    """Serve as `Echo`; says its port."""
    context = context_of(folder / "cert.pem", folder / "key.pem", None)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def echoing(folder: Path) -> Iterator[Address]:
    """A running echo."""
    words = [sys.executable, "-m", "benchmarks.bench_http", "--echo", str(folder)]
    with subprocess.Popen(words, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        port = int(serving.stdout.readline())
        yield Address("127.0.0.1", port, {"interface": serving.pid}, folder)
        serving.terminate()


def commits(folder: Path, seconds: float) -> Slice:
    """What synced commits of one row come to; their CPU time is a writer's."""
    environment = lmdb.open(str(folder / "bare"), map_size=1 << 28)
    done, own, started = 0, time.thread_time(), time.perf_counter()
    while time.perf_counter() - started < seconds:
        with environment.begin(write=True) as txn:
            txn.put(done.to_bytes(8, "big"), bytes(100))
        done += 1
    rate, own = done / (time.perf_counter() - started), time.thread_time() - own
    environment.close()
    shutil.rmtree(folder / "bare")
    return Slice(rate, 0, 0, own / done * 1e6)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each slice")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--work", type=Path, default=cache / "csid-bench")
    parser.add_argument("--echo", type=Path, help=argparse.SUPPRESS)  # as a process of its own
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    options = parser.parse_args(words)
    if options.echo is not None:
        uvloop.run(echo(options.echo))
        return
    report = Report("http", {"rounds": options.rounds, "seconds": options.seconds})
    folder = options.work / "http"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    data = folder / "data"
    csid("init", "--data", data)
    with Registry.alone(data) as registry:
        accredit(registry)
    add = [sys.executable, "-m", "gateway.cli", "token", "add", "bench"]
    add += ["--role", "administrator", "--data", str(data)]
    token = subprocess.run(add, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    some = registrations()
    kinds = (SINGLE, BATCHES, AT_ONCE, ECHO, COMMIT)
    rates: dict[str, list[Slice]] = {kind: [] for kind in kinds}
    with offered(data, folder) as node, echoing(folder) as bare:
        for _ in range(options.rounds):
            for kind, found in rates.items():
                if kind == COMMIT:
                    found.append(commits(folder, options.seconds))
                elif kind == AT_ONCE:
                    found.append(at_once(node, token.strip(), some, options.seconds))
                else:
                    to = bare if kind == ECHO else node
                    asked = (token.strip(), kind, some, options.seconds, to.pids)
                    found.append(slice_of(to.connect(), *asked))
    shutil.rmtree(folder)
    report.raw = {kind: [one._asdict() for one in found] for kind, found in rates.items()}
    rows = [
        [
            kind,
            *(number(of(one.rate for one in found), 0) for of in (median, min, max)),
            *(number(median(column), 0) for column in list(zip(*found, strict=True))[1:]),
        ]
        for kind, found in rates.items()
    ]
    heads = (
        "registrations",
        "a second, median",
        "least",
        "most",
        "CPU µs of the client",
        "CPU µs of the interface",
        "CPU µs of the writer",
    )
    report.add("registrations over HTTPS, one client", heads, rows)
    if options.keep:
        report.write()


if __name__ == "__main__":
    main()
