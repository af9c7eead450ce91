"""What is believed of a message: nothing from outside the cut."""

from __future__ import annotations

from contextlib import suppress

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import names
from csid.client import wire
from csid.client.wire import MessageError
from csid.protocol import TXT
from resolver.recursion import reading
from resolver.recursion.reading import ALIAS, ANSWER, LAME, NO_DATA, NO_NAME, REFERRAL, Host, Said
from tests.support import believing

NAME = "a.b.example."
CUT = "example."
LABELS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3)
BELOW = LABELS.map(lambda labels: ".".join([*labels, "example."]))
ANY = st.one_of(BELOW, st.sampled_from(["other.", "a.b.other.", "com."]), st.just(NAME))
TTL = st.integers(0, 1_000)
ANSWERS = st.one_of(
    st.tuples(ANY, TTL, st.just("TXT"), st.just("x")),
    st.tuples(ANY, TTL, st.just("CNAME"), ANY),
    st.tuples(ANY, TTL, st.just("DNAME"), ANY),
)
AUTHORITIES = st.one_of(
    st.tuples(ANY, TTL, st.just("SOA"), st.just("m. r. 1 1 1 1 30")),
    st.tuples(ANY, TTL, st.just("NS"), ANY),
)
ADDITIONALS = st.one_of(
    st.tuples(ANY, TTL, st.just("A"), st.just("192.0.2.1")),
    st.tuples(ANY, TTL, st.just("AAAA"), st.just("2001:db8::1")),
)
Line = tuple[str, int, str, str]


def message_of(
    sections: tuple[list[Line], list[Line], list[Line]], rcode: int = 0, aa: bool = True
) -> dns.message.Message:
    made = dns.message.make_response(dns.message.make_query(NAME, "TXT", use_edns=0))
    made.flags |= dns.flags.AA if aa else 0
    made.set_rcode(dns.rcode.Rcode(rcode))
    for section, lines in zip(
        (made.answer, made.authority, made.additional), sections, strict=True
    ):
        for owner, ttl, rrtype, data in lines:
            section.append(dns.rrset.from_text(owner, ttl, "IN", rrtype, data))
    return made


def said(message: dns.message.Message, cut: str = CUT) -> Said:
    octets = message.to_wire()
    asked = wire.question(names.from_text(NAME), TXT)
    assert wire.answers(octets, asked)
    return reading.read(wire.read(octets, asked), asked[:-4], TXT, names.from_text(cut), asked[:-4])


@given(
    st.tuples(
        st.lists(ANSWERS, max_size=4),
        st.lists(AUTHORITIES, max_size=3),
        st.lists(ADDITIONALS, max_size=3),
    ),
    st.sampled_from([0, 2, 3, 5]),
    st.booleans(),
)
def test_whatever_comes_only_what_the_cut_may_say_is_believed(
    sections: tuple[list[Line], list[Line], list[Line]], rcode: int, aa: bool
) -> None:
    try:
        found = said(message_of(sections, rcode, aa))
    except MessageError:  # aliases in a circle
        return
    cut = names.from_text(CUT)
    if found.outcome == REFERRAL:
        assert found.name != cut
        assert names.is_at_or_below(found.name, cut)
        assert names.is_at_or_below(names.from_text(NAME), found.name)
        assert all(names.is_at_or_below(h.name, cut) for h in found.hosts if h.addresses)
    if found.outcome in (ANSWER, NO_NAME, NO_DATA, ALIAS):
        assert aa
        assert rcode in (0, 3)
    if found.outcome == ANSWER:
        assert names.is_at_or_below(found.name, cut)
    # Each record that would be kept was in the message, and lies below the cut.
    query = dns.message.make_query(NAME, "TXT", use_edns=-1).to_wire()
    counts = found.number.to_bytes(2, "big") + bytes(4)
    read = dns.message.from_wire(
        query[:6] + counts + query[12:] + found.answer, one_rr_per_rrset=True
    )
    for rrset in read.answer:
        assert rrset.name.is_subdomain(dns.name.from_text(CUT))


@given(
    st.tuples(
        st.lists(ANSWERS, max_size=3, unique_by=lambda line: (line[0], line[2])),
        st.lists(AUTHORITIES, max_size=2, unique_by=lambda line: line[2]),
        st.lists(ADDITIONALS, max_size=2),
    ),
    st.sampled_from([0, 2, 3, 5]),
    st.booleans(),
)
def test_it_says_what_the_walk_reads(
    sections: tuple[list[Line], list[Line], list[Line]], rcode: int, aa: bool
) -> None:
    message = message_of(sections, rcode, aa)
    try:
        found = said(message)
    except MessageError:  # aliases in a circle
        return
    same = believing.read(
        dns.message.from_wire(message.to_wire()),
        dns.name.from_text(NAME),
        TXT,
        dns.name.from_text(CUT),
    )
    if found.outcome in (NO_DATA, NO_NAME) and same.outcome == ALIAS:
        assert found.soa  # the zone of the alias says so itself: it need not be asked again
        return
    assert found.outcome == same.outcome
    if found.outcome != LAME:
        assert names.to_text(found.name) == same.name.to_text().lower()
    if found.outcome == REFERRAL:
        assert [names.to_text(one.name) for one in found.hosts] == [
            one.to_text() for one in same.hosts
        ]
    else:
        assert found.ttl == same.ttl


SOA_LINE: Line = ("example.", 60, "SOA", "m. r. 1 1 1 1 30")


@pytest.mark.parametrize(
    ("sections", "rcode", "aa", "outcome"),
    [
        (([(NAME, 60, "TXT", "x")], [], []), 0, True, ANSWER),
        (([(NAME, 60, "TXT", "x")], [], []), 0, False, LAME),
        (([], [SOA_LINE], []), 3, True, NO_NAME),
        (([], [SOA_LINE], []), 0, True, NO_DATA),
        (([], [("other.", 60, "SOA", "m. r. 1 1 1 1 30")], []), 3, True, NO_NAME),
        (([], [("b.example.", 60, "NS", "ns.b.example.")], []), 0, False, REFERRAL),
        (([], [("example.", 60, "NS", "ns.example.")], []), 0, False, LAME),
        (([], [(".", 60, "NS", "ns.example.")], []), 0, False, LAME),
        (([(NAME, 60, "CNAME", "c.example.")], [], []), 0, True, ALIAS),
        (([(NAME, 60, "CNAME", "c.example.")], [SOA_LINE], []), 3, True, NO_NAME),
        (([], [], []), 5, True, LAME),
        (
            ([(NAME, 60, "CNAME", "c.example."), ("c.example.", 60, "TXT", "x")], [], []),
            0,
            True,
            ANSWER,
        ),
        (([(NAME, 60, "CNAME", "c.other."), ("c.other.", 60, "TXT", "x")], [], []), 0, True, ALIAS),
    ],
)
def test_outcomes(
    sections: tuple[list[Line], list[Line], list[Line]], rcode: int, aa: bool, outcome: str
) -> None:
    found = said(message_of(sections, rcode, aa))
    assert found.outcome == outcome
    if outcome == NO_NAME and not sections[1][0][0].startswith("example"):
        assert found.ttl == 0  # nothing of it may be remembered


def test_addresses_are_taken_from_below_the_cut_alone() -> None:
    found = said(
        message_of(
            (
                [],
                [
                    ("b.example.", 60, "NS", "ns.b.example."),
                    ("b.example.", 50, "NS", "ns.other."),
                ],
                [
                    ("ns.b.example.", 60, "A", "192.0.2.1"),
                    ("ns.other.", 60, "A", "192.0.2.2"),
                    ("_sync._tcp.ns.b.example.", 60, "SRV", "0 0 5301 ns.b.example."),
                ],
            ),
            aa=False,
        )
    )
    assert found.ttl == 50
    assert found.hosts == (
        Host(names.from_text("ns.b.example."), (bytes([192, 0, 2, 1]),), 5301),
        Host(names.from_text("ns.other.")),
    )


def test_aliases_in_a_circle_are_no_answer() -> None:
    circle: list[Line] = [(NAME, 60, "CNAME", "c.example."), ("c.example.", 60, "CNAME", NAME)]
    with pytest.raises(MessageError, match="circle"):
        said(message_of((circle, [], [])))


@given(st.binary(max_size=80), st.integers(0, 200))
def test_damaged_messages_are_read_or_refused(more: bytes, cut: int) -> None:
    sections = ([(NAME, 60, "CNAME", "c.example.")], [SOA_LINE], [])
    octets = message_of(sections).to_wire()
    asked = wire.question(names.from_text(NAME), TXT)
    for damaged in (octets[:cut] + more, octets[: len(octets) - cut % 40] + more):
        if wire.answers(damaged, asked):
            with suppress(MessageError):
                name = asked[:-4]
                reading.read(wire.read(damaged, asked), name, TXT, names.from_text(CUT), name)
