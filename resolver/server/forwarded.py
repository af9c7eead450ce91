"""UPDATEs handed to the process that writes, and its answers, on a stream of octets; and what waits
for an answer. No socket and no clock.

    asked     length(4) id(4) flags(1) octets of the address(1) address message
    answered  length(4) id(4) message

The length is that of all behind it; flags are 1 for what came over TCP. Many may be asked before
the first is answered; they may be answered in any order. Who gets no answer in time, or none before
the stream ends, does not know whether the UPDATE was carried out; it was so wholly or not at all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, Generic, NamedTuple, TypeVar

from csid.limits import MAX_FORWARDED, MAX_FORWARDED_OCTETS, MAX_MESSAGE_OCTETS

SOCKET: Final = "update.sock"  # in the data directory; the process that writes listens there
_STREAM: Final = 1
_TLS: Final = 2
_ASKED: Final = struct.Struct(">IIBB")
_ANSWERED: Final = struct.Struct(">II")
_LENGTH: Final = 4
_ADDRESSES: Final = (4, 16)  # octets
FRAME_OCTETS: Final = 2 + _LENGTH + 16 + MAX_MESSAGE_OCTETS  # of a frame behind its length

Who = TypeVar("Who")


class Question(NamedTuple):
    """An UPDATE that was handed on."""

    number: int
    message: bytes
    address: bytes  # IP address of who asks, 4 or 16 octets
    stream: bool  # it came over TCP
    tls: bool = False  # and over TLS


def question(one: Question) -> bytes:
    """The frame of a question."""
    length = _ASKED.size - _LENGTH + len(one.address) + len(one.message)
    flags = _STREAM * one.stream | _TLS * one.tls
    head = _ASKED.pack(length, one.number, flags, len(one.address))
    return head + one.address + one.message


def read_question(frame: bytes) -> Question:
    """The question in a frame without its length.

    Raises:
        ValueError: there is none.
    """
    head = _ASKED.size - _LENGTH
    if len(frame) < head or frame[5] not in _ADDRESSES or len(frame) < head + frame[5]:
        raise ValueError("no UPDATE that was handed on")
    end = head + frame[5]
    number = int.from_bytes(frame[:4], "big")
    flags = frame[4]
    message, address = frame[end:], frame[head:end]
    return Question(number, message, address, bool(flags & _STREAM), bool(flags & _TLS))


def answer(number: int, message: bytes) -> bytes:
    """The frame of an answer."""
    return _ANSWERED.pack(_ANSWERED.size - _LENGTH + len(message), number) + message


class _Waiting(NamedTuple, Generic[Who]):
    who: Who
    octets: int
    since: float


class Pending(Generic[Who]):
    """What was handed on over one stream and is not answered yet, within bounds.

    Attributes:
        octets: of these.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, _Waiting[Who]] = {}  # the one asked longest ago first
        self._last = 0
        self._heard = bytearray()
        self.octets = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether no more may be handed on now."""
        return len(self._waiting) >= MAX_FORWARDED or self.octets >= MAX_FORWARDED_OCTETS

    def add(
        self,
        who: Who,
        message: bytes,
        address: bytes,
        stream: bool,
        now: float,
        tls: bool = False,
    ) -> bytes:
        """The frame to send for a message; ``who`` is given back with its answer."""
        self._last = (self._last + 1) % 2**32
        self._waiting[self._last] = _Waiting(who, len(message), now)
        self.octets += len(message)
        return question(Question(self._last, message, address, stream, tls))

    def receive(self, octets: bytes) -> Iterator[tuple[Who, bytes]]:
        """The answers that are whole with what was just read.

        Raises:
            ValueError: these are none; the stream is of no more use.
        """
        self._heard += octets
        at = 0
        while len(self._heard) >= at + _ANSWERED.size:
            length, number = _ANSWERED.unpack_from(self._heard, at)
            if not _LENGTH <= length <= FRAME_OCTETS:
                raise ValueError(f"an answer of {length} octets")
            end = at + _LENGTH + length
            if len(self._heard) < end:
                break
            waiting = self._waiting.pop(number, None)
            if waiting is not None:
                self.octets -= waiting.octets
                yield waiting.who, bytes(self._heard[at + _ANSWERED.size : end])
            at = end
        del self._heard[:at]

    def oldest(self) -> float | None:
        """When the one was handed on that waits longest, None if none does."""
        return next((one.since for one in self._waiting.values()), None)

    def give_up(self) -> list[Who]:
        """Wait for none any more; whoever did. The stream is of no more use."""
        lost = [one.who for one in self._waiting.values()]
        self._waiting.clear()
        self._heard.clear()
        self.octets = 0
        return lost
