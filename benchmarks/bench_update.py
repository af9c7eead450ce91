"""Changes of a large zone by UPDATE (RFC 2136), signed, acknowledged when they are on disk.

Run from the checkout: `python -m benchmarks.bench_update [--seconds N] [--servers A,B]`.
All servers hold the same zone, which lies below our suffix, so that each change is judged and
leaves a leaf of the audit log. They are asked in turns, over UDP: with one UPDATE in flight, and
with many. Each UPDATE gives another name a TXT record.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks import peers
from benchmarks.data import Data
from benchmarks.processes import cpu_seconds
from benchmarks.report import Report, number, percentile
from benchmarks.server import Peer
from csid import names
from csid.protocol import CLASS_ANY, CLASS_IN, SOA, TXT
from resolver.store.environment import Store
from resolver.sync import tsig
from resolver.sync.settings import KEYS, RIGHTS, KeyRow, Rights, Subject, pack, where

ORIGIN = "csid.internal."
KEY = tsig.Key(names.from_text("bench."), "hmac-sha256", b"0123456789abcdef" * 2)
SECRET = base64.b64encode(KEY.secret).decode()
ROUNDS = 4
IN_FLIGHT = 64
PATIENCE = 30.0  # seconds for an answer


class Free(Data):
    """A zone of names that are no identifiers: whoever has the right may change them."""

    @property
    def zone(self) -> Path:
        return self.folder / "zone"

    @property
    def hosted(self) -> bytes:
        name = names.from_text(f"h0000000.{ORIGIN}")
        return b"\0\1\0\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1"


def build(work: Path, size: int) -> Free:
    """The zone, written unless it is there."""
    data = Free(work / f"free-{size}", size)
    data.folder.mkdir(parents=True, exist_ok=True)
    finished = data.folder / "finished"
    if not finished.exists():
        with data.zone.open("w") as file:
            file.write(f"$ORIGIN {ORIGIN}\n$TTL 300\n@ SOA ns1 h 2 7200 900 1209600 60\n@ NS ns1\n")
            file.write("ns1 A 127.0.0.1\n")
            for one in range(size):
                file.write(f"h{one:07} A 192.0.{one >> 8 & 255}.{one & 255}\n")
        finished.touch()
    return data


class Knot(peers.Knot):
    """Knot DNS, whose journal keeps what was changed."""

    def files(self) -> dict[str, str]:
        settings = super().files()["knot.conf"]
        settings = settings.replace("zonefile-load: whole", "zonefile-load: difference")
        settings = settings.replace("journal-content: none", "journal-content: changes")
        key = f"key:\n  - id: bench.\n    algorithm: hmac-sha256\n    secret: {SECRET}\n"
        acl = "acl:\n  - id: bench\n    key: bench.\n    action: update\n"
        head, _, zone = settings.partition("zone:\n  -")
        return {"knot.conf": f"{head}{key}{acl}zone:\n  -{zone}    acl: bench\n"}


class Bind(peers.Bind):
    """BIND, which keeps what was changed in a journal."""

    def files(self) -> dict[str, str]:
        shutil.copyfile(self.data.zone, self.folder / "zone")
        for stale in self.folder.glob("zone.jnl"):
            stale.unlink()
        key = f'key "bench." {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n'
        settings = super().files()["named.conf"].replace(f"{self.data.zone}", f"{self.folder}/zone")
        rights = 'zone"; allow-update { key "bench."; }; };'
        return {"named.conf": key + settings.replace('zone"; };', rights)}

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        super().prepare()


class Ours(peers.Ours):
    """Ours, where the zone is that of the suffix."""

    @property
    def directory(self) -> Path:
        return self.folder / "data"

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)
        self.run_tool(*peers.CSID, "init", "--data", self.directory, "--suffix", ORIGIN)
        self.run_tool(*peers.CSID, "zone", "load", self.data.zone, "--data", self.directory)
        with Store.open(self.directory, writable=True) as store, store.write() as txn:
            txn.table(KEYS).put(KEY.name, pack(KeyRow(KEY.algorithm, KEY.secret)))
            rights = Rights(update=(Subject(key=KEY.name),))
            txn.table(RIGHTS).put(where(names.key_of(names.from_text(ORIGIN))), pack(rights))


SERVERS: dict[str, Callable[[Data, Path, int], Peer]] = {"ours": Ours, "knot": Knot, "bind": Bind}


def updates() -> Iterator[Callable[[int], bytes]]:
    """UPDATEs without their ID and signature, each of another name."""
    zone = names.from_text(ORIGIN) + SOA.to_bytes(2, "big") + CLASS_IN.to_bytes(2, "big")
    for one in count():
        owner = b"\x09u%08d\xc0\x0c" % one
        data = b"\x08%08d" % one
        gone = owner + TXT.to_bytes(2, "big") + CLASS_ANY.to_bytes(2, "big") + bytes(6)
        made = owner + TXT.to_bytes(2, "big") + CLASS_IN.to_bytes(2, "big")
        made += (300).to_bytes(4, "big") + len(data).to_bytes(2, "big") + data
        body = b"\x28\0\0\1\0\0\0\2\0\0" + zone + gone + made

        def signed(identity: int, body: bytes = body) -> bytes:
            message = identity.to_bytes(2, "big") + body
            return tsig.sign(message, KEY, int(time.time()))[0]

        yield signed


class Slice(NamedTuple):
    """What one slice came to: a second, milliseconds of each, CPU µs of the server for each."""

    rate: float
    waits: list[float]
    cpu_us: float


def ask(
    peer: Peer, source: Iterator[Callable[[int], bytes]], in_flight: int, seconds: float
) -> Slice:
    """UPDATEs for so long, so many of them in flight."""
    waits: list[float] = []
    sent: dict[int, float] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", peer.port))
        sock.settimeout(PATIENCE)
        spent = cpu_seconds(peer.pids)
        begun = time.perf_counter()
        number_ = 0
        while sent or time.perf_counter() - begun < seconds:
            while len(sent) < in_flight and time.perf_counter() - begun < seconds:
                number_ = (number_ + 1) % 65_536
                message = next(source)(number_)
                sent[number_] = time.perf_counter()
                sock.send(message)
            if not sent:
                break
            answer = sock.recv(4_096)
            now = time.perf_counter()
            if answer[3] & 15:
                raise SystemExit(f"{peer.label} answers with response code {answer[3] & 15}")
            waits.append((now - sent.pop(int.from_bytes(answer[:2], "big"))) * 1e3)
        took = time.perf_counter() - begun
        spent = cpu_seconds(peer.pids) - spent
    return Slice(len(waits) / took, waits, spent / len(waits) * 1e6)


def wait_for_writer(peer: Peer) -> None:
    """Ours answers queries before it takes UPDATEs."""
    end = time.monotonic() + PATIENCE
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", peer.port))
        sock.settimeout(1.0)  # a server that loads a large zone may leave the first unanswered
        while time.monotonic() < end:
            sock.send(next(updates())(1))
            with contextlib.suppress(TimeoutError):
                if not sock.recv(4_096)[3] & 15:
                    return
            time.sleep(0.05)
    raise SystemExit(f"{peer.label} takes no UPDATE")


def main() -> None:
    """Measure, and keep the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks.bench_update", description=__doc__)
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=5.0, help="of one slice")
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--work", type=Path, default=Path("/tmp/csid-bench"))
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    data = build(options.work, options.names)
    report = Report("update", {"names": options.names, "seconds": options.seconds})
    source = updates()
    found: dict[str, dict[int, list[Slice]]] = {}
    running: list[Peer] = []
    try:
        for offset, name in enumerate(options.servers.split(",")):
            peer = SERVERS[name](data, options.work, peers.FIRST_PORT + 40 + offset)
            peer.prepare()
            peer.start()
            wait_for_writer(peer)
            running.append(peer)
            found[peer.label] = {1: [], IN_FLIGHT: []}
        for _ in range(ROUNDS):
            for peer in running:
                for in_flight, slices in found[peer.label].items():
                    slices.append(ask(peer, source, in_flight, options.seconds))
    finally:
        for peer in running:
            peer.stop()
    for in_flight in (1, IN_FLIGHT):
        rows = [_row(label, slices[in_flight]) for label, slices in found.items()]
        heads = ["server", "a second", "p50 ms", "p99 ms", "CPU µs each"]
        report.add(f"UPDATE, {in_flight} in flight", heads, rows)
    report.raw = {
        label: {
            in_flight: [(one.rate, one.cpu_us) for one in some] for in_flight, some in of.items()
        }
        for label, of in found.items()
    }
    if options.keep:
        report.write()


def _row(label: str, slices: list[Slice]) -> list[str]:
    waits = sorted(wait for one in slices for wait in one.waits)
    return [
        label,
        number(median(one.rate for one in slices), 0),
        number(percentile(waits, 50)),
        number(percentile(waits, 99)),
        number(median(one.cpu_us for one in slices), 0),
    ]


if __name__ == "__main__":
    main()
