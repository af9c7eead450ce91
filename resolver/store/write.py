"""Changing the store: everything that happens inside one write transaction.

Whole zones are written under a new generation and made visible by one entry in the apex table;
single names are changed in place (update.py).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from csid import names
from csid.errors import StoreError, ZoneError
from csid.limits import NODES_PER_COMMIT, REMOVALS_PER_COMMIT
from resolver.answer.lookup import Snapshot
from resolver.store import parted
from resolver.store.apexes import (
    GENERATION_OCTETS,
    NOT_READY,
    ZoneEntry,
    split_zone_entry,
    zone_entry,
)
from resolver.store.build import wildcard_count
from resolver.store.difference import Difference, difference, serial_in, settled
from resolver.store.extras import hosts_in, stored
from resolver.store.guard import NO_GUARD, Guard
from resolver.store.journal import Journal
from resolver.store.pointers import row, split
from resolver.store.refresh import refresh
from resolver.store.seek import APEX_PREFIX, Below, Floor
from resolver.store.table import Table
from resolver.store.tree import Tree
from resolver.store.update import ZoneUpdate
from resolver.sync import feed

Nodes = Iterable[tuple[bytes, bytes]]


class WriteTransaction:
    """The open write transaction of a store; see `resolver.store.environment.Store.write`.

    Args:
        txn: an LMDB transaction on the tree.
        now: Unix seconds, noted in journals; 0 if that is not known.

    Attributes:
        asked: where it ends a transfer, the number of the last transaction before that was asked
            for: the primary had by then what was known of it here at that moment. 0: it ends none.
    """

    def __init__(self, txn: Any, databases: Mapping[bytes, Any], now: int = 0) -> None:
        self._txn = txn
        self._now = now
        self.asked = 0
        self._seen: Snapshot | None = None  # made when first needed, stale once apexes change
        self._databases = databases
        self._tables: dict[bytes, Table] = {}
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

    def put_nodes(self, origin: bytes, generation: bytes, nodes: Nodes) -> int:
        """Write nodes of a generation of the zone at `origin` (wire form) that is not published
        yet, in the order of their keys, those of an earlier call before those of a later one;
        returns how many.
        """
        cursor = self._txn.cursor(self._tree)
        # Appended, nodes fill their pages; else LMDB leaves them half empty.
        append = not cursor.last() or cursor.key()[:GENERATION_OCTETS] <= generation
        rows, leading = stored(origin.lower(), generation, nodes)
        count: int
        count, added = cursor.putmulti(rows, append=append)
        if added != count:
            raise ValueError("the nodes of a generation were not given in the order of their keys")
        apex = names.key_of(origin)
        led = [
            row(generation, host, key)
            for key, blob in leading
            for host in hosts_in(apex, key, blob)
        ]
        if led:
            led.sort()
            pointers = self.table(b"pointers")
            last = pointers.last(b"")
            if last is not None and last[0] >= led[0][0]:
                pointers.put_many(led)
            else:
                pointers.append(led)
        return count

    def complete(
        self, origin: bytes, generation: bytes, start: bytes = b"", most: int = NODES_PER_COMMIT
    ) -> bytes | None:
        """Work out the additional records of names of the zone at `origin` (wire form) that lead to
        others, once all nodes of a generation that is not published yet are written.

        Args:
            start: where to go on; empty at first.
            most: pointers to follow.

        Returns:
            What to give as `start` to go on, None at the end.
        """
        rows = self.table(b"pointers").scan(generation, generation + start)
        owners = set()
        following = None
        for number, (key, value) in enumerate(rows):
            if number == most:
                following = key[GENERATION_OCTETS:]
                break
            owners.add(split(value)[1])
        refresh(Tree(self._txn, self._tree, generation, 0), names.key_of(origin), owners)
        return following

    def update_unpublished(self, origin: bytes, generation: bytes, wildcards: int) -> ZoneUpdate:
        """A generation that is still to be published as the zone at `origin` (wire form)."""
        entry = ZoneEntry(generation, wildcards, generation)
        return ZoneUpdate(self._txn, self._databases, origin, entry, is_served=False)

    def publish(
        self,
        origin: bytes,
        generation: bytes,
        wildcards: int,
        known: Difference | None = None,
        serial: int | None = None,
        guard: Guard = NO_GUARD,
        begun: object = None,
    ) -> int:
        """Let a generation be the zone at `origin` (wire form) from this commit on. The journal of
        the zone it replaces goes on with what that one held.

        Args:
            wildcards: how many of its names are wildcards.
            known: of `ReadTransaction.difference`; if None, small zones are compared here, and
                a large one begins its journal anew.
            serial: that the zone is to have; None is that of its SOA.
            guard: settles the matter first; `begun` is what was found beforehand.

        Returns:
            The serial.

        Raises:
            ZoneError: the guard refuses; the transaction must be undone.
        """
        apex = names.key_of(origin)
        value = self._txn.get(APEX_PREFIX + apex, db=self._apexes)
        old = None if value is None else _entry(origin, value)
        entry = ZoneEntry(generation, wildcards, generation if old is None else old.journal)
        update = ZoneUpdate(self._txn, self._databases, origin, entry, False, serial)
        guard.settle(self, origin, update, begun)
        touched = set(update.touched())
        after = update.finish()
        if old is not None:
            self._note(old, update, known, touched, after)
            self._txn.put(old.generation, b"", db=self._doomed)
        entry = entry._replace(wildcards=update.wildcards)
        self._txn.put(APEX_PREFIX + apex, zone_entry(entry), db=self._apexes)
        self._txn.delete(generation, db=self._doomed)
        feed.note(self._txn, self._databases, apex, after)
        self._seen = None
        return after

    def _note(
        self,
        old: ZoneEntry,
        update: ZoneUpdate,
        known: Difference | None,
        touched: set[bytes],
        after: int,
    ) -> None:
        """Note in its journal what a zone held that an update takes the place of, which has changed
        the names `touched` since the difference was `known`.
        """
        journal = Journal(self.table(b"journal"), old.journal)
        apex = self._txn.get(old.generation, db=self._tree)
        try:
            before = serial_in(apex or b"")
        except ValueError:  # the old tree is damaged, and nothing can be said of it
            journal.forget()
            return
        nodes = None
        if known is None or known.generation != old.generation:
            most = NODES_PER_COMMIT
            nodes = difference(self._nodes(old.generation), self._nodes(update.generation), most)
        elif known.nodes is not None:
            since = journal.since_number(known.number)
            if since is not None:
                keys = {*since, *touched}
                get = Tree(self._txn, self._tree, old.generation, 0).get
                nodes = settled(dict(known.nodes), keys, get, update.blob)
        if nodes is None or nodes or before != after:
            journal.record(before, after, nodes, self._now)

    def _nodes(self, generation: bytes) -> Iterator[tuple[bytes, bytes]]:
        tree = Tree(self._txn, self._tree, generation, 0)
        apex = tree.get(b"")
        if apex is not None:
            yield b"", apex
        yield from tree.below(b"")

    def replace_zone(
        self,
        origin: bytes,
        nodes: Nodes,
        serial: int | None = None,
        guard: Guard = NO_GUARD,
        begun: object = None,
    ) -> int:
        """Write and publish a zone small enough for one transaction; returns its nodes."""
        generation = self._next_generation()
        held = list(nodes)
        self.put_nodes(origin, generation, held)
        wildcards = wildcard_count(key for key, _ in held)
        self.publish(origin, generation, wildcards, None, serial, guard, begun)
        return len(held)

    def set_flags(self, origin: bytes, flags: int) -> None:
        """Have the zone at `origin` (wire form) served, or held and not served, from this commit
        on; after whatever else this transaction does with it. What publishes a zone has it served.

        Args:
            flags: SERVED or EXPIRED (`resolver.store.apexes`); NOT_READY of a zone that is not held
                yet, which is from then on, with an empty tree.

        Raises:
            ZoneError: there is no zone with this apex, or there is one and NOT_READY is asked for,
                or it is NOT_READY and is to be published first.
        """
        value = self._txn.get(APEX_PREFIX + names.key_of(origin), db=self._apexes)
        if flags == NOT_READY and value is None:
            generation = self._next_generation()
            entry = ZoneEntry(generation, 0, generation)
        else:
            entry = self._held(origin)
            if (flags == NOT_READY) != (entry.flags == NOT_READY):
                held = "no data of it is" if entry.flags == NOT_READY else "data of it is"
                raise ZoneError(names.to_text(origin), f"{held} held; its flags cannot be {flags}")
        entry = entry._replace(flags=flags)
        self._txn.put(APEX_PREFIX + names.key_of(origin), zone_entry(entry), db=self._apexes)
        self._seen = None

    def drop_zone(self, origin: bytes, guard: Guard = NO_GUARD, begun: object = None) -> None:
        """Serve a zone no longer; its nodes and its journal go with the next sweep.

        Raises:
            ZoneError: there is no zone with this apex, or the guard refuses.
        """
        old = self._held(origin)
        guard.settle(self, origin, None, begun)
        self._txn.put(old.generation, old.journal, db=self._doomed)
        self._txn.delete(APEX_PREFIX + names.key_of(origin), db=self._apexes)
        self._seen = None

    def take_away(self, origin: bytes) -> bytes:
        """Serve a zone no longer, and hand its entry over to who keeps its data (parted.py).

        Raises:
            ZoneError: there is no zone with this apex.
        """
        entry = zone_entry(self._held(origin))
        self._txn.delete(APEX_PREFIX + names.key_of(origin), db=self._apexes)
        self._seen = None
        return entry

    def bring_back(self, origin: bytes, entry: bytes) -> None:
        """Serve a zone again that `take_away` took."""
        self._txn.put(APEX_PREFIX + names.key_of(origin), entry, db=self._apexes)
        self._seen = None

    def _held(self, origin: bytes) -> ZoneEntry:
        value = self._txn.get(APEX_PREFIX + names.key_of(origin), db=self._apexes)
        if value is None:
            raise ZoneError(names.to_text(origin), "no zone with this apex is held here")
        return _entry(origin, value)

    def doomed(self) -> list[bytes]:
        """Generations that nobody serves: being built, or left by a replacement, drop or crash."""
        return [key for key, _ in self._txn.cursor(self._doomed)]

    def doom_strays(self) -> int:
        """Doom what belongs to no zone, as another tool may have left it; returns how many
        generations and journals that are. Reads all apexes.
        """
        zones = [_entry(key[1:], value) for key, value in self._txn.cursor(self._apexes)]
        zones += parted.entries(self)
        known = {zone.generation for zone in zones} | set(self.doomed())
        journals = {zone.journal for zone in zones}
        journals |= {value for _, value in self._txn.cursor(self._doomed)}
        strays = self._beginnings((b"tree", b"pointers"), known)
        lost = self._beginnings((b"journal",), journals)
        for one in sorted(strays | lost):
            self._txn.put(one, one if one in lost else b"", db=self._doomed)
        return len(strays | lost)

    def _beginnings(self, tables: Iterable[bytes], known: Container[bytes]) -> set[bytes]:
        """The first octets of the rows of some tables that are none of those known. A row that is
        shorter is nobody's, and must not be swept as the beginning of others: it is taken away.
        """
        found = set()
        for table in tables:
            cursor = self._txn.cursor(self._databases[table])
            more = cursor.first()
            while more:
                one = bytes(cursor.key()[:GENERATION_OCTETS])
                if len(one) < GENERATION_OCTETS:
                    more = cursor.delete()
                    continue
                if one not in known:
                    found.add(one)
                more = cursor.set_range(one + b"\xff" * GENERATION_OCTETS)
                while more and cursor.key().startswith(one):
                    more = cursor.next()
        return found

    def sweep(self, generations: Iterable[bytes], most: int = REMOVALS_PER_COMMIT) -> int:
        """Remove up to `most` nodes, pointers and journal entries of doomed generations; returns
        how many of these are gone.
        """
        gone = 0
        for generation in generations:
            owned = [(b"tree", generation), (b"pointers", generation)]
            if journal := self._txn.get(generation, db=self._doomed):  # the zone went with it
                owned.append((b"journal", journal))
            for name, prefix in owned:
                cursor = self._txn.cursor(self._databases[name])
                found: bool = cursor.set_range(prefix)
                while found and cursor.key().startswith(prefix):
                    if not most:
                        return gone
                    found = cursor.delete()
                    most -= 1
            self._txn.delete(generation, db=self._doomed)
            gone += 1
        return gone

    def table(self, name: bytes) -> Table:
        """A table that `Store.open_tables` was told of."""
        table = self._tables.get(name)
        if table is None:
            table = self._tables[name] = Table(self._txn, self._databases[name])
        return table

    # -- single names

    def update(self, origin: bytes) -> ZoneUpdate:
        """The zone whose apex is `origin` (wire form), for changes in place.

        Raises:
            ZoneError: there is no zone with this apex.
        """
        entry = self._held(origin)
        return ZoneUpdate(self._txn, self._databases, origin, entry, now=self._now)

    def update_around(self, key: bytes, opened: dict[bytes, ZoneUpdate]) -> ZoneUpdate:
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
        update = opened.get(apex)
        if update is None:
            update = opened[apex] = self.update(names.wire_of_key(apex))
        return update

    def point(self, origin: bytes, keys: Sequence[bytes]) -> None:
        """Note to what hosts names of a zone lead, and work out their additional records anew: for
        nodes that were written without.

        Args:
            origin: of the zone, in wire form.
            keys: of the names, below the apex.
        """
        apex, held = names.key_of(origin), self._held(origin)
        tree = Tree(self._txn, self._tree, held.generation, held.wildcards)
        led = [
            row(held.generation, host, key)
            for key in keys
            for host in hosts_in(apex, key, tree.get(key) or b"")
        ]
        self.table(b"pointers").put_many(sorted(led))
        refresh(tree, apex, keys)

    def serial(self, origin: bytes) -> int | None:
        """The serial of the zone whose apex is `origin` (wire form), None if there is none."""
        try:
            return self.update(origin).serial()
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


def _entry(origin: bytes, value: bytes) -> ZoneEntry:
    try:
        return split_zone_entry(value)
    except LookupError as error:
        raise StoreError(f"{names.to_text(origin)}: {error}") from None
