"""Finding a name: which zone it belongs to, and what the zone's tree holds for it.

Nothing here knows how the tree is stored. A `Snapshot` is handed three ways to look into one moment
of the store, and everything that can be asked of that moment is worked out from them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from csid import names
from csid.limits import MAX_KEY_OCTETS
from csid.protocol import NS, SOA
from resolver.store import node
from resolver.store.apexes import GENERATION_OCTETS, NOT_READY, SERVED, split_zone_entry
from resolver.store.build import negative_ttl

try:
    from csid.coctets import labels_end, shared_end
except ImportError:  # not compiled on this machine
    from csid.octets import labels_end, shared_end

# What `find` may say of a name.
EXACT: Final = 0  # the name exists; its blob may be that of an empty non-terminal
DELEGATION: Final = 1  # at or below a cut; the blob is the cut's
REDIRECT: Final = 2  # below a DNAME; the blob is that of the DNAME's owner
WILDCARD: Final = 3  # no such name, but a wildcard stands for it; the blob is the wildcard's
NO_NAME: Final = 4  # no such name

_WILDCARD_LABEL: Final = b"*\0"
_KNOWN_ZONES: Final = 4_096  # zones kept ready between two changes of the store

Get = Callable[[bytes], "bytes | None"]
# Of the stored entry with the greatest key not above the one given, and of the key next after it.
Floor = Callable[[bytes], "tuple[bytes, bytes, bytes]"]
Below = Callable[[bytes], "tuple[bytes, bytes]"]


class Zone:
    """What answering from a zone always needs, worked out once per change of the store.

    Attributes:
        apex: canonical key of the apex.
        skip: octets of `apex`.
        depth: labels of `apex`.
        wire_octets: octets of the apex in wire form, the root's included.
        flags: `resolver.store.apexes`; unless they are 0, nothing is answered from the zone, and
            what follows here may be empty.
        generation: 8 octets before each of the zone's keys in the tree.
        has_wildcards: whether any name of the zone begins with `*`.
        soa: the SOA record as a negative answer carries it (RFC 2308 section 3).
        ns: the apex NS RRset, and in `ns_extra` the addresses of its hosts; `ns_number` and
            `ns_extra_number` records.
        ns_hosts: keys of the hosts the apex NS RRset names.
    """

    __slots__ = (
        "apex",
        "authority",
        "depth",
        "flags",
        "generation",
        "has_wildcards",
        "negative",
        "ns",
        "ns_extra",
        "ns_extra_number",
        "ns_hosts",
        "ns_number",
        "skip",
        "soa",
        "wire",
        "wire_octets",
    )

    def __init__(
        self, apex: bytes, generation: bytes, wildcards: int, blob: bytes, flags: int = SERVED
    ) -> None:
        self.apex = apex
        self.skip = len(apex)
        self.depth = apex.count(0)
        self.wire = names.wire_of_key(apex)
        self.wire_octets = len(self.wire)
        self.generation = generation
        self.has_wildcards = wildcards > 0
        self.flags = flags
        # The records above under the pointer that fits a question, by what it points to; as far as
        # questions came.
        self.negative: list[bytes | None] = []
        self.authority: list[bytes | None] = []
        self.soa = self.ns = self.ns_extra = b""
        self.ns_number = self.ns_extra_number = 0
        self.ns_hosts: frozenset[bytes] = frozenset()
        if flags != NOT_READY:
            self._take(blob)

    def _take(self, blob: bytes) -> None:
        """Take what the node of the apex says."""
        rrsets = dict(node.rrsets_of(blob))
        soa = rrsets[SOA]
        self.soa = node.rr(node.OWNER, SOA, negative_ttl(soa), soa.rdatas[0])
        at = node.find_entry(blob, NS)
        self.ns = node.records_at(blob, at)
        self.ns_number = node.number_at(blob, at)
        self.ns_extra = node.extra_at(blob, at)
        self.ns_extra_number = node.extra_number_at(blob, at)
        self.ns_hosts = frozenset(names.key_of(rdata) for rdata in rrsets[NS].rdatas)

    def negative_at(self, offset: int) -> bytes:
        """The SOA of a negative answer, its owner a pointer to `offset` of the message."""
        return _at(self.negative, offset, self.soa)

    def authority_at(self, offset: int) -> bytes:
        """The apex NS RRset, its owner a pointer to `offset` of the message."""
        return _at(self.authority, offset, self.ns)


def _at(ready: list[bytes | None], offset: int, records: bytes) -> bytes:
    """Records whose owner is a pointer to `offset`, made once and kept in `ready`."""
    while len(ready) <= offset:
        ready.append(None)
    found = ready[offset]
    if found is None:
        found = node.with_owner(records, node.POINTERS[offset])
        ready[offset] = found
    return found


class Snapshot:
    """One moment of the store, as lookups see it.

    Args:
        get: the blob at a tree key, or None.
        below: (key, blob) of the last tree entry before a key that is not in the tree.
        floor: (key, value, next key) of the last apex at or before a canonical key, and the apex
            after it; an empty value where there is none before, an empty key where none after.
        zones: zones already worked out for this moment, by apex key.
    """

    __slots__ = ("below", "floor", "get", "high", "low", "zone", "zones")

    def __init__(self, get: Get, below: Below, floor: Floor, zones: dict[bytes, Zone]) -> None:
        self.get = get
        self.below = below
        self.floor = floor
        self.zones = zones
        self.zone: Zone | None = None
        # Between these two neighbouring apexes every name below `zone` is `zone`'s own.
        self.low = b""
        self.high = b""

    def zone_of(self, key: bytes) -> Zone | None:
        """The deepest zone held that encloses a name, given by its canonical key."""
        zone = self.zone
        if (
            zone is not None
            and key.startswith(zone.apex)
            and key >= self.low
            and (not self.high or key < self.high)
        ):
            return zone
        return self._seek_zone(key)

    def _seek_zone(self, key: bytes) -> Zone | None:
        """One seek finds the zone, or a sibling of what we look for: then the part that both share
        is looked for instead, which ends at the root at the latest.
        """
        apex, value, high = self.floor(key)
        low = apex
        if value and not key.startswith(apex):
            wanted = shared_ancestor(key, apex)
            # Only names behind the sibling's whole branch are sure to get the same answer.
            low = apex[: apex.index(0, len(wanted))] + b"\1"
            apex, value, _ = self.floor(wanted)
            while value and not wanted.startswith(apex):
                wanted = shared_ancestor(wanted, apex)
                apex, value, _ = self.floor(wanted)
        if not value:
            return None
        self.zone, self.low, self.high = self._zone(apex, value), low, high
        return self.zone

    def _zone(self, apex: bytes, value: bytes) -> Zone:
        zone = self.zones.get(apex)
        if zone is None:
            entry = split_zone_entry(value)
            blob = self.get(entry.generation)
            if blob is None and entry.flags != NOT_READY:
                raise LookupError(
                    f"the tree has no apex for {names.to_text(names.wire_of_key(apex))}"
                )
            if len(self.zones) >= _KNOWN_ZONES:
                self.zones.clear()
            zone = self.zones[apex] = Zone(
                apex, entry.generation, entry.wildcards, blob or b"", entry.flags
            )
        return zone

    def zone_above(self, apex: bytes) -> Zone | None:
        """The zone on the parent's side of a cut, if it is held here too."""
        if not apex:
            return None
        return self.zone_of(apex[: apex.rfind(b"\0", 0, len(apex) - 1) + 1])


def find(snapshot: Snapshot, zone: Zone, key: bytes) -> tuple[int, bytes, int]:
    """What a zone holds for a name that lies in it.

    Args:
        key: the name's canonical key.

    Returns:
        The outcome, the blob it speaks of (empty for NO_NAME), and how many labels below the apex
        that blob's name has; for NO_NAME and WILDCARD those of the closest encloser.
    """
    stored = zone.generation + key[zone.skip :]
    if len(stored) <= MAX_KEY_OCTETS:
        blob = snapshot.get(stored)
        if blob is not None:
            cover = blob[1]
            if not cover:
                return EXACT, blob, -1
            depth = cover - 1
            if depth < key.count(0) - zone.depth:
                return _covering(snapshot, stored, depth)
            return (DELEGATION if blob[0] & node.CUT else EXACT), blob, depth
    return _find_absent(snapshot, zone, stored)


def _find_absent(snapshot: Snapshot, zone: Zone, stored: bytes) -> tuple[int, bytes, int]:
    """`find` for a name that is not in the tree.

    All tree entries between the closest encloser and the name lie below the encloser, so the name's
    neighbour before it shares with it just the encloser (as in a proof by NSEC), and knows what
    covers the encloser.
    """
    before, neighbour = snapshot.below(stored[:MAX_KEY_OCTETS])
    if not before.startswith(zone.generation):
        raise LookupError(f"the tree has no apex for {names.to_text(zone.wire)}")
    end: int = shared_end(stored, before, GENERATION_OCTETS)
    encloser = stored[:end]
    depth = encloser.count(0, GENERATION_OCTETS)
    cover = neighbour[1]
    if cover and cover - 1 <= depth:
        if before == encloser and cover - 1 == depth:  # the neighbour is what covers the name
            return (DELEGATION if neighbour[0] & node.CUT else REDIRECT), neighbour, depth
        return _covering(snapshot, stored, cover - 1)
    if zone.has_wildcards:
        blob = snapshot.get(encloser + _WILDCARD_LABEL)
        if blob is not None:
            return WILDCARD, blob, depth
    return NO_NAME, b"", depth


def _covering(snapshot: Snapshot, stored: bytes, depth: int) -> tuple[int, bytes, int]:
    """The delegation or DNAME that stands `depth` labels below the apex on the way to a name."""
    end: int = labels_end(stored, GENERATION_OCTETS, depth)
    blob = snapshot.get(stored[:end])
    if blob is None:
        raise LookupError("a name is marked as covered by a node that is not there")
    return (DELEGATION if blob[0] & node.CUT else REDIRECT), blob, depth


def shared_ancestor(one: bytes, other: bytes) -> bytes:
    """The key of the deepest name at or above both of two canonical keys."""
    end: int = shared_end(one, other, 0)
    return one[:end]
