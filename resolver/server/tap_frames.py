"""Queries and answers as dnstap has them: protobuf messages (dnstap.proto) in frames (fstrm).

`resolver.server.ctap` is the same, compiled. A frame is a length (4 octets, network order) and that
many octets; a length of 0 begins a control frame: its length, type and fields.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

UNIX, FILE = "unix:", "file:"  # what dnstap may be told to, before the path
MAX_PATH_OCTETS: Final = 107  # of a socket (unix(7))

CONTENT_TYPE: Final = b"protobuf:dnstap.Dnstap"
ACCEPT, START, STOP, READY, FINISH = 1, 2, 3, 4, 5  # types of control frames

UDP, TCP, DOT = 1, 2, 3  # SocketProtocol
_AUTH_QUERY, _AUTH_RESPONSE = 1, 2  # Message.Type
_INET, _INET6 = 1, 2  # SocketFamily


class Place(NamedTuple):
    """What all messages of a socket share.

    Attributes:
        head: fields of the outer message: who tells, and with which version.
        protocol: UDP, TCP or DOT.
        address, port: where it listens; empty and 0 if that is not known.
    """

    head: bytes
    protocol: int
    address: bytes
    port: int


def control(kind: int) -> bytes:
    """A control frame; those that begin a stream say of what it is."""
    field = struct.pack(">II", 1, len(CONTENT_TYPE)) + CONTENT_TYPE
    body = struct.pack(">I", kind) + (field if kind in (ACCEPT, START, READY) else b"")
    return struct.pack(">II", 0, len(body)) + body


def head_of(identity: str, version: str) -> bytes:
    """The fields of `Place.head`."""
    return _octets(1, identity.encode()) + _octets(2, version.encode())


def frames(
    place: Place,
    packets: Sequence[bytes],
    addresses: Sequence[bytes],
    ports: Sequence[int],
    replies: Sequence[bytes | None],
    nanoseconds: int,
    queries: bool,
    answers: bool,
) -> bytes:
    """Frames for the messages of a batch.

    Args:
        packets: what was asked; `addresses` and `ports`, from where (a port of 0 is not known);
            `replies`, what is answered: all by the same positions.
        nanoseconds: since 1970, of all of them.
        queries, answers: which of them are told.
    """
    told = []
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    for packet, address, port, reply in zip(packets, addresses, ports, replies, strict=True):
        family = _INET if len(address) == 4 else _INET6
        where = (
            _number(2, family)
            + _number(3, place.protocol)
            + _octets(4, address)
            + (_octets(5, place.address) if place.address else b"")
            + (_number(6, port) if port else b"")
            + (_number(7, place.port) if place.port else b"")
            + _number(8, seconds)
            + _fixed(9, rest)
        )
        if queries:
            told.append(_frame(place.head, _number(1, _AUTH_QUERY) + where + _octets(10, packet)))
        if answers and reply is not None:
            body = _number(1, _AUTH_RESPONSE) + where + _number(12, seconds) + _fixed(13, rest)
            told.append(_frame(place.head, body + _octets(14, reply)))
    return b"".join(told)


def _frame(head: bytes, message: bytes) -> bytes:
    body = head + _octets(14, message) + _number(15, 1)
    return len(body).to_bytes(4, "big") + body


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _octets(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _fixed(field: int, value: int) -> bytes:
    return _varint(field << 3 | 5) + value.to_bytes(4, "little")
