"""What commands and the writer of a running node say to each other, on a stream of octets.

Frames: the length in 4 octets, then a msgpack array. Both begin with a hello, which has the same
form in every version of the protocol; all that follows is of one version (VERSION).

    hello       NAME, version                  of the writer also: device and number of data.mdb
    asked       id, REQUESTS, requests | id, UNIT, name, arguments | id, PING
    answered    id, DECISIONS, outcomes | id, RESULT, value | id, PONG | id, ERROR, error
    at the end  0, BYE: nothing that has no answer yet was begun; ask elsewhere

Many may be asked before the first is answered; ids tell which answer is whose. Nothing that is read
raises anything but `ProtocolError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgpack

from csid.errors import CsidError
from csid.limits import MAX_FRAME_OCTETS
from registry.rules.decision import Decision
from registry.rules.requests import Request
from registry.rules.status import BY_NUMBER
from registry.writer.values import pack_request

NAME: Final = "csid-writer"
VERSION: Final = 1
LENGTH_OCTETS: Final = 4

REQUESTS, UNIT, PING, UPDATE = range(4)  # the last comes by a way of its own
DECISIONS, RESULT, PONG, ERROR, BYE = range(5)

# Texts of a command line may hold octets that are no UTF-8 (PEP 383); the rules refuse them.
_pack: Final = msgpack.Packer(unicode_errors="surrogatepass").pack
_PLAIN: Final = (str, int, bool, type(None))  # attributes of errors that are told


class ProtocolError(CsidError):
    """Octets that are no frame of ours, or none that belongs here."""


class Hello(NamedTuple):
    """What each side says first."""

    version: int
    data: tuple[int, int] | None  # which file the writer writes


class WriterError(CsidError):
    """What went wrong at the writer and is no fault of the request's."""


def frame(*values: object) -> bytes:
    """One frame.

    Raises:
        ProtocolError: it would be too large, or holds what cannot be said.
    """
    try:
        packed: bytes = _pack(values)
    except (TypeError, ValueError, OverflowError) as error:
        raise ProtocolError(f"cannot be handed to the writer: {error}") from None
    if len(packed) > MAX_FRAME_OCTETS:
        raise ProtocolError(
            f"is too large to be handed to the writer: {len(packed):,} octets, at most "
            f"{MAX_FRAME_OCTETS:,} are taken at a time"
        )
    return len(packed).to_bytes(LENGTH_OCTETS, "big") + packed


class Frames:
    """The frames in a stream, in whatever pieces it comes."""

    __slots__ = ("_at", "_octets")

    def __init__(self) -> None:
        self._octets = bytearray()
        self._at = 0

    @property
    def held(self) -> int:
        """Octets kept: of a frame that is not whole yet, and of those not taken yet."""
        return len(self._octets) - self._at

    def receive(self, octets: bytes) -> None:
        """Take what was read."""
        if self._at:
            del self._octets[: self._at]
            self._at = 0
        self._octets += octets

    def take(self) -> tuple[Any, ...] | None:
        """The values of the next frame that is whole.

        Raises:
            ProtocolError: what follows is no frame. The stream is of no more use.
        """
        octets = self.take_octets()
        return None if octets is None else _unpacked(octets)

    def take_octets(self, most: int = MAX_FRAME_OCTETS) -> bytes | None:
        """The next frame that is whole, without its length.

        Raises:
            ProtocolError: as above.
        """
        begin = self._at + LENGTH_OCTETS
        if len(self._octets) < begin:
            return None
        length = int.from_bytes(self._octets[self._at : begin], "big")
        if not 0 < length <= most:
            raise ProtocolError(f"a frame of {length:,} octets; 1 to {most:,} are taken")
        if len(self._octets) < begin + length:
            return None
        self._at = begin + length
        return bytes(self._octets[begin : self._at])


def _unpacked(octets: bytes) -> tuple[Any, ...]:
    try:
        values = msgpack.unpackb(octets, use_list=False, unicode_errors="surrogatepass")
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise ProtocolError(f"no msgpack: {error or type(error).__name__}") from None
    if type(values) is not tuple or not values:
        raise ProtocolError(f"expected an array, given {type(values).__name__}")
    return values


# -- hello


def hello(data: tuple[int, int] | None = None) -> bytes:
    """The first frame of either side."""
    return frame(NAME, VERSION, *(data or ()))


def read_hello(values: Sequence[Any]) -> Hello:
    """The first frame of the other side.

    Raises:
        ProtocolError: it is none.
    """
    padded: tuple[Any, ...] = (*values, None, None)
    name, version, *data = padded
    if name != NAME or type(version) is not int:
        raise ProtocolError(f"whoever speaks there says no hello of {NAME}")
    if len(data) >= 2 and type(data[0]) is int and type(data[1]) is int:
        return Hello(version, (data[0], data[1]))
    return Hello(version, None)


# -- what is asked


def requests(number: int, given: Sequence[Request]) -> bytes:
    """The frame that asks for requests to be decided and carried out."""
    return frame(number, REQUESTS, [pack_request(request) for request in given])


def unit(number: int, name: str, args: object) -> bytes:
    """The frame that asks for one unit of work."""
    return frame(number, UNIT, name, args)


def read_asked(values: Sequence[Any]) -> tuple[int, int, tuple[Any, ...]]:
    """The id, the kind and the rest of what is asked.

    Raises:
        ProtocolError: it is nothing that can be asked.
    """
    number, kind, *rest = values if len(values) > 1 else (None, None)
    if type(number) is not int or kind not in _RESTS or not _RESTS[kind](rest):
        raise ProtocolError("expected an id and what is asked: requests, a unit, or a ping")
    return number, kind, tuple(rest)


_RESTS: Final = {
    REQUESTS: lambda rest: len(rest) == 1 and type(rest[0]) is tuple,
    UNIT: lambda rest: len(rest) == 2 and type(rest[0]) is str,
    PING: lambda rest: not rest,
}


# -- what is answered


def decisions(number: int, outcomes: Sequence[Decision | Exception]) -> bytes:
    """The frame with the outcome of each request."""
    return frame(number, DECISIONS, [_outcome(one) for one in outcomes])


def error(number: int, what: Exception) -> bytes:
    """The frame that says why nothing was done."""
    return frame(number, ERROR, _error(what))


def _outcome(outcome: Decision | Exception) -> list[object]:
    if isinstance(outcome, Exception):
        return _error(outcome)
    return [outcome.status.number, outcome.subject, outcome.detail]


def _error(what: Exception) -> list[object]:
    """The name of its class, its text, and its attributes."""
    if not isinstance(what, CsidError):
        return [WriterError.__name__, f"the writer failed at this request: {what!r}", {}]
    told = {name: value for name, value in vars(what).items() if isinstance(value, _PLAIN)}
    return [type(what).__name__, str(what), told]


def read_outcomes(values: Any) -> Iterator[Decision | CsidError]:
    """The outcome of each request.

    Raises:
        ProtocolError: they are none.
    """
    try:
        for first, *rest in values:
            if type(first) is int:
                subject, detail = rest
                yield Decision(BY_NUMBER[first], subject, detail)
            else:
                yield read_error((first, *rest))
    except (TypeError, ValueError, KeyError):
        raise ProtocolError("the writer's answer is none") from None


def read_error(values: Any) -> CsidError:
    """What went wrong, as an error of the class that it had at the writer.

    Raises:
        ProtocolError: it is none.
    """
    try:
        name, text, told = values
        kind = next((one for one in _errors(CsidError) if one.__name__ == name), WriterError)
        made = kind.__new__(kind)
        made.args = (text,)
        vars(made).update(told)
    except (TypeError, ValueError):
        raise ProtocolError("the writer's answer is none") from None
    return made


def _errors(kind: type[CsidError]) -> Iterator[type[CsidError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _errors(one)
