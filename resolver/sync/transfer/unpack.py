"""Records of a transfer's messages, in plain Python; `cunpack` is the same, compiled.

A zone comes as millions of records, nearly all of them in the order of their owners, so records of
one name in a row are put together here to the node that the store will hold. Nothing of a message
is believed: each length is held against what is there, and pointers lead strictly back.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from csid import names
from csid.limits import MAX_NAME_KEY_OCTETS, MAX_NAME_OCTETS, MAX_RRSET_OCTETS
from csid.protocol import CLASS_IN, CNAME, SOA
from resolver.store.build import RECORD_OCTETS, SINGLE
from resolver.store.extras import HOST_OFFSET
from resolver.store.node import CUT, REDIRECT, RRset, encode, encode_one, rrsets_of
from resolver.sync.transfer import layouts
from resolver.sync.transfer.errors import TransferError

_HEAD: Final = struct.Struct(">HHIH")
_TOPS: Final = CUT | REDIRECT

Piece = tuple[bytes, bytes]  # key below the apex, and a node with neither cover nor extras
Record = tuple[bytes, int, int, int, bytes, int]  # owner's key, type, class, TTL, data, its end
_Row = tuple[int, int, bytes]  # type, TTL in seconds, data


class Pieces(NamedTuple):
    """Records that came in a row.

    Attributes:
        pieces: in their order.
        odd: of those that need a look, in order, where they are: the first, and all but those whose
            key is behind the key before, below something at or above that, and whose node neither
            covers others, nor leads to them, nor is a wildcard.
        octets: of all keys and nodes.
    """

    pieces: list[Piece]
    odd: list[int]
    octets: int


def record(message: bytes, at: int) -> Record:
    """The record at an offset of a message, its data uncompressed.

    Raises:
        TransferError: what is there is none.
    """
    wire, at = _name(message, at, False)
    if at + _HEAD.size > len(message):
        raise TransferError(layouts.CUT_SHORT)
    rrtype, rrclass, ttl, size = _HEAD.unpack_from(message, at)
    start = at + _HEAD.size
    end = start + size
    if end > len(message):
        raise TransferError(layouts.CUT_SHORT)
    if ttl >= 2**31:
        ttl = 0  # RFC 2181 section 8
    return names.key_of(wire), rrtype, rrclass, ttl, _data(message, rrtype, start, end), end


def run(message: bytes, at: int, number: int, apex: bytes) -> tuple[Pieces, int, int]:
    """The records of a message from an offset on, as far as the next SOA.

    Records of one name in a row are one piece, unless they need a closer look: duplicates, TTLs
    that differ, an alias beside other records, or very many. They are several then, in their order.

    Args:
        number: how many records there are at the offset, at most.
        apex: canonical key of the zone.

    Returns:
        The pieces, the offset behind them, and how many records are left.

    Raises:
        TransferError: a record is malformed, or none of this zone.
    """
    pieces: list[Piece] = []
    group: list[_Row] = []
    octets = 0
    open_key = b""
    skip = len(apex)
    while number:
        key, rrtype, rrclass, ttl, rdata, end = record(message, at)
        if rrclass != CLASS_IN:
            raise TransferError(layouts.WRONG_CLASS)
        if rrtype == SOA:
            break
        if (
            rrtype in (0, layouts.OPT_TYPE)
            or layouts.FIRST_QUERY_TYPE <= rrtype <= layouts.LAST_QUERY_TYPE
        ):
            raise TransferError(layouts.NO_DATA)
        if not key.startswith(apex):
            raise TransferError(layouts.OUTSIDE)
        if len(key) > MAX_NAME_KEY_OCTETS:
            raise TransferError(layouts.LONG_KEY)
        size = RECORD_OCTETS + len(rdata)
        if size > MAX_RRSET_OCTETS:
            raise TransferError(layouts.LARGE_DATA)
        if group and (
            key != open_key
            or len(group) == layouts.GROUP_RECORDS
            or octets + size > MAX_RRSET_OCTETS
        ):
            _close(pieces, open_key[skip:], group)
            group, octets = [], 0
        open_key = key
        group.append((rrtype, ttl, rdata))
        octets += size
        at = end
        number -= 1
    if group:
        _close(pieces, open_key[skip:], group)
    return _looked_at(pieces), at, number


def _looked_at(pieces: list[Piece]) -> Pieces:
    odd = []
    octets = 0
    before = b""
    for number, (key, blob) in enumerate(pieces):
        above = key[: key.rfind(b"\0", 0, -1) + 1]
        if (
            not number
            or key <= before
            or not before.startswith(above)
            or key.endswith(b"*\0")
            or blob[0] & _TOPS
            or any(rrtype in HOST_OFFSET for rrtype, _ in rrsets_of(blob))
        ):
            odd.append(number)
        octets += len(key) + len(blob)
        before = key
    return Pieces(pieces, odd, octets)


def _close(pieces: list[Piece], key: bytes, group: list[_Row]) -> None:
    """Add the records of a name to the pieces."""
    if len(group) == 1 or _needs_a_look(group):
        pieces += [(key, encode_one(*row)) for row in group]
        return
    rrsets: dict[int, RRset] = {}
    for rrtype, ttl, rdata in group:
        known = rrsets.get(rrtype)
        rrsets[rrtype] = RRset(ttl, (*known.rdatas, rdata) if known else (rdata,))
    pieces.append((key, encode(rrsets)))


def _needs_a_look(group: list[_Row]) -> bool:
    ttls: dict[int, int] = {}
    seen = set()
    for rrtype, ttl, rdata in group:
        if rrtype == CNAME:
            return True
        if rrtype in ttls and (rrtype in SINGLE or ttls[rrtype] != ttl):
            return True
        ttls[rrtype] = ttl
        # Names count in any case; whether that is one is for the closer look.
        seen.add((rrtype, rdata.lower()))
    return len(seen) < len(group)


def _data(message: bytes, rrtype: int, at: int, end: int) -> bytes:
    layout = layouts.LAYOUTS.get(rrtype)
    if layout is None:
        return message[at:end]
    start = at
    at += layout.fixed
    for _ in range(layout.strings):
        if at >= end:
            raise TransferError(layouts.WRONG_DATA)
        at += 1 + message[at]
    if at > end:
        raise TransferError(layouts.WRONG_DATA)
    parts = [message[start:at]]
    for _ in range(layout.names):
        wire, at = _name(message, at, layout.is_plain)
        if at > end:
            raise TransferError(layouts.WRONG_DATA)
        parts.append(wire)
    if layout.tail not in (layouts.ANY_TAIL, end - at):
        raise TransferError(layouts.WRONG_DATA)
    parts.append(message[at:end])
    return b"".join(parts)


def _name(message: bytes, at: int, is_plain: bool) -> tuple[bytes, int]:
    """The name at an offset in full, and the offset behind it."""
    size = len(message)
    parts = []
    octets = 1
    limit = at  # a pointer leads to before what it stands in
    end = pointers = 0
    while True:
        if at >= size:
            raise TransferError(layouts.CUT_SHORT)
        length = message[at]
        if length >= 0xC0:
            if at + 1 >= size:
                raise TransferError(layouts.CUT_SHORT)
            target = (length & 0x3F) << 8 | message[at + 1]
            if target >= limit or is_plain:
                raise TransferError(layouts.FORWARD)
            pointers += 1
            if pointers > layouts.MAX_POINTERS:
                raise TransferError(layouts.LONG_CHAIN)
            end = end or at + 2
            limit = at = target
            continue
        if length > 63:
            raise TransferError(layouts.LABEL_TYPE)
        if not length:
            break
        after = at + 1 + length
        if after > size:
            raise TransferError(layouts.CUT_SHORT)
        octets += 1 + length
        if octets > MAX_NAME_OCTETS:
            raise TransferError(layouts.LONG_NAME)
        parts.append(message[at:after])
        at = after
    parts.append(names.ROOT)
    return b"".join(parts), end or at + 1
