"""Changing the store: everything that happens inside one write transaction.

Whole zones are written under a new generation and made visible by one entry in the apex table;
single names are changed in place (editor.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from csid import names
from csid.errors import ZoneError
from csid.limits import REMOVALS_PER_COMMIT
from resolver.answer.lookup import GENERATION_OCTETS, Snapshot, split_zone_entry, zone_entry
from resolver.store.build import (
    wildcard_count,
)
from resolver.store.editor import ZoneEditor
from resolver.store.journal import Journal
from resolver.store.seek import APEX_PREFIX, Below, Floor
from resolver.store.table import Table

Nodes = Iterable[tuple[bytes, bytes]]


class WriteTransaction:
    """The open write transaction of a store; see `resolver.store.environment.Store.write`.

    Args:
        txn: an LMDB transaction on the tree.
    """

    def __init__(self, txn: Any, databases: Mapping[bytes, Any]) -> None:
        self._txn = txn
        self._seen: Snapshot | None = None  # made when first needed, stale once apexes change
        self._databases = databases
        self._tree = databases[b"tree"]
        self._apexes = databases[b"apexes"]
        self._meta = databases[b"meta"]
        self._doomed = databases[b"doomed"]

    @property
    def number(self) -> int:
        """The number of this transaction: one more than that of the last one that was committed and
        changed anything, by whomever.
        """
        return int(self._txn.id())

    # -- zones as a whole

    def begin_generation(self) -> bytes:
        """A generation nobody has used. Until `publish` takes it, it is doomed; `Store.building`
        keeps it from being swept meanwhile.
        """
        generation = self._next_generation()
        self._txn.put(generation, b"", db=self._doomed)
        return generation

    def _next_generation(self) -> bytes:
        last = self._txn.get(b"generation", db=self._meta)
        generation: bytes = (int.from_bytes(last, "big") + 1).to_bytes(GENERATION_OCTETS, "big")
        self._txn.put(b"generation", generation, db=self._meta)
        return generation

    def put_nodes(self, generation: bytes, nodes: Nodes) -> int:
        """Write nodes of a generation that is not published yet, in the order of their keys, those
        of an earlier call before those of a later one; returns how many.
        """
        cursor = self._txn.cursor(self._tree)
        # Appended, nodes fill their pages; else LMDB leaves them half empty.
        append = not cursor.last() or cursor.key()[:GENERATION_OCTETS] <= generation
        count: int
        count, added = cursor.putmulti(
            ((generation + key, blob) for key, blob in nodes), append=append
        )
        if added != count:
            raise ValueError("the nodes of a generation were not given in the order of their keys")
        return count

    def publish(self, origin: bytes, generation: bytes, wildcards: int) -> None:
        """Let a generation be the zone at `origin` (wire form) from this commit on."""
        apex = APEX_PREFIX + names.key_of(origin)
        old = self._txn.get(apex, db=self._apexes)
        if old is not None:
            self._txn.put(split_zone_entry(old)[0], b"", db=self._doomed)
        self._txn.put(apex, zone_entry(generation, wildcards), db=self._apexes)
        self._txn.delete(generation, db=self._doomed)
        self._seen = None

    def replace_zone(self, origin: bytes, nodes: Nodes) -> int:
        """Write and publish a zone small enough for one transaction; returns its nodes."""
        generation = self._next_generation()
        held = list(nodes)
        self.put_nodes(generation, held)
        self.publish(origin, generation, wildcard_count(key for key, _ in held))
        return len(held)

    def drop_zone(self, origin: bytes) -> None:
        """Serve a zone no longer; its nodes go with the next sweep.

        Raises:
            ZoneError: there is no zone with this apex.
        """
        apex = APEX_PREFIX + names.key_of(origin)
        old = self._txn.get(apex, db=self._apexes)
        if old is None:
            raise ZoneError(names.to_text(origin), "no zone with this apex is held here")
        self._txn.put(split_zone_entry(old)[0], b"", db=self._doomed)
        self._txn.delete(apex, db=self._apexes)
        self._seen = None

    def doomed(self) -> list[bytes]:
        """Generations that nobody serves: being built, or left by a replacement, drop or crash."""
        return [key for key, _ in self._txn.cursor(self._doomed)]

    def sweep(self, generations: Iterable[bytes], most: int = REMOVALS_PER_COMMIT) -> int:
        """Remove up to `most` nodes of doomed generations; returns how many of these are gone."""
        cursor = self._txn.cursor(self._tree)
        gone = 0
        for generation in generations:
            found: bool = cursor.set_range(generation)
            while found and cursor.key()[:GENERATION_OCTETS] == generation:
                if not most:
                    return gone
                found = cursor.delete()
                most -= 1
            self._txn.delete(generation, db=self._doomed)
            Journal(self.table(b"journal"), generation).forget()
            gone += 1
        return gone

    def table(self, name: bytes) -> Table:
        """A table that `Store.open_tables` was told of."""
        return Table(self._txn, self._databases[name])

    # -- single names

    def open_zone(self, origin: bytes) -> ZoneEditor:
        """The zone whose apex is `origin` (wire form), for changes in place.

        Raises:
            ZoneError: there is no zone with this apex.
        """
        apex = names.key_of(origin)
        entry = self._txn.get(APEX_PREFIX + apex, db=self._apexes)
        if entry is None:
            raise ZoneError(names.to_text(origin), "no zone with this apex is held here")
        return ZoneEditor(self._txn, self._databases, apex, entry)

    def serial(self, origin: bytes) -> int | None:
        """The serial of the zone whose apex is `origin` (wire form), None if there is none."""
        try:
            return self.open_zone(origin).serial()
        except ZoneError:
            return None

    def deepest_zone(self, key: bytes) -> bytes | None:
        """The canonical key of the deepest apex at or above a canonical key, or None."""
        zone = self.snapshot.zone_of(key)
        return zone.apex if zone is not None else None

    @property
    def snapshot(self) -> Snapshot:
        """The store as this transaction sees it, until it changes a zone as a whole."""
        if self._seen is None:
            floor = Floor(self._txn, self._apexes)
            self._seen = Snapshot(self._txn.get, Below(self._txn), floor, {})
        return self._seen

    def zone_around(self, key: bytes, opened: dict[bytes, ZoneEditor]) -> ZoneEditor:
        """The deepest zone at or above a canonical key, one of those `opened` or added to them.

        Raises:
            ZoneError: no zone held here encloses the name.
        """
        apex = self.deepest_zone(key)
        if apex is None:
            raise ZoneError(
                names.to_text(names.wire_of_key(key)),
                "lies in no zone that is held here; load its zone first",
            )
        editor = opened.get(apex)
        if editor is None:
            editor = opened[apex] = self.open_zone(names.wire_of_key(apex))
        return editor
