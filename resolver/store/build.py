"""From the RRsets of a zone to the nodes of its tree: all that can be worked out before a question.

Empty non-terminals get nodes of their own (RFC 4592 section 2.2.2), names at and below delegations
and DNAMEs learn what covers them, and name servers' addresses are laid beside the NS records.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Final

from csid import names
from csid.errors import ZoneError
from csid.limits import MAX_RRSET_OCTETS, MAX_RRSET_RECORDS, MAX_TYPES_PER_NAME
from csid.protocol import CNAME, DNAME, KEY, NSEC, NSEC3, NXT, RRSIG, SIG, SOA
from resolver.store import node
from resolver.store.extras import HOST_OFFSET, extras_of, is_wildcard
from resolver.store.held import Held, HeldZone, RRsets, unpacked
from resolver.store.node import RRset

# What an alias may stand beside (RFC 2181 section 10.1, RFC 4034 sections 3 and 4), and RFC 5155
# section 7.1, whose owners are hashes.
BESIDE_CNAME: Final = frozenset({CNAME, RRSIG, NSEC, NSEC3, KEY, SIG, NXT})
SINGLE: Final = {SOA: "SOA", CNAME: "CNAME", DNAME: "DNAME"}  # one record each at a name

RECORD_OCTETS: Final = 12  # of a record in a message beside its data: pointer, type, class, TTL...
_TOPS: Final = node.CUT | node.REDIRECT  # flags of names that cover those below them

Node = tuple[bytes, bytes]  # key below the apex, blob
ZoneData = Mapping[bytes, RRsets]  # lower-case owner in wire form -> its RRsets


class _InMemory:
    """A zone as `extras_of` looks into it while it is built."""

    def __init__(self, held: dict[bytes, Held], keys: list[bytes]) -> None:
        self.held = held
        self.keys = keys  # of all names, in order

    def rrsets(self, key: bytes, /) -> RRsets | None:
        held = self.held.get(key)
        return None if held is None else unpacked(held)

    def encloses(self, key: bytes, /) -> bool:
        at = bisect_left(self.keys, key)
        return at < len(self.keys) and self.keys[at].startswith(key)


def build(origin: bytes, data: ZoneData) -> Iterator[Node]:
    """The nodes of a zone, in key order.

    Args:
        origin: the apex, lower-case wire form.
        data: every name of the zone, lower-case wire form, with its RRsets.

    Raises:
        ZoneError: a name or RRset beyond what `csid.limits` allows, or outside the zone.
    """
    if isinstance(data, HeldZone):
        held = data.by_key
    else:
        held = {names.checked_key(owner): dict(rrsets) for owner, rrsets in data.items()}
    apex = names.key_of(origin)
    skip = len(apex)
    covers: list[tuple[bytes, int]] = []  # (key, cover) of the topmost cover we are inside of
    before = apex
    keys = sorted(held)
    zone = _InMemory(held, keys)
    for key in keys:
        if not key.startswith(apex):
            raise ZoneError(_text(key), f"lies outside {names.to_text(origin)}")
        while covers and not key.startswith(covers[-1][0]):
            covers.pop()
        cover = covers[-1][1] if covers else 0
        # Names in canonical order go down the tree: an ancestor without records stands directly
        # in front of its first descendant.
        if not before.startswith(key[: key.rfind(b"\0", 0, -1) + 1]):
            for missing in missing_above(key, before):
                yield missing[skip:], bytes((0, cover))
        before = key
        types = held[key]
        if isinstance(types, bytes):
            if not (types[0] & _TOPS or (types[2] << 8) + types[3] in HOST_OFFSET):
                yield key[skip:], node.with_cover(types, cover) if cover else types
                continue
            types = unpacked(types)
        if not covers and node.flags_of(types) & _TOPS:
            cover = 1 + depth_of(key[skip:])
            covers.append((key, cover))
        check_caps(key, types)
        yield key[skip:], node.encode(types, cover, extras_of(apex, key, types, zone))


def taken(nodes: Iterator[Node], most: int, most_octets: int) -> tuple[list[Node], int]:
    """The next nodes, at most `most` of them and at most one that goes beyond `most_octets` of
    blobs, and their octets.
    """
    part: list[Node] = []
    octets = 0
    while len(part) < most and octets < most_octets:
        one = next(nodes, None)
        if one is None:
            break
        part.append(one)
        octets += len(one[1])
    return part, octets


def missing_above(key: bytes, before: bytes) -> list[bytes]:
    """The ancestors of a key that are not at or above the key before it, topmost first."""
    missing = []
    for ancestor in ancestors(key):
        if before.startswith(ancestor):
            break
        missing.append(ancestor)
    missing.reverse()
    return missing


def ancestors(key: bytes) -> Iterator[bytes]:
    """The keys above a key, nearest first, the apex (empty) last."""
    end = len(key) - 1
    while end > 0:
        end = key.rfind(b"\0", 0, end)
        yield key[: end + 1]
        if end < 0:
            return


def depth_of(key: bytes) -> int:
    """How many labels a key has."""
    return key.count(0)


def check_caps(key: bytes, rrsets: RRsets) -> None:
    """Refuse a name whose data no message could carry."""
    if len(rrsets) > MAX_TYPES_PER_NAME:
        raise ZoneError(
            _text(key), f"has {len(rrsets)} types; at most {MAX_TYPES_PER_NAME} are held"
        )
    for rrtype, rrset in rrsets.items():
        rdatas = rrset[1]
        octets = 0
        for rdata in rdatas:
            octets += RECORD_OCTETS + len(rdata)
        if len(rdatas) > MAX_RRSET_RECORDS or octets > MAX_RRSET_OCTETS:
            raise ZoneError(
                _text(key),
                f"its RRset of type {rrtype} has {len(rdatas)} records of {octets} octets; at most "
                f"{MAX_RRSET_RECORDS} records of {MAX_RRSET_OCTETS} octets fit an answer",
            )


def _text(key: bytes) -> str:
    return names.to_text(names.wire_of_key(key))


def wildcard_count(keys: Iterator[bytes]) -> int:
    """How many keys are wildcards: their last label is `*`."""
    return sum(map(is_wildcard, keys))


def negative_ttl(soa: RRset) -> int:
    """Seconds an absence may be remembered (RFC 2308 section 5)."""
    return min(soa.ttl, int.from_bytes(soa.rdatas[0][-4:], "big"))


def serial_of(soa: RRset) -> int:
    """The serial of an SOA (RFC 1035 section 3.3.13)."""
    return int.from_bytes(soa.rdatas[0][-20:-16], "big")


def with_serial(soa: RRset, serial: int) -> RRset:
    """The SOA under another serial."""
    rdata = soa.rdatas[0]
    return RRset(soa.ttl, [rdata[:-20] + serial.to_bytes(4, "big") + rdata[-16:]])


def next_serial(serial: int) -> int:
    """One more, in the arithmetic of RFC 1982; 0 is left out since some servers read it as none."""
    return (serial + 1) % 2**32 or 1
