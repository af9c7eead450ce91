"""A gateway over HTTP: identifiers that are in its cache, singly and in batches of 10,000.

Run from the checkout: `python -m benchmarks.bench_gateway_http [--seconds N] [--rounds N]`.
Kinds of calls take turns, against one process each, which finds all in its cache; what counts is
its CPU time a call or an identifier, and what one core does in a second by that. `few` are
identifiers whose answers are all remembered ready, 1,000 singly and 10,000 in batches; `many` are
200,000, more than are remembered. With what nothing could do without, in the same rounds: the same
server that says the same to every call.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

import msgpack
import uvloop
from uvicorn.config import Config
from uvicorn.server import ServerState

from benchmarks.processes import cpu_seconds
from benchmarks.report import Report, number
from benchmarks.server import CHECKOUT
from csid import names, scheme
from csid.identifier import make, parse
from csid.protocol import CSID, SOA
from csid.record import Record, encode
from gateway.http.connections import Places
from gateway.resolving.app import Application, Ready
from gateway.resolving.batches import BATCH_MAX
from gateway.resolving.connections import Connection
from registry.rules.serials import text
from resolver.cache import entry as entries
from resolver.cache.source import key_of_question
from resolver.cache.store import Cache
from resolver.server.notices import Repeated
from resolver.server.recursive.folder import cache_in, prepare

ROUNDS = 5
CONNECTIONS = 32
SINGLES, FEW, MANY = 1_000, BATCH_MAX, 20 * BATCH_MAX
CACHE_OCTETS = 1 << 30
TTL = 80_000  # seconds: of as many digits from beginning to end
OWNER = "91330106673959654P"
RECORD = {
    "state": "active",
    "name": "杭州一号池",
    "chip": "昇腾 910B",
    "count": 8,
    "chip_memory_gib": 64,
    "vcpu": 192,
    "memory_gib": 1536,
    "gflops": {"H": 2560000},
    "price": "12.50",
    "currency": "CNY",
    "price_unit": "hour",
}


class Kind(NamedTuple):
    """A kind of calls."""

    name: str
    process: str  # which one is asked
    connections: int
    calls: list[bytes]  # that each connection makes in turn
    items: int  # of one call


class Slice(NamedTuple):
    """What one slice came to."""

    rate: float  # calls, or identifiers, a second
    cpu_us: float  # of the process, for one
    p99_ms: float


def codes(count: int) -> list[str]:
    """Identifiers."""
    return [
        str(make(OWNER, "6450", "330106", "GCV", "G15M05X6", text(one, 8))) for one in range(count)
    ]


def fill(folder: Path, some: Sequence[str]) -> None:
    """A cache that has them all."""
    prepare(folder, CACHE_OCTETS)
    cache = Cache(cache_in(folder), CACHE_OCTETS)
    now = int(time.time())
    suffix = names.from_text(scheme.load().dns_suffix)
    head = b"\xc0\x0c" + CSID.to_bytes(2, "big") + b"\0\1" + TTL.to_bytes(4, "big")

    def entry(number: int) -> bytes:
        endpoint = f"https://a{number}.cloud.example:8443"
        packed = encode(Record({**RECORD, "endpoints": [endpoint]}))
        record = head + len(packed).to_bytes(2, "big") + packed
        return entries.encode(0, -1, TTL, now, entries.Section(record, 1))

    wires = [parse(one).to_wire(suffix) for one in some]
    keys = [key_of_question(names.key_of(wire), CSID) for wire in wires]
    for at in range(0, len(keys), 10_000):
        cache.put([(key, entry(at + n)) for n, key in enumerate(keys[at : at + 10_000])])
    # Their zone, as the name above them all has it.
    data = suffix + suffix + bytes(16) + TTL.to_bytes(4, "big")
    soa = suffix + b"\0\6\0\1" + TTL.to_bytes(4, "big") + len(data).to_bytes(2, "big") + data
    above = names.key_of(wires[0][1 + wires[0][0] :])
    nothing = entries.encode(0, -1, TTL, now, authority=entries.Section(soa, 1))
    cache.put([(key_of_question(above, SOA), nothing)])
    cache.close()


@contextmanager
def running(folder: Path, *words: str, pure: bool = False) -> Iterator[tuple[int, int]]:
    """A process that answers over HTTP: its id, and its port. Nobody else is asked."""
    with ExitStack() as opened:
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        asker = socket.socketpair()
        listener = socket.create_server(("127.0.0.1", 0))
        for sock in (*pair, *asker, listener):
            opened.callback(sock.close)
        read, write = os.pipe()
        command = [sys.executable, "-m", "gateway.resolving.process", "--data", str(folder)]
        command += ["--allow", "127.0.0.0/8"]
        command += ["--pair-fd", str(pair[0].fileno()), "--ready-fd", str(write)]
        command += ["--fd", str(asker[0].fileno()), "--fd", str(listener.fileno()), *words]
        fds = [pair[0].fileno(), asker[0].fileno(), listener.fileno(), write]
        environment = {**os.environ, **({"CSID_PURE": "1"} if pure else {})}
        process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, pass_fds=fds)
        opened.callback(process.wait)
        opened.callback(process.terminate)
        os.close(write)
        with os.fdopen(read, "rb") as ready:
            assert ready.read(1) == b"+"
        yield process.pid, int(listener.getsockname()[1])


class Caller(asyncio.Protocol):
    """Makes its calls in turn until the time is over, and notes how long each took."""

    def __init__(self, calls: list[bytes], first: int, until: float) -> None:
        self._calls = calls
        self._next = first
        self._until = until
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.took: list[float] = []
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._call()

    def _call(self) -> None:
        self._begun = time.perf_counter()
        self._transport.write(self._calls[self._next % len(self._calls)])
        self._next += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_whole():
            return
        assert self._buffer.startswith(b"HTTP/1.1 200"), bytes(self._buffer[:500])
        self._buffer.clear()
        now = time.perf_counter()
        self.took.append(now - self._begun)
        if now < self._until:
            self._call()
        else:
            self._transport.close()
            self.done.set_result(None)

    def _is_whole(self) -> bool:
        found = self._buffer.find(b"content-length: ", 0, 1_000)
        if found < 0:
            return self._buffer.endswith(b"\r\n0\r\n\r\n")
        end = self._buffer.index(b"\r\n", found)
        body = self._buffer.find(b"\r\n\r\n", end)
        return len(self._buffer) == body + 4 + int(self._buffer[found + 16 : end])


async def call(kind: Kind, port: int, seconds: float, tls: ssl.SSLContext | None) -> list[float]:
    """Make calls; gives how long each took."""
    loop = asyncio.get_running_loop()
    until = time.perf_counter() + seconds
    callers = []
    for one in range(kind.connections):
        first = one * len(kind.calls) // kind.connections
        made = await loop.create_connection(
            lambda first=first: Caller(kind.calls, first, until),  # type: ignore[misc]
            "127.0.0.1",
            port,
            ssl=tls,
        )
        callers.append(made[1])
    await asyncio.gather(*[one.done for one in callers])
    return [took for one in callers for took in one.took]


def slice_of(kind: Kind, pid: int, port: int, seconds: float, tls: ssl.SSLContext | None) -> Slice:
    """What a slice comes to."""
    before, begun = cpu_seconds([pid]), time.perf_counter()
    took = uvloop.run(call(kind, port, seconds, tls))
    spent, lasted = cpu_seconds([pid]) - before, time.perf_counter() - begun
    done = len(took) * kind.items
    p99 = quantiles(took, n=100)[98] if len(took) > 1 else took[0]
    return Slice(done / lasted, spent / done * 1e6, p99 * 1e3)


def single(code: str) -> bytes:
    """A call for one."""
    return f"GET /v1/identifiers/{code} HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n".encode()


def batches(some: Sequence[str], packed: bool) -> list[bytes]:
    """Calls for all of them, in batches."""
    media = "application/msgpack" if packed else "application/json"
    made = []
    for at in range(0, len(some), BATCH_MAX):
        given = {"identifiers": some[at : at + BATCH_MAX]}
        body = msgpack.packb(given) if packed else json.dumps(given).encode()
        head = f"POST /v1/resolve HTTP/1.1\r\nHost: a\r\nAccept: {media}\r\n"
        head += f"Content-Type: {media}\r\nContent-Length: {len(body)}\r\n\r\n"
        made.append(head.encode() + body)
    return made


async def floor() -> None:
    """Serve, and say the same to every call; tells its port."""
    said = Ready(200, [(b"content-type", b"text/plain"), (b"content-length", b"2")], b"ok")
    counters = memoryview(bytearray(2 * 8)).cast("Q")
    application = Application([], counters, Repeated(), lambda _: said)
    config = Config(application.asgi, http=Connection, ws="none", lifespan="off", log_config=None)
    config.load()
    state, places = ServerState(), Places(None)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(config, state, places, application), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def running_floor() -> Iterator[tuple[int, int]]:
    """A process that says the same to every call."""
    words = [sys.executable, "-m", "benchmarks.bench_gateway_http", "--floor"]
    with subprocess.Popen(words, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.terminate()


def certified(folder: Path) -> tuple[str, ...]:
    """The options of a process over TLS, with a certificate for it."""
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += ["-nodes", "-days", "2", "-subj", "/CN=bench", "-keyout", str(folder / "key.pem")]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(folder / "cert.pem")]
    subprocess.run(words, check=True, capture_output=True)
    return "--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")


def beside(kind: Kind, other: Kind, port: int, seconds: float) -> Slice:
    """Calls by one connection while batches are resolved over another."""

    async def both() -> list[float]:
        batch = asyncio.ensure_future(call(other, port, seconds, None))
        took = await call(kind._replace(connections=1), port, seconds, None)
        await batch
        return took

    took = uvloop.run(both())
    return Slice(len(took) / seconds, 0.0, quantiles(took, n=100)[98] * 1e3)


def kinds_of(some: Sequence[str]) -> list[Kind]:
    """The kinds of calls."""
    few, calls = some[:FEW], [single(one) for one in some]
    found = [
        Kind("floor: the same to every call", "floor", CONNECTIONS, [single(few[0])], 1),
        Kind("GET, few", "plain", CONNECTIONS, calls[:SINGLES], 1),
        Kind("GET, few, over TLS", "tls", CONNECTIONS, calls[:SINGLES], 1),
        Kind("GET, few, not compiled", "pure", CONNECTIONS, calls[:SINGLES], 1),
        Kind("GET, many", "plain", CONNECTIONS, calls, 1),
    ]
    for process, words in (("plain", ""), ("pure", ", not compiled")):
        for which, codes_of in (("few", few), ("many", some)):
            for form, packed in (("msgpack", True), ("JSON", False)):
                name = f"batches in {form}, {which}{words}"
                found.append(Kind(name, process, 1, batches(codes_of, packed), BATCH_MAX))
    return found


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each slice")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--work", type=Path, default=cache / "csid-bench")
    parser.add_argument("--floor", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    options = parser.parse_args(words)
    if options.floor:
        uvloop.run(floor())
        return
    report = Report("gateway_http", {"rounds": options.rounds, "seconds": options.seconds})
    folder = options.work / "gateway-http"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    some = codes(MANY)
    fill(folder, some)
    kinds = kinds_of(some)
    found: dict[str, list[Slice]] = {kind.name: [] for kind in kinds}
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        running(folder) as plain,
        running(folder, *certified(folder)) as tls,
        running(folder, pure=True) as pure,
        running_floor() as bare,
    ):
        where = {"plain": plain, "tls": tls, "pure": pure, "floor": bare}
        for _ in range(options.rounds):
            for kind in kinds:
                pid, port = where[kind.process]
                asked = context if kind.process == "tls" else None
                found[kind.name].append(slice_of(kind, pid, port, options.seconds, asked))
            for batch in (one for one in kinds if one.items > 1 and "few" in one.name):
                name = f"GET, few, one connection beside {batch.name}"
                at = where[batch.process][1]
                slices = found.setdefault(name, [])
                slices.append(beside(kinds[1], batch, at, options.seconds))
    shutil.rmtree(folder)
    report.raw = {name: [one._asdict() for one in slices] for name, slices in found.items()}
    rows = []
    for name, slices in found.items():
        cpu = median(one.cpu_us for one in slices)
        rows.append(
            [
                name,
                number(cpu, 2) if cpu else "–",
                number(1e6 / cpu, 0) if cpu else "–",
                number(median(one.rate for one in slices), 0),
                number(median(one.p99_ms for one in slices), 1),
            ]
        )
    heads = ("calls", "CPU µs", "a second of one core", "a second, as measured", "p99, ms")
    report.add("identifiers over HTTP, all in the cache", heads, rows)
    if options.keep:
        report.write()


if __name__ == "__main__":
    main()
