"""One change: from its UPDATE being sent to its being answered by a secondary, both of them ours.

Run from the checkout: `python -m benchmarks.bench_lag [--names N] [--changes N] [--work DIR]`. Both
are `csid serve` on this machine, what they write is durable, UPDATE, NOTIFY and IXFR are signed
(hmac-sha256). The zone has N names. A change adds an address; the secondary is asked for it over
UDP again and again until it answers. The next change is sent some milliseconds later.

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
from collections.abc import Iterator
from pathlib import Path
from random import Random

import dns.message
import dns.name
import dns.query
import dns.tsig
import dns.update

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
    parser.add_argument("--rate", type=float, help="changes a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="with --rate")
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="csid-lag-", dir=options.work))
    ports = free_port(), free_port()
    try:
        node(folder / "primary", options.names, ports[1])
        node(folder / "secondary", 0, 0)
        with (
            serving(folder / "primary", ports[0]) as primary,
            serving(folder / "secondary", ports[1]) as secondary,
        ):
            with Registry.open(folder / "secondary", writable=True) as registry:
                targets = [Target(HOST, ports[0], KEY)]
                registry.perform(FOLLOW, (ADMINISTRATOR, WIRE, targets, True))
            until_held(ports[1])
            if options.rate is None:
                measured(ports, options.changes)
            else:
                nodes = ((folder / "primary", primary), (folder / "secondary", secondary))
                sender = Sender(WIRE, options.names, tsig.Key(KEY, "hmac-sha256", SECRET))
                question = first_name(ORIGIN)
                sustained(ports, sender, question, nodes, options.rate, options.seconds)
    finally:
        shutil.rmtree(folder)


def until_held(port: int) -> None:
    """Wait until the secondary has the zone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as secondary:
        secondary.connect((HOST, port))
        secondary.settimeout(0.5)
        answered(secondary, first_name(ORIGIN), time.perf_counter() + PATIENCE)


def measured(ports: tuple[int, int], changes: int) -> None:
    random = Random(1)
    durable, seen = [], []
    with (
        socket.create_connection((HOST, ports[0])) as primary,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as secondary,
    ):
        primary.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        secondary.connect((HOST, ports[1]))
        secondary.settimeout(0.5)
        for number in range(changes + 20):
            update = dns.update.Update(ORIGIN, keyring=KEYRING, keyalgorithm="hmac-sha256")
            update.add(f"new{number}", 60, "A", "192.0.2.9")
            octets = update.to_wire()
            time.sleep(random.uniform(*PAUSES))
            begun = time.perf_counter()
            primary.sendall(len(octets).to_bytes(2, "big") + octets)
            reply = primary.recv(65_535)
            acknowledged = time.perf_counter()
            if reply[5] & 15:
                raise RuntimeError(f"UPDATE was answered with response code {reply[5] & 15}")
            answered(secondary, query(f"new{number}.{ORIGIN}"), begun + PATIENCE)
            if number >= 20:
                durable.append(1e3 * (acknowledged - begun))
                seen.append(1e3 * (time.perf_counter() - begun))
    for what, found in (("acknowledged durable", durable), ("answered by the secondary", seen)):
        cuts = statistics.quantiles(found, n=100)
        print(f"{what}: p50 {cuts[49]:.2f} ms, p90 {cuts[89]:.2f} ms, p99 {cuts[98]:.2f} ms")


if __name__ == "__main__":
    main()
