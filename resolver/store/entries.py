"""Nodes of a name compared and changed entry by entry: most differ in whole RRsets, so their
records need not be read.
"""

from __future__ import annotations

from csid.limits import MAX_TYPES_PER_NAME
from csid.protocol import AAAA, A
from resolver.store.node import EMPTY, RRset, encode, flags_of, rrsets_of

_NO_EXTRA = bytes(4)  # number and octets of additional records


def beyond(one: bytes, other: bytes, but: int = 0) -> bytes:
    """The node of the records that one of two nodes of a name has and the other has not; all of a
    type whose TTL differs.

    Args:
        but: a type that is left out.
    """
    known = _entries(other)
    parts = [EMPTY]
    types = {}
    for rrtype, entry in _entries(one).items():
        held = known.get(rrtype)
        if rrtype == but or entry == held:
            continue
        if held is not None and (entry[2:4] != b"\0\1" or held[2:4] != b"\0\1"):
            entry = _rest(rrtype, entry, held)
            if not entry:
                continue
        types[rrtype] = entry
        parts.append(entry)
    if flags := flags_of(types):
        parts[0] = bytes((flags, 0))
    return b"".join(parts)


def replaced(held: bytes, removed: bytes, added: bytes) -> bytes:
    """A node without some entries and with others, without additional records; empty where that is
    not plain to be seen, as what is removed is not all of its types, octet for octet, or what is
    added not all of new ones, or where others may depend on it: under a cover, with flags or
    addresses, without any records.
    """
    if held[0] or held[1] or removed[0] or added[0]:
        return b""
    entries = _entries(held)
    for rrtype, entry in _entries(removed).items():
        if rrtype in (A, AAAA) or entries.pop(rrtype, b"") != entry:
            return b""
    for rrtype, entry in _entries(added).items():
        if rrtype in entries:
            return b""
        entries[rrtype] = entry
    if not entries or len(entries) > MAX_TYPES_PER_NAME or A in entries or AAAA in entries:
        return b""
    return EMPTY + b"".join([entries[rrtype] for rrtype in sorted(entries)])


def _entries(blob: bytes) -> dict[int, bytes]:
    """The entries of a node by type, without additional records."""
    found = {}
    at = 2
    while at < len(blob):
        end = at + 10 + (blob[at + 4] << 8) + blob[at + 5]
        extra = (blob[at + 8] << 8) + blob[at + 9]
        entry = blob[at:end] if not extra else blob[at : at + 6] + _NO_EXTRA + blob[at + 10 : end]
        found[(blob[at] << 8) + blob[at + 1]] = entry
        at = end + extra
    return found


def _rest(rrtype: int, entry: bytes, other: bytes) -> bytes:
    """An entry of the records that another one of its type has not; empty if that has them all."""
    [(_, (ttl, rdatas))] = rrsets_of(EMPTY + entry)
    [(_, (other_ttl, known))] = rrsets_of(EMPTY + other)
    if ttl != other_ttl:
        return entry
    there = set(known)
    rest = [rdata for rdata in rdatas if rdata not in there]
    return encode({rrtype: RRset(ttl, rest)})[len(EMPTY) :] if rest else b""
