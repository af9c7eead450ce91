"""Servers of others that follow ours: whole zones and changes, signed, over TLS."""

from __future__ import annotations

import base64
import contextlib
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rdatatype
import dns.xfr
import dns.zone
import pytest

from csid import names
from csid.protocol import CNAME, DNAME, MX, NS, TXT, A
from resolver.store.environment import Store
from resolver.store.node import RRset
from resolver.sync.settings import EVERYWHERE, KEYS, RIGHTS, KeyRow, Rights, Subject, pack
from tests.support import trees
from tests.support.certificates import certificate
from tests.support.peers import HOST, Bind, Knot, Nsd, Pdns, Peer, Primary, installed, running
from tests.support.servers import PATIENCE, Server, make_data, put_zone, serving

ZONE = "far.test."
ORIGIN = names.from_text(ZONE)
NAMES = 3_000
TEXT = """\
$TTL 300
@        SOA   ns host 1 3600 600 86400 60
         NS    ns
         NS    ns.elsewhere.test.
ns       A     192.0.2.53
mail     MX    10 mx
         MX    20 mx
mx       A     192.0.2.25
*.wild   TXT   "wild" "card"
a.b.c    TXT   "below empty ones"
alias    CNAME ns
dn       DNAME elsewhere.test.
cut      NS    ns.cut
ns.cut   A     192.0.2.54
odd      TYPE65347 \\# 3 010203
UPPER    TXT   "Case"
""" + "".join(
    f'n{number} TXT "{"x" * (number % 200)}"\nn{number} A 192.0.2.{number % 256}\n'
    for number in range(NAMES)
)
KEY = "transfer-key"
SECRET = bytes(range(32))


class Ours(NamedTuple):
    """Our server and what it serves."""

    server: Server
    store: Store
    ca: Path

    @property
    def tls_port(self) -> int:
        return int(self.server.ready.split(" tls ")[1].split(",")[0].rpartition(":")[2])

    def counters(self) -> dict[str, int]:
        """Of the TCP server, as SIGUSR1 has them told."""
        before = self.server.log.read_text().count("TCP server: accepted")
        self.server.process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            told = self.server.log.read_text().split("TCP server: accepted")
            if len(told) > before + 1 and "\n" in told[-1]:
                words = ("accepted" + told[-1]).split("\n")[0].split()
                return dict(zip(words[::2], map(int, words[1::2]), strict=True))
            time.sleep(0.02)
        raise AssertionError("no counters")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    folder = tmp_path_factory.mktemp("ours")
    data = make_data(folder / "data")
    chain, key = certificate(folder, "ours")
    with Store.open(data, writable=True) as store:
        put_zone(store, TEXT, ZONE)
        with store.write() as txn:
            rights = Rights(
                transfer=(Subject(key=names.from_text(KEY)), Subject(b"\x7f\0\0\1", 32)),
            )
            txn.table(RIGHTS).put(EVERYWHERE, pack(rights))
            txn.table(KEYS).put(names.from_text(KEY), pack(KeyRow("hmac-sha256", SECRET)))
        options = ["--listen-tls", f"{HOST}:0", "--tls-cert", str(chain), "--tls-key", str(key)]
        with serving(data, *options) as server:
            yield Ours(server, store, chain)


Rows = set[tuple[bytes, int, int, bytes]]


def rows_of(store: Store) -> Rows:
    with store.read() as read:
        return {
            (owner, rrtype, ttl, rdata.lower())
            for owner, rrtype, ttl, rdata in read.rows(read.zone(ORIGIN))
        }


def rows_at(peer: Peer) -> Rows:
    """What a server gives away of the zone."""
    zone = dns.zone.Zone(ZONE, relativize=False)
    query = dns.message.make_query(ZONE, dns.rdatatype.AXFR)
    with dns.xfr.Inbound(zone) as inbound:
        for message in transfer(peer, query):
            if inbound.process_message(message):
                break
    return {
        (name.canonicalize().to_wire() or b"", int(rdataset.rdtype), rdataset.ttl,
         rdata.to_wire().lower())
        for name, rdataset in zone.iterate_rdatasets()
        for rdata in rdataset
    }  # fmt: skip


def transfer(peer: Peer, query: dns.message.Message) -> Iterator[dns.message.Message]:
    with socket.create_connection((peer.host, peer.port), PATIENCE) as sock:
        sock.sendall(query.to_wire(prepend_length=True))
        while True:
            message, _ = dns.query.receive_tcp(sock, time.time() + PATIENCE, one_rr_per_rrset=True)
            yield message


def change(store: Store, number: int) -> None:
    """Names come, go and change, of all kinds."""
    with store.write() as txn:
        zone = txn.update(ORIGIN)
        zone.set(key(f"new{number}"), {A: RRset(300, [bytes((10, 0, 0, number))])})
        zone.set(key(f"n{number}"), {})
        zone.add(key(f"n{number + 1}"), A, RRset(300, [b"\x0a\1\1\1"]))
        zone.set(key(f"n{number + 2}"), {TXT: RRset(60 + number, [b"\1t"])})
        zone.set(key(f"deep.er{number}.still"), {MX: RRset(300, [b"\0\1" + ORIGIN])})
        if number == 1:
            zone.set(key("mail"), {CNAME: RRset(300, [ORIGIN])})
            zone.set(key("n9"), {NS: RRset(300, [b"\2ns\2n9" + ORIGIN])})
            zone.set(key("ns.n9"), {A: RRset(300, [bytes(4)])})
            zone.set(key("dn"), {})
            zone.set(key("n20"), {DNAME: RRset(300, [b"\1x\0"])})
        zone.finish()


def key(text: str) -> bytes:
    return names.key_of(names.from_text(f"{text}.{ZONE}"))[len(names.key_of(ORIGIN)) :]


def notify(peer: Peer) -> None:
    """Tell a server that the zone has changed (RFC 1996)."""
    message = dns.message.make_query(ZONE, "SOA")
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags = (message.flags | 0x0400) & ~0x0100
    with contextlib.suppress(OSError, dns.exception.DNSException):
        dns.query.udp(message, peer.host, timeout=1.0, port=peer.port, ignore_unexpected=True)


def follow(peer: Peer, serial: int) -> None:
    """Notify a server until it has a serial."""
    end = time.monotonic() + 2 * PATIENCE
    told = 0.0
    while True:
        with contextlib.suppress(OSError, dns.exception.DNSException):
            reply = peer.ask(dns.message.make_query(ZONE, "SOA"), seconds=0.5)
            if reply.answer and reply.answer[0][0].serial == serial:
                return
        assert time.monotonic() < end, f"{peer.program} does not come to have serial {serial}"
        if time.monotonic() > told + 1.0:
            notify(peer)
            told = time.monotonic()
        time.sleep(0.05)


PLAIN = ["plain", "signed"]
OVER_TLS = ["TLS", "signed over TLS"]
# Knot 3.2 and PowerDNS 4.7 have no transfers over TLS.
CASES: list[tuple[type[Peer], str]] = [
    (kind, way) for kind in (Nsd, Bind) for way in (*PLAIN, *OVER_TLS)
]
CASES += [(kind, way) for kind in (Knot, Pdns) for way in PLAIN]


@pytest.mark.parametrize(("kind", "way"), CASES, ids=lambda one: getattr(one, "program", one))
def test_a_server_of_others_follows_ours(
    ours: Ours, tmp_path: Path, kind: type[Peer], way: str
) -> None:
    """It gets the zone whole, and then changes."""
    if not installed(kind):
        pytest.skip(f"{kind.program} is not installed")
    over_tls = way in OVER_TLS
    begun = trees.serial(ours.store, ZONE) + 1
    put_zone(ours.store, TEXT.replace("host 1 ", f"host {begun} "), ZONE)
    primary = Primary(
        ours.tls_port if over_tls else ours.server.port,
        *((KEY, base64.b64encode(SECRET).decode()) if "signed" in way else ("", "")),
        ca=ours.ca if over_tls else None,
    )
    with running(kind, tmp_path, {ZONE: ""}, primary=primary) as peer:
        follow(peer, trees.serial(ours.store, ZONE))
        assert rows_at(peer) == rows_of(ours.store)
        before = ours.counters()
        for number in (1, 30):
            change(ours.store, number)
            follow(peer, trees.serial(ours.store, ZONE))
            assert rows_at(peer) == rows_of(ours.store)
        after = ours.counters()
        assert after["transfers"] >= before["transfers"] + 2
        assert after["transferred"] - before["transferred"] < 20_000  # the zone has some 600,000
        # A zone that is replaced as a whole comes as it is, too.
        last = begun + 90
        put_zone(ours.store, TEXT.replace("n1", "m1").replace("host 1 ", f"host {last} "), ZONE)
        follow(peer, last)
        assert rows_at(peer) == rows_of(ours.store)
