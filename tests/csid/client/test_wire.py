"""What the client reads of messages is what dnspython reads, and nothing outside of them."""

from __future__ import annotations

import re

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from csid import names
from csid.address import Address
from csid.client import wire
from csid.client.answer import interpret, plainly, thoroughly
from csid.client.wire import MessageError
from csid.errors import CsidError
from csid.protocol import CNAME, CSID, NS, SOA
from csid.record import Record, encode

NAME = "h60m07a1-0001-fy.acv.330106.6450.91330106673959654p.csid.internal."
ASKED = wire.question(names.from_text(NAME), CSID)
COOKIE = bytes(range(8))
SERVER = Address("127.0.0.1", 53)
RECORD = encode(Record({"state": "active", "endpoints": ["https://a.example"]}))

labels = st.binary(min_size=1, max_size=8)
hosts = st.lists(labels, max_size=4).map(lambda parts: dns.name.Name([*parts, b""]))
owners = st.one_of(st.just(dns.name.from_text(NAME)), hosts)
ttls = st.one_of(st.integers(0, 2**31 - 1), st.sampled_from([0, 1, 2**31 - 1]))
rdatas = st.one_of(
    st.just(("TYPE65347", rf"\# {len(RECORD)} {RECORD.hex()}")),
    hosts.map(lambda host: ("CNAME", host.to_text())),
    hosts.map(lambda host: ("NS", host.to_text())),
    st.tuples(hosts, hosts, st.integers(0, 2**32 - 1)).map(
        lambda made: ("SOA", f"{made[0]} {made[1]} 1 2 3 4 {made[2]}")
    ),
    st.just(("A", "192.0.2.1")),
)
records = st.builds(
    lambda owner, ttl, rdata: dns.rrset.from_text(owner, ttl, "IN", *rdata), owners, ttls, rdatas
)
sections = st.lists(records, max_size=4)
cookies = st.none() | st.binary(min_size=8, max_size=8) | st.binary(min_size=16, max_size=40)


@st.composite
def messages(draw: st.DrawFn) -> dns.message.QueryMessage:
    """Answers with compressed names, as a server might send."""
    query = dns.message.make_query(NAME, dns.rdatatype.RdataType.make(CSID))
    answer = dns.message.make_response(query)
    assert isinstance(answer, dns.message.QueryMessage)
    for section in (answer.answer, answer.authority, answer.additional):
        section += draw(sections)
    if draw(st.booleans()):
        answer.flags |= dns.flags.AA
    cookie = draw(cookies)
    options = [] if cookie is None else [dns.edns.GenericOption(10, cookie)]
    if options or draw(st.booleans()):
        answer.use_edns(0, options=options)
        answer.set_rcode(dns.rcode.Rcode(draw(st.sampled_from([0, 2, 3, 5, 16, 23]))))
    return answer


def merged(rrsets: list[dns.rrset.RRset]) -> list[tuple[bytes, int, int]]:
    """Owner, type and TTL of each record, in order."""
    return [(one.name.to_wire().lower(), int(one.rdtype), one.ttl) for one in rrsets for _ in one]


@given(messages())
def test_what_is_read_is_what_dnspython_wrote(answer: dns.message.QueryMessage) -> None:
    octets = answer.to_wire(max_size=65_535)
    assert wire.answers(octets, ASKED)
    message = wire.read(octets, ASKED)
    name = names.from_text(NAME)
    assert message.flags == answer.flags
    assert message.rcode == answer.rcode()
    for rows, rrsets in ((message.answers, answer.answer), (message.authorities, answer.authority)):
        assert [(wire.owner(message, row, name), row.type, row.ttl) for row in rows] == merged(
            rrsets
        )
    cookies = [one.to_wire() for one in answer.options]
    assert message.cookie == (cookies[0] if cookies else None)
    for row, rdata in zip(
        [*message.answers, *message.authorities],
        [rdata for rrset in [*answer.answer, *answer.authority] for rdata in rrset],
        strict=True,
    ):
        if row.type in (NS, CNAME):
            assert wire.target(message, row) == rdata.target.to_wire().lower()
        elif row.type == SOA:
            assert wire.negative_ttl(message, row) == min(row.ttl, rdata.minimum)
        elif row.type == CSID:
            assert octets[row.start : row.end] == RECORD


@given(messages(), st.booleans(), st.integers(0, 255))
def test_a_message_means_the_same_by_the_plain_way_and_by_the_thorough_one(
    answer: dns.message.QueryMessage, is_usual: bool, octet: int
) -> None:
    asked = names.from_text(NAME)
    if is_usual:
        rdata = ("TYPE65347", rf"\# {len(RECORD)} {RECORD[:-1].hex()}{octet:02x}")
        answer.answer[:] = [dns.rrset.from_text(NAME, 300, "IN", *rdata)]
    message = wire.read(answer.to_wire(max_size=65_535), ASKED)
    if message.rcode not in (0, 3):
        return
    try:
        plain = plainly(message, asked, SERVER)
    except CsidError as error:
        with pytest.raises(type(error), match=re.escape(str(error))):
            thoroughly(message, asked, SERVER)
        return
    assert (plain is not None) >= (is_usual and message.rcode == 0)
    if plain is not None:
        assert plain == thoroughly(message, asked, SERVER)


@given(messages(), st.data())
def test_a_message_that_is_cut_is_refused(
    answer: dns.message.QueryMessage, data: st.DataObject
) -> None:
    octets = answer.to_wire(max_size=65_535)
    end = data.draw(st.integers(0, len(octets) - 1))
    cut = octets[:end]
    if wire.answers(cut, ASKED):
        with pytest.raises(MessageError):
            wire.read(cut, ASKED)


HEAD = dns.message.make_response(
    dns.message.make_query(NAME, dns.rdatatype.RdataType.make(CSID), id=0)
).to_wire()


@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.binary(max_size=120))
@example(1, 0, 0, b"\xc0\xff" + bytes(10))
@example(1, 0, 0, HEAD[:2] + b"\xc0\x0c\x00\x05\x00\x01" + bytes(5) + b"\x02\xc0\x5a")
def test_octets_of_strangers_are_read_or_refused(
    answers: int, authorities: int, additional: int, rest: bytes
) -> None:
    """Whatever stands behind a question that is ours, it ends in an answer or an error of ours;
    what dnspython takes as a message is one here, too.
    """
    counts = b"".join(n.to_bytes(2, "big") for n in (answers, authorities, additional))
    octets = HEAD[:6] + counts + HEAD[12:] + rest
    assert wire.answers(octets, ASKED)
    try:
        interpret(wire.read(octets, ASKED), names.from_text(NAME), SERVER)
    except MessageError:
        with pytest.raises((dns.exception.DNSException, ValueError)):
            dns.message.from_wire(octets)
    except CsidError:
        pass


@given(st.binary(max_size=64))
def test_octets_that_begin_otherwise_are_no_answer(octets: bytes) -> None:
    assert not wire.answers(octets, ASKED)


@given(
    hosts,
    st.sampled_from([CSID, SOA]),
    st.booleans(),
    st.binary(min_size=8, max_size=8) | st.binary(min_size=16, max_size=40),
)
def test_a_query_reads_back(
    host: dns.name.Name, rrtype: int, is_recursive: bool, cookie: bytes
) -> None:
    asked = wire.question(host.to_wire(), rrtype)
    message = dns.message.from_wire(wire.query(b"\x12\x34", asked, wire.edns(cookie), is_recursive))
    assert message.id == 0x1234
    assert message.flags == (dns.flags.RD if is_recursive else 0)
    assert [(one.name, int(one.rdtype)) for one in message.question] == [(host, rrtype)]
    assert (message.edns, message.payload) == (0, 1232)
    assert [one.to_wire() for one in message.options] == [cookie]


def test_a_name_in_other_letters_is_the_same_question_and_another_type_is_not() -> None:
    assert not wire.answers(HEAD[:12] + HEAD[12:].lower(), ASKED)  # the type is no text: 0xFF43
    upper = HEAD[:12] + HEAD[12:-4].upper() + HEAD[-4:]
    assert wire.answers(upper, ASKED)
    assert not wire.answers(upper[:-4] + b"\0\x10\0\1", ASKED)
