"""NOTIFY: a primary says that a zone has changed (RFC 1996)."""

from __future__ import annotations

from typing import Final, NamedTuple

from csid.limits import HEADER_OCTETS
from csid.protocol import CLASS_IN, NOTIFY, SOA
from resolver.sync.wire import name_at, serial_at

_OPCODE: Final = NOTIFY << 3
_POINTER: Final = (0xC000 | HEADER_OCTETS).to_bytes(2, "big")  # to the name of the question
_SOA_IN: Final = SOA.to_bytes(2, "big") + CLASS_IN.to_bytes(2, "big")


class Notify(NamedTuple):
    """What a NOTIFY says."""

    origin: bytes  # of the zone that has changed, in wire form, lower case
    serial: int | None  # that it has now, if that is told (RFC 1996 section 3.7)


def make(identity: int, origin: bytes, soa: bytes = b"", ttl: int = 0) -> bytes:
    """The message that tells of a change.

    Args:
        identity: ID of the message.
        origin: of the zone, in wire form.
        soa: data of its SOA record, to be told with the rest; empty: not told.
        ttl: of that record, in seconds.
    """
    head = identity.to_bytes(2, "big") + bytes((_OPCODE | 0x04, 0, 0, 1, 0, bool(soa), 0, 0, 0, 0))
    message = head + origin + _SOA_IN
    if not soa:
        return message
    return message + _POINTER + _SOA_IN + ttl.to_bytes(4, "big") + len(soa).to_bytes(2, "big") + soa


def read(message: bytes) -> Notify | None:
    """What a NOTIFY without its TSIG record says; None if it is none of a zone of class IN."""
    if len(message) < HEADER_OCTETS or message[2] & 0xF8 != _OPCODE or message[4:6] != b"\0\1":
        return None
    try:
        origin, at = name_at(message, HEADER_OCTETS)
        if message[at : at + 4] != _SOA_IN:
            return None
        serial = serial_at(message, at + 4, origin) if message[6:8] != b"\0\0" else None
    except (IndexError, ValueError):
        return None
    return Notify(origin, serial)


def answer_code(request: bytes, response: bytes) -> int | None:
    """The response code of the answer to a NOTIFY, both without TSIG records; None if it is no
    answer to it. Any answer ends the retries, NOERROR or not (RFC 1996 section 4.7).
    """
    if len(response) < HEADER_OCTETS or response[:2] != request[:2]:
        return None
    if response[2] & 0xF8 != 0x80 | _OPCODE:
        return None
    return response[3] & 15
