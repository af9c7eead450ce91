"""The nodes of one generation inside a write transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from csid.limits import MAX_KEY_OCTETS
from resolver.store.extras import is_wildcard
from resolver.store.held import RRsets
from resolver.store.node import rrsets_of
from resolver.store.table import adder

_REMEMBERED = 10_000  # names whose records are kept unpacked for the next look


class Tree:
    """The nodes of a zone, by key below the apex.

    Args:
        txn: an LMDB transaction; `database` is the store's sub-database `tree`.
        wildcards: how many of the nodes are wildcards; kept right while nodes come and go.
    """

    __slots__ = ("_add", "_database", "_generation", "_put", "_txn", "wildcards")

    def __init__(self, txn: Any, database: Any, generation: bytes, wildcards: int) -> None:
        self._txn = txn
        self._put = txn.put
        self._add = adder(txn, database)
        self._database = database
        self._generation = generation
        self.wildcards = wildcards

    def get(self, key: bytes) -> bytes | None:
        """The node at a key, or None."""
        stored = self._generation + key
        if len(stored) > MAX_KEY_OCTETS:
            return None
        blob: bytes | None = self._txn.get(stored, db=self._database)
        return blob

    def put(self, key: bytes, blob: bytes) -> None:
        """Write a node in place of the one that is there."""
        self._put(self._generation + key, blob, db=self._database)

    def add(self, key: bytes, blob: bytes) -> bool:
        """Write a node unless there is one at the key; returns whether there was none."""
        added = self._add(self._generation + key, blob)
        if added and key.endswith(b"*\0"):
            self.wildcards += is_wildcard(key)
        return added

    def delete(self, key: bytes) -> None:
        """Take a node away."""
        if self._txn.delete(self._generation + key, db=self._database):
            self.wildcards -= is_wildcard(key)

    def below(self, key: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The nodes below a key, in order; they may be written in the meantime."""
        top = self._generation + key
        cursor = self._txn.cursor(self._database)
        found = cursor.set_range(top)
        if found and cursor.key() == top:
            found = cursor.next()
        while found:
            stored, blob = cursor.item()
            if not stored.startswith(top):
                return
            yield stored[len(self._generation) :], blob
            found = cursor.next()

    def has_below(self, key: bytes) -> bool:
        """Whether there is a node below a key."""
        return next(self.below(key), None) is not None


class Surroundings:
    """A zone in a tree as `extras_of` looks into it, as long as no node changes its records.

    Args:
        skip: octets of the key of the apex.
    """

    def __init__(self, tree: Tree, skip: int) -> None:
        self._tree = tree
        self._skip = skip
        self._seen: dict[bytes, RRsets | None] = {}

    def rrsets(self, key: bytes, /) -> RRsets | None:
        """What a name (canonical key) has; None if it has no records."""
        try:
            return self._seen[key]
        except KeyError:
            pass
        blob = self._tree.get(key[self._skip :])
        found = dict(rrsets_of(blob)) if blob is not None and len(blob) > 2 else None
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[key] = found
        return found

    def encloses(self, key: bytes, /) -> bool:
        """Whether a name, or one below it, is there: every empty non-terminal has its node."""
        return self._tree.get(key[self._skip :]) is not None
