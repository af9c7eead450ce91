"""Node blobs: RRsets in, the same RRsets and ready records out."""

from __future__ import annotations

from collections.abc import Mapping

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.protocol import CNAME, DNAME, DS, NS, SOA, TXT, A
from resolver.store import node
from resolver.store.node import Extra, RRset

RDATA = st.binary(max_size=40)
RRSET = st.builds(RRset, st.integers(0, 2**31 - 1), st.lists(RDATA, min_size=1, max_size=5))
RRSETS = st.dictionaries(st.integers(1, 65535), RRSET, max_size=6)
EXTRA = st.builds(Extra, st.integers(1, 500), st.binary(min_size=1, max_size=60))


@given(RRSETS, st.integers(0, 128), st.data())
def test_a_blob_gives_its_rrsets_back(
    rrsets: dict[int, RRset], cover: int, data: st.DataObject
) -> None:
    extras = {rrtype: data.draw(EXTRA) for rrtype in rrsets if data.draw(st.booleans())}
    blob = node.encode(rrsets, cover, extras)
    assert dict(node.rrsets_of(blob)) == rrsets
    assert [rrtype for rrtype, _ in node.rrsets_of(blob)] == sorted(rrsets)
    assert (blob[0], blob[1]) == (node.flags_of(rrsets), cover)


@given(RRSETS, st.data())
def test_the_entry_of_each_type_is_found_and_of_no_other(
    rrsets: dict[int, RRset], data: st.DataObject
) -> None:
    extras = {rrtype: data.draw(EXTRA) for rrtype in rrsets if data.draw(st.booleans())}
    blob = node.encode(rrsets, 0, extras)
    for rrtype, rrset in rrsets.items():
        at = node.find_entry(blob, rrtype)
        assert at
        assert node.number_at(blob, at) == len(rrset.rdatas)
        ready = [node.rr(node.OWNER, rrtype, rrset.ttl, rdata) for rdata in rrset.rdatas]
        assert node.records_at(blob, at) == b"".join(ready)
        assert node.first_rdata(node.records_at(blob, at)) == rrset.rdatas[0]
        extra = extras.get(rrtype, node.NO_EXTRA)
        assert node.extra_number_at(blob, at) == extra.number
        assert node.extra_at(blob, at) == extra.records
    absent = data.draw(st.integers(0, 65535).filter(lambda rrtype: rrtype not in rrsets))
    assert node.find_entry(blob, absent) == 0


@given(RRSETS)
def test_entries_follow_each_other_to_the_end(rrsets: dict[int, RRset]) -> None:
    blob = node.encode(rrsets)
    at = 2
    for _ in rrsets:
        at = node.next_entry(blob, at)
    assert at == len(blob)


@given(RRSETS, st.integers(0, 128), st.integers(0, 128))
def test_a_cover_changes_nothing_else(rrsets: dict[int, RRset], old: int, new: int) -> None:
    assert node.with_cover(node.encode(rrsets, old), new) == node.encode(rrsets, new)


def test_an_empty_non_terminal_is_a_blob_without_entries() -> None:
    assert node.encode({}) == node.EMPTY
    assert dict(node.rrsets_of(node.EMPTY)) == {}
    assert node.find_entry(node.EMPTY, A) == 0


@pytest.mark.parametrize(
    ("types", "flags"),
    [
        ((), 0),
        ((A, TXT, DS), 0),
        ((SOA, NS), node.APEX),
        ((SOA, NS, DNAME), node.APEX | node.REDIRECT),
        ((NS,), node.CUT),
        ((NS, DS), node.CUT),
        ((CNAME,), node.ALIAS),
        ((DNAME, TXT), node.REDIRECT),
    ],
)
def test_flags_say_what_the_name_is(types: tuple[int, ...], flags: int) -> None:
    rrsets: Mapping[int, RRset] = {rrtype: RRset(1, [b"\0"]) for rrtype in types}
    assert node.encode(rrsets)[0] == flags


@pytest.mark.parametrize("owner", [b"\0", b"\1a\0", b"\xc0\x20", node.OWNER])
@given(RRSETS.filter(bool))
def test_records_are_given_another_owner(owner: bytes, rrsets: dict[int, RRset]) -> None:
    for rrtype, (ttl, rdatas) in rrsets.items():
        ready = b"".join(node.rr(node.OWNER, rrtype, ttl, rdata) for rdata in rdatas)
        moved = b"".join(node.rr(owner, rrtype, ttl, rdata) for rdata in rdatas)
        assert node.with_owner(ready, owner) == moved


def test_a_record_is_as_dnspython_reads_it() -> None:
    header = bytes.fromhex("0000 8000 0000 0001 0000 0000")
    message = dns.message.from_wire(header + node.rr(b"\1a\0", A, 2**31 - 1, bytes((192, 0, 2, 1))))
    assert message.answer[0].to_text() == "a. 2147483647 IN A 192.0.2.1"


def test_the_largest_entry_of_the_caps_is_kept() -> None:
    """60,000 octets of records beside 60,000 octets of addresses, and a type behind them."""
    rdatas = [bytes(988)] * 60
    records = bytes(60_000)
    blob = node.encode(
        {NS: RRset(1, rdatas), TXT: RRset(2, [b"\1x"])}, 0, {NS: Extra(4_000, records)}
    )
    at = node.find_entry(blob, NS)
    assert len(node.records_at(blob, at)) == 60_000
    assert node.extra_at(blob, at) == records
    assert node.first_rdata(node.records_at(blob, node.find_entry(blob, TXT))) == b"\1x"
