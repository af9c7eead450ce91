"""Names and records inside messages, one at a time: for what is rare."""

from __future__ import annotations

from typing import Final

from csid.limits import HEADER_OCTETS, MAX_NAME_OCTETS
from csid.protocol import CLASS_IN, SOA

_SOA_IN: Final = SOA.to_bytes(2, "big") + CLASS_IN.to_bytes(2, "big")
_TO_QUESTION: Final = b"\xc0\x0c"  # a pointer to the first name of a message


def behind_name(message: bytes, at: int) -> int:
    """The offset behind a name, which may end in a pointer.

    Raises:
        IndexError, ValueError: it is cut short, or no name.
    """
    while length := message[at]:
        if length >= 192:
            return at + 2
        if length > 63:
            raise ValueError("a label of an unknown kind")
        at += 1 + length
    return at + 1


def name_at(message: bytes, at: int, may_point: bool = True) -> tuple[bytes, int]:
    """A name in wire form, lower case, and the offset behind it; pointers lead back only.

    Raises:
        ValueError: there is no name.
    """
    name, behind, before = b"", 0, at
    while at < len(message):
        length = message[at]
        if length >= 192 and may_point:
            to = int.from_bytes(message[at : at + 2], "big") & 0x3FFF
            if to >= before:
                break
            behind = behind or at + 2
            at = before = to
        elif length > 63 or len(name) + 1 + length > MAX_NAME_OCTETS:
            break
        else:
            name += message[at : at + 1 + length]
            at += 1 + length
            if not length:
                return name.lower(), behind or at
    raise ValueError("there is no name where one must be")


def serial_at(message: bytes, at: int, apex: bytes) -> int:
    """The serial of the record at an offset, which is the SOA record of class IN of a zone.

    Args:
        apex: of the zone, in wire form, lower case.

    Raises:
        IndexError, ValueError: the record is another one.
    """
    first = message[HEADER_OCTETS : HEADER_OCTETS + len(apex)]
    if message[at : at + 2] == _TO_QUESTION and first.lower() == apex:  # as nearly all do
        owner, at = apex, at + 2
    else:
        owner, at = name_at(message, at)
    if owner != apex or message[at : at + 4] != _SOA_IN:
        raise ValueError("another record than the SOA of the zone")
    at = behind_name(message, behind_name(message, at + 10))
    if at + 20 > len(message):
        raise ValueError("an SOA record that is cut short")
    return int.from_bytes(message[at : at + 4], "big")
