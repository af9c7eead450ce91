"""Knot, BIND, NSD and PowerDNS as our primaries: what comes is what a load of the zone makes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import dns.query
import dns.rcode
import dns.update
import pytest

from resolver.store import node
from resolver.store.build import build
from resolver.store.environment import Store
from resolver.sync.transfer.fetch import Fetch
from resolver.zonefile import check
from resolver.zonefile.reader import read_text
from tests.resolver.sync.test_fetch import ORIGIN, ZONE, nodes
from tests.support import peers, trees
from tests.support.primaries import KEY, Bind, Knot, Nsd, Pdns, transfer
from tests.support.servers import make_data

TEXT = r"""
$TTL 3600
@ SOA ns Host 5 3600 900 604800 300
@ NS ns
@ NS ns.cut
@ MX 10 Mail.Example.
@ TXT "v=spf1" "-all"
ns A 192.0.2.1
ns AAAA 2001:db8::1
a.b.c.e TXT "far below"
*.w TXT "wild"
w MX 5 x.w
cut NS ns.cut
cut NS ns
cut DS 12345 8 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ns.cut A 192.0.2.2
occluded.cut TXT "hidden"
al CNAME ns
d DNAME elsewhere.example.
srv SRV 1 2 3 ns
naptr NAPTR 1 2 "S" "sip+d2u" "" _sip.srv.net.
rp RP host.ns text.ns
afs AFSDB 1 ns
kx KX 1 ns.net.
loc LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000.00m 10.00m
svc HTTPS 1 . alpn=h2 port=8443
svc A 192.0.2.3
svcb SVCB 0 ns.net.
sshfp SSHFP 1 1 0123456789abcdef0123456789abcdef01234567
\003odd\.label TXT "an odd name"
caa CAA 0 issue "ca.example."
tlsa TLSA 1 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
unknown TYPE65347 \# 3 81a161
ptr PTR ns
hinfo HINFO "cpu" "os"
uri URI 1 1 "https://example/"
""" + "".join(f'n{number}.many TXT "{number}"\n' for number in range(3_000))
KINDS = (Nsd, Knot, Bind, Pdns)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(make_data(tmp_path / "data"), writable=True) as opened:
        yield opened


def loaded() -> dict[bytes, bytes]:
    zone = check.collect(read_text(f"$ORIGIN {ZONE}\n{TEXT}"), "zone")
    return dict(build(zone.origin, zone.rrsets))


def plain(made: dict[bytes, bytes]) -> dict[bytes, object]:
    """Nodes whatever the order of records, which is a server's own, and the case of names."""
    return {
        key: (
            blob[:2],
            {
                rrtype: (ttl, sorted(data.lower() for data in datas))
                for rrtype, (ttl, datas) in node.rrsets_of(blob)
            },
        )
        for key, blob in made.items()
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.program)
@pytest.mark.parametrize("is_signed", [False, True], ids=["plain", "signed"])
def test_a_zone_comes_whole(
    store: Store, tmp_path: Path, kind: type[peers.Peer], is_signed: bool
) -> None:
    if not peers.installed(kind):
        pytest.skip(f"{kind.program} is not installed")
    with peers.running(kind, tmp_path, {ZONE: TEXT}) as peer:
        fetch = Fetch(store, ORIGIN, KEY if is_signed else None, int(time.time()))
        transfer(fetch, peer.port)
        assert fetch.result is not None
        assert fetch.result[:2] == ("AXFR", 5)
        assert plain(nodes(store)) == plain(loaded())
        trees.check(store)
        again = Fetch(store, ORIGIN, KEY if is_signed else None, int(time.time()))
        transfer(again, peer.port)
        assert again.result is not None
        assert again.result[:2] == ("CURRENT", 5)


@pytest.mark.parametrize("kind", [Knot, Bind], ids=lambda kind: kind.program)
@pytest.mark.parametrize("is_signed", [False, True], ids=["plain", "signed"])
def test_changes_come_as_changes(
    store: Store, tmp_path: Path, kind: type[peers.Peer], is_signed: bool
) -> None:
    if not peers.installed(kind):
        pytest.skip(f"{kind.program} is not installed")
    key = KEY if is_signed else None
    with peers.running(kind, tmp_path, {ZONE: TEXT}) as peer:
        transfer(Fetch(store, ORIGIN, key, int(time.time())), peer.port)
        for number in range(3):
            update = dns.update.UpdateMessage(ZONE)
            update.add(f"new{number}", 60, "A", f"192.0.2.{number}")
            update.delete(f"n{number}.many")
            update.replace("srv", 60, "SRV", f"1 2 {number} new{number}")
            update.add("*.deep.w", 60, "MX", f"{number} ns.cut")
            answer = dns.query.tcp(update, peers.HOST, 20, peer.port)
            assert answer.rcode() == dns.rcode.NOERROR
        fetch = Fetch(store, ORIGIN, key, int(time.time()))
        transfer(fetch, peer.port)
        assert fetch.result is not None
        assert fetch.result[:2] == ("IXFR", 8)
        trees.check(store)
        by_changes = plain(nodes(store))
        transfer(Fetch(store, ORIGIN, key, int(time.time()), full=True), peer.port)
        assert plain(nodes(store)) == by_changes
