"""Zones written as master files: read back by us and by other servers' checkers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.errors import ZoneError
from csid.protocol import AAAA, CNAME, CSID, DNAME, MX, NS, RRSIG, SOA, SRV, TXT, A
from resolver.store.node import RRset
from resolver.zonefile.check import Zone, collect
from resolver.zonefile.reader import read_text
from resolver.zonefile.writer import Row, dump
from tests.support.zone_checkers import knot_reads, run

ORIGIN = b"\2ex\0"
SOA_DATA = b"\3ns1\2ex\0\4Host\2ex\0" + b"\0\0\0\1" * 5

# One record of every type that is written by name, and some that are not.
EVERY_TYPE = r"""
$ORIGIN ex.
$TTL 1h
@ SOA ns1 host 1 2 3 4 5
@ NS ns1
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
c CNAME ns1
d DNAME other.example.
p PTR ns1
m MX 10 @
t TXT "a;b" a\"b "x\000\200"y "" "算力"
w\.x\032y\$\@\; TXT x
\000\255 TXT x
* TXT wildcard
hi HINFO "a b" c
rp RP a.b. @
af AFSDB 1 foo
srv SRV 0 0 443 a
na NAPTR 100 10 "S" "SIP+D2U" "!^.*$!sip:a@b.c!" _sip._udp
ds NS ns1
ds DS 1 8 2 0011223344556677889900112233445566778899001122334455667788990011
ss SSHFP 1 1 0011223344556677889900112233445566778899
c RRSIG CNAME 8 2 3600 20300101000000 20200101000000 1 ex. AAAA
c NSEC d CNAME RRSIG NSEC
dk DNSKEY 257 3 8 AwEAAag=
h NSEC3 1 0 10 AABB 2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG
@ NSEC3PARAM 1 0 10 AABB
tl TLSA 3 1 1 0011223344556677889900112233445566778899001122334455667788990011
cds CDS 1 8 2 0011223344556677889900112233445566778899001122334455667788990011
cdk CDNSKEY 257 3 8 AwEAAag=
s SVCB 1 h60 alpn="h2,h3" port=443 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1 key65400="a\"b"
s2 SVCB 0 h60
h HTTPS 1 . mandatory=alpn no-default-alpn alpn=h2
uri URI 10 1 "https://a.b/c"
caa CAA 0 issue "ca.example; x=y"
loc LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
mi MINFO a b
key8 SVCB 1 . dohpath=/dns-query{?dns} key8 key300="\\000a"
n261 NSEC o A TYPE261 CSID
al HTTPS 1 . alpn="f\\\\oo\\,bar,h2"
\@ A 192.0.2.1
\[a+b=c:d\] A 192.0.2.1
srv2 SRV 0 0 443 \@.\[+\$
ips IPSECKEY 10 3 2 gw. AQNR
cert CERT PKIX 1 8 AAAA
sm SMIMEA 3 1 1 0011
dh DHCID AA==
r CSID \# 3 010203
z TYPE65400 \# 0
"""


def rows_of(zone: Zone) -> Iterator[Row]:
    for owner, rrsets in zone.rrsets.items():
        for rrtype, rrset in rrsets.items():
            for rdata in rrset.rdatas:
                yield owner, rrtype, rrset.ttl, rdata


def written(zone: Zone) -> str:
    return "".join(dump(zone.origin, rows_of(zone)))


def read(text: str) -> Zone:
    return collect(read_text(text), "<text>")


def test_each_line_stands_for_itself_and_the_soa_comes_first() -> None:
    rows = [(b"\1a\2ex\0", A, 60, b"\1\2\3\4"), (ORIGIN, NS, 60, b"\3ns1\2ex\0")]
    assert list(
        dump(ORIGIN, [*rows, (ORIGIN, SOA, 60, SOA_DATA), (ORIGIN, CSID, 5, b"\x0a\xbb")])
    ) == [
        "ex. 60 IN SOA ns1.ex. Host.ex. 1 1 1 1 1\n",
        "a.ex. 60 IN A 1.2.3.4\n",
        "ex. 60 IN NS ns1.ex.\n",
        "ex. 5 IN TYPE65347 \\# 2 0abb\n",
    ]


def test_rows_without_an_soa_are_no_zone() -> None:
    with pytest.raises(ZoneError, match=r"ex\.: the zone has no SOA"):
        list(dump(ORIGIN, [(ORIGIN, NS, 60, b"\3ns1\2ex\0")]))


@pytest.mark.parametrize(
    ("owner", "rrtype", "ttl", "rdata"),
    [
        (ORIGIN, A, 1, b"\1\2\3"),
        (ORIGIN, NS, 1, b"\3a"),
        (ORIGIN, MX, 1, b"\0\1\xc0\0"),
        (ORIGIN, A, 2**31, b"\1\2\3\4"),
        (ORIGIN, 250, 1, b""),
    ],
)
def test_what_no_reader_takes_is_not_written(
    owner: bytes, rrtype: int, ttl: int, rdata: bytes
) -> None:
    rows = [(ORIGIN, SOA, 1, SOA_DATA), (owner, rrtype, ttl, rdata)]
    with pytest.raises(ZoneError, match=rf"ex\.: its record of type {rrtype} .* no text"):
        list(dump(ORIGIN, rows))


def test_every_type_is_read_back_as_it_was() -> None:
    zone = read(EVERY_TYPE)
    assert read(written(zone)) == zone


OCTETS = st.binary(min_size=1, max_size=8) | st.binary(min_size=63, max_size=63)
NAME = st.lists(OCTETS, max_size=3).map(
    lambda labels: b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
)
OWNER = NAME.map(lambda name: name[:-1].lower() + ORIGIN)
U16 = st.binary(min_size=2, max_size=2)
TEXTS = st.lists(st.binary(max_size=255), min_size=1, max_size=3).map(
    lambda texts: b"".join(bytes((len(text),)) + text for text in texts)
)
DATA = {
    A: st.binary(min_size=4, max_size=4),
    AAAA: st.binary(min_size=16, max_size=16),
    NS: NAME,
    DNAME: NAME,
    MX: st.tuples(U16, NAME).map(b"".join),
    SRV: st.tuples(U16, U16, U16, NAME).map(b"".join),
    TXT: TEXTS,
    CSID: st.binary(max_size=300),
    65280: st.binary(max_size=20),
    RRSIG: st.tuples(st.binary(min_size=18, max_size=18), NAME, OCTETS).map(b"".join),
}


@st.composite
def rrsets(draw: st.DrawFn) -> dict[int, RRset]:
    types = draw(st.sets(st.sampled_from(sorted(DATA)), max_size=4)) or {CNAME}
    return {
        rrtype: RRset(draw(st.integers(0, 2**31 - 1)), (draw(DATA.get(rrtype, NAME)),))
        for rrtype in types
    }


@st.composite
def zones(draw: st.DrawFn) -> Zone:
    below = draw(st.dictionaries(OWNER.filter(lambda owner: owner != ORIGIN), rrsets(), max_size=5))
    apex = {SOA: RRset(60, (SOA_DATA,)), NS: RRset(60, (draw(NAME),))}
    return Zone(ORIGIN, {ORIGIN: apex, **below})


@given(zones())
def test_any_zone_is_read_back_as_it_was(zone: Zone) -> None:
    assert read(written(zone)) == zone


@pytest.fixture
def dumped(tmp_path: Path) -> Path:
    path = tmp_path / "ex.zone"
    path.write_text(written(read(EVERY_TYPE)), encoding="utf-8")
    return path


def test_bind_reads_the_dump_and_means_the_same(dumped: Path) -> None:
    quiet = ("-q", "-k", "ignore", "-n", "ignore", "-i", "none")
    theirs = read(run("named-checkzone", *quiet, "-D", "-o", "-", "ex.", str(dumped)))
    ours = read(EVERY_TYPE)
    assert theirs.rrsets == ours.rrsets


def test_nsd_reads_the_dump(dumped: Path) -> None:
    run("nsd-checkzone", "ex.", str(dumped))


def test_knot_reads_the_dump(dumped: Path) -> None:
    knot_reads(dumped)


def test_powerdns_reads_the_dump(dumped: Path, tmp_path: Path) -> None:
    (tmp_path / "pdns.conf").write_text(f"launch=lmdb\nlmdb-filename={tmp_path / 'db'}\n")
    run("pdnsutil", f"--config-dir={tmp_path}", "load-zone", "ex", str(dumped))
