"""Records of a reply made to fit: shorter names, fewer records, later hours.

Nothing here is done for an answer that fits as it was collected, which nearly all do.
"""

from __future__ import annotations

from typing import Final

from csid.limits import COMPRESSED_OCTETS, HEADER_OCTETS
from csid.names import is_at_or_below
from csid.protocol import CNAME, MX, NS, PTR, SOA
from resolver.answer.reply import Reply

# Names in record data that may be compressed (RFC 3597 section 4): where the first stands, and how
# many follow each other.
_NAMES_IN_DATA: Final = {NS: (0, 1), CNAME: (0, 1), PTR: (0, 1), SOA: (0, 2), MX: (2, 1)}
_POINTERS_END: Final = 0x4000  # what a pointer can reach (RFC 1035 section 4.1.4)


def cut_down(reply: Reply, room: int) -> None:
    """Make the records of a reply fit into `room` octets.

    Names are compressed first (RFC 1035 section 4.1.4). Then goes what is worth least: RRsets of
    the additional section that do not fit behind those before them; the authority section of a
    positive answer; then everything, with TC set so that the asker comes again over TCP (RFC 2181
    section 9). A referral that lacks addresses of name servers below the delegation itself, which
    nobody can find elsewhere, has TC set too (RFC 9471 section 3).
    """
    message = b"".join((reply.packet[: reply.end], reply.answer, reply.authority, reply.additional))
    known: dict[bytes, int] = {}  # where the message has each name and its ends, in lower case
    if reply.end > HEADER_OCTETS:
        _put_name(message[HEADER_OCTETS : reply.end - 4], HEADER_OCTETS, known)
    if len(reply.answer) + len(reply.authority) <= COMPRESSED_OCTETS:
        _compress(reply, message, known)
    room -= len(reply.answer) + len(reply.authority)
    _fit_additional(reply, message, room, known)
    if room < 0 and reply.courtesy:
        room += len(reply.authority)
        reply.authority, reply.authority_number = b"", 0
    if room < 0:
        reply.truncated = True
        reply.answer, reply.answer_number = b"", 0
        reply.authority, reply.authority_number = b"", 0


def _compress(reply: Reply, message: bytes, known: dict[bytes, int]) -> None:
    """Let the names of the answer and authority sections point to where the message has them."""
    at = new_at = reply.end
    sections = []
    for number in (reply.answer_number, reply.authority_number):
        parts = []
        for _ in range(number):
            record, at = _compressed_record(message, at, new_at, known)
            parts.append(record)
            new_at += len(record)
        sections.append(b"".join(parts))
    reply.answer, reply.authority = sections


def _fit_additional(reply: Reply, message: bytes, room: int, known: dict[bytes, int]) -> None:
    """Compress the additional section as well, and keep the RRsets that fit, in their order."""
    start = reply.end + len(reply.answer) + len(reply.authority)
    at = len(message) - len(reply.additional)
    cut = reply.cut.lower()
    kept = b""
    kept_number = seen = 0
    while seen < reply.additional_number:
        names_before, seen_before = len(known), seen
        rrset = b""
        first = current = _owner_and_type(message, at)
        while current == first:
            if len(kept) + len(rrset) <= room:
                record, at = _compressed_record(message, at, start + len(kept) + len(rrset), known)
                rrset += record
            else:
                at = _record_end(message, _name_end(message, at))
            seen += 1
            current = _owner_and_type(message, at) if seen < reply.additional_number else (b"", 0)
        if len(kept) + len(rrset) <= room:
            kept += rrset
            kept_number += seen - seen_before
            continue
        while len(known) > names_before:  # nothing may point into what is left out
            known.popitem()
        if cut and is_at_or_below(first[0], cut):
            reply.truncated = True
    reply.additional, reply.additional_number = kept, kept_number


def _owner_and_type(message: bytes, at: int) -> tuple[bytes, int]:
    owner, fields = _name_at(message, at)
    return owner.lower(), (message[fields] << 8) + message[fields + 1]


def _compressed_record(
    message: bytes, at: int, new_at: int, known: dict[bytes, int]
) -> tuple[bytes, int]:
    """The record at `at` as it is to stand at `new_at`, and where the next one begins."""
    name, fields = _name_at(message, at)
    end = _record_end(message, fields)
    owner = _put_name(name, new_at, known)
    start, names = _NAMES_IN_DATA.get((message[fields] << 8) + message[fields + 1], (0, 0))
    data_at = fields + 10
    data = [message[data_at : data_at + start]]
    data_at += start
    size = start
    for _ in range(names):
        name, data_at = _name_at(message, data_at)
        data.append(_put_name(name, new_at + len(owner) + 10 + size, known))
        size += len(data[-1])
    data.append(message[data_at:end])
    size += end - data_at
    head = message[fields : fields + 8] + size.to_bytes(2, "big")
    return b"".join((owner, head, *data)), end


def _put_name(name: bytes, at: int, known: dict[bytes, int]) -> bytes:
    """A name as it is written at an offset of the message, its end a pointer if that is known."""
    folded = name.lower()
    start = 0
    while name[start]:
        offset = known.get(folded[start:])
        if offset is not None:
            return name[:start] + (0xC000 | offset).to_bytes(2, "big")
        if at + start < _POINTERS_END:
            known[folded[start:]] = at + start
        start += 1 + name[start]
    return name


def with_age(reply: Reply) -> None:
    """Let the TTLs of a reply be less by its age, which is 0 then."""
    age, reply.age = reply.age, 0
    reply.answer = _aged(reply.answer, reply.answer_number, age)
    reply.authority = _aged(reply.authority, reply.authority_number, age)
    reply.additional = _aged(reply.additional, reply.additional_number, age)


def _aged(records: bytes, number: int, age: int) -> bytes:
    parts = []
    at = begin = 0
    for _ in range(number):
        ttl_at = _name_end(records, at) + 4
        ttl = int.from_bytes(records[ttl_at : ttl_at + 4], "big") - age
        parts.append(records[begin:ttl_at])
        parts.append(max(ttl, 0).to_bytes(4, "big"))
        begin = ttl_at + 4
        at = _record_end(records, ttl_at - 4)
    parts.append(records[begin:])
    return b"".join(parts)


def _name_at(message: bytes, at: int) -> tuple[bytes, int]:
    """The name at an offset of a message of ours, in full, and the offset behind it."""
    end = _name_end(message, at)
    parts = []
    first = at  # of the labels read last: a pointer goes before them, so that there is an end
    length = message[at]
    while length:
        if length >= 192:
            at = (length - 192 << 8) + message[at + 1]
            if at >= first:
                raise ValueError("a pointer that does not go back")
            first = at
        elif length >= 64:
            raise ValueError(f"a label of {length} octets")
        else:
            parts.append(message[at : at + 1 + length])
            at += 1 + length
        length = message[at]
    parts.append(b"\0")
    return b"".join(parts), end


def _name_end(message: bytes, at: int) -> int:
    """The offset behind a name that may end in a pointer."""
    while message[at]:
        if message[at] >= 192:
            return at + 2
        at += 1 + message[at]
    return at + 1


def _record_end(message: bytes, fields: int) -> int:
    """The offset behind a record whose type stands at `fields`."""
    return fields + 10 + (message[fields + 8] << 8) + message[fields + 9]
