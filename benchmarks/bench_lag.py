"""One change: from its UPDATE being sent to its being answered by a secondary, beside BIND.

Run from the checkout: `python -m benchmarks.bench_lag [--names N] [--changes N] [--work DIR]`. All
servers are on this machine, what they write is durable, UPDATE, NOTIFY and IXFR are signed
(hmac-sha256). The zone has N names. A change adds an address; the secondary is asked for it over
UDP again and again until it answers. The next change is sent some milliseconds later (`--pauses 0
0`: at once). Ours and BIND, a primary and a secondary each, run all the while and have their turns.

With `--rate R [--seconds S]`, R changes a second are sent instead, over UDP, whatever is answered:
how far the secondary is behind, and what memory and files come to (`lag_rate.py`).
"""

from __future__ import annotations

import argparse
import contextlib
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import dns.message
import dns.name
import dns.query
import dns.tsig
import dns.update

from benchmarks import lag_bind
from benchmarks.lag_rate import Sender, first_name, sustained
from csid import names
from csid.protocol import NS, SOA, A
from registry.network.following import FOLLOW
from registry.service import Registry
from resolver.store.build import build
from resolver.store.environment import Store
from resolver.store.node import RRset
from resolver.sync import tsig
from resolver.sync.settings import (
    KEYS,
    RIGHTS,
    TARGETS,
    KeyRow,
    Rights,
    Subject,
    Target,
    pack,
    where,
)

HOST = "127.0.0.1"
ORIGIN = "lag.test."
WIRE = names.from_text(ORIGIN)
KEY = names.from_text("lag-key.")
SECRET = secrets.token_bytes(32)
KEYRING = {dns.name.from_text("lag-key."): dns.tsig.Key("lag-key.", SECRET, "hmac-sha256")}
SOA_DATA = b"\2ns\0\1h\0" + b"".join(one.to_bytes(4, "big") for one in (1, 3600, 600, 86400, 60))
ADMINISTRATOR = ("bench", "administrator", "", "", "")
PATIENCE = 120.0
ASK_SECONDS = 0.0002  # between two questions, so that the processors are the servers'
PAUSES = (0.002, 0.02)  # seconds between two changes, at random
WARMING = 20  # changes at the beginning of a round that are not counted


def node(path: Path, count: int, other: int) -> None:
    """A node that has the zone, of which a server on a port is notified; without names, none."""
    apex = where(names.key_of(WIRE))
    with Store.create(path, "csid.internal.", "0.EXAMPLE") as store, store.write() as txn:
        txn.table(KEYS).put(KEY, pack(KeyRow("hmac-sha256", SECRET)))
        if not count:
            return
        owners = [names.from_text(f"n{number:07}.{ORIGIN}") for number in range(count)]
        address = {A: RRset(60, [bytes((192, 0, 2, 1))])}
        zone = dict.fromkeys(owners, address)
        zone[WIRE] = {SOA: RRset(60, [SOA_DATA]), NS: RRset(60, [b"\2ns\7example\0"])}
        txn.replace_zone(WIRE, build(WIRE, zone))
        subject = (Subject(key=KEY),)
        txn.table(RIGHTS).put(apex, pack(Rights(transfer=subject, update=subject)))
        txn.table(TARGETS).put(apex, pack([Target(HOST, other, KEY)]))


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.create_server((HOST, 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(data: Path, port: int, host: str = HOST) -> Iterator[int]:
    """A node that is served; the process that does."""
    words = ["serve", "--data", str(data), "--listen", f"{host}:{port}", "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def query(name: str) -> bytes:
    return b"\0\1\0\0\0\1\0\0\0\0\0\0" + names.from_text(name) + b"\0\1\0\1"


def answered(sock: socket.socket, packet: bytes, end: float) -> None:
    """Ask until there is an answer with a record."""
    while time.perf_counter() < end:
        sock.send(packet)
        with contextlib.suppress(OSError):
            if sock.recv(512)[7]:
                return
        time.sleep(ASK_SECONDS)
    raise RuntimeError("it was never answered")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=500)
    parser.add_argument(
        "--pauses", type=float, nargs=2, default=PAUSES, help="seconds between two changes"
    )
    parser.add_argument("--rounds", type=int, default=4, help="of changes, each server in turn")
    parser.add_argument("--rate", type=float, help="changes a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="with --rate")
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="csid-lag-", dir=options.work))
    ports = free_port(), free_port()
    try:
        node(folder / "primary", options.names, ports[1])
        node(folder / "secondary", 0, 0)
        with contextlib.ExitStack() as opened:
            primary = opened.enter_context(serving(folder / "primary", ports[0]))
            secondary = opened.enter_context(serving(folder / "secondary", ports[1]))
            with Registry.open(folder / "secondary", writable=True) as registry:
                targets = [Target(HOST, ports[0], KEY)]
                registry.perform(FOLLOW, (ADMINISTRATOR, WIRE, targets, True))
            until_held(ports[1])
            if options.rate is None:
                side_by_side(folder, ports, opened, options)
            else:
                nodes = ((folder / "primary", primary), (folder / "secondary", secondary))
                sender = Sender(WIRE, options.names, tsig.Key(KEY, "hmac-sha256", SECRET))
                question = first_name(ORIGIN)
                sustained(ports, sender, question, nodes, options.rate, options.seconds)
    finally:
        shutil.rmtree(folder)


def side_by_side(
    folder: Path,
    ports: tuple[int, int],
    opened: contextlib.ExitStack,
    options: argparse.Namespace,
) -> None:
    """Ours and BIND, which both run all the while, in turn."""
    pairs = {"ours": ports}
    if lag_bind.program() is None:
        print("BIND is not installed; ours alone")
    else:
        pairs["BIND"] = bind = free_port(), free_port()
        key = "lag-key", SECRET
        for name, port, other, count in (
            ("bind", bind[0], bind[1], options.names),
            ("bind-secondary", bind[1], bind[0], 0),
        ):
            lag_bind.make(folder / name, port, other, key, ORIGIN, count)
            opened.enter_context(lag_bind.serving(folder / name))
            until_held(port)
    lines = {label: Line([], []) for label in pairs}
    size = WARMING + options.changes // options.rounds
    for number in range(options.rounds):
        for label, (one, other) in pairs.items():
            numbers = range(number * size, (number + 1) * size)
            measured((one, other), numbers, tuple(options.pauses), lines[label])
    for label, line in lines.items():
        told(label, line)


def until_held(port: int) -> None:
    """Wait until the secondary has the zone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as secondary:
        secondary.connect((HOST, port))
        secondary.settimeout(0.5)
        answered(secondary, first_name(ORIGIN), time.perf_counter() + PATIENCE)


class Line(NamedTuple):
    """Milliseconds from sending each change until it is durable, and until it is answered."""

    durable: list[float]
    seen: list[float]


def measured(
    ports: tuple[int, int], numbers: Sequence[int], pauses: tuple[float, float], line: Line
) -> None:
    """Make changes, one after the other, and add what each took; the first WARMING do not count."""
    random = Random(1)
    with (
        socket.create_connection((HOST, ports[0])) as primary,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as secondary,
    ):
        primary.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        secondary.connect((HOST, ports[1]))
        secondary.settimeout(0.5)
        for number in numbers:
            update = dns.update.Update(ORIGIN, keyring=KEYRING, keyalgorithm="hmac-sha256")
            update.add(f"new{number}", 60, "A", "192.0.2.9")
            octets = update.to_wire()
            time.sleep(random.uniform(*pauses))
            begun = time.perf_counter()
            primary.sendall(len(octets).to_bytes(2, "big") + octets)
            reply = primary.recv(65_535)
            acknowledged = time.perf_counter()
            if reply[5] & 15:
                raise RuntimeError(f"UPDATE was answered with response code {reply[5] & 15}")
            answered(secondary, query(f"new{number}.{ORIGIN}"), begun + PATIENCE)
            if number >= numbers[0] + WARMING:
                line.durable.append(1e3 * (acknowledged - begun))
                line.seen.append(1e3 * (time.perf_counter() - begun))


def told(label: str, line: Line) -> None:
    """Print what the changes took."""
    for what, found in (("acknowledged durable", line.durable), ("answered", line.seen)):
        cuts = statistics.quantiles(found, n=100)
        print(f"{label}, {what}: p50 {cuts[49]:.2f} ms, p90 {cuts[89]:.2f}, p99 {cuts[98]:.2f}")


if __name__ == "__main__":
    main()
