"""Whole transfers of a zone, out: what a server spends on them, beside its peers, unsigned and
signed. The server is on core 0; whoever takes the transfer, and throws it away, on core 1.

Run from the checkout: `python -m benchmarks.bench_transfer [--names N] [--rounds N] [--keep]`.
"""

from __future__ import annotations

import argparse
import base64
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import dns.message
import dns.name
import dns.rdatatype
import dns.tsig

from benchmarks import processes
from benchmarks.data import Data, build
from benchmarks.measure import LOADER_CORE, Figures, in_rounds, median_of
from benchmarks.names import SUFFIX
from benchmarks.peers import FIRST_PORT, Knot, Nsd, Ours
from benchmarks.report import Report, number, ratio
from benchmarks.server import CHECKOUT, Peer, PeerError

SECRET = bytes(range(32))
SECRET_TEXT = base64.b64encode(SECRET).decode()
KEY = "transfer.bench."
HOST = "127.0.0.1"
PATIENCE = 60.0  # seconds for the next octets of a transfer
READ_OCTETS = 1 << 20
SETTLE = 2.0  # seconds for all processes of a server to have started


class KnotOut(Knot):
    def files(self) -> dict[str, str]:
        (text,) = super().files().values()
        rights = (
            f"key:\n  - id: {KEY}\n    algorithm: hmac-sha256\n    secret: {SECRET_TEXT}\n"
            f"acl:\n  - id: plain\n    address: {HOST}\n    action: transfer\n"
            f"  - id: signed\n    address: {HOST}\n    key: {KEY}\n    action: transfer\n"
        )
        text = text.replace("template:\n", f"{rights}template:\n")
        return {"knot.conf": text.replace("zone:\n", "    acl: [plain, signed]\nzone:\n")}


class NsdOut(Nsd):
    def files(self) -> dict[str, str]:
        (text,) = super().files().values()
        key = f'key:\n  name: {KEY}\n  algorithm: hmac-sha256\n  secret: "{SECRET_TEXT}"\n'
        rights = f"  provide-xfr: {HOST} NOKEY\n  provide-xfr: {HOST} {KEY}\n"
        return {"nsd.conf": text.replace("zone:\n", f"{key}zone:\n") + rights}


class OursOut(Ours):
    def prepare(self) -> None:
        super().prepare()
        words = [sys.executable, "-m", "benchmarks.bench_transfer", "--allow", self.directory]
        self.run_tool(*words)


class OursPureOut(OursOut):
    name = "ours-pure"
    pure = True


SERVERS: dict[str, type[Peer]] = {
    kind.name: kind for kind in (OursOut, OursPureOut, KnotOut, NsdOut)
}


def allow(directory: Path) -> None:
    """Let this machine, and who has the key, transfer all zones of a data directory of ours."""
    from csid import names
    from resolver.store.environment import Store
    from resolver.sync.settings import EVERYWHERE, KEYS, RIGHTS, KeyRow, Rights, Subject, pack

    with Store.open(directory, writable=True) as store, store.write() as txn:
        rights = Rights(transfer=(Subject(b"\x7f\0\0\1", 32),))
        txn.table(RIGHTS).put(EVERYWHERE, pack(rights))
        txn.table(KEYS).put(names.from_text(KEY), pack(KeyRow("hmac-sha256", SECRET)))


def take(port: int, signed: bool) -> dict[str, float]:
    """Ask for the zone and read all of it: octets, messages, and seconds until the last octet."""
    query = dns.message.make_query(SUFFIX, "AXFR")
    if signed:
        query.use_tsig(dns.tsig.Key(KEY, SECRET, "hmac-sha256"))
    octets = messages = 0
    last = b""
    begin = time.monotonic()
    with socket.create_connection((HOST, port), PATIENCE) as sock:
        sock.sendall(query.to_wire(prepend_length=True))
        for message in _messages(sock):
            octets += len(message)
            messages += 1
            # The end is an SOA record, and so are the beginning and only they: it is looked for
            # where a message is short, as the last one is, by chance or not.
            if len(message) < 16_000 and messages > 1 and _ends(message):
                break
            last = message
    if not messages or not last:
        raise PeerError("the transfer was refused")
    return {"octets": octets, "messages": messages, "wall": time.monotonic() - begin}


def _messages(sock: socket.socket) -> Iterator[bytes]:
    held = bytearray()
    while piece := sock.recv(READ_OCTETS):
        held += piece
        at = 0
        while len(held) >= at + 2:
            end = at + 2 + int.from_bytes(held[at : at + 2], "big")
            if len(held) < end:
                break
            yield bytes(held[at + 2 : end])
            at = end
        del held[:at]
    raise PeerError("the connection ended before the transfer did")


def _ends(message: bytes) -> bool:
    parsed = dns.message.from_wire(message, continue_on_error=True, one_rr_per_rrset=True)
    return bool(parsed.answer) and parsed.answer[-1].rdtype == dns.rdatatype.SOA


def visit(peer: Peer, signed: bool) -> Figures:
    """One transfer from a server, taken by a process on the other core, after a first one: what it
    does when it starts, it has done then.
    """
    with peer.started():
        _taken(peer, signed)
        time.sleep(SETTLE)
        before = processes.cpu_seconds(peer.pids)
        figures = _taken(peer, signed)
        return {"cpu": processes.cpu_seconds(peer.pids) - before, **figures}


def _taken(peer: Peer, signed: bool) -> Figures:
    words = [sys.executable, "-m", "benchmarks.bench_transfer", "--take", str(peer.port)]
    done = subprocess.run(
        ["taskset", "-c", str(LOADER_CORE), *words, *(["--signed"] if signed else [])],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise PeerError(f"no transfer from {peer.name}: {done.stderr.strip()[-800:]}")
    octets, messages, wall = map(float, done.stdout.split())
    return {"octets": octets, "messages": messages, "wall": wall}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--work", type=Path, default=cache / "csid-bench")
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    parser.add_argument("--take", type=int, metavar="PORT", help="only take one transfer")
    parser.add_argument("--signed", action="store_true", help="ask for it with a signature")
    parser.add_argument("--allow", type=Path, metavar="DIR", help="only allow transfers of ours")
    options = parser.parse_args(words)
    if options.allow:
        allow(options.allow)
    elif options.take:
        print(*take(options.take, options.signed).values())
    else:
        measure(options)


def measure(options: argparse.Namespace) -> None:
    work = options.work.resolve()
    data: Data = build(work, options.names)
    report = Report("transfer", {"names": options.names, "rounds": options.rounds})
    peers = []
    for offset, name in enumerate(options.servers.split(",")):
        kind = SERVERS[name]
        if reason := kind.missing():
            print(f"{name} left out: {reason}", file=sys.stderr)
            continue
        peers.append(kind(data, work, FIRST_PORT + 60 + offset))
        peers[-1].prepare()
    for signed in (False, True):
        runs = in_rounds(peers, options.rounds, lambda peer, signed=signed: visit(peer, signed))
        what = "signed (hmac-sha256, every message)" if signed else "unsigned"
        report.raw[what] = runs
        base = median_of(runs.get("knot", []), "cpu")
        rows = [
            [
                label,
                number(median_of(made, "cpu")),
                ratio(median_of(made, "cpu"), base),
                number(median_of(made, "wall")),
                number((median_of(made, "octets") or 0) / 1e6, 1),
                number(median_of(made, "messages"), 0),
            ]
            for label, made in runs.items()
        ]
        heads = ["server", "CPU s", "× knot", "wall s", "MB", "messages"]
        report.add(f"AXFR of {options.names:,} names, {what}", heads, rows)
    if options.keep:
        report.write()


if __name__ == "__main__":
    main()
