"""Packets between the processes of a resolver come out as they went in, or are told to be none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.server.recursive import packets
from resolver.server.recursive.packets import Answered, Asked, Missed, PacketError

MISSED = st.builds(Missed, st.binary(max_size=100), st.binary(max_size=600))
ASKED = st.builds(
    Asked,
    st.binary(min_size=8, max_size=8),
    st.integers(0, 65_535),
    st.binary(max_size=255),
    st.booleans(),
)
ANSWERED = st.builds(Answered, st.binary(min_size=8, max_size=8), st.binary(max_size=40_000))


@given(st.integers(0, 2**64 - 1), st.lists(MISSED, max_size=64))
def test_questions_over_udp_come_out_as_they_went_in(number: int, questions: list[Missed]) -> None:
    assert packets.read_missed(packets.missed(number, questions)) == (number, questions)


@given(st.lists(ASKED, max_size=64))
def test_questions_of_processes_come_out_as_they_went_in(questions: list[Asked]) -> None:
    assert packets.read_asked(packets.asked(questions)) == questions


@given(st.lists(ANSWERED, max_size=8))
def test_answers_come_out_as_they_went_in_in_packets_that_a_socket_takes(
    answers: list[Answered],
) -> None:
    made = list(packets.answered(answers))
    assert all(len(one) <= packets.PACKET_OCTETS for one in made)
    assert [one for packet in made for one in packets.read_answered(packet)] == answers


@given(
    st.lists(MISSED, min_size=1, max_size=3),
    st.lists(ASKED, min_size=1, max_size=3),
    st.lists(ANSWERED, min_size=1, max_size=1),
    st.data(),
)
def test_what_is_cut_short_within_something_is_told(
    questions: list[Missed], asked: list[Asked], answers: list[Answered], data: st.DataObject
) -> None:
    for whole, last, read in (
        (packets.missed(1, questions), packets.missed(1, questions[-1:])[8:], packets.read_missed),
        (packets.asked(asked), packets.asked(asked[-1:]), packets.read_asked),
        (
            b"".join(packets.answered(answers)),
            b"".join(packets.answered(answers[-1:])),
            packets.read_answered,
        ),
    ):
        cut = data.draw(st.integers(1, len(last) - 1))
        with pytest.raises(PacketError):
            read(whole[:-cut])


@given(st.binary(max_size=200))
def test_octets_that_are_no_packet_never_raise_another_error(octets: bytes) -> None:
    for read in (packets.read_missed, packets.read_asked, packets.read_answered):
        try:
            read(octets)
        except PacketError:
            continue
