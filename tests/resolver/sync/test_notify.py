"""NOTIFY as dnspython makes and reads it."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.opcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import names
from resolver.sync.notify import Notify, answer_code, make, read

ORIGIN = names.from_text("zone.example.")
SOA = dns.rrset.from_text("zone.example.", 60, "IN", "SOA", "ns.zone.example. host. 77 1 2 3 4")


@given(st.integers(0, 65_535), st.booleans(), st.integers(0, 2**31 - 1))
def test_dnspython_reads_what_we_make(identity: int, has_soa: bool, ttl: int) -> None:
    soa = SOA[0].to_wire() if has_soa else b""
    assert soa is not None
    wire = make(identity, ORIGIN, soa, ttl)
    told = dns.message.from_wire(wire)
    assert (told.id, told.opcode()) == (identity, dns.opcode.NOTIFY)
    assert told.flags & dns.flags.AA and not told.flags & dns.flags.QR
    (asked,) = told.question
    assert (asked.name.to_text(), asked.rdtype) == ("zone.example.", dns.rdatatype.SOA)
    assert [one.ttl for one in told.answer] == [ttl] * has_soa
    assert read(wire) == Notify(ORIGIN, 77 if has_soa else None)


def notified() -> dns.message.Message:
    made = dns.message.make_query("Zone.Example.", "SOA")
    made.set_opcode(dns.opcode.NOTIFY)
    made.flags |= dns.flags.AA
    return made


def test_we_read_what_dnspython_makes() -> None:
    told = notified()
    assert read(told.to_wire()) == Notify(ORIGIN, None)
    told.answer.append(SOA)
    assert read(told.to_wire()) == Notify(ORIGIN, 77)
    told.use_edns(0)
    assert read(told.to_wire()) == Notify(ORIGIN, 77)


def test_what_is_no_notify_of_a_zone_is_none() -> None:
    plain = notified().to_wire()
    end = len(plain)
    wrong = {
        "a query": plain[:2] + b"\0" + plain[3:],
        "an answer": plain[:2] + bytes((plain[2] | 0x80,)) + plain[3:],
        "of another type": plain[: end - 4] + b"\0\1\0\1",
        "of another class": plain[: end - 4] + b"\0\6\0\3",
        "two questions": plain[:5] + b"\2" + plain[6:] + plain[12:],
        "no question": plain[:5] + b"\0" + plain[6:12],
        "a record counted and not there": plain[:7] + b"\1" + plain[8:],
        "a header": plain[:12],
        "nothing": b"",
    }
    for what, wire in wrong.items():
        assert read(wire) is None, what
    other = notified()
    other.answer.append(dns.rrset.from_text("www.example.", 60, "IN", "SOA", "a. b. 1 2 3 4 5"))
    assert read(other.to_wire()) is None


@given(st.binary(max_size=300))
def test_octets_of_whatever_kind_are_read_to_an_end(octets: bytes) -> None:
    read(octets)
    read(notified().to_wire()[:12] + octets)


@pytest.mark.parametrize("rcode", [0, 4, 5])
def test_an_answer_has_the_code_and_must_be_to_this_one(rcode: int) -> None:
    asked = make(7, ORIGIN)
    answer = dns.message.make_response(dns.message.from_wire(asked))
    answer.set_rcode(rcode)
    wire = answer.to_wire()
    assert answer_code(asked, wire) == rcode
    assert answer_code(make(8, ORIGIN), wire) is None
    assert answer_code(asked, asked) is None
    assert answer_code(asked, wire[:11]) is None
