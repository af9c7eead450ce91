"""UPDATE messages: read as dnspython reads them, and nothing that a stranger sends raises."""

from __future__ import annotations

import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.update
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import names
from csid.protocol import (
    ANY,
    CLASS_ANY,
    CLASS_IN,
    CLASS_NONE,
    FORMERR,
    NOTAUTH,
    REFUSED,
    SERVFAIL,
    A,
)
from resolver.sync.update.message import Asked, Record, read, response

ORIGIN = "example."


def key(text: str) -> bytes:
    return names.key_of(names.from_text(text))


def message() -> dns.update.UpdateMessage:
    made = dns.update.UpdateMessage(ORIGIN)
    made.present("a.example.", "MX", "10 Mail.example.")
    made.absent("b.example.")
    made.add("c.example.", 60, "SRV", "1 2 443 c.example.")
    made.add("c.example.", 60, "NAPTR", '1 2 "u" "x" "" c.example.')
    made.add("c.example.", 60, "TYPE65347", "\\# 3 c00c00")
    made.delete("d.example.", "A", "192.0.2.1")
    made.delete("d.example.")
    return made


def test_sections_are_read_with_their_names_whole() -> None:
    asked = read(message().to_wire())
    assert isinstance(asked, Asked)
    assert (asked.origin, asked.apex, asked.edns) == (b"\7example\0", b"example\0", False)
    mail = b"\0\x0a\4Mail\7example\0"
    assert asked.prerequisites == (
        Record(key("a.example."), 15, CLASS_IN, 0, mail),
        Record(key("b.example."), ANY, CLASS_NONE, 0, b""),
    )
    host = b"\1c\7example\0"
    assert asked.changes == (
        Record(key("c.example."), 33, CLASS_IN, 60, b"\0\1\0\2\1\xbb" + host),
        Record(key("c.example."), 35, CLASS_IN, 60, b"\0\1\0\2\1u\1x\0" + host),
        Record(key("c.example."), 65347, CLASS_IN, 60, b"\xc0\x0c\0"),
        Record(key("d.example."), A, CLASS_NONE, 0, bytes((192, 0, 2, 1))),
        Record(key("d.example."), ANY, CLASS_ANY, 0, b""),
    )


def test_an_opt_record_is_seen_and_a_second_one_is_malformed() -> None:
    made = message()
    made.use_edns()
    wire = made.to_wire()
    asked = read(wire)
    assert isinstance(asked, Asked) and asked.edns
    twice = wire[:10] + b"\0\2" + wire[12:] + bytes((0, 0, 41)) + bytes(8)
    assert read(twice) == FORMERR


@pytest.mark.parametrize(
    ("spoilt", "rcode"),
    [
        (lambda wire: wire[:-1], FORMERR),
        (lambda wire: wire + b"\0", FORMERR),
        (lambda wire: wire[:4] + b"\0\0" + wire[6:], FORMERR),
        (lambda wire: wire[:4] + b"\0\2" + wire[6:], FORMERR),
        (lambda wire: wire.replace(b"\0\6\0\1", b"\0\1\0\1", 1), FORMERR),
        (lambda wire: wire.replace(b"\0\6\0\1", b"\0\6\0\3", 1), NOTAUTH),
        (lambda wire: wire[:2] + b"\0" + wire[3:], FORMERR),
        (lambda wire: wire[:2] + b"\xa8" + wire[3:], FORMERR),
    ],
)
def test_what_is_wrong_as_a_whole_gets_its_code(spoilt: object, rcode: int) -> None:
    assert callable(spoilt)
    assert read(spoilt(message().to_wire())) == rcode


def test_a_name_that_no_store_takes_is_refused() -> None:
    made = dns.update.UpdateMessage(ORIGIN)
    name = ".".join("\\000" * octets for octets in (63, 63, 63, 61))
    made.add(f"{name}.", 60, "A", "192.0.2.1")
    assert read(made.to_wire()) == REFUSED


def test_a_pointer_that_leads_in_a_circle_ends() -> None:
    wire = bytearray(message().to_wire())
    at = wire.index(b"\1a\xc0\x0c")
    wire[at + 2 : at + 4] = (0xC000 | at).to_bytes(2, "big")
    assert read(bytes(wire)) == FORMERR


@given(st.data())
def test_nothing_that_is_sent_raises(data: st.DataObject) -> None:
    wire = bytearray(message().to_wire())
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(2, len(wire) - 1))
        wire[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(wire)))
    asked = read(bytes(wire[: cut or None]))
    if isinstance(asked, Asked):
        for record in (*asked.prerequisites, *asked.changes):
            assert names.key_of(names.wire_of_key(record.key)) == record.key
    else:
        assert asked in (FORMERR, NOTAUTH, REFUSED)


@given(st.binary(max_size=80))
def test_no_octets_raise(octets: bytes) -> None:
    assert read(octets) in (FORMERR, NOTAUTH, REFUSED) or isinstance(read(octets), Asked)


@given(st.text(max_size=600))
def test_an_answer_says_why_where_there_is_room_for_it(text: str) -> None:
    wire = message().to_wire()
    answer = dns.message.from_wire(response(wire, SERVFAIL, text, True))
    assert answer.opcode() == dns.opcode.UPDATE
    assert answer.rcode() == dns.rcode.SERVFAIL
    assert answer.id == int.from_bytes(wire[:2], "big")
    told = "".join(option.text or "" for option in answer.options)
    assert text.encode("utf-8", "replace").startswith(told.encode()[:300])
    assert len(response(wire, SERVFAIL, text, True)) <= 512
    assert len(response(wire, SERVFAIL, text)) == 12
