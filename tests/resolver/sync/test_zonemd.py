"""Digests of zones: the same as others make, and kept honest while a zone changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import dns.zone
import dns.zonetypes
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csid import names
from csid.protocol import TXT, ZONEMD
from resolver.store import node
from resolver.store.build import build
from resolver.store.environment import Store
from resolver.store.node import RRset
from resolver.store.update import ZoneUpdate
from resolver.sync import zonemd
from resolver.sync.zonemd import ABSENT, GOOD, HASHES, SHA384, SHA512, UNKNOWN, WRONG
from resolver.zonefile.check import read_zone
from tests.support.memory import zone_data

# RFC 8976, appendix A.1, and the records of A.2.
SIMPLE = """\
@ 86400 SOA ns1 admin 2018031900 1800 900 604800 86400
@ 86400 NS ns1
@ 86400 NS ns2
@ 86400 ZONEMD 2018031900 1 1 c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9\
a9713b3c9ae5cc27777f98b8e730044c
ns1 3600 A 203.0.113.63
ns2 3600 AAAA 2001:db8::63
"""
COMPLEX = """\
@ 86400 SOA ns1 admin 2018031900 1800 900 604800 86400
@ 86400 NS ns1
@ 86400 NS ns2
ns1 3600 A 203.0.113.63
NS2 3600 AAAA 2001:db8::63
occluded.sub 7200 TXT "I'm occluded but must be digested"
sub 7200 NS ns1
duplicate 300 TXT "I must be digested just once"
foo.test 555 TXT "out-of-zone?"
*.wild 300 PTR MiXeD.Case.example.
mail 3600 MX 20 MAIL1
mail 3600 MX 10 Mail2.Example.
non-apex 900 ZONEMD 2018031900 1 1 \
616c6c6f776564206275742069676e6f7265642e20616c6c6f776564206275742069676e6f7265642e20616c6c6f7765
"""
SIGNED = """\
@ 3600 SOA ns1 admin 5 1800 900 604800 86400
@ 7200 NS ns1
@ 3600 RRSIG SOA 13 1 3600 20300101000000 20200101000000 5 EXAMPLE. QUJD
@ 7200 RRSIG NS 13 1 7200 20300101000000 20200101000000 5 example. QUJD
@ 3600 RRSIG ZONEMD 13 1 3600 20300101000000 20200101000000 5 example. QUJD
@ 300 NSEC NS1.example. NS SOA RRSIG NSEC ZONEMD
ns1 60 A 192.0.2.1
ns1 60 HINFO "a" "b"
ns1 60 NAPTR 1 2 "u" "E2U+sip" "!^.*$!x!" Some.Where.
ns1 60 SRV 1 2 3 Some.Where.
ns1 60 SVCB 1 Some.Where. alpn=h2
"""


def nodes_of(text: str) -> list[tuple[bytes, bytes]]:
    apex, data = zone_data(text, "example.")
    return list(build(apex, data))


def test_the_example_of_the_rfc_is_verified() -> None:
    assert zonemd.verify(names.key_of(names.from_text("example.")), nodes_of(SIMPLE))[0] == GOOD


@pytest.mark.parametrize("text", [SIMPLE, COMPLEX, SIGNED])
@pytest.mark.parametrize("origin", ["example.", "a.b.Example.", "."])
def test_digests_are_those_of_dnspython(tmp_path: Path, text: str, origin: str) -> None:
    if origin != "example.":
        text = "".join(line for line in text.splitlines(True) if "RRSIG" not in line)
    zone = dns.zone.from_text(text, origin=origin, relativize=False)
    (tmp_path / "zone").write_text(text)
    read = read_zone(tmp_path / "zone", names.from_text(origin))
    made = zonemd.make(names.key_of(read.origin), build(read.origin, read.rrsets), HASHES)
    assert made is not None
    expected = [
        zone.compute_digest(dns.zonetypes.DigestHashAlgorithm(one)).to_wire() for one in HASHES
    ]
    assert list(made.rdatas) == expected
    assert made.ttl == zone.get_rdataset(zone.origin, "SOA").ttl


LABELS = st.sampled_from(["a", "B", "*", "x-1", "\\000", "\\001z"])
OWNERS = st.lists(LABELS, max_size=3).map(".".join)
RECORDS = st.sampled_from(
    [
        "300 A 192.0.2.1",
        "300 A 192.0.2.2",
        '60 TXT "x" Y',
        "60 MX 1 A.B.",
        "5 NS Ns.Other.",
        "9 RP A.b. C.d.",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(OWNERS, RECORDS), max_size=12))
def test_any_zone_has_the_digest_of_dnspython(records: list[tuple[str, str]]) -> None:
    text = SIMPLE + "".join(f"{owner or '@'} {record}\n" for owner, record in records)
    zone = dns.zone.from_text(text, origin="example.", relativize=False)
    apex, data = zone_data(text, "example.")
    made = zonemd.make(names.key_of(apex), build(apex, data), [SHA512])
    assert made is not None
    assert made.rdatas[0] == zone.compute_digest(dns.zonetypes.DigestHashAlgorithm.SHA512).to_wire()


OTHER = SIMPLE.replace("203.0.113.63", "203.0.113.64")
DIGEST = SIMPLE.splitlines(True)[3]


@pytest.mark.parametrize(
    ("text", "outcome", "said"),
    [
        (SIMPLE.replace(DIGEST, ""), ABSENT, ""),
        (OTHER, WRONG, "SHA384"),
        (SIMPLE.replace("2018031900 1800", "2018031901 1800"), WRONG, "2018031900"),
        (SIMPLE.replace("2018031900 1 1", "2018031900 240 1"), UNKNOWN, ""),
        (SIMPLE.replace("2018031900 1 1", "2018031900 1 240"), UNKNOWN, ""),
        (SIMPLE + DIGEST.replace("2018031900 1 1", "2018031900 1 240"), GOOD, ""),
        (SIMPLE + DIGEST.replace("c6809", "c6808"), WRONG, "two"),
        (SIMPLE.replace("3600 A", "3601 A"), WRONG, "SHA384"),
        (SIMPLE.replace("ns2 3600", "NS2 3600"), GOOD, ""),
    ],
)
def test_what_a_digest_says(text: str, outcome: str, said: str) -> None:
    verdict = zonemd.verify(names.key_of(names.from_text("example.")), nodes_of(text))
    assert verdict.outcome == outcome
    assert said in verdict.reason


def test_one_of_two_digests_is_enough() -> None:
    apex, data = zone_data(SIMPLE, "example.")
    key = names.key_of(apex)
    made = zonemd.make(key, build(apex, data), HASHES)
    assert made is not None
    broken = [made.rdatas[0][:-1] + b"\0", made.rdatas[1]]
    data[apex][ZONEMD] = RRset(86400, broken)
    assert zonemd.verify(key, build(apex, data)).outcome == GOOD


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "node", "csid.internal.", "0.EXAMPLE") as made:
        apex, data = zone_data(SIMPLE, "example.")
        with made.write() as txn:
            txn.replace_zone(apex, build(apex, data))
        yield made


def outcome(store: Store) -> str:
    with store.read() as read:
        zone = read.zone(names.from_text("example."))
        return zonemd.verify(zone.apex, read.nodes(zone.generation)).outcome


CHANGES: list[Callable[[ZoneUpdate], object]] = [
    lambda update: update.add(b"new\0", TXT, RRset(60, [b"\1x"])),
    lambda update: update.put(b"new\0", node.encode_one(TXT, 60, b"\1x")),
    lambda update: update.remove(b"ns1\0"),
    lambda update: update.add(b"", TXT, RRset(60, [b"\1x"])),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_takes_the_digest_out(
    store: Store, change: Callable[[ZoneUpdate], object]
) -> None:
    with store.write() as txn:
        update = txn.update(names.from_text("example."))
        change(update)
        assert update.finish() == 2018031901
    assert outcome(store) == ABSENT
    with store.read() as read:
        zone = read.zone(names.from_text("example."))
        (step,) = read.journal(zone).steps()
        assert b"" in dict(read.journal(zone).since(2018031900) or {})
    assert (step.before, step.after) == (2018031900, 2018031901)


def test_nothing_changed_is_no_change(store: Store) -> None:
    with store.write() as txn:
        update = txn.update(names.from_text("example."))
        update.set(b"ns1\0", update.rrsets(b"ns1\0"))
        assert update.finish() == 2018031900
    assert outcome(store) == GOOD


def test_a_change_that_brings_its_own_digest_keeps_it(store: Store) -> None:
    """As of an IXFR, whose serial is given, and of who makes one for the serial to come."""
    origin = names.from_text("example.")
    with store.write() as txn:
        update = txn.update(origin)
        tree = update.rrsets(b"")
        nodes = [(key, update.blob(key) or b"") for key in (b"", *update.below(b""))]
        made = zonemd.make(names.key_of(origin), nodes, [SHA384], update.next_serial())
        assert made is not None
        update.set(b"", {**tree, ZONEMD: made})
        update.finish()
    assert outcome(store) == GOOD
    with store.write() as txn:
        update = txn.update(origin)
        update.remove(b"ns2\0")
        update.finish(serial=2018031905)
    assert outcome(store) == WRONG
    with store.read() as read:
        held = read.zone(origin)
        assert ZONEMD in dict(node.rrsets_of(dict(read.nodes(held.generation))[b""]))
