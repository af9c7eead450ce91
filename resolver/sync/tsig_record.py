"""The TSIG record of a message: found, read, written (RFC 8945 section 4.2)."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Final, NamedTuple

from csid.limits import HEADER_OCTETS
from csid.protocol import CLASS_ANY, TSIG
from resolver.sync.wire import behind_name, name_at

FUDGE: Final = 300  # seconds (RFC 8945 section 10)

_COUNTS: Final = struct.Struct(">4H")
_FIXED: Final = struct.Struct(">HHIH")  # type, class, TTL, octets of data
_TWO: Final = struct.Struct(">HH")  # fudge, octets of the MAC; error, octets of other data
_ENDING: Final = struct.Struct(">2sHH")  # original ID, error, octets of other data
_ANY_CLASS: Final = struct.pack(">HI", CLASS_ANY, 0)  # and the TTL, as they are signed
MARK: Final = struct.pack(">HHI", TSIG, CLASS_ANY, 0)


class Record(NamedTuple):
    """The TSIG record of a message (RFC 8945 section 4.2)."""

    start: int  # where it begins
    name: bytes  # wire form, lower case
    algorithm: bytes
    time: int
    fudge: int
    mac: bytes
    identity: bytes  # 2 octets
    error: int
    other: bytes

    @property
    def timers(self) -> bytes:
        return self.time.to_bytes(6, "big") + self.fudge.to_bytes(2, "big")


def search(message: bytes) -> Record | None:
    """The TSIG record of a message, None if it has none; reads all its records.

    Raises:
        ValueError: the message is no whole one, or the record malformed, or not the last.
    """
    size = len(message)
    if size < HEADER_OCTETS:
        raise ValueError("it is shorter than a header")
    questions, *counts = _COUNTS.unpack_from(message, 4)
    total = sum(counts)
    found = 0
    at = HEADER_OCTETS
    try:
        for _ in range(questions):
            at = behind_name(message, at) + 4
        for number in range(total):
            start = at
            at = behind_name(message, at)
            rrtype = (message[at] << 8) + message[at + 1]
            at += 10 + (message[at + 8] << 8) + message[at + 9]
            if rrtype == TSIG:
                if number + 1 < total or not counts[2]:
                    raise ValueError("a TSIG record that is not the last of the additional section")
                found = start
    except IndexError:
        at = size + 1
    if at != size:
        raise ValueError("its records do not end where it ends")
    return read(message, found) if found else None


def find(message: bytes, name: bytes) -> Record | None:
    """`search` for the answer to a request that was signed with the key of a name, without reading
    all records where that can be saved.

    Octets at the end of another record may look like it. That matters only where no signature is:
    what stands before one is what it proves.
    """
    if len(message) < HEADER_OCTETS:
        raise ValueError("it is shorter than a header")
    at = message.rfind(MARK)
    if at < 0 or not message[10] | message[11]:
        return None
    start = at - len(name)
    behind = at + 10 + int.from_bytes(message[at + 8 : at + 10], "big")
    if behind == len(message) and message[start:at].lower() == name:
        with suppress(ValueError):
            return read(message, start)
    return search(message)


def read(message: bytes, start: int) -> Record:
    """The TSIG record at an offset, which ends the message."""
    name, at = name_at(message, start)
    _, rrclass, ttl, octets = _FIXED.unpack_from(message, at)
    if rrclass != CLASS_ANY or ttl:
        raise ValueError("the TSIG record is not of class ANY with a TTL of 0")
    data = message[at + 10 :]
    algorithm, at = name_at(data, 0, may_point=False)
    try:
        time = int.from_bytes(data[at : at + 6], "big")
        fudge, size = _TWO.unpack_from(data, at + 6)
        at += 10
        mac = data[at : at + size]
        identity, error, others = _ENDING.unpack_from(data, at + size)
    except struct.error:
        raise ValueError("the TSIG record is cut short") from None
    other = data[at + size + 6 :]
    if len(other) != others or octets != len(data):
        raise ValueError("the TSIG record is of another length than it says")
    return Record(start, name, algorithm, time, fudge, mac, identity, error, other)


def variables(record: Record) -> bytes:
    """What is signed of a TSIG record (RFC 8945 section 4.3.3)."""
    error = record.error.to_bytes(2, "big") + len(record.other).to_bytes(2, "big")
    return record.name + _ANY_CLASS + record.algorithm + record.timers + error + record.other


def stripped(message: bytes, record: Record) -> bytes:
    """A message as it was before its TSIG record was added."""
    count = (message[10] << 8) + message[11] - 1
    head = record.identity + message[2:10] + count.to_bytes(2, "big")
    return b"".join((head, memoryview(message)[HEADER_OCTETS : record.start]))


def data_of(
    algorithm: bytes, time: int, mac: bytes, identity: bytes, error: int, other: bytes
) -> bytes:
    """The data of a TSIG record."""
    timing = time.to_bytes(6, "big") + _TWO.pack(FUDGE, len(mac))
    return algorithm + timing + mac + identity + _TWO.pack(error, len(other)) + other


def appended(message: bytes, name: bytes, data: bytes) -> bytes:
    """A message with a TSIG record behind it."""
    count = (message[10] << 8) + message[11] + 1
    head = message[:10] + count.to_bytes(2, "big")
    tail = name + MARK + len(data).to_bytes(2, "big") + data
    return b"".join((head, memoryview(message)[HEADER_OCTETS:], tail))
