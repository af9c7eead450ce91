"""Changing a zone name by name, in place, inside a write transaction.

What lookups rely on is kept: a node for each empty non-terminal, `cover` on what a delegation or
DNAME hides, the count of wildcards, the SOA's serial.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, Final

from csid import names
from csid.errors import StoreError, ZoneError
from csid.limits import NODES_PER_COMMIT
from csid.protocol import CNAME, DNAME, SOA
from resolver.answer.lookup import split_zone_entry, zone_entry
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
from resolver.store.seek import APEX_PREFIX
from resolver.store.table import Table

# What a change to a name did.
ADDED: Final = 0
CHANGED: Final = 1
UNCHANGED: Final = 2


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
