"""A log over a store: append leaves, give roots and proofs.

A ``Log`` keeps nothing in memory between calls: what it writes and reads belongs to the store's
transaction alone, so an aborted transaction leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from registry.audit.checkpoint import Checkpoint, sign_checkpoint
from registry.audit.errors import AuditError
from registry.audit.keys import SigningKey
from registry.audit.merkle import (
    MAX_TREE_SIZE,
    TREE_HASHES,
    TreeHash,
    consistency_ranges,
    inclusion_ranges,
)
from registry.audit.store import (
    STATE_KEY,
    Store,
    decode_state,
    encode_state,
    leaf_key,
    tile_key,
)
from registry.audit.tiles import MAX_LEAF, Edge, TileReader


class Log:
    """The audit log in a store; ``tree`` is the hash of a log that is still empty."""

    __slots__ = ("_new_tree", "_store")

    def __init__(self, store: Store, tree: TreeHash = TREE_HASHES["sha256"]) -> None:
        self._store = store
        self._new_tree = tree

    def state(self) -> tuple[int, TreeHash]:
        """The size in leaves and the tree hash.

        Raises:
            AuditError: the state is damaged.
        """
        value = self._store.get(STATE_KEY)
        return (0, self._new_tree) if value is None else decode_state(value)

    @property
    def size(self) -> int:
        """How many leaves the log has."""
        return self.state()[0]

    def append(self, leaves: Iterable[bytes]) -> range:
        """Append leaves (up to 65,535 bytes each); the indices they were given.

        Reads the right edge, hashes each leaf once, writes each touched tile once. On an error
        the caller aborts the transaction.

        Raises:
            AuditError: a leaf is too long, or the stored edge is damaged.
        """
        first, tree = self.state()
        edge = Edge.load(self._store, tree, first)
        tiles: list[tuple[bytes, bytes]] = []

        def seal(level: int, index: int, tile: bytes) -> bytes:
            tiles.append((tile_key(level, index), tile))
            return tree.perfect(tile)

        source = iter(leaves)
        while chunk := list(islice(source, edge.room())):
            _require_leaves(edge.size, chunk)
            self._store.put_many(
                (leaf_key(index), leaf) for index, leaf in enumerate(chunk, edge.size)
            )
            edge.extend(tree.leaves(chunk), seal)
            self._store.put_many(tiles)
            tiles.clear()
        if edge.size > first:
            tiles += [(tile_key(level, index), tile) for level, index, tile in edge.tiles()]
            tiles.append((STATE_KEY, encode_state(edge.size, tree)))
            self._store.put_many(tiles)
        return range(first, edge.size)

    def root(self, size: int | None = None) -> bytes:
        """The root hash of the whole log, or of its first ``size`` leaves."""
        size, reader = self._at(size)
        return reader.range_hash(0, size)

    def leaf(self, index: int) -> bytes:
        """One leaf's data.

        Raises:
            AuditError: the log is not that long, or the leaf is missing.
        """
        size = self.size
        if not 0 <= index < size:
            raise AuditError(f"leaf {index} is not in the audit log, which has {size} leaves")
        data = self._store.get(leaf_key(index))
        if data is None:
            raise AuditError(f"leaf {index} of the audit log is missing: verify the log")
        return data

    def leaves(self, start: int, end: int) -> Iterator[bytes]:
        """The data of leaves ``start`` to ``end`` - 1."""
        return (self.leaf(index) for index in range(start, end))

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The path that proves leaf ``index`` to be in the first ``size`` leaves.

        RFC 9162 section 2.1.3.1; reads tiles only.

        Raises:
            AuditError: there is no such leaf at that size, or a tile is damaged.
        """
        size, reader = self._at(size)
        if not 0 <= index < size:
            raise AuditError(f"leaf {index} is not in a tree of {size} leaves")
        return [reader.range_hash(start, end) for start, end in inclusion_ranges(index, size)]

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """The path that proves the first ``old`` leaves to be a prefix of the first ``new``.

        RFC 9162 section 2.1.4.1; reads tiles only.

        Raises:
            AuditError: ``old`` is above ``new``, or a tile is damaged.
        """
        new, reader = self._at(new)
        if not 0 <= old <= new:
            raise AuditError(f"a tree of {old} leaves does not come before one of {new}")
        return [reader.range_hash(start, end) for start, end in consistency_ranges(old, new)]

    def checkpoint(self, key: SigningKey, previous: Checkpoint | None = None) -> str:
        """Sign the log as it stands; the checkpoint as a text (C2SP tlog-checkpoint).

        ``previous`` is the last checkpoint that was signed, None for the first: a log never signs
        a checkpoint that is inconsistent with an earlier one.

        Raises:
            AuditError: what ``previous`` covers has been changed or is no longer there, or the
                key's algorithm signs trees of another hash.
        """
        size, tree = self.state()
        if key.algorithm.tree_hash != tree.name:
            raise AuditError(
                f"the audit log is hashed with {tree.name}, a key for {key.algorithm.name} signs "
                f"trees of {key.algorithm.tree_hash}: use a key of the log's kind"
            )
        if previous is not None and (
            previous.size > size or previous.root != self.root(previous.size)
        ):
            raise AuditError(
                f"the first {previous.size} leaves of the audit log ({size} leaves) are not those "
                "of the last checkpoint: nothing is signed; verify the log"
            )
        return sign_checkpoint(Checkpoint(key.name, size, self.root(size)), key)

    def _at(self, size: int | None) -> tuple[int, TileReader]:
        held, tree = self.state()
        size = held if size is None else size
        if not 0 <= size <= held:
            raise AuditError(f"the audit log has {held} leaves, {size} were asked for")
        return size, TileReader(self._store, tree, size)


def _require_leaves(first: int, leaves: list[bytes]) -> None:
    """The bounds of a leaf and of the log, checked before these leaves are written."""
    if max(map(len, leaves)) > MAX_LEAF:
        index, length = next((i, len(x)) for i, x in enumerate(leaves, first) if len(x) > MAX_LEAF)
        raise AuditError(
            f"leaf {index} has {length} bytes, the audit log takes {MAX_LEAF}: split the change"
        )
    if first + len(leaves) > MAX_TREE_SIZE:
        raise AuditError(f"the audit log is full: {MAX_TREE_SIZE} leaves")
