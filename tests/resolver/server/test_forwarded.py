"""UPDATEs on their way to the writer: frames, and who waits for what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.limits import MAX_FORWARDED, MAX_FORWARDED_OCTETS
from resolver.server.forwarded import Pending, Question, answer, question, read_question

ADDRESS = bytes((192, 0, 2, 1))
QUESTIONS = st.builds(
    Question,
    st.integers(0, 2**32 - 1),
    st.binary(max_size=300),
    st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)),
    st.booleans(),
)


@given(QUESTIONS)
def test_a_question_is_read_as_it_was_written(one: Question) -> None:
    frame = question(one)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert read_question(frame[4:]) == one


@given(st.binary(max_size=40))
def test_what_is_no_question_is_said_to_be_none(octets: bytes) -> None:
    try:
        one = read_question(octets)
    except ValueError:
        return
    assert question(one)[4:][6:] == octets[6:]


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=8), st.randoms(), st.data())
def test_answers_reach_those_who_wait_in_any_order_and_any_pieces(
    answers: list[bytes], source: object, data: st.DataObject
) -> None:
    pending: Pending[int] = Pending()
    numbers = []
    for who in range(len(answers)):
        frame = pending.add(who, b"message", ADDRESS, False, float(who))
        numbers.append(read_question(frame[4:]).number)
    order = data.draw(st.permutations(range(len(answers))))
    stream = b"".join(answer(numbers[who], answers[who]) for who in order)
    heard: list[tuple[int, bytes]] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        heard += pending.receive(stream[:size])
        stream = stream[size:]
    assert heard == [(who, answers[who]) for who in order]
    assert (len(pending), pending.octets, pending.oldest()) == (0, 0, None)


def test_what_nobody_asked_is_passed_over_and_what_is_no_frame_ends_it() -> None:
    pending: Pending[str] = Pending()
    pending.add("one", b"message", ADDRESS, False, 7.0)
    assert list(pending.receive(answer(99, b"x"))) == []
    assert pending.oldest() == 7.0
    for octets in (bytes(8), b"\xff" * 8):
        with pytest.raises(ValueError, match="octets"):
            list(pending.receive(octets))
        pending.give_up()


def test_so_many_wait_and_no_more() -> None:
    pending: Pending[int] = Pending()
    for who in range(MAX_FORWARDED):
        assert not pending.is_full
        pending.add(who, b"x", ADDRESS, False, 0.0)
    assert pending.is_full
    assert pending.give_up() == list(range(MAX_FORWARDED))
    assert not pending.is_full
    while pending.octets < MAX_FORWARDED_OCTETS:
        assert not pending.is_full
        pending.add(0, bytes(65_535), ADDRESS, True, 0.0)
    assert pending.is_full
