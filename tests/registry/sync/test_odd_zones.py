"""Zones of all that is rare, between a whole node and servers of others: they come as they are."""

from __future__ import annotations

from pathlib import Path

import dns.name
import dns.query
import dns.rdatatype
import dns.xfr
import dns.zone
import pytest

from tests.registry.sync.test_servers import node, put
from tests.support.peers import HOST, free_port, installed, running
from tests.support.servers import serving
from tests.support.syncing import (
    KEYRING,
    KINDS,
    ORIGIN,
    answer,
    follow,
    notify,
    secondary,
    state,
    until,
    zone_text,
)

LAST = 2**32 - 1  # serial, behind which comes 0
STRING = '"' + 255 * "x" + '" '
ODD = f"""\
dn DNAME other.test.
below.dn.still TXT "not below it"
*.wild TXT "any"
*.wild MX 10 Mail.EXAMPLE.Test.
x.*.star A 192.0.2.9
MiXeD.Case A 192.0.2.10
MiXeD.Case MX 10 MAIL.example.test.
MiXeD.Case SRV 0 0 443 WWW.Example.Test.
cut NS ns.cut
cut NS NS.elsewhere.test.
cut DS 12345 13 2 {64 * "a"}
ns.cut A 192.0.2.54
deep.er.cut TXT "hidden"
one TXT {230 * STRING}
{"".join(f'big TXT "{number}" {2 * STRING}' + chr(10) for number in range(80))}
empty TXT ""
empty TYPE1234 \\# 0
odd TYPE65280 \\# 4 01020304
odd TYPE65281 \\# 300 {600 * "b"}
raw TYPE1 \\# 4 c0000205
raw TYPE16 \\# 3 026869
\\000\\255\\.\\032 TXT "octets" "\\000\\255\\"\\\\"
svc HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1
caa CAA 128 issue "ca.example"
naptr NAPTR 1 2 "U" "E2U+sip" "!^.*$!sip:a@B.example!" .
loc LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000.00m 10.00m
a.very.long.name.{".".join(3 * [50 * "l"])} TXT "long"
"""
# What a primary cannot give: NSD sends messages without records for ever at a record of more than
# 16 KiB; PowerDNS knows no general form (RFC 3597) of types that it knows.
BEYOND = {"nsd": ("one ",), "pdns": ("raw ",)}

Rows = set[tuple[str, str, int, str]]


def rows_at(port: int, keyring: object = None) -> Rows:
    """What a server gives away of the zone; signatures have the TTL that they repeat."""
    zone = dns.zone.Zone(ORIGIN, relativize=False)
    query, _ = dns.xfr.make_query(zone, keyring=keyring, keyname="sync-key.")  # type: ignore[arg-type]
    dns.query.inbound_xfr(HOST, zone, query, port=port, lifetime=20)
    return {
        (
            str(name).lower(),
            dns.rdatatype.to_text(of.rdtype),
            getattr(one, "original_ttl", of.ttl),
            one.to_digestable().hex(),
        )
        for name, of in zone.iterate_rdatasets()
        for one in of
    }


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if not installed(KINDS[name](1)):
        pytest.skip(f"{name} is not installed")
    return name


def test_it_comes_from_a_primary_and_goes_on_past_the_last_serial(
    tmp_path: Path, kind: str
) -> None:
    data = node(tmp_path / "node")
    port = free_port()
    folder = tmp_path / kind
    folder.mkdir()
    lines = ODD.splitlines(keepends=True)
    more = "".join(line for line in lines if not line.startswith(BEYOND.get(kind, ("-",))))
    text = zone_text(LAST, more=more)
    with (
        serving(data, listen=(f"{HOST}:{port}",)),
        running(KINDS[kind](primary_of=port), folder, {ORIGIN: text}) as primary,
    ):
        follow(data, primary.port)
        until(lambda: state(data).serial == LAST)
        notify(data)
        assert rows_at(port, KEYRING) == rows_at(primary.port, KEYRING)
        primary.add("new", "192.0.2.77")
        until(lambda: answer(port, f"new.{ORIGIN}") == "192.0.2.77")
        assert rows_at(port, KEYRING) == rows_at(primary.port, KEYRING)
        assert int(answer(port, ORIGIN, "SOA").split()[2]) < 5


def test_it_goes_to_a_secondary_past_the_last_serial(tmp_path: Path, kind: str) -> None:
    data = node(tmp_path / "node")
    put(data, zone_text(LAST, more=ODD))
    port, theirs = free_port(), free_port()
    notify(data, theirs)
    folder = tmp_path / kind
    folder.mkdir()
    with (
        serving(data, listen=(f"{HOST}:{port}",)),
        secondary(KINDS[kind](secondary_of=port), folder, theirs),
    ):
        until(lambda: answer(theirs, f"www.{ORIGIN}") == f"192.0.2.{LAST % 250}")
        put(data, zone_text(1, more=ODD))
        until(lambda: answer(theirs, f"www.{ORIGIN}") == "192.0.2.1")
        assert answer(theirs, f"a.wild.{ORIGIN}", "TXT") == '"any"'
        assert answer(theirs, f"dn.{ORIGIN}", "DNAME") == "other.test."
