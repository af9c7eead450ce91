"""A tree held in sorted lists: the moment of a store that LMDB gives, for tests without one."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping

import dns.zone

from csid import names
from resolver.answer.lookup import Snapshot
from resolver.answer.resolve import TreeSource
from resolver.store.apexes import ZoneEntry, zone_entry
from resolver.store.build import ZoneData, build, wildcard_count
from resolver.store.node import RRset


class MemoryTree:
    """Zones in memory, by origin in wire form; `snapshot()` looks into them."""

    def __init__(self, zones: Mapping[bytes, ZoneData] | None = None) -> None:
        self.tree: dict[bytes, bytes] = {}
        self.apexes: dict[bytes, bytes] = {}
        for number, (origin, data) in enumerate((zones or {}).items(), start=1):
            self.add(origin, data, number)

    def add(self, origin: bytes, data: ZoneData, number: int) -> None:
        """Hold a zone under the generation `number`."""
        generation = number.to_bytes(8, "big")
        nodes = dict(build(origin, data))
        for key, blob in nodes.items():
            self.tree[generation + key] = blob
        entry = ZoneEntry(generation, wildcard_count(iter(nodes)), generation)
        self.apexes[names.key_of(origin)] = zone_entry(entry)

    def snapshot(self) -> Snapshot:
        """The tree as it is now."""
        tree = sorted(self.tree)
        apexes = sorted(self.apexes)

        def below(key: bytes) -> tuple[bytes, bytes]:
            at = bisect_left(tree, key) - 1
            return tree[at], self.tree[tree[at]]

        def floor(key: bytes) -> tuple[bytes, bytes, bytes]:
            at = bisect_right(apexes, key)
            following = apexes[at] if at < len(apexes) else b""
            if not at:
                return b"", b"", following
            return apexes[at - 1], self.apexes[apexes[at - 1]], following

        return Snapshot(self.tree.get, below, floor, {})

    def source(self) -> TreeSource:
        """What answers come from, the tree being as it is now."""
        return TreeSource(self.snapshot())


def zone_data(text: str, origin: str) -> tuple[bytes, dict[bytes, dict[int, RRset]]]:
    """Zone data from master file text, by way of dnspython; a node per owner, nothing checked."""
    zone = dns.zone.from_text(text, origin=origin, relativize=False, check_origin=False)
    data: dict[bytes, dict[int, RRset]] = {}
    for name, rdatasets in zone.nodes.items():
        owner = name.canonicalize().to_wire()
        assert owner is not None
        data[owner] = {
            int(rdataset.rdtype): RRset(rdataset.ttl, [rdata.to_wire() for rdata in rdataset])
            for rdataset in rdatasets.rdatasets
        }
    return names.from_text(origin.lower()), data
