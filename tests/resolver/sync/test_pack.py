"""What is put into messages is what dnspython reads out of them, compiled and in plain Python."""

from __future__ import annotations

import contextlib
import importlib
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import dns.message
import dns.name
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from csid import names
from csid.limits import MAX_MESSAGE_OCTETS, TRANSFER_OCTETS
from csid.protocol import NS, SOA, TXT, A
from resolver.store import node
from resolver.store.node import Extra, RRset
from resolver.sync.transfer import pack
from tests.support.packets import question

FORMS: list[Any] = [pack.Packer]
with contextlib.suppress(ImportError):  # not compiled on this machine
    FORMS.append(importlib.import_module("resolver.sync.transfer.cpack").Packer)

APEX = names.from_text("Zone.Example.")
HEAD = struct.pack(">HHHHHH", 7, 0x8400, 9, 9, 9, 9) + question(APEX, "AXFR")
GENERATION = b"\0\0\0\0\0\0\5\0"
SOA_RECORD = node.rr(node.OWNER, SOA, 60, b"\0\0" + bytes(20))

Node = tuple[bytes, bytes]
Record = tuple[bytes, int, int, bytes]  # owner's key below the apex, type, TTL, data


def packed(form: Any, nodes: Iterable[Node], most: int = TRANSFER_OCTETS) -> list[bytes]:
    """The messages with these nodes of a zone between two SOA records, and the next zone's."""
    packer = form(HEAD, GENERATION, most)
    packer.apex(SOA_RECORD)
    stored = [(GENERATION + key, blob) for key, blob in nodes]
    stored.append((b"\0\0\0\0\0\0\5\1", node.encode({TXT: RRset(1, [b"\1x"])})))
    messages = []
    rest = iter(stored)
    while packer.nodes(rest, 1):
        messages += packer.take()
        assert messages
    packer.apex(SOA_RECORD)
    return [*messages, *packer.end()]


def expected(nodes: Iterable[Node]) -> list[Record]:
    return [
        (key, rrtype, ttl, rdata)
        for key, blob in nodes
        for rrtype, (ttl, rdatas) in node.rrsets_of(blob)
        if key or rrtype != SOA
        for rdata in rdatas
    ]


def read(messages: Sequence[bytes]) -> list[Record]:
    """The records between two SOA records, as dnspython reads them."""
    found = []
    apex = names.key_of(APEX)
    for message in messages:
        parsed = dns.message.from_wire(message, one_rr_per_rrset=True)
        assert [str(one.name) for one in parsed.question] == ["Zone.Example."]
        assert (parsed.id, parsed.flags) == (7, 0x8400)
        assert not parsed.authority and not parsed.additional
        for rrset in parsed.answer:
            owner = rrset.name.to_wire()
            assert owner is not None
            key = names.key_of(owner)
            assert key.startswith(apex)
            (rdata,) = rrset
            found.append((key[len(apex) :], int(rrset.rdtype), rrset.ttl, rdata.to_wire()))
    soa = (b"", SOA, 60, b"\0\0" + bytes(20))
    assert found[0] == found[-1] == soa
    return found[1:-1]


def same_in_all_forms(nodes: Sequence[Node], most: int = TRANSFER_OCTETS) -> list[bytes]:
    """The messages, which hold what they should."""
    messages, *others = [packed(form, nodes, most) for form in FORMS]
    assert all(other == messages for other in others)
    assert read(messages) == expected(nodes)
    for message in messages:
        # Only a record that is too large by itself makes a message larger.
        assert len(message) <= most or struct.unpack_from(">H", message, 6) == (1,)
    return messages


LABEL = st.one_of(
    st.sampled_from(
        [b"a", b"b", b"ab", b"*", b"\0", b"\1", b"\1\0a", b"\2", b"x" * 63, b"\1" * 63]
    ),
    st.binary(min_size=1, max_size=5).map(bytes.lower),
)
TYPES = st.sampled_from([A, NS, SOA, 65_400, 65_401, 65_402])
RDATAS = {
    A: st.binary(min_size=4, max_size=4),
    NS: st.just(b"\2ns\3out\0"),
    SOA: st.just(b"\0\0" + bytes(20)),
}
RDATA = st.one_of(st.binary(max_size=20), st.integers(0, 300).map(bytes))


@st.composite
def blobs(draw: st.DrawFn) -> bytes:
    rrsets = {
        rrtype: RRset(
            draw(st.integers(0, 2**31 - 1)),
            draw(st.lists(RDATAS.get(rrtype, RDATA), min_size=1, max_size=3, unique=True)),
        )
        for rrtype in draw(st.sets(TYPES, max_size=3))
    }
    extras = {NS: Extra(1, b"\1x\0" + bytes(9) + b"\2ab")} if draw(st.booleans()) else None
    return node.encode(rrsets, draw(st.integers(0, 3)), extras)


def key_of(labels: Sequence[bytes]) -> bytes:
    escaped = [label.replace(b"\1", b"\1\2").replace(b"\0", b"\1\1") for label in labels]
    return b"".join(label + b"\0" for label in escaped)


KEYS = (
    st.lists(LABEL, max_size=5)
    .filter(lambda labels: sum(map(len, labels)) + len(labels) + len(APEX) <= 255)
    .map(key_of)
)
NODES = st.lists(st.tuples(KEYS, blobs()), max_size=30)
MOST = st.one_of(st.integers(60, 600), st.just(TRANSFER_OCTETS))


@settings(max_examples=500)
@given(NODES, MOST)
def test_what_is_read_is_what_was_put_in(nodes: list[Node], most: int) -> None:
    same_in_all_forms(sorted(dict(nodes).items()), most)


@given(NODES, MOST)
@example([(b"a\0", node.encode_one(A, 1, bytes(4)))] * 2, 600)
@example(
    [(b"b\0a\0", node.encode_one(A, 1, bytes(4))), (b"b\0", node.encode_one(A, 1, bytes(4)))], 99
)
def test_names_may_come_in_any_order_and_again(nodes: list[Node], most: int) -> None:
    same_in_all_forms(nodes, most)


@pytest.mark.parametrize("short", range(80))
def test_names_at_the_end_of_what_a_pointer_reaches(short: int) -> None:
    """A message is filled up to some octets before its end, then come names of all kinds."""
    filler = TRANSFER_OCTETS - len(HEAD) - len(SOA_RECORD) - 13 - short - 11
    nodes = [(key_of([b"0"]), node.encode_one(65_400, 1, bytes(filler)))]
    for labels in ([b"a"], [b"a", b"b"], [b"a", b"b", b"c"], [b"a", b"bb"], [b"b" * 20], [b"c"]):
        nodes.append((key_of(labels), node.encode_one(A, 1, bytes(4))))
    messages = same_in_all_forms(nodes)
    assert len(messages) == 2
    assert TRANSFER_OCTETS - 40 < len(messages[0]) <= TRANSFER_OCTETS


@pytest.mark.parametrize("octets", [16_300, 16_330, 16_340, 16_350, 16_384, 40_000, 60_000])
def test_a_record_larger_than_a_message_is_alone_in_one(octets: int) -> None:
    nodes = [(key_of([b"a", bytes((97 + n,))]), node.encode_one(65_400, 1, bytes(octets)))
             for n in range(3)]  # fmt: skip
    messages = same_in_all_forms([*nodes, (key_of([b"b"]), node.encode_one(A, 1, bytes(4)))])
    assert max(map(len, messages)) <= MAX_MESSAGE_OCTETS


def test_an_rrset_larger_than_a_message_goes_on_in_the_next() -> None:
    rdatas = [b"%5d" % number + bytes(1_000) for number in range(59)]
    nodes = [(key_of([b"a"]), node.encode({65_400: RRset(1, rdatas)}))]
    assert len(same_in_all_forms(nodes)) == 4


def test_names_that_share_labels_are_written_once() -> None:
    place = [b"91330106673959654p", b"6450", b"330106", b"acv"]
    nodes = [
        (key_of([*place, b"n%03d" % number]), node.encode_one(A, 1, bytes(4)))
        for number in range(500)
    ]
    (message,) = same_in_all_forms(nodes)
    assert message.count(b"\x06330106") == 1
    assert len(message) < len(HEAD) + 2 * len(SOA_RECORD) + 40 + 500 * (5 + 2 + 14)


WHOLE = node.encode({A: RRset(1, [bytes(4), b"\1\1\1\1"]), 65_400: RRset(1, [b"x" * 30])})


@pytest.mark.parametrize("form", FORMS)
@given(st.integers(3, len(WHOLE)), st.integers(2, len(WHOLE) - 1), st.integers(1, 255))
def test_a_damaged_node_is_refused_or_gives_octets_of_its_own(
    form: Any, size: int, at: int, flip: int
) -> None:
    for blob in (
        WHOLE[:size],
        WHOLE[:at] + bytes((WHOLE[at] ^ flip,)) + WHOLE[at + 1 :],
    ):
        try:
            packed(form, [(b"a\0", blob)])
        except (ValueError, IndexError):
            continue


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", [b"a", b"\0", b"a\0\0", b"x" * 64 + b"\0", b"a\0" * 300])
def test_a_key_that_is_no_names_is_refused(form: Any, key: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        packed(form, [(key, node.encode_one(A, 1, bytes(4)))])


@pytest.mark.parametrize("form", FORMS)
def test_a_message_takes_no_more_than_a_pointer_reaches(form: Any) -> None:
    for most in (0, len(HEAD), TRANSFER_OCTETS + 1):
        with pytest.raises(ValueError):
            form(HEAD, b"", most)
