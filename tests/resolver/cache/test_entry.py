"""An answer that is kept is the answer that is given, with less time left."""

from __future__ import annotations

import struct

import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import names
from resolver.answer.edns import OptWriter
from resolver.answer.encode import Encoder
from resolver.answer.parse import parse
from resolver.answer.reply import Reply
from resolver.cache import entry as entries
from resolver.cache.entry import NOTHING, EntryError, Section
from resolver.server.recursive.packets import PACKET_OCTETS

NOW = 1_800_000_000
QNAME = "one.example."
LABEL = st.text("abcxyz-", min_size=1, max_size=8)
NAMES = st.lists(LABEL, max_size=3).map(lambda labels: ".".join([*labels, "example."]))


@st.composite
def records(draw: st.DrawFn) -> Section:
    parts = []
    count = draw(st.integers(0, 4))
    for _ in range(count):
        owner = draw(st.one_of(st.just(b"\xc0\x0c"), NAMES.map(names.from_text)))
        data = draw(st.binary(max_size=40))
        ttl = draw(st.integers(0, 2**31 - 1))
        parts.append(owner + struct.pack(">HHIH", 65_280, 1, ttl, len(data)) + data)
    return Section(b"".join(parts), count)


def asked() -> Reply:
    query = dns.message.make_query(QNAME, "TYPE65280", id=7)
    reply = parse(query.to_wire(), b"\x7f\0\0\1", True)
    assert reply is not None
    return reply


@given(
    st.tuples(records(), records(), records()),
    st.integers(0, 15),
    st.integers(-1, 30),
    st.integers(0, 86_400),
    st.integers(0, 90_000),
    st.integers(0, 2**32 - 1),
)
def test_what_is_kept_is_given_with_the_seconds_that_are_left(
    sections: tuple[Section, Section, Section],
    rcode: int,
    ede: int,
    ttl: int,
    later: int,
    slot: int,
) -> None:
    entry = entries.in_slot(entries.encode(rcode, ede, ttl, NOW, *sections), slot)
    assert entries.is_whole(entry)
    assert entries.slot_of(entry) == slot
    assert entries.expires(entry) == NOW + ttl
    assert entries.lifetime(entry) == ttl
    assert entries.good_until(entry) == NOW + ttl
    longer = entries.stale(entry, 30, NOW + later, 3)
    assert (entries.expires(longer), entries.lifetime(longer)) == (NOW + later + 30, 30)
    assert (entries.good_until(longer), entries.slot_of(longer)) == (NOW + ttl, slot)
    given_longer, given_once = asked(), asked()
    entries.fill(given_longer, longer, NOW + later)
    entries.fill(given_once, entries.encode(rcode, 3, 30, NOW, *sections), NOW)
    assert given_longer.ede == 3
    assert given_longer.answer == given_once.answer
    assert given_longer.authority == given_once.authority
    assert entries.rcode_of(entry) == rcode
    assert entries.is_absence(entry) == (not sections[0].number)
    reply = asked()
    entries.fill(reply, entry, NOW + later)
    assert (reply.rcode, reply.ede) == (rcode, ede)
    message = Encoder(OptWriter(bytes(16))).encode(reply, NOW + later)
    # Read by somebody else, all records are there, and all have the time that is left.
    read = dns.message.from_wire(message, one_rr_per_rrset=True)
    found = [read.answer, read.authority, read.additional]
    assert [len(one) for one in found] == [one.number for one in sections]
    assert {rrset.ttl for one in found for rrset in one} <= {max(ttl - later, 0)}
    for rrsets, section in zip(found, sections, strict=True):
        given_ = [data for _, data in parsed(section)]
        assert [rrset[0].to_wire() for rrset in rrsets] == given_
        owners = [owner for owner, _ in parsed(section)]
        assert [rrset.name.to_text() for rrset in rrsets] == owners


def parsed(section: Section) -> list[tuple[str, bytes]]:
    found, at, records_ = [], 0, section.records
    while at < len(records_):
        if records_[at] == 0xC0:
            owner, at = QNAME, at + 2
        else:
            name, used = dns.name.from_wire(records_, at)
            owner, at = name.to_text(), at + used
        length = int.from_bytes(records_[at + 8 : at + 10], "big")
        found.append((owner, records_[at + 10 : at + 10 + length]))
        at += 10 + length
    return found


@given(records(), st.binary(max_size=60), st.integers(0, 60))
def test_what_is_not_whole_is_refused(section: Section, more: bytes, cut: int) -> None:
    whole = section.records
    for damaged in (whole + b"\xc0\x0d" + more, whole + more[:1] * 9):
        if damaged != whole:
            with pytest.raises(EntryError):
                entries.encode(0, -1, 60, NOW, Section(damaged, section.number + 1))
    if 0 < cut <= len(whole):
        with pytest.raises(EntryError):
            entries.encode(0, -1, 60, NOW, Section(whole[:-cut], section.number))


@given(st.binary(max_size=200))
def test_any_octets_are_whole_or_are_not_and_what_is_whole_is_given(octets: bytes) -> None:
    if entries.is_whole(octets):
        entries.fill(asked(), octets, NOW)


def test_an_answer_that_is_too_large_is_not_kept() -> None:
    data = bytes(1_000)
    one = b"\xc0\x0c" + struct.pack(">HHIH", 65_280, 1, 60, len(data)) + data
    with pytest.raises(EntryError, match="49,152"):
        entries.encode(0, -1, 60, NOW, Section(one * 50, 50), NOTHING)
    small = b"\0" + struct.pack(">HHIH", 65_280, 1, 60, 0)
    with pytest.raises(EntryError, match="4,096 records"):
        entries.encode(0, -1, 60, NOW, Section(small * 4_097, 4_097), NOTHING)
    largest = entries.encode(0, -1, 60, NOW, Section(small * 4_096, 4_096), NOTHING)
    assert len(largest) < PACKET_OCTETS
