"""An answer as the cache keeps it: ready records, whose TTLs are written when it is given.

    expires(4)      Unix seconds until which it holds
    ttl(4)          seconds that it was to hold, counted from when it came
    good(4)         Unix seconds until which its authority said that it holds: what is given
                    longer than that, as nobody can be asked, expires later
    slot(4)         its place among all (`resolver.cache.sieve`)
    rcode(1)        response code
    ede(2)          extended error code (RFC 8914), or -1
    counts(3 x 2)   records of the answer, authority and additional section
    lengths(2 x 2)  octets of the answer and of the authority section
    offsets(2)      how many, of the TTLs; then they follow, 2 octets each
    records         of the three sections

All numbers are big-endian. The records are those of a message whose question is the name that was
asked for, so that a pointer to offset 12 is that name, in whatever case somebody asks for it; no
pointer leads elsewhere. One TTL is good for all of them: the least of what they came with, as an
answer is kept, and forgotten, as a whole.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from csid.errors import CsidError
from csid.protocol import CLASS_IN
from resolver.answer.reply import Reply

try:
    from csid.coctets import with_ttl
except ImportError:  # not compiled on this machine
    from csid.octets import with_ttl

AHEAD_SHARE: Final = 10  # of its time the last part of so many, in which an answer is renewed
RECORDS_MAX: Final = 49_152  # octets; an answer that is larger is not kept, nor given
_HEAD: Final = struct.Struct(">IIIIBh6H")
_TIMES: Final = struct.Struct(">IIII")
_HEAD_OCTETS: Final = _HEAD.size
_OFFSETS_MAX: Final = 8_192  # octets; with them an entry fits a packet between processes
_GOOD_AT: Final = 8
_SLOT_AT: Final = 12
_RCODE_AT: Final = 16
_COUNTS_AT: Final = 19
_LENGTHS_AT: Final = 25
_NO_EDE: Final = 0xFFFF
_POINTER: Final = 0xC0
_QUESTION_POINTER: Final = b"\xc0\x0c"
_ONE_ANSWER: Final = b"\0\1\0\0\0\0"  # the counts of records
_TYPE_IN: Final = struct.Struct(">HH")


class EntryError(CsidError):
    """Records that cannot be kept as they are."""


class Section(NamedTuple):
    """Ready records, and how many."""

    records: bytes
    number: int


NOTHING: Final = Section(b"", 0)


def encode(
    rcode: int,
    ede: int,
    ttl: int,
    now: int,
    answer: Section = NOTHING,
    authority: Section = NOTHING,
    additional: Section = NOTHING,
) -> bytes:
    """An entry, in slot 0.

    Args:
        ttl: seconds that all records hold from now on.
        now: Unix seconds.

    Raises:
        EntryError: the records are not whole, have other pointers, or are too many.
    """
    sections = (answer, authority, additional)
    records = b"".join([one.records for one in sections])
    if len(records) > RECORDS_MAX:
        raise EntryError(f"an answer of more than {RECORDS_MAX:,} octets")
    offsets: list[int] = []
    at = 0
    for one in sections:
        end = at + len(one.records)
        for _ in range(one.number):
            at = _noted(records, at, offsets)
        if at != end:
            raise EntryError("a section has more or fewer records than it should")
    if 2 * len(offsets) > _OFFSETS_MAX:
        raise EntryError(f"an answer of more than {_OFFSETS_MAX // 2:,} records")
    head = _HEAD.pack(
        now + ttl,
        ttl,
        now + ttl,
        0,
        rcode,
        ede,
        answer.number,
        authority.number,
        additional.number,
        len(answer.records),
        len(authority.records),
        len(offsets),
    )
    return b"".join((head, struct.pack(f">{len(offsets)}H", *offsets), records))


def _noted(records: bytes, at: int, offsets: list[int]) -> int:
    """Note where the TTL of the record at an offset stands; where the next one begins."""
    size = len(records)
    while at < size and records[at]:
        length = records[at]
        if length >= _POINTER:
            if records[at : at + 2] != _QUESTION_POINTER:
                raise EntryError("a pointer that leads elsewhere than to the question")
            at += 1
            break
        if length > 63:
            raise EntryError("a label of an unknown kind")
        at += 1 + length
    at += 1
    if at + 10 > size:
        raise EntryError("a record that is cut short")
    offsets.append(at + 4)
    end = at + 10 + (records[at + 8] << 8) + records[at + 9]
    if end > size:
        raise EntryError("a record that is cut short")
    return end


# Octet by octet, which compiled code does faster than it calls what reads numbers.
def _two(octets: bytes, at: int) -> int:
    return (octets[at] << 8) + octets[at + 1]


def _four(octets: bytes, at: int) -> int:
    high = (octets[at] << 24) + (octets[at + 1] << 16)
    return high + (octets[at + 2] << 8) + octets[at + 3]


def in_slot(entry: bytes, slot: int) -> bytes:
    """An entry in another slot."""
    return entry[:_SLOT_AT] + slot.to_bytes(4, "big") + entry[_SLOT_AT + 4 :]


def slot_of(entry: bytes) -> int:
    """Its slot."""
    return _four(entry, _SLOT_AT)


def expires(entry: bytes) -> int:
    """Unix seconds until which it holds."""
    return _four(entry, 0)


def lifetime(entry: bytes) -> int:
    """Seconds that it was to hold when it came."""
    return _four(entry, 4)


def good_until(entry: bytes) -> int:
    """Unix seconds until which its authority said that it holds."""
    return _four(entry, _GOOD_AT)


def stale(entry: bytes, seconds: int, now: int, ede: int) -> bytes:
    """An entry that is given for some seconds more, though it is no longer good (RFC 8767)."""
    head = _TIMES.pack(now + seconds, seconds, good_until(entry), slot_of(entry))
    return head + entry[16:17] + ede.to_bytes(2, "big", signed=True) + entry[19:]


def rcode_of(entry: bytes) -> int:
    """Its response code."""
    return entry[16]


def answers_of(entry: bytes) -> int:
    """How many records its answer has."""
    return _two(entry, _COUNTS_AT)


def is_absence(entry: bytes) -> bool:
    """Whether it says that something is not there: it has no answer."""
    return entry[19:21] == b"\0\0"


def is_whole(entry: bytes) -> bool:
    """Whether lengths and offsets lie within it, so that `fill` can be asked."""
    if len(entry) < _HEAD_OCTETS:
        return False
    fields = _HEAD.unpack_from(entry)
    answer, authority, offsets = fields[9], fields[10], fields[11]
    records = len(entry) - _HEAD_OCTETS - 2 * offsets
    if records < answer + authority:
        return False
    found = struct.unpack_from(f">{offsets}H", entry, _HEAD_OCTETS)
    return all(one + 4 <= records for one in found)


def ahead_at(entry: bytes) -> int:
    """Unix seconds from which it is worth to be found out anew, where it is asked for: the last
    part of its time.
    """
    return expires(entry) - (lifetime(entry) - 1) // AHEAD_SHARE


def is_stale(entry: bytes) -> bool:
    """Whether it is given longer than its authority said (`stale`)."""
    return good_until(entry) < expires(entry)


def only_record(entry: bytes, rrtype: int) -> bytes:
    """The data of the one record that an entry has, which is of the name that was asked for, and of
    this type; empty where it has others, or none.
    """
    if entry[16] or entry[19:25] != _ONE_ANSWER:
        return b""
    begin = _HEAD_OCTETS + 2
    if entry[begin : begin + 6] != _QUESTION_POINTER + _TYPE_IN.pack(rrtype, CLASS_IN):
        return b""
    return entry[begin + 12 :]


def fill(reply: Reply, entry: bytes, now: int) -> None:
    """Put what an entry says into a reply; its TTLs are the seconds that are left.

    Args:
        now: Unix seconds.

    Raises:
        IndexError: the entry is not whole.
    """
    answers = _two(entry, _COUNTS_AT)
    authorities = _two(entry, _COUNTS_AT + 2)
    additionals = _two(entry, _COUNTS_AT + 4)
    begin = _HEAD_OCTETS + 2 * _two(entry, _HEAD_OCTETS - 2)
    left = _four(entry, 0) - now
    records = with_ttl(entry[begin:], entry[_HEAD_OCTETS:begin], left if left > 0 else 0)
    reply.rcode = entry[_RCODE_AT]
    ede = _two(entry, _RCODE_AT + 1)
    reply.ede = ede if ede < _NO_EDE else -1
    reply.answer_number = answers
    reply.authority_number = authorities
    reply.additional_number = additionals
    if authorities or additionals:
        first = _two(entry, _LENGTHS_AT)
        second = first + _two(entry, _LENGTHS_AT + 2)
        reply.answer = records[:first]
        reply.authority = records[first:second]
        reply.additional = records[second:]
        reply.courtesy = answers > 0
    else:
        reply.answer = records
