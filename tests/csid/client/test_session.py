"""Attempts, servers and ports of questions, with a clock that a test moves."""

from __future__ import annotations

import random

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import names
from csid.address import Address
from csid.client import wire
from csid.client.servers import Servers, ServerState
from csid.client.session import CHANNELS_MAX, PORT_QUESTIONS, Channel, Question, Session
from csid.protocol import CSID
from tests.support.fake_server import good_answer

A, B, C = (Address("192.0.2.1", port) for port in (1, 2, 3))
NAMES = [f"h{n}.example.csid.internal." for n in range(3_000)]


def asked(name: str) -> bytes:
    return wire.question(names.from_text(name), CSID)


def session_of(*servers: Address, seed: int = 1) -> Session:
    return Session(Servers(servers), random.Random(seed).randbytes)


def sent(session: Session) -> list[tuple[Channel, bytes]]:
    """All queries that want to be sent, one by one."""
    return [(channel, one) for channel, octets in session.outgoing() for one in octets]


def answer(query: bytes) -> bytes:
    return good_answer(dns.message.from_wire(query)).to_wire()


def test_silent_servers_are_asked_in_turn_with_more_patience_until_the_time_is_up() -> None:
    session = session_of(A, B)
    question = session.ask(asked(NAMES[0]), None, 0.0, 5.0)
    tried = []
    now = 0.0
    while not question.is_done:
        tried += [(channel.server.address, round(now, 3)) for channel, _ in sent(session)]
        deadline = session.deadline()
        assert deadline is not None and deadline > now
        now = deadline
        session.tick(now)
    assert tried == [(A, 0.0), (B, 1.0), (A, 2.0), (B, 4.0)]
    assert now == 5.0
    assert str(question.error) == f"{A}: no answer in time; {B}: no answer in time"
    assert session.in_flight == 0
    assert session.deadline() is None
    assert session.finished == [question]


def test_a_late_answer_to_an_earlier_attempt_is_one() -> None:
    session = session_of(A, B)
    question = session.ask(asked(NAMES[0]), None, 0.0, 5.0)
    ((first, query),) = sent(session)
    session.tick(1.0)
    ((second, _),) = sent(session)
    assert (first.server.address, second.server.address) == (A, B)
    session.receive(first, answer(query), 1.5)
    assert question.message is not None
    assert question.channel is first


def test_an_answer_on_another_channel_than_its_question_is_none() -> None:
    session = session_of(A, B)
    question = session.ask(asked(NAMES[0]), None, 0.0, 5.0)
    ((_, query),) = sent(session)
    session.tick(1.0)
    ((second, other),) = sent(session)
    assert query[:2] != other[:2]
    session.receive(second, answer(query), 1.5)
    assert not question.is_done
    assert session.passed_over == 1


def test_ids_and_ports_and_cookies_are_not_used_up() -> None:
    session = session_of(A)
    seen: dict[int, list[bytes]] = {}
    cookies = set()
    for at, name in enumerate(NAMES):
        session.ask(asked(name), None, float(at) / 1e6, 5.0)
        for channel, query in sent(session):
            seen.setdefault(channel.number, []).append(query[:2])
            cookies.add(channel.cookie)
            if at % 2:
                session.receive(channel, answer(query), float(at) / 1e6)
    assert len(seen) == len(cookies) == -(-len(NAMES) // PORT_QUESTIONS)
    ids = [one for numbers in seen.values() for one in numbers]
    assert len(set(ids)) > 0.9 * len(ids)  # of 65,536, drawn at random
    for numbers in seen.values():
        assert len(set(numbers[::2])) == len(numbers[::2])  # of those that wait none is another's


def test_a_port_is_closed_once_its_last_question_is_done() -> None:
    session = session_of(A)
    waiting: list[tuple[Question, Channel, bytes]] = []
    for name in NAMES[: PORT_QUESTIONS + 1]:
        question = session.ask(asked(name), None, 0.0, 5.0)
        ((channel, query),) = sent(session)
        waiting.append((question, channel, query))
    old, new = waiting[0][1], waiting[-1][1]
    assert old is not new
    for question, channel, query in waiting[:-1]:
        assert session.spent == []
        session.receive(channel, answer(query), 0.1)
        assert question.is_done
    assert session.spent == [old]


def test_of_many_servers_not_all_have_a_port_at_once() -> None:
    session = session_of()
    open_now: set[int] = set()
    for number in range(3 * CHANNELS_MAX):
        server = ServerState(Address("192.0.2.9", number + 1))
        session.ask(asked(NAMES[number]), None, 0.0, 5.0, servers=[server])
        ((channel, query),) = sent(session)
        open_now.add(channel.number)
        session.receive(channel, answer(query), 0.1)
        open_now -= {one.number for one in session.spent}
        session.spent.clear()
        assert len(open_now) <= CHANNELS_MAX
    assert len(session.finished) == 3 * CHANNELS_MAX


def test_a_server_where_nobody_listens_is_left_at_once() -> None:
    session = session_of(A, B)
    question = session.ask(asked(NAMES[0]), None, 0.0, 5.0)
    ((first, _),) = sent(session)
    session.lost(first, "no server", 0.1)
    ((second, _),) = sent(session)
    assert second.server.address == B
    session.lost(second, "no server either", 0.2)
    assert str(question.error) == f"{A}: no server; {B}: no server either"
    assert session.spent == [first, second]


def test_of_servers_that_cannot_tell_the_last_word_is_kept() -> None:
    """REFUSED says more than that nobody listens elsewhere, in whatever order they are asked."""
    for order in ((A, B), (B, A)):
        session = session_of(*order)
        question = session.ask(asked(NAMES[0]), None, 0.0, 5.0)
        for _ in range(2):
            ((channel, query),) = sent(session)
            if channel.server.address == A:
                refusal = dns.message.make_response(dns.message.from_wire(query))
                refusal.set_rcode(5)
                session.receive(channel, refusal.to_wire(), 0.1)
            else:
                session.lost(channel, "no server", 0.1)
        assert question.message is not None
        assert question.message.rcode == 5
        assert question.channel is not None
        assert question.channel.server.address == A


def test_the_fastest_server_is_asked_first() -> None:
    session = session_of(A, B, C)
    delays = {A: 0.030, B: 0.010, C: 0.020}
    now = 0.0
    order = []
    for name in NAMES[:9]:
        session.ask(asked(name), None, now, 5.0)
        ((channel, query),) = sent(session)
        order.append(channel.server.address)
        now += delays[channel.server.address]
        session.receive(channel, answer(query), now)
    assert order == [A, B, C, B, B, B, B, B, B]


def test_what_waits_on_a_stream_that_ends_is_asked_over_another_one() -> None:
    """One question was answered before: then it is no fault of the server's (RFC 7766 6.2.4)."""
    session = session_of(A)
    first, second = (session.ask(asked(name), None, 0.0, 5.0, over_tcp=True) for name in NAMES[:2])
    (channel, one), (same, _) = sent(session)
    assert channel is same and channel.is_stream
    said = answer(one[2:])
    session.receive(channel, len(said).to_bytes(2, "big") + said, 0.1)
    assert first.is_done and not second.is_done
    session.lost(channel, "ended", 0.2)
    ((other, _),) = sent(session)
    assert other is not channel
    session.lost(other, "ended", 0.3)
    assert str(second.error) == f"{A}: ended"


@given(st.lists(st.integers(1, 40), max_size=60), st.integers(0, 2**32))
def test_a_stream_may_be_cut_anywhere_into_pieces(pieces: list[int], seed: int) -> None:
    session = session_of(A, seed=seed)
    questions = [session.ask(asked(name), None, 0.0, 5.0, over_tcp=True) for name in NAMES[:3]]
    stream = b""
    queries = sent(session)
    channel = queries[0][0]
    for _, query in queries:
        said = answer(query[2:])
        stream += len(said).to_bytes(2, "big") + said
    for size in pieces:
        session.receive(channel, stream[:size], 0.1)
        stream = stream[size:]
    session.receive(channel, stream, 0.1)
    assert all(one.message is not None for one in questions)


@pytest.mark.parametrize("length", [0, 1, 11])
def test_octets_too_few_for_a_message_are_passed_over(length: int) -> None:
    session = session_of(A)
    question = session.ask(asked(NAMES[0]), None, 0.0, 5.0)
    ((channel, query),) = sent(session)
    session.receive(channel, query[:length], 0.1)
    assert not question.is_done
    session.receive(channel, answer(query), 0.2)
    assert question.is_done
