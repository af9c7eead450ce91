"""What is answered from the cache, what is left to others, and what is renewed before it ends."""

from __future__ import annotations

import struct

import dns.message
import pytest

from csid import names
from resolver.answer.parse import parse
from resolver.answer.reply import Reply
from resolver.cache import entry as entries
from resolver.cache.entry import Section
from resolver.cache.sieve import AHEAD, ASKED
from resolver.cache.source import CacheSource, key_of_question

NOW = 1_800_000_000
TTL = 100
NAME = "a.example."


def asked(name: str = NAME, rrtype: str = "TXT", rrclass: str = "IN") -> Reply:
    query = dns.message.make_query(name, rrtype, rrclass)
    reply = parse(query.to_wire(), b"\x7f\0\0\1", False)
    assert reply is not None
    return reply


class Held:
    """A cache with one entry."""

    def __init__(self) -> None:
        record = b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, TTL, 2) + b"\x01x"
        self.entry = entries.in_slot(entries.encode(0, -1, TTL, NOW, Section(record, 1)), 1)
        self.key = key_of_question(names.key_of(names.from_text(NAME)), 16)
        self.marks = memoryview(bytearray(3))
        self.missed: list[Reply] = []
        self.ahead: list[Reply] = []

    def ask(self, reply: Reply, later: int) -> bool:
        def missed(one: Reply) -> bool:
            self.missed.append(one)
            return False

        get = {self.key: self.entry}.get
        return CacheSource(get, self.marks, NOW + later, missed, self.ahead.append).resolve(reply)


def test_a_hit_is_filled_in_and_marked() -> None:
    held, reply = Held(), asked("A.exAMPLE.")
    assert held.ask(reply, 1)
    assert (reply.answer_number, reply.answer[6:10]) == (1, (TTL - 1).to_bytes(4, "big"))
    assert list(held.marks) == [0, ASKED, 0]
    assert not held.missed


@pytest.mark.parametrize(
    ("reply", "later"),
    [(asked(), TTL), (asked(), TTL + 50), (asked("b.example."), 0), (asked(rrtype="A"), 0)],
)
def test_what_is_not_there_or_holds_no_more_is_left_to_others(reply: Reply, later: int) -> None:
    held = Held()
    assert not held.ask(reply, later)
    assert held.missed == [reply]
    assert list(held.marks) == [0, 0, 0]


def test_another_class_is_refused() -> None:
    held, reply = Held(), asked(rrclass="CH")
    reply.asks = True
    assert held.ask(reply, 0)
    assert reply.rcode == 5
    assert not held.missed


def test_what_is_popular_is_renewed_once_before_it_ends() -> None:
    held = Held()
    held.ask(asked(), TTL - 5)  # the first who asks does not make it popular
    assert not held.ahead
    held.ask(asked(), TTL // 2)
    assert not held.ahead
    for _ in range(3):
        held.ask(asked(), TTL - 5)
    assert len(held.ahead) == 1
    assert held.marks[1] == ASKED | AHEAD
