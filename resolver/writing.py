"""Changing the store: everything that happens inside one write transaction.

Whole zones are written under a new generation and made visible by one entry in the apex table;
single names are changed in place. Both keep what lookups rely on: a node for each empty
non-terminal, `cover` on what a delegation or DNAME hides, the count of wildcards, the SOA's serial.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from csid import names
from csid.dns import SOA
from csid.errors import StoreError, ZoneError
from csid.limits import REMOVALS_PER_COMMIT
from resolver import node
from resolver.lookup import GENERATION_OCTETS, shared_ancestor, split_zone_entry, zone_entry
from resolver.node import RRset
from resolver.zone import ancestors, next_serial, serial_of, wildcard_count, with_serial

Nodes = Iterable[tuple[bytes, bytes]]


class WriteTransaction:
    """The open write transaction of a store; see `resolver.store.Store.write`."""

    def __init__(self, txn: Any, databases: Mapping[bytes, Any]) -> None:
        self._txn = txn
        self._databases = databases
        self._tree = databases[b"tree"]
        self._apexes = databases[b"apexes"]
        self._meta = databases[b"meta"]
        self._doomed = databases[b"doomed"]

    # -- zones as a whole

    def begin_generation(self) -> bytes:
        """A generation nobody has used. Until `publish` takes it, a sweep may remove its nodes."""
        last = self._txn.get(b"generation", db=self._meta)
        generation = (int.from_bytes(last, "big") + 1).to_bytes(GENERATION_OCTETS, "big")
        self._txn.put(b"generation", generation, db=self._meta)
        self._txn.put(generation, b"", db=self._doomed)
        return generation

    def put_nodes(self, generation: bytes, nodes: Nodes) -> int:
        """Write nodes of a generation that is not published yet; returns how many."""
        count = 0
        for key, blob in nodes:
            self._txn.put(generation + key, blob, db=self._tree)
            count += 1
        return count

    def publish(self, origin: bytes, generation: bytes, wildcards: int) -> None:
        """Let a generation be the zone at `origin` (wire form) from this commit on."""
        apex = b"\0" + names.key_of(origin)
        old = self._txn.get(apex, db=self._apexes)
        if old is not None:
            self._txn.put(split_zone_entry(old)[0], b"", db=self._doomed)
        self._txn.put(apex, zone_entry(generation, wildcards), db=self._apexes)
        self._txn.delete(generation, db=self._doomed)

    def replace_zone(self, origin: bytes, nodes: Iterable[tuple[bytes, bytes]]) -> int:
        """Write and publish a zone small enough for one transaction; returns its nodes."""
        generation = self.begin_generation()
        wildcards = 0
        count = 0
        for key, blob in nodes:
            self._txn.put(generation + key, blob, db=self._tree)
            count += 1
            wildcards += wildcard_count(iter((key,)))
        self.publish(origin, generation, wildcards)
        return count

    def drop_zone(self, origin: bytes) -> None:
        """Serve a zone no longer; its nodes go with the next sweep.

        Raises:
            ZoneError: there is no zone with this apex.
        """
        apex = b"\0" + names.key_of(origin)
        old = self._txn.get(apex, db=self._apexes)
        if old is None:
            raise ZoneError(names.to_text(origin), "no zone with this apex is held here")
        self._txn.put(split_zone_entry(old)[0], b"", db=self._doomed)
        self._txn.delete(apex, db=self._apexes)

    def doomed_generations(self) -> list[bytes]:
        """Generations that nobody serves: left by a replacement, a drop or a crash."""
        return [bytes(key) for key, _ in self._txn.cursor(self._doomed)]

    def sweep(self, generation: bytes, most: int = REMOVALS_PER_COMMIT) -> bool:
        """Remove up to `most` nodes of a doomed generation; True once none is left."""
        cursor = self._txn.cursor(self._tree)
        left = most
        found: bool = cursor.set_range(generation)
        while found and cursor.key()[:GENERATION_OCTETS] == generation:
            if not left:
                return False
            found = cursor.delete()
            left -= 1
        self._txn.delete(generation, db=self._doomed)
        return True

    # -- single names

    def open_zone(self, origin: bytes) -> ZoneEditor:
        """The zone whose apex is `origin` (wire form), for changes in place."""
        apex = names.key_of(origin)
        entry = self._txn.get(b"\0" + apex, db=self._apexes)
        if entry is None:
            raise ZoneError(names.to_text(origin), "no zone with this apex is held here")
        return ZoneEditor(self._txn, self._tree, apex, entry)

    def deepest_zone(self, key: bytes) -> bytes | None:
        """The canonical key of the deepest apex at or above a canonical key, or None."""
        cursor = self._txn.cursor(self._apexes)
        wanted = key
        while True:
            if cursor.set_range(b"\0" + wanted):
                if cursor.key() != b"\0" + wanted and not cursor.prev():
                    return None
            elif not cursor.last():
                return None
            apex: bytes = cursor.key()[1:]
            if wanted.startswith(apex):
                return apex
            wanted = shared_ancestor(wanted, apex)


class ZoneEditor:
    """One zone inside a write transaction, changed name by name.

    `finish` must be called once after the last change: it gives the zone its new serial.
    """

    def __init__(self, txn: Any, tree: Any, apex: bytes, entry: bytes) -> None:
        self._txn = txn
        self._tree = tree
        self.apex = apex
        self.generation = split_zone_entry(entry)[0]
        self._covers: dict[bytes, int] = {}  # what is known to exist here: key -> cover
        self._changed = False

    def get(self, key: bytes) -> bytes | None:
        """The blob at a key below the apex, or None."""
        blob: bytes | None = self._txn.get(self.generation + key, db=self._tree)
        return blob

    def put(self, key: bytes, rrsets: Mapping[int, RRset]) -> None:
        """Give a name these RRsets in place of all it has; the name must not become a cut, a DNAME
        or an apex, nor have been one, which needs the whole subtree below it to be looked at.

        Args:
            key: canonical key below the apex.
            rrsets: at least one RRset.
        """
        cover = self._reach(key)
        self._txn.put(self.generation + key, node.encode(rrsets, cover), db=self._tree)
        self._changed = True

    def _reach(self, key: bytes) -> int:
        """Make sure that all ancestors of a name have nodes; returns the name's cover."""
        missing = []
        cover = 0
        for ancestor in ancestors(key):
            known = self._covers.get(ancestor)
            if known is None:
                blob = self.get(ancestor)
                if blob is None:
                    missing.append(ancestor)
                    continue
                known = self._covers[ancestor] = blob[1]
            cover = known
            break
        for ancestor in missing:
            self._txn.put(self.generation + ancestor, bytes((0, cover)), db=self._tree)
            self._covers[ancestor] = cover
        return cover

    def serial(self) -> int:
        """The zone's serial as it stands."""
        return serial_of(self._soa())

    def _soa(self) -> RRset:
        blob = self.get(b"")
        if blob is None:
            raise StoreError(f"the zone of key {self.apex!r} has no apex node")
        return dict(node.rrsets_of(blob))[SOA]

    def finish(self) -> int:
        """Count the serial up if anything has changed; returns the serial that now holds."""
        soa = self._soa()
        if not self._changed:
            return serial_of(soa)
        serial = next_serial(serial_of(soa))
        blob = self.get(b"")
        assert blob is not None
        old = node.rr(node.OWNER, SOA, soa.ttl, soa.rdatas[0])
        new = node.rr(node.OWNER, SOA, soa.ttl, with_serial(soa, serial).rdatas[0])
        self._txn.put(self.generation, blob.replace(old, new, 1), db=self._tree)
        self._changed = False
        return serial
