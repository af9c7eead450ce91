"""What processes that answer hand to the one that asks others, and what it gives back. No socket.

Over one end of a SOCK_SEQPACKET pair each, whole packets, big-endian numbers:

    missed     socket(8), then for each question: length(1) origin length(2) message
    asked      for each question: tag(8) type(2) fresh(1) length(1) name
    answered   for each of them, in any order: tag(8) length(4) entry

A UDP worker sends `missed`, and nobody answers it: who has asked is answered over the socket that
the question came to, which the asking process has, too (`socket` is its inode), at its `origin`
(`resolver.server.datagrams`). Others send `asked`, and are answered with entries as the cache keeps
them (`resolver.cache.entry`). Names are in wire form, lower case. What is lost with a process is
never answered.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

PACKET_OCTETS: Final = 65_536  # that a packet has at most
GIVE_UP_SECONDS: Final = 6.0  # after which whoever asked waits no more
AGAIN_SECONDS: Final = 1.0  # after which it has asked once more, as the packet may be lost
LEAVE_SECONDS: Final = 1.0  # for which a process that ends waits for answers to what it has asked
_SOCKET: Final = struct.Struct(">Q")
_LENGTH: Final = struct.Struct(">H")
_ASKED: Final = struct.Struct(">8sH?B")
_ANSWERED: Final = struct.Struct(">8sI")
SOCKET_OCTETS: Final = _SOCKET.size
TAG_OCTETS: Final = 8


class PacketError(ValueError):
    """A packet that is none."""


class Missed(NamedTuple):
    """A question that came over UDP."""

    origin: bytes
    message: bytes


class Asked(NamedTuple):
    """A question of another process."""

    tag: bytes  # TAG_OCTETS, given back with the answer
    rrtype: int
    name: bytes
    is_fresh: bool = False  # its authority is asked, also where the cache has an answer


class Answered(NamedTuple):
    """An answer to it."""

    tag: bytes
    entry: bytes


def missed(socket_number: int, questions: Iterable[Missed]) -> bytes:
    """The packet of questions that came to a socket."""
    parts = [_SOCKET.pack(socket_number)]
    for origin, message in questions:
        parts += (bytes((len(origin),)), origin, _LENGTH.pack(len(message)), message)
    return b"".join(parts)


def read_missed(packet: bytes) -> tuple[int, list[Missed]]:
    """The socket's number and the questions of a packet.

    Raises:
        PacketError: it is none.
    """
    try:
        (number,) = _SOCKET.unpack_from(packet)
        questions: list[Missed] = []
        at, size = SOCKET_OCTETS, len(packet)
        while at < size:
            middle = at + 1 + packet[at]
            (length,) = _LENGTH.unpack_from(packet, middle)
            begin = middle + _LENGTH.size
            questions.append(Missed(packet[at + 1 : middle], _whole(packet, begin, begin + length)))
            at = begin + length
    except struct.error:
        raise PacketError("questions that are cut short") from None
    return number, questions


def asked(questions: Iterable[Asked]) -> bytes:
    """The packet of questions of a process that is to get the answers."""
    return b"".join(
        [
            _ASKED.pack(tag, rrtype, is_fresh, len(name)) + name
            for tag, rrtype, name, is_fresh in questions
        ]
    )


def read_asked(packet: bytes) -> list[Asked]:
    """The questions of a packet.

    Raises:
        PacketError: it is none.
    """
    found: list[Asked] = []
    at, size = 0, len(packet)
    try:
        while at < size:
            tag, rrtype, is_fresh, length = _ASKED.unpack_from(packet, at)
            at += _ASKED.size
            found.append(Asked(tag, rrtype, _whole(packet, at, at + length), is_fresh))
            at += length
    except struct.error:
        raise PacketError("questions that are cut short") from None
    return found


def answered(answers: Iterable[Answered]) -> Iterator[bytes]:
    """The packets of answers: as few as hold them."""
    parts: list[bytes] = []
    octets = 0
    for tag, entry in answers:
        part = _ANSWERED.pack(tag, len(entry)) + entry
        if octets + len(part) > PACKET_OCTETS and parts:
            yield b"".join(parts)
            parts, octets = [], 0
        parts.append(part)
        octets += len(part)
    if parts:
        yield b"".join(parts)


def read_answered(packet: bytes) -> list[Answered]:
    """The answers of a packet.

    Raises:
        PacketError: it is none.
    """
    found: list[Answered] = []
    at, size = 0, len(packet)
    try:
        while at < size:
            tag, length = _ANSWERED.unpack_from(packet, at)
            at += _ANSWERED.size
            found.append(Answered(tag, _whole(packet, at, at + length)))
            at += length
    except struct.error:
        raise PacketError("answers that are cut short") from None
    return found


def _whole(packet: bytes, begin: int, end: int) -> bytes:
    if end > len(packet):
        raise PacketError("a packet that is cut short")
    return packet[begin:end]
