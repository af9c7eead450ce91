"""A node of the tree as the store keeps it: one blob with all RRsets of one name, ready to send.

    blob   = flags(1) cover(1) entry*
    entry  = type(2) count(2) size(2) extra-count(2) extra-size(2) rrs(size) extra(extra-size)
    rrs    = RRs in wire form whose owner is the compression pointer C0 0C: the name in the question
    extra  = RRs for the additional section (addresses of name servers, RFC 1034 4.2.1), their
             owners written out in full

All integers are big-endian; entries stand in order of their types. `cover` is 1 + the depth below
the apex of the topmost delegation or DNAME at or above the name, 0 where there is none: one look at
a node, or at its neighbour in the tree, tells whether it is hidden.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from csid.protocol import CNAME, DNAME, NS, SOA

try:
    from csid.coctets import with_owner as with_owner
except ImportError:  # not compiled on this machine
    from csid.octets import with_owner as with_owner

APEX = 1
CUT = 2
ALIAS = 4  # holds a CNAME
REDIRECT = 8  # holds a DNAME

# Compression pointers to each offset a question's labels can have (RFC 1035 section 4.1.4).
POINTERS = tuple((0xC000 | offset).to_bytes(2, "big") for offset in range(512))
OWNER = POINTERS[12]  # the name in the question
_ENTRY = struct.Struct(">HHHHH")
_RR_HEAD = struct.Struct(">2sHHIH")
_ONE = struct.Struct(">BBHHHHH2sHHIH")  # a node up to the data of its only record
_ONE_FLAGS = {SOA: APEX, NS: CUT, CNAME: ALIAS, DNAME: REDIRECT}
_NO_EXTRA_HEAD = bytes(4)
EMPTY = b"\0\0"  # an empty non-terminal that nothing covers


class RRset(NamedTuple):
    """Records of one type at one name: seconds to live, and rdata in uncompressed wire form."""

    ttl: int
    rdatas: Sequence[bytes]


class Extra(NamedTuple):
    """Records for the additional section, whole and in wire form, and how many they are."""

    number: int
    records: bytes


NO_EXTRA = Extra(0, b"")


def rr(owner: bytes, rrtype: int, ttl: int, rdata: bytes) -> bytes:
    """One resource record in wire form, class IN (RFC 1035 section 3.2.1)."""
    return b"%b%b%b" % (owner, struct.pack(">HHIH", rrtype, 1, ttl, len(rdata)), rdata)


def flags_of(types: Mapping[int, object]) -> int:
    """The flag octet of a name that holds these types."""
    flags = APEX if SOA in types else CUT if NS in types else 0
    if CNAME in types:
        flags |= ALIAS
    if DNAME in types:
        flags |= REDIRECT
    return flags


def encode(
    rrsets: Mapping[int, RRset], cover: int = 0, extras: Mapping[int, Extra] | None = None
) -> bytes:
    """The blob of a name; `extras` maps a type to the additional records that go with it."""
    parts = [bytes((flags_of(rrsets), cover))]
    for rrtype in sorted(rrsets):
        ttl, rdatas = rrsets[rrtype]
        extra = extras.get(rrtype, NO_EXTRA) if extras else NO_EXTRA
        records = b"".join([rr(OWNER, rrtype, ttl, rdata) for rdata in rdatas])
        parts.append(
            _ENTRY.pack(rrtype, len(rdatas), len(records), extra.number, len(extra.records))
        )
        parts.append(records)
        parts.append(extra.records)
    return b"".join(parts)


def encode_one(rrtype: int, ttl: int, rdata: bytes) -> bytes:
    """`encode` for a name that has one record, and no cover and no extras."""
    flags = _ONE_FLAGS.get(rrtype, 0)
    size = len(rdata)
    head = _ONE.pack(flags, 0, rrtype, 1, 12 + size, 0, 0, OWNER, rrtype, 1, ttl, size)
    return head + rdata


def with_cover(blob: bytes, cover: int) -> bytes:
    """The same node under another cover."""
    return bytes((blob[0], cover)) + blob[2:]


def bare(blob: bytes) -> bytes:
    """What a node says of its name alone: under no cover, without additional records."""
    if len(blob) < _ENTRY.size:
        return bytes((blob[0], 0))
    parts = [bytes((blob[0], 0))]
    at = 2
    while at < len(blob):
        start = at + 10
        end = start + (blob[at + 4] << 8) + blob[at + 5]
        parts.append(blob[at : at + 6])
        parts.append(_NO_EXTRA_HEAD)
        parts.append(blob[start:end])
        at = next_entry(blob, at)
    return b"".join(parts)


def rrsets_of(blob: bytes) -> Iterator[tuple[int, RRset]]:
    """The types and RRsets of a blob, in order of type."""
    at = 2
    while at < len(blob):
        rrtype, _, size, _, extra_size = _ENTRY.unpack_from(blob, at)
        at += _ENTRY.size
        ttl = 0
        rdatas = []
        end = at + size
        while at < end:
            _, _, _, ttl, length = _RR_HEAD.unpack_from(blob, at)
            at += _RR_HEAD.size
            rdatas.append(blob[at : at + length])
            at += length
        at += extra_size
        yield rrtype, RRset(ttl, rdatas)


def find_entry(blob: bytes, rrtype: int) -> int:
    """The offset of a type's entry in a blob, 0 if the name has no such type.

    Raises:
        ValueError, IndexError: the blob is damaged: its lengths are not those of what it holds.
    """
    at = 2
    end = len(blob)
    while at < end:
        if (blob[at] << 8) + blob[at + 1] == rrtype:
            check_entry(blob, at)
            return at
        at = next_entry(blob, at)
    if at != end:
        raise ValueError("a node that is shorter than its entries")
    return 0


def check_entry(blob: bytes, at: int) -> None:
    """An entry goes into messages as it is, so its records must be as many as it says."""
    record = at + 10
    end = record + (blob[at + 4] << 8) + blob[at + 5]
    for _ in range((blob[at + 2] << 8) + blob[at + 3]):
        record += 12 + (blob[record + 10] << 8) + blob[record + 11]
    if record != end or next_entry(blob, at) > len(blob):
        raise ValueError(f"a damaged entry of type {(blob[at] << 8) + blob[at + 1]}")


# An entry is read at the offset that `find_entry` gave.


def number_at(blob: bytes, at: int) -> int:
    """How many records the entry's RRset has."""
    return (blob[at + 2] << 8) + blob[at + 3]


def records_at(blob: bytes, at: int) -> bytes:
    """The RRset of an entry as it is copied into messages: owned by the name in the question."""
    return blob[at + 10 : at + 10 + (blob[at + 4] << 8) + blob[at + 5]]


def extra_number_at(blob: bytes, at: int) -> int:
    """How many records go with the entry into the additional section."""
    return (blob[at + 6] << 8) + blob[at + 7]


def extra_at(blob: bytes, at: int) -> bytes:
    """The records that go with the entry into the additional section."""
    start = at + 10 + (blob[at + 4] << 8) + blob[at + 5]
    return blob[start : start + (blob[at + 8] << 8) + blob[at + 9]]


def next_entry(blob: bytes, at: int) -> int:
    """The offset behind an entry."""
    return at + 10 + (blob[at + 4] << 8) + blob[at + 5] + (blob[at + 8] << 8) + blob[at + 9]


def split_extra(extra: bytes) -> list[bytes]:
    """The single records of an entry's extra part, whose owners are written out in full."""
    records = []
    at = 0
    while at < len(extra):
        start = at
        while extra[at]:
            at += 1 + extra[at]
        at += 11 + (extra[at + 9] << 8) + extra[at + 10]
        records.append(extra[start:at])
    return records


def first_rdata(records: bytes) -> bytes:
    """The rdata of the first record of an entry; for types that a name holds once."""
    return records[12 : 12 + (records[10] << 8) + records[11]]
