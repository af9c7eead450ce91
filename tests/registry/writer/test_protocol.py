"""Frames, in whatever pieces they come; and what is none."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import errors
from csid.errors import CsidError, IdentifierError, StoreError, ZoneError
from csid.limits import MAX_FRAME_OCTETS
from registry.rules.acting import trusted
from registry.rules.decision import Decision
from registry.rules.requests import Assign, Request
from registry.rules.status import Status
from registry.writer import protocol
from registry.writer.protocol import Frames, ProtocolError, WriterError
from registry.writer.values import read_request
from tests.support.registering import ADMINISTRATOR, RECORD, identifier


def whole(octets: bytes) -> tuple[object, ...]:
    """The one frame in some octets."""
    frames = Frames()
    frames.receive(octets)
    values = frames.take()
    assert values is not None and frames.take() is None and frames.held == 0
    return values


@given(st.lists(st.binary(max_size=70), max_size=8), st.lists(st.integers(1, 50), max_size=40))
def test_frames_are_the_same_in_whatever_pieces_they_come(
    contents: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(protocol.frame(content) for content in contents)
    frames, found, at = Frames(), [], 0
    for cut in [*cuts, len(stream)]:
        frames.receive(stream[at : at + cut])
        at += cut
        while (values := frames.take()) is not None:
            found.append(values)
    assert found == [(content,) for content in contents]
    assert frames.held == 0


@given(st.binary(max_size=200))
def test_any_octets_are_frames_or_none(octets: bytes) -> None:
    frames = Frames()
    frames.receive(octets)
    try:
        while (values := frames.take()) is not None:
            try:
                protocol.read_asked(values)
            except ProtocolError:
                protocol.read_hello(values)
    except ProtocolError:
        pass


@pytest.mark.parametrize("length", [0, MAX_FRAME_OCTETS + 1, 2**32 - 1])
def test_a_length_that_is_none_is_refused_before_what_it_announces(length: int) -> None:
    frames = Frames()
    frames.receive(length.to_bytes(4, "big"))
    with pytest.raises(ProtocolError, match="are taken"):
        frames.take()


@pytest.mark.parametrize(
    "content", [b"\x01", b"\x90", b"\x80", b"\xc1", b"\x92\x01", b"\x91" * 900]
)
def test_what_is_no_array_is_no_frame(content: bytes) -> None:
    frames = Frames()
    frames.receive(len(content).to_bytes(4, "big") + content)
    with pytest.raises(ProtocolError):
        frames.take()


def test_what_is_too_large_is_refused_where_it_is_asked() -> None:
    large = Request(ADMINISTRATOR, Assign(identifier(), RECORD), "x" * MAX_FRAME_OCTETS)
    with pytest.raises(ProtocolError, match="too large to be handed to the writer"):
        protocol.requests(1, [large])
    with pytest.raises(ProtocolError, match="cannot be handed"):
        protocol.unit(1, "plan", 2**64)


def test_octets_of_a_command_line_that_are_no_text_get_to_the_rules_that_refuse_them() -> None:
    reason = os.fsdecode(b"\xe4\xff")
    request = Request(ADMINISTRATOR, Assign(identifier(), RECORD), reason)
    _, _, requests = whole(protocol.requests(1, [request]))
    assert read_request(requests[0], trusted()).reason == reason


def test_decisions_arrive_as_they_were_made() -> None:
    made = [
        Decision(Status.DONE, "subject"),
        Decision(Status.EXISTS, "标识", "已存在 exists"),
        StoreError("the disk is full"),
    ]
    number, kind, outcomes = whole(protocol.decisions(7, made))
    assert (number, kind) == (7, protocol.DECISIONS)
    *decisions, error = protocol.read_outcomes(outcomes)
    assert decisions == made[:2]
    assert type(error) is StoreError and str(error) == "the disk is full"


@pytest.mark.parametrize(
    "error",
    [
        ZoneError("zone:1", "no SOA"),
        IdentifierError("owner", 3, "expected a digit"),
        StoreError("x"),
    ],
)
def test_an_error_is_the_same_to_who_asked(error: CsidError) -> None:
    *_, values = whole(protocol.error(1, error))
    read = protocol.read_error(values)
    assert type(read) is type(error)
    assert (str(read), vars(read)) == (str(error), vars(error))


def test_what_goes_wrong_in_the_writer_is_told_as_that() -> None:
    *_, values = whole(protocol.error(1, KeyError("x")))
    read = protocol.read_error(values)
    assert type(read) is WriterError and "KeyError('x')" in str(read)


def test_an_error_of_a_class_that_is_not_known_here_is_told_all_the_same() -> None:
    read = protocol.read_error(("NoSuchError", "words", {}))
    assert type(read) is WriterError and str(read) == "words"
    assert not hasattr(errors, "NoSuchError")


def test_a_hello_says_version_and_what_is_written() -> None:
    assert protocol.read_hello(whole(protocol.hello())) == (protocol.VERSION, None)
    assert protocol.read_hello(whole(protocol.hello((5, 7)))) == (protocol.VERSION, (5, 7))
    assert protocol.read_hello((protocol.NAME, 99, "what", "comes", "later")) == (99, None)
    for values in ((), ("other", 1), (protocol.NAME,), (protocol.NAME, "1"), (1, 0, ())):
        with pytest.raises(ProtocolError):
            protocol.read_hello(values)
