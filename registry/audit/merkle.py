"""The Merkle tree of RFC 9162 section 2.1: hashes, which ranges a proof holds, verification.

Pure functions. A range ``(start, end)`` stands for ``MTH(D[start:end])``; whoever has the hashes
(tiles, a list in memory) turns ranges into a proof. Verification needs the proof alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from registry.audit.errors import AuditError, ProofError

HASH_SIZE: Final = 32  # bytes; SHA-256 and SM3 alike, and what a tile is cut into
MAX_TREE_SIZE: Final = (1 << 63) - 1  # leaves
MAX_PATH: Final = 64  # hashes: one for each level of the largest tree, one more for consistency

LEAF_PREFIX: Final = b"\x00"  # RFC 9162 section 2.1.1: a node is never taken for a leaf
NODE_PREFIX: Final = b"\x01"

Range = tuple[int, int]


class TreeHash:
    """A hash function, and the four ways in which a Merkle tree uses it."""

    __slots__ = ("_new", "name")

    def __init__(self, name: str, new: Callable[[bytes], Any]) -> None:
        self.name = name
        self._new = new

    def empty(self) -> bytes:
        """The root of a tree with no leaves."""
        digest: bytes = self._new(b"").digest()
        return digest

    def leaf(self, data: bytes) -> bytes:
        """The hash of one leaf's data."""
        digest: bytes = self._new(LEAF_PREFIX + data).digest()
        return digest

    def leaves(self, data: Iterable[bytes]) -> bytes:
        """The hashes of many leaves, one after the other."""
        new = self._new
        return b"".join([new(LEAF_PREFIX + leaf).digest() for leaf in data])

    def node(self, left: bytes, right: bytes) -> bytes:
        """The hash of an inner node."""
        digest: bytes = self._new(NODE_PREFIX + left + right).digest()
        return digest

    def perfect(self, hashes: bytes) -> bytes:
        """The root over 2**k hashes, given one after the other."""
        new = self._new
        pair = 2 * HASH_SIZE
        while len(hashes) > HASH_SIZE:
            hashes = b"".join(
                [
                    new(NODE_PREFIX + hashes[i : i + pair]).digest()
                    for i in range(0, len(hashes), pair)
                ]
            )
        return hashes

    def fold(self, peaks: Sequence[bytes]) -> bytes:
        """The root over perfect subtrees that shrink from left to right."""
        if not peaks:
            return self.empty()
        root = peaks[-1]
        for peak in reversed(peaks[:-1]):
            root = self.node(peak, root)
        return root


TREE_HASHES: Final[dict[str, TreeHash]] = {
    "sha256": TreeHash("sha256", hashlib.sha256),
}


def tree_hash(name: str) -> TreeHash:
    """The tree hash of that name.

    Raises:
        AuditError: this version has no such hash.
    """
    found = TREE_HASHES.get(name)
    if found is None:
        known = ", ".join(TREE_HASHES)
        raise AuditError(f"tree hash {name!r} is not known here (known: {known})")
    return found


def peaks(start: int, end: int) -> list[Range]:
    """The perfect subtrees that make up a range, largest first.

    ``start`` is a multiple of the largest power of two not above the range's width, as it is for
    every range that occurs in a proof.
    """
    ranges = []
    while start < end:
        width = 1 << ((end - start).bit_length() - 1)
        ranges.append((start, start + width))
        start += width
    return ranges


def _split(start: int, end: int) -> int:
    """Where a node's left subtree ends: the largest power of two below the width."""
    return start + (1 << ((end - start - 1).bit_length() - 1))


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The ranges whose hashes prove that leaf ``index`` is in a tree of ``size`` leaves.

    RFC 9162 section 2.1.3.1, from the leaf's sibling up to the root's child.
    """
    start, end = 0, size
    ranges: list[Range] = []
    while end - start > 1:
        middle = _split(start, end)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    ranges.reverse()
    return ranges


def consistency_ranges(old: int, new: int) -> list[Range]:
    """The ranges whose hashes prove that a tree of ``old`` leaves grew into one of ``new``.

    RFC 9162 section 2.1.4.1; empty for ``old`` = 0, which is a prefix of every tree.
    """
    if old == 0:
        return []
    start, end = 0, new
    ranges: list[Range] = []
    while end != old:
        middle = _split(start, end)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start > 0:  # otherwise it is the old root itself, which the verifier has
        ranges.append((start, end))
    ranges.reverse()
    return ranges


def verify_inclusion(
    tree: TreeHash, leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Check that a leaf is at ``index`` in the tree of that size and root.

    RFC 9162 section 2.1.3.2.

    Raises:
        ProofError: step "index" or "inclusion".
    """
    if not 0 <= index < size:
        raise ProofError("index", f"leaf {index} is not in a tree of {size} leaves")
    first, last = index, size - 1
    reached = leaf_hash
    for sibling in path:
        if last == 0:
            raise ProofError("inclusion", f"the path has too many hashes ({len(path)})")
        if first & 1 or first == last:
            reached = tree.node(sibling, reached)
            while not first & 1 and first != 0:
                first >>= 1
                last >>= 1
        else:
            reached = tree.node(reached, sibling)
        first >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("inclusion", f"the path has too few hashes ({len(path)})")
    if reached != root:
        raise ProofError(
            "inclusion",
            f"leaf {index} and its path lead to root {reached.hex()}, the checkpoint says "
            f"{root.hex()}: the leaf, its index or the path is not the one that was logged",
        )


def verify_consistency(
    tree: TreeHash, old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the tree of ``old`` leaves is a prefix of the tree of ``new`` leaves.

    RFC 9162 section 2.1.4.2, with the trivial cases old = new and old = 0 beside it.

    Raises:
        ProofError: step "index" (sizes) or "consistency".
    """
    if not 0 <= old <= new:
        raise ProofError("index", f"a tree of {old} leaves cannot grow into one of {new}")
    if old in (0, new):
        _verify_trivial(tree, old, old_root, new, new_root, path)
        return
    hashes = list(path)
    if old & (old - 1) == 0:  # a power of two: the old root is a node of the new tree
        hashes.insert(0, old_root)
    if not hashes:
        raise ProofError("consistency", "the path has too few hashes (0)")
    first, last = old - 1, new - 1
    while first & 1:
        first >>= 1
        last >>= 1
    old_reached = new_reached = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofError("consistency", f"the path has too many hashes ({len(path)})")
        if first & 1 or first == last:
            old_reached = tree.node(sibling, old_reached)
            new_reached = tree.node(sibling, new_reached)
            while not first & 1 and first != 0:
                first >>= 1
                last >>= 1
        else:
            new_reached = tree.node(new_reached, sibling)
        first >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("consistency", f"the path has too few hashes ({len(path)})")
    _compare("old", old, old_reached, old_root)
    _compare("new", new, new_reached, new_root)


def _verify_trivial(
    tree: TreeHash, old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Trees of equal size, and the empty tree before any other: nothing to prove by a path."""
    if path:
        raise ProofError("consistency", f"no path is needed from {old} to {new} leaves")
    if old == 0:
        _compare("old", old, tree.empty(), old_root)
    if old == new:
        _compare("new", new, old_root, new_root)


def _compare(which: str, size: int, reached: bytes, root: bytes) -> None:
    if reached != root:
        raise ProofError(
            "consistency",
            f"the path leads to root {reached.hex()} for the {which} tree of {size} leaves, its "
            f"checkpoint says {root.hex()}: the log was not only appended to, or the path is wrong",
        )
