"""DNS over a byte stream, without sockets: any cut of the stream gives the same answers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from csid.limits import HEADER_OCTETS, MAX_MESSAGE_OCTETS
from resolver.server.framing import MAX_ANSWERS_OCTETS, MAX_QUERIES_AT_ONCE, Stream

queries = st.binary(min_size=HEADER_OCTETS, max_size=60)


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def upside_down(query: bytes) -> bytes | None:
    """An answer that depends on the query; queries that begin with 0 deserve none."""
    return query[::-1] * 3 if query[0] else None


def converse(stream: Stream, pieces: list[bytes]) -> bytes:
    """What a peer that sends these pieces gets back."""
    got = b""
    for piece in pieces:
        if stream.broken:
            break
        stream.receive(piece)
        got += stream.answers(upside_down)
        while stream.pending:
            got += stream.answers(upside_down)
    return got


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Octets, and the same octets in pieces; sometimes with nonsense after the queries."""
    octets = b"".join(map(framed, draw(st.lists(queries, max_size=20))))
    octets += draw(st.binary(max_size=40))
    cuts = sorted(draw(st.sets(st.integers(0, len(octets)), max_size=30)))
    ends = [0, *cuts, len(octets)]
    return octets, [octets[a:b] for a, b in pairwise(ends)]


@given(st.lists(queries, max_size=20))
def test_every_query_is_answered_in_order(messages: list[bytes]) -> None:
    stream = Stream()
    got = converse(stream, [b"".join(map(framed, messages))])
    answers = [upside_down(message) for message in messages]
    assert got == b"".join(framed(answer) for answer in answers if answer is not None)
    assert stream.held == 0


@given(cut_streams())
def test_any_cut_of_the_stream_gives_the_same_answers(cut: tuple[bytes, list[bytes]]) -> None:
    octets, pieces = cut
    whole, in_pieces = Stream(), Stream()
    assert converse(in_pieces, pieces) == converse(whole, [octets])
    assert in_pieces.broken == whole.broken
    assert in_pieces.held == whole.held


@given(queries, st.integers(0, HEADER_OCTETS - 1), st.binary(max_size=100))
def test_a_length_below_a_header_ends_the_stream_behind_what_was_whole(
    query: bytes, length: int, rest: bytes
) -> None:
    stream = Stream()
    got = converse(stream, [framed(query) + length.to_bytes(2, "big") + rest])
    answer = upside_down(query)
    assert got == (b"" if answer is None else framed(answer))
    assert stream.broken
    assert stream.held == 0


def test_the_longest_query_is_taken_whole_and_no_more_is_held() -> None:
    stream = Stream()
    query = bytes([1]) * MAX_MESSAGE_OCTETS
    message = framed(query)
    for at in range(0, len(message) - 1, 4_096):
        stream.receive(message[at : at + 4_096][: len(message) - 1 - at])
        assert stream.answers(lambda _: b"x" * 12) == b""
    assert stream.held == len(message) - 1
    stream.receive(message[-1:])
    assert stream.answers(lambda got: got[:12]) == framed(query[:12])
    assert stream.held == 0


def test_a_long_query_in_single_octets_is_taken_whole_behind_another() -> None:
    stream = Stream()
    query = bytes(range(1, 201)) * 50
    message = framed(bytes([1]) * 12) + framed(query)
    for at in range(len(message) - 1):
        stream.receive(message[at : at + 1])
        assert (stream.answers(lambda _: b"x" * 12) != b"") == (at == 13)
        assert stream.held == (at + 1 if at < 13 else at - 13)
    stream.receive(message[-1:])
    assert stream.answers(lambda got: got) == framed(query)
    assert (stream.held, stream.taken) == (0, 1)


@given(st.lists(queries, max_size=20))
def test_what_was_taken_is_counted_answered_or_not(messages: list[bytes]) -> None:
    stream = Stream()
    stream.receive(b"".join(map(framed, messages)) + bytes(1))
    stream.answers(upside_down)
    assert stream.taken == len(messages)
    assert stream.answers(upside_down) == b""
    assert stream.taken == 0


def test_answers_pause_at_their_bounds_and_go_on_where_they_stopped() -> None:
    count = 3 * MAX_QUERIES_AT_ONCE + 1
    numbered = [number.to_bytes(HEADER_OCTETS, "big") for number in range(count)]
    stream = Stream()
    stream.receive(b"".join(map(framed, numbered)))
    rounds = []
    taken = 0
    while True:
        rounds.append(stream.answers(lambda query: query))
        taken += stream.taken
        if not stream.pending:
            break
    assert b"".join(rounds) == b"".join(map(framed, numbered))
    assert taken == count
    assert max(map(len, rounds)) == MAX_QUERIES_AT_ONCE * (2 + HEADER_OCTETS)


def test_large_answers_do_not_pile_up() -> None:
    stream = Stream()
    stream.receive(framed(bytes(HEADER_OCTETS)) * 100)
    answers = 0
    while True:
        octets = stream.answers(lambda _: bytes(MAX_MESSAGE_OCTETS))
        assert len(octets) < MAX_ANSWERS_OCTETS + 2 * (2 + MAX_MESSAGE_OCTETS)
        answers += len(octets) // (2 + MAX_MESSAGE_OCTETS)
        if not stream.pending:
            break
    assert answers == 100


@given(st.lists(queries, min_size=1, max_size=20), st.data())
def test_a_query_that_something_else_comes_first_for_halts_those_behind_it(
    messages: list[bytes], data: st.DataObject
) -> None:
    """What was answered before goes out first, and nothing is lost or answered twice."""
    at = data.draw(st.integers(0, len(messages) - 1))
    stream = Stream()
    asked: list[bytes] = []

    def answer(query: bytes) -> bytes | None:
        asked.append(query)
        if len(asked) == at + 1:
            stream.halt()
            return None
        return query

    stream.receive(b"".join(map(framed, messages)))
    assert stream.answers(answer) == b"".join(map(framed, messages[:at]))
    assert asked == messages[: at + 1]
    assert (stream.pending, stream.taken) == (True, at + 1)
    assert stream.answers(answer) == b"".join(map(framed, messages[at + 1 :]))
    assert asked == messages
    assert not stream.pending
