"""Answers that do not fit as collected: names compressed, the least worth left out, TTLs aged."""

from __future__ import annotations

import dns.flags
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.limits import MAX_MESSAGE_OCTETS
from resolver.answer import fit
from resolver.answer.reply import Reply
from tests.support.answering import answer, answer_octets, has, tree_of
from tests.support.packets import PEER, opt, parsed, query, records

SOA = "$TTL 300\n@ SOA ns host 1 2 3 4 5\n@ NS ns.elsewhere.test.\n"
LONG, LONGER = "x" * 63, "y" * 63


def referral(hosts: int, below: str = "cut", filler: str = "h") -> str:
    """A zone with one cut of so many servers, each with an IPv4 and an IPv6 address."""
    names = [f"ns{number}{filler}.{below}" for number in range(hosts)]
    rows = "".join(
        f"cut NS {name}\n{name} A 192.0.2.{number}\n{name} AAAA 2001:db8::{number:x}\n"
        for number, name in enumerate(names)
    )
    return SOA + rows


def test_thirteen_servers_with_two_addresses_each_fit_one_datagram() -> None:
    reply = answer(query("www.cut.z.", "A", opt()), tree=tree_of({"z.": referral(13)}))
    assert not has(reply, dns.flags.TC)
    assert (len(reply.authority), len(reply.additional)) == (13, 26)


def test_glue_that_is_missing_is_told_and_the_rest_is_given() -> None:
    """RFC 9471 section 3.1: all glue of in-domain name servers, or TC."""
    tree = tree_of({"z.": referral(25)})
    short = answer(query("www.cut.z.", "A", opt()), tree=tree)
    assert has(short, dns.flags.TC)
    assert len(short.authority) == 25
    assert 0 < len(short.additional) < 50
    whole = answer(query("www.cut.z.", "A", opt()), stream=True, tree=tree)
    assert not has(whole, dns.flags.TC)
    assert (len(whole.authority), len(whole.additional)) == (25, 50)


@pytest.mark.parametrize(("below", "truncated"), [("cut", True), ("beside", False)])
def test_one_server_with_too_many_addresses_does_not_cost_the_others_theirs(
    below: str, truncated: bool
) -> None:
    """Names are compressed anew around what is left out, so each is read back in full."""
    rows = [
        f"cut NS {name}.{below}\n{name}.{below} A 192.0.2.{at}\n" for at, name in enumerate("abc")
    ]
    rows += [f"b.{below} A 192.0.3.{number}\n" for number in range(60)]
    reply = answer(query("www.cut.z.", "A"), tree=tree_of({"z.": SOA + "".join(rows)}))
    assert has(reply, dns.flags.TC) is truncated
    assert len(reply.authority) == 3
    assert records(reply.additional) == {
        f"a.{below}.z. 300 a 192.0.2.0": 1,
        f"c.{below}.z. 300 a 192.0.2.2": 1,
    }


def test_addresses_that_can_be_found_elsewhere_are_no_reason_to_come_again() -> None:
    """RFC 9471 section 3.2: sibling glue is given as far as it fits."""
    tree = tree_of({"z.": referral(20, below="beside", filler="h" * 12)})
    reply = answer(query("www.cut.z.", "A", opt()), tree=tree)
    assert not has(reply, dns.flags.TC)
    assert len(reply.authority) == 20
    assert 0 < len(reply.additional) < 40


def test_addresses_that_nobody_needs_do_not_keep_names_from_being_compressed() -> None:
    """A sibling with kilobytes of addresses, before and behind servers whose glue fits."""
    rows = [f"big A 192.0.{one}.{two}\n" for one in range(2) for two in range(200)]
    for below in ("cut NS big\n", "cut NS a.big\na.big A 192.0.2.1\n"):
        tree = tree_of({"z.": referral(7) + "".join(rows) + below})
        reply = answer(query("www.cut.z.", "A"), tree=tree)
        assert not has(reply, dns.flags.TC)
        assert sum(str(one.name).endswith("cut.z.") for one in reply.additional) == 14


def test_no_rrset_is_given_in_part() -> None:
    """RFC 2181 section 9: what is additional is there whole or not at all."""
    rows = "".join(f"mx{one} A 192.0.{one}.{two}\n" for one in range(9) for two in range(20))
    text = SOA + "".join(f"m MX 10 mx{one}\n" for one in range(9)) + rows
    reply = answer(query("m.z.", "MX", opt()), tree=tree_of({"z.": text}))
    counts = {}
    for record in reply.additional:
        counts[record.name] = counts.get(record.name, 0) + 1
    assert set(counts.values()) == {20}
    assert not has(reply, dns.flags.TC)


@pytest.mark.parametrize("count", [7, 10])
def test_behind_a_long_way_of_aliases_any_rrset_fits_or_the_way_ends_before(count: int) -> None:
    """Ten long DNAMEs, then 59 kB of data: never an answer cut off over TCP."""
    rows = "".join(f"d{step} DNAME {LONG}.{LONGER}.d{step + 1}\n" for step in range(count))
    host = ".".join([f"{LONG}.{LONGER}"] * 1)
    large = "".join(f"a.{host}.d{count} TXT {'t' * 240}{one:03}\n" for one in range(230))
    tree = tree_of({"z.": f"{SOA}{rows}{large}"})
    packet = answer_octets(query("a.d0.z.", "TXT"), True, tree)
    assert packet is not None
    reply = parsed(packet)
    assert not has(reply, dns.flags.TC)
    assert reply.answer


def reply_of(message: dns.message.Message, packet: bytes) -> Reply:
    """A reply that holds the records of a message, names in full."""
    reply = Reply(packet, PEER, False)
    reply.end = len(packet)
    sections = []
    for section in (message.answer, message.authority, message.additional):
        rows = [
            rrset.name.to_wire()
            + rrset.rdtype.to_bytes(2, "big")
            + b"\0\1"
            + rrset.ttl.to_bytes(4, "big")
            + len(rdata.to_wire()).to_bytes(2, "big")
            + rdata.to_wire()
            for rrset in section
            for rdata in rrset
        ]
        sections.append((b"".join(rows), len(rows)))
    (reply.answer, reply.answer_number), (reply.authority, reply.authority_number) = sections[:2]
    reply.additional, reply.additional_number = sections[2]
    return reply


LABEL = st.sampled_from(["a", "B", "b", "cc", "xn--x", "d" * 30])
NAME = st.lists(LABEL, max_size=5).map(lambda labels: ".".join([*labels, ""]) or ".")
ROW = st.one_of(
    st.builds("{} {} IN NS {}".format, NAME, st.integers(0, 2**31 - 1), NAME),
    st.builds("{} {} IN CNAME {}".format, NAME, st.integers(0, 2**31 - 1), NAME),
    st.builds("{} {} IN MX 7 {}".format, NAME, st.integers(0, 2**31 - 1), NAME),
    st.builds("{0} {1} IN SOA {2} {0} 1 2 3 4 5".format, NAME, st.integers(0, 2**31 - 1), NAME),
    st.builds("{} {} IN DNAME {}".format, NAME, st.integers(0, 2**31 - 1), NAME),
    st.builds("{} {} IN A 192.0.2.1".format, NAME, st.integers(0, 2**31 - 1)),
)


ROWS = st.lists(ROW, max_size=6)


def cut(
    name: str, rows: tuple[list[str], list[str], list[str]], room: int
) -> tuple[int, int, dns.message.Message, dns.message.Message]:
    """Records made to fit: the octets they take, and how they read, before and afterwards."""
    text = (
        f"id 1\nopcode QUERY\nrcode NOERROR\nflags QR\n;QUESTION\n{name} IN A\n"
        ";ANSWER\n{}\n;AUTHORITY\n{}\n;ADDITIONAL\n{}\n"
    ).format(*("\n".join(section) for section in rows))
    message = dns.message.from_text(text)
    packet = query(name, "A")
    reply = reply_of(message, packet)
    before = len(reply.answer) + len(reply.authority) + len(reply.additional)
    fit.cut_down(reply, room)
    counts = (reply.answer_number, reply.authority_number, reply.additional_number)
    head = packet[:6] + b"".join(count.to_bytes(2, "big") for count in counts) + packet[12:]
    octets = reply.answer + reply.authority + reply.additional
    return before, len(octets), parsed(message.to_wire(origin=None)), parsed(head + octets)


@given(NAME, st.tuples(ROWS, ROWS, ROWS))
def test_compressed_or_not_a_message_says_the_same(
    name: str, rows: tuple[list[str], list[str], list[str]]
) -> None:
    before, after, whole, read = cut(name, rows, MAX_MESSAGE_OCTETS)
    assert after <= before
    for ours, theirs in zip(read.sections[1:], whole.sections[1:], strict=True):
        assert records(ours) == records(theirs)


@given(NAME, st.tuples(ROWS, ROWS, ROWS), st.integers(0, 300))
def test_what_is_left_of_a_message_says_what_it_said(
    name: str, rows: tuple[list[str], list[str], list[str]], room: int
) -> None:
    _, after, whole, read = cut(name, rows, room)
    assert after <= room
    for ours, theirs in zip(read.sections[1:], whole.sections[1:], strict=True):
        assert records(ours) <= records(theirs)


@given(st.lists(ROW, max_size=6), st.integers(1, 2**31))
def test_ttls_of_records_that_were_held_are_less_by_their_age(rows: list[str], age: int) -> None:
    text = "id 1\nopcode QUERY\nflags QR\n;QUESTION\nq. IN A\n;ANSWER\n" + "\n".join(rows) + "\n"
    message = dns.message.from_text(text)
    packet = query("q.", "A")
    reply = reply_of(message, packet)
    fresh = parsed(packet[:6] + bytes((0, reply.answer_number)) + packet[8:] + reply.answer)
    reply.age = age
    fit.with_age(reply)
    aged = parsed(packet[:6] + bytes((0, reply.answer_number)) + packet[8:] + reply.answer)
    assert reply.age == 0
    assert [one.ttl for one in aged.answer] == [max(one.ttl - age, 0) for one in fresh.answer]
    assert [one[0] for one in aged.answer] == [one[0] for one in fresh.answer]


def test_a_pointer_that_does_not_go_back_is_an_error_and_no_endless_way() -> None:
    reply = Reply(query("q.", "A"), PEER, False)
    reply.end = len(reply.packet)
    for owner in (reply.end, reply.end + 4):
        reply.answer = (0xC000 | owner).to_bytes(2, "big") + bytes(10) + b"\xc0\x13\0"
        reply.answer_number = 1
        with pytest.raises(ValueError, match="pointer"):
            fit.cut_down(reply, MAX_MESSAGE_OCTETS)
