"""Nodes compared and changed by their entries: the same as by their records."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from csid.protocol import AAAA, CSID, NS, SOA, TXT, A
from resolver.store import node
from resolver.store.entries import beyond, replaced
from resolver.store.node import EMPTY, Extra, RRset, encode, rrsets_of

TYPES = (A, TXT, AAAA, CSID)
RRSETS = st.builds(
    RRset,
    st.sampled_from((60, 300)),
    st.lists(st.sampled_from((b"\1a", b"\1b", b"\1c", b"\2aa")), min_size=1, unique=True),
)
NODES = st.dictionaries(st.sampled_from(TYPES), RRSETS, max_size=3)
EXTRAS = st.dictionaries(st.sampled_from(TYPES), st.just(Extra(1, b"\0" + bytes(10))), max_size=2)
Node = dict[int, RRset]


def read(blob: bytes) -> Node:
    return dict(rrsets_of(blob))


@given(NODES, NODES, EXTRAS)
def test_what_one_node_has_and_the_other_has_not(
    one: Node, other: Node, extras: dict[int, Extra]
) -> None:
    expected = {}
    for rrtype, (ttl, rdatas) in one.items():
        there = other.get(rrtype, RRset(-1, ()))
        rest = [rdata for rdata in rdatas if ttl != there.ttl or rdata not in there.rdatas]
        if rest:
            expected[rrtype] = RRset(ttl, rest)
    found = beyond(encode(one, 0, extras), encode(other, 2, extras))
    assert found == encode(expected)
    assert beyond(encode(one), encode(other), TXT) == encode(
        {rrtype: rrset for rrtype, rrset in expected.items() if rrtype != TXT}
    )


def test_a_node_that_goes_to_another_zone_has_the_flags_of_what_it_holds() -> None:
    apex = {SOA: RRset(60, [bytes(22)]), NS: RRset(60, [b"\1a\0"]), TXT: RRset(60, [b"\1a"])}
    assert beyond(encode(apex), EMPTY) == encode(apex)
    without = {rrtype: rrset for rrtype, rrset in apex.items() if rrtype != SOA}
    assert beyond(encode(apex), EMPTY, SOA) == encode(without)


@given(NODES, NODES, NODES, EXTRAS)
def test_entries_are_replaced_where_it_is_plain(
    held: Node, removed: Node, added: Node, extras: dict[int, Extra]
) -> None:
    blob = replaced(encode(held, 0, extras), encode(removed), encode(added))
    left = {rrtype: rrset for rrtype, rrset in held.items() if rrtype not in removed}
    is_plain = all(held.get(rrtype) == rrset for rrtype, rrset in removed.items()) and not (
        left.keys() & added.keys()
    )
    after = left | added
    if not is_plain or not after or {A, AAAA} & (after.keys() | removed.keys()):
        assert blob == b""
    else:
        assert blob == encode(after)


def test_what_others_depend_on_is_not_plain() -> None:
    text = encode({TXT: RRset(60, [b"\1a"])})
    cut = encode({NS: RRset(60, [b"\1a\0"])})
    assert replaced(EMPTY, EMPTY, text) == text
    assert replaced(node.with_cover(text, 2), text, encode({CSID: RRset(60, [b"a"])})) == b""
    assert replaced(EMPTY, EMPTY, cut) == b""
    assert replaced(cut, cut, text) == b""
    assert replaced(text, text, EMPTY) == b""
