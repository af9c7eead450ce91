"""Changing the store: everything that happens inside one write transaction.

Whole zones are written under a new generation and made visible by one entry in the apex table;
single names are changed in place. Both keep what lookups rely on: a node for each empty
non-terminal, `cover` on what a delegation or DNAME hides, the count of wildcards, the SOA's serial.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, Final

from csid import names
from csid.errors import StoreError, ZoneError
from csid.limits import NODES_PER_COMMIT, REMOVALS_PER_COMMIT
from csid.protocol import CNAME, DNAME, SOA
from resolver.answer.lookup import GENERATION_OCTETS, Snapshot, split_zone_entry, zone_entry
from resolver.store import node
from resolver.store.build import (
    ancestors,
    depth_of,
    next_serial,
    serial_of,
    wildcard_count,
    with_serial,
)
from resolver.store.journal import Journal
from resolver.store.node import Extra, RRset
from resolver.store.seek import APEX_PREFIX, Below, Floor
from resolver.store.table import Table

# What a change to a name did.
ADDED: Final = 0
CHANGED: Final = 1
UNCHANGED: Final = 2

Nodes = Iterable[tuple[bytes, bytes]]


class WriteTransaction:
    """The open write transaction of a store; see `resolver.store.environment.Store.write`.

    Args:
        txn: an LMDB transaction on the tree.
    """

    def __init__(self, txn: Any, databases: Mapping[bytes, Any]) -> None:
        self._txn = txn
        self._snapshot: Snapshot | None = None  # made when first needed, stale once apexes change
        self._databases = databases
        self._tree = databases[b"tree"]
        self._apexes = databases[b"apexes"]
        self._meta = databases[b"meta"]
        self._doomed = databases[b"doomed"]

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
        self._snapshot = None

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
        self._snapshot = None

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
        zone = self.snapshot().zone_of(key)
        return zone.apex if zone is not None else None

    def snapshot(self) -> Snapshot:
        """The store as this transaction sees it, until it changes a zone as a whole."""
        if self._snapshot is None:
            floor = Floor(self._txn, self._apexes)
            self._snapshot = Snapshot(self._txn.get, Below(self._txn), floor, {})
        return self._snapshot

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


class ZoneEditor:
    """One zone inside a write transaction, changed name by name.

    `finish` must be called once after the last change: it gives the zone its new serial.
    """

    def __init__(self, txn: Any, databases: Mapping[bytes, Any], apex: bytes, entry: bytes) -> None:
        self._txn = txn
        self._tree = databases[b"tree"]
        self._apexes = databases[b"apexes"]
        self._journal = databases[b"journal"]
        self.apex = apex
        self.generation, self._wildcards = split_zone_entry(entry)
        self._entry = entry
        self._covers: dict[bytes, int] = {}  # what is known to exist here: key -> cover
        self._before: dict[bytes, bytes | None] = {}  # the nodes that changed names had

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
        cover, missing = self._nearest(key)
        self._add_empty(missing, cover)
        blob = node.encode(rrsets, cover)
        if self._add(key, blob):
            self._before.setdefault(key, None)
        elif (old := self.get(key)) != blob:
            self._replace(key, old, blob)

    def put_types(self, key: bytes, blob: bytes, types: Container[int]) -> int:
        """Give a name the RRsets of a blob in place of those it has of `types`; its other RRsets
        stay.

        Args:
            key: canonical key below the apex.
            blob: a node under no cover, whose types are all of `types`; none of them sets a flag.

        Returns:
            ADDED if the name had none of the types, CHANGED or UNCHANGED.

        Raises:
            ZoneError: the name is an alias, or a delegation or DNAME stands at or above it.
        """
        parent = key[: key.rfind(b"\0", 0, -1) + 1]
        if self._covers.get(parent, 1):
            cover, missing = self._nearest(key)
            if cover:
                raise ZoneError(self._text(key), "lies at or below a delegation or a DNAME")
            self._add_empty(missing, 0)
        if self._add(key, blob):
            self._before.setdefault(key, None)
            return ADDED
        old = self.get(key)
        assert old is not None
        if old == blob:
            return UNCHANGED
        if old[0] & node.ALIAS or old[1]:
            what = "an alias (CNAME)" if old[0] & node.ALIAS else "a delegation or a DNAME"
            raise ZoneError(self._text(key), f"is {what}, which has no other records")
        merged, had_types = _merged(old, blob, types)
        if merged == old:
            return UNCHANGED
        self._replace(key, old, merged)
        return CHANGED if had_types else ADDED

    def put_alias(self, key: bytes, ttl: int, target: bytes) -> None:
        """Let a name lead to another (CNAME, RFC 1034 section 3.6.2) in place of all it has.

        Args:
            target: wire form.
        """
        self.put(key, {CNAME: RRset(ttl, [target])})

    def put_redirect(self, key: bytes, ttl: int, target: bytes) -> None:
        """Let all names below a name lead to those below another (DNAME, RFC 6672), which hides
        whatever the zone has there.

        Args:
            target: wire form.

        Raises:
            ZoneError: the name is an alias, or too much lies below it for one transaction.
        """
        old = self.get(key)
        above, missing = self._nearest(key) if key else (0, [])
        rrsets = dict(node.rrsets_of(old)) if old is not None else {}
        if CNAME in rrsets:
            raise ZoneError(self._text(key), "is an alias (CNAME), which has no other records")
        self._add_empty(missing, above)
        cover = above or 1 + depth_of(key)
        rrsets[DNAME] = RRset(ttl, [target])
        blob = node.encode(rrsets, cover, _extras(old) if old is not None else None)
        if blob == old:
            return
        self._replace(key, old, blob)
        if not above:
            self._cover(key, cover)
        self._covers.clear()

    def _cover(self, key: bytes, cover: int) -> None:
        """Mark all names below a name as hidden by what stands at it."""
        cursor = self._txn.cursor(self._tree)
        top = self.generation + key
        found = cursor.set_range(top)
        hidden = 0
        while found and cursor.key().startswith(top):
            stored, blob = cursor.item()
            if len(stored) > len(top) and (blob[1] == 0 or blob[1] > cover):
                if hidden == NODES_PER_COMMIT:
                    raise ZoneError(
                        self._text(key), f"has more than {NODES_PER_COMMIT:,} names below it"
                    )
                cursor.put(stored, node.with_cover(blob, cover))
                hidden += 1
            found = cursor.next()

    def _replace(self, key: bytes, old: bytes | None, blob: bytes) -> None:
        self._txn.put(self.generation + key, blob, db=self._tree)
        self._before.setdefault(key, old)

    def _add(self, key: bytes, blob: bytes) -> bool:
        """Write a node unless the name has one; returns whether it had none."""
        added: bool = self._txn.put(self.generation + key, blob, overwrite=False, db=self._tree)
        if added and key.endswith(b"*\0"):
            self._wildcards += wildcard_count(iter((key,)))
        return added

    def _nearest(self, key: bytes) -> tuple[int, list[bytes]]:
        """The cover of the nearest ancestor of a name that has a node, and the keys of those
        between the two, which have none.
        """
        missing = []
        for ancestor in ancestors(key):
            known = self._covers.get(ancestor)
            if known is None:
                blob = self.get(ancestor)
                if blob is None:
                    missing.append(ancestor)
                    continue
                known = self._covers[ancestor] = blob[1]
            return known, missing
        return 0, missing

    def _add_empty(self, keys: Iterable[bytes], cover: int) -> None:
        """Give nodes to empty non-terminals (RFC 4592 section 2.2.2)."""
        for key in keys:
            self._add(key, bytes((0, cover)))
            self._covers[key] = cover

    def _text(self, key: bytes) -> str:
        return names.to_text(names.wire_of_key(self.apex + key))

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
        if not self._before:
            return serial_of(soa)
        serial = next_serial(serial_of(soa))
        blob = self.get(b"")
        assert blob is not None
        old = node.rr(node.OWNER, SOA, soa.ttl, soa.rdatas[0])
        new = node.rr(node.OWNER, SOA, soa.ttl, with_serial(soa, serial).rdatas[0])
        self._txn.put(self.generation, blob.replace(old, new, 1), db=self._tree)
        entry = zone_entry(self.generation, self._wildcards)
        if entry != self._entry:
            self._txn.put(APEX_PREFIX + self.apex, entry, db=self._apexes)
            self._entry = entry
        journal = Journal(Table(self._txn, self._journal), self.generation)
        journal.record(serial_of(soa), serial, self._before)
        self._before = {}
        return serial


def _extras(blob: bytes) -> dict[int, Extra]:
    """What goes into the additional section with each type of a node."""
    found = {}
    at = 2
    while at < len(blob):
        rrtype = int.from_bytes(blob[at : at + 2], "big")
        found[rrtype] = Extra(node.extra_number_at(blob, at), node.extra_at(blob, at))
        at = node.next_entry(blob, at)
    return found


def _merged(old: bytes, new: bytes, types: Container[int]) -> tuple[bytes, bool]:
    """The old node with the entries of the new one in place of those of `types`, and whether it had
    any of these.
    """
    kept = [(rrtype, entry) for rrtype, entry in _entries(old) if rrtype not in types]
    entries = sorted([*kept, *_entries(new)])
    had_types = any(rrtype in types for rrtype, _ in _entries(old))
    return old[:2] + b"".join([entry for _, entry in entries]), had_types


def _entries(blob: bytes) -> Iterator[tuple[int, bytes]]:
    """The types of a node, each with its entry as it is stored."""
    at = 2
    while at < len(blob):
        after = node.next_entry(blob, at)
        yield int.from_bytes(blob[at : at + 2], "big"), blob[at:after]
        at = after
