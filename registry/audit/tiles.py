"""Tiles after C2SP tlog-tiles: 256 consecutive hashes of one level, eight tree levels in one.

Tile ``n`` of level ``l`` holds MTH(D[(n*256+i) * 256**l : (n*256+i+1) * 256**l]) for i in 0..255.
The rightmost tile of a level is partial until it is full; empty tiles are not stored.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from registry.audit.errors import AuditError
from registry.audit.merkle import HASH_SIZE, Range, TreeHash, peaks
from registry.audit.store import Store, tile_key

TILE_HEIGHT: Final = 8  # tree levels
TILE_WIDTH: Final = 1 << TILE_HEIGHT  # hashes
TILE_BYTES: Final = TILE_WIDTH * HASH_SIZE
MAX_LEAF: Final = 65_535  # bytes of one leaf: the length in an entry bundle has 16 bits

_LENGTH: Final = struct.Struct(">H")

Seal = Callable[[int, int, bytes], bytes]


def tile_width(level: int, index: int, size: int) -> int:
    """How many hashes a tile has in a tree of that size: 256, fewer at the right edge, or 0."""
    return max(0, min(TILE_WIDTH, (size >> (TILE_HEIGHT * level)) - index * TILE_WIDTH))


def tile_range(level: int, index: int, first: int, last: int) -> Range:
    """The leaves below the hashes ``first`` to ``last`` - 1 of a tile."""
    shift = TILE_HEIGHT * level
    return (index * TILE_WIDTH + first) << shift, (index * TILE_WIDTH + last) << shift


def tile_path(level: int | str, index: int, width: int = TILE_WIDTH) -> str:
    """The path of a tile as a static file, "tile/0/x001/x234/067.p/5".

    ``level`` is "entries" for an entry bundle. Tile index in groups of three digits, all but the
    last after an "x"; the width only where the tile is partial.
    """
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"


def encode_bundle(leaves: Iterable[bytes]) -> bytes:
    """An entry bundle: each leaf after its length, 16 bits big-endian."""
    return b"".join([_LENGTH.pack(len(leaf)) + leaf for leaf in leaves])


def decode_bundle(bundle: bytes) -> list[bytes]:
    """The leaves of an entry bundle.

    Raises:
        AuditError: it ends inside a leaf, or holds more than 256.
    """
    leaves: list[bytes] = []
    at = 0
    while at < len(bundle):
        start = at + _LENGTH.size
        at = start + int.from_bytes(bundle[at:start])
        if start > len(bundle) or at > len(bundle):
            raise AuditError(f"entry bundle of {len(bundle)} bytes: it ends inside its last leaf")
        if len(leaves) == TILE_WIDTH:
            raise AuditError(f"entry bundle with more than {TILE_WIDTH} leaves")
        leaves.append(bundle[start:at])
    return leaves


class Edge:
    """The right edge of a growing tree: for each level the hashes of its last, partial tile.

    It is all that appending needs: at most 255 hashes for each eight levels of the tree.
    """

    __slots__ = ("_tree", "levels", "size")

    def __init__(self, tree: TreeHash) -> None:
        self._tree = tree
        self.size = 0
        self.levels: list[bytearray] = [bytearray()]

    @classmethod
    def load(cls, store: Store, tree: TreeHash, size: int) -> Edge:
        """The right edge of a stored log; reads one tile for each level."""
        edge = cls(tree)
        edge.size = size
        edge.levels = [
            bytearray(edge_tile(store, level, size)) for level in range(top_level(size) + 1)
        ]
        return edge

    def extend(self, hashes: bytes, seal: Seal) -> None:
        """Add leaf hashes, no more than the last tile of level 0 has room for.

        ``seal(level, index, tile)`` is called for each tile that becomes full, and returns the
        hash that stands for it one level up.
        """
        self.levels[0] += hashes
        self.size += len(hashes) // HASH_SIZE
        level = 0
        while len(self.levels[level]) == TILE_BYTES:
            index = (self.size >> (TILE_HEIGHT * (level + 1))) - 1
            root = seal(level, index, bytes(self.levels[level]))
            self.levels[level].clear()
            level += 1
            if level == len(self.levels):
                self.levels.append(bytearray())
            self.levels[level] += root

    def room(self) -> int:
        """How many leaves the last tile of level 0 still takes."""
        return TILE_WIDTH - len(self.levels[0]) // HASH_SIZE

    def tiles(self) -> Iterator[tuple[int, int, bytes]]:
        """The partial tiles: level, index, hashes."""
        for level, hashes in enumerate(self.levels):
            if hashes:
                yield level, self.size >> (TILE_HEIGHT * (level + 1)), bytes(hashes)

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        roots = []
        for hashes in reversed(self.levels):
            for first, last in peaks(0, len(hashes) // HASH_SIZE):
                roots.append(
                    self._tree.perfect(bytes(hashes[first * HASH_SIZE : last * HASH_SIZE]))
                )
        return self._tree.fold(roots)


def top_level(size: int) -> int:
    """The highest tile level of a tree, 0 for a tree of up to 255 leaves."""
    return max(0, size.bit_length() - 1) // TILE_HEIGHT


def edge_tile(store: Store, level: int, size: int) -> bytes:
    """The partial tile at the right end of a level, empty where the level ends on a full one."""
    index = size >> (TILE_HEIGHT * (level + 1))
    width = tile_width(level, index, size)
    return read_tile(store, level, index, width) if width else b""


def read_tile(store: Store, level: int, index: int, width: int) -> bytes:
    """The first ``width`` hashes of a stored tile.

    Raises:
        AuditError: the tile is missing or too short: the log is damaged.
    """
    tile = store.get(tile_key(level, index))
    if tile is None or len(tile) < width * HASH_SIZE:
        held = "missing" if tile is None else f"{len(tile)} bytes"
        raise AuditError(
            f"{tile_path(level, index)} of the audit log should hold {width} hashes "
            f"({width * HASH_SIZE} bytes) and is {held}: verify the log and restore it from a copy"
        )
    return tile[: width * HASH_SIZE]


class TileReader:
    """Hashes of any part of the tree, from tiles; each tile is read once."""

    __slots__ = ("_read", "_size", "_store", "_tree")

    def __init__(self, store: Store, tree: TreeHash, size: int) -> None:
        self._store = store
        self._tree = tree
        self._size = size
        self._read: dict[tuple[int, int], bytes] = {}

    def range_hash(self, start: int, end: int) -> bytes:
        """MTH(D[start:end]) for a range as it occurs in proofs."""
        return self._tree.fold([self._perfect(first, last) for first, last in peaks(start, end)])

    def _perfect(self, start: int, end: int) -> bytes:
        """The hash of a perfect, aligned subtree: one run of hashes inside one tile."""
        level = ((end - start).bit_length() - 1) // TILE_HEIGHT
        shift = TILE_HEIGHT * level
        index, first = divmod(start >> shift, TILE_WIDTH)
        last = first + ((end - start) >> shift)
        tile = self._tile(level, index)
        return self._tree.perfect(tile[first * HASH_SIZE : last * HASH_SIZE])

    def _tile(self, level: int, index: int) -> bytes:
        tile = self._read.get((level, index))
        if tile is None:
            width = tile_width(level, index, self._size)
            tile = self._read[level, index] = read_tile(self._store, level, index, width)
        return tile
