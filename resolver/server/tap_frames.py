"""Queries and answers as dnstap has them: protobuf messages (dnstap.proto) in frames (fstrm).

`resolver.server.ctap` has the same `Pile`, compiled. A frame is a length (4 octets, network order)
and that many octets; a length of 0 begins a control frame: its length, type and fields.
"""

from __future__ import annotations

import os
import struct
from collections import deque
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


class Pile:
    """Frames on their way: added behind the others, sent from the front."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._sent = 0  # octets of the first frame
        self._size = 0  # octets that are left

    def __len__(self) -> int:
        return self._size

    def left(self) -> bytes:
        """The octets that are to be sent."""
        return b"".join(self._frames)[self._sent :]

    def add(
        self,
        place: Place,
        packets: Sequence[bytes],
        addresses: Sequence[bytes],
        ports: Sequence[int],
        replies: Sequence[bytes | None],
        nanoseconds: int,
        queries: bool,
        answers: bool,
    ) -> None:
        """Add frames for the messages of a batch.

        Args:
            packets: what was asked; `addresses` and `ports`, from where (a port of 0 is not known);
                `replies`, what is answered: all by the same positions.
            nanoseconds: since 1970, of all of them.
            queries, answers: which of them are told.
        """
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
                self._put(place.head, _number(1, _AUTH_QUERY) + where + _octets(10, packet))
            if answers and reply is not None:
                body = _number(1, _AUTH_RESPONSE) + where + _number(12, seconds) + _fixed(13, rest)
                self._put(place.head, body + _octets(14, reply))

    def _put(self, head: bytes, message: bytes) -> None:
        body = head + _octets(14, message) + _number(15, 1)
        self._frames.append(len(body).to_bytes(4, "big") + body)
        self._size += 4 + len(body)

    def send(self, fd: int) -> None:
        """Write what a descriptor takes without waiting, if it is one that does not wait.

        Raises:
            OSError: it takes nothing any more.
        """
        left = self.left()
        done = 0
        try:
            while done < len(left):
                done += os.write(fd, left[done:])
        except BlockingIOError:
            pass
        finally:
            self._take(done)

    def _take(self, octets: int) -> None:
        self._size -= octets
        self._sent += octets
        while self._frames and self._sent >= len(self._frames[0]):
            self._sent -= len(self._frames.popleft())

    def clear(self) -> int:
        """Forget what is left; gives of how many frames something was."""
        count = len(self._frames)
        self._frames.clear()
        self._sent = self._size = 0
        return count


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
