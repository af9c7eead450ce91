"""Verification of a whole log: every leaf, every tile, the size, against signed checkpoints.

The tree is computed anew from the leaves. Each tile that becomes full is compared with the stored
one; where they differ, the stored tile one level up decides which of the two is carried on, so
that one change is reported once, at the leaf where it is, and does not hide another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from registry.audit.checkpoint import Checkpoint
from registry.audit.errors import AuditError
from registry.audit.log import Log
from registry.audit.merkle import HASH_SIZE
from registry.audit.store import Store, stored_leaves, tile_key
from registry.audit.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    Edge,
    tile_path,
    tile_range,
    top_level,
)

MAX_FAULTS: Final = 100  # faults in one report, those with the lowest indices


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """Something that is not as it was logged.

    Attributes:
        start: the first leaf index that may be concerned.
        end: one beyond the last.
        reason: what differs from what.
    """

    start: int
    end: int
    reason: str

    def __str__(self) -> str:
        """The place and the reason, for people."""
        last = self.end - 1
        where = f"leaf {self.start}" if last <= self.start else f"leaves {self.start} to {last}"
        return f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Report:
    """What verification found.

    Attributes:
        size: leaves that were hashed.
        root: the root over them.
        faults: lowest index first, at most 100; empty if the log is sound.
    """

    size: int
    root: bytes
    faults: tuple[Fault, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.faults


def verify(
    store: Store,
    leaves: Iterable[bytes] | None = None,
    checkpoints: Sequence[Checkpoint] = (),
) -> Report:
    """Compute the log anew and compare it with what is stored and what was signed.

    Args:
        store: tiles and state.
        leaves: the data of every stored leaf in order, also of any beyond the log's size; None
            reads them from the store one by one.
        checkpoints: opened (signature checked) checkpoints of this log, in any order. What none
            of them covers can only be checked for agreement between leaves and tiles.

    Raises:
        AuditError: the state cannot be read.
    """
    size, tree = Log(store).state()
    scan = _Scan(store, size)
    edge = Edge(tree)
    stops = sorted({point.size for point in checkpoints if point.size <= size} | {size})
    roots = {0: tree.empty()}
    source = iter(stored_leaves(store) if leaves is None else leaves)
    for stop in stops:
        while edge.size < stop:
            chunk = list(islice(source, min(stop - edge.size, edge.room())))
            if not chunk:
                break
            edge.extend(tree.leaves(chunk), scan.seal)
        roots[edge.size] = edge.root()
    if edge.size < size:
        scan.fault(edge.size, size, f"missing: the log's size is {size}, {edge.size} are stored")
    elif next(source, None) is not None:
        scan.fault(size, size, f"stored beyond the end: the log's size is {size}")
    for level, index, tile in edge.tiles() if edge.size == size else ():
        scan.compare(level, index, tile)
    scan.beyond()
    _judge(scan, store, checkpoints, roots)
    return Report(edge.size, edge.root(), tuple(sorted(scan.faults)[:MAX_FAULTS]))


class _Scan:
    """The comparison of computed tiles with stored ones, and the faults found."""

    def __init__(self, store: Store, size: int) -> None:
        self._store = store
        self._size = size
        self._tree = Log(store).state()[1]
        self.faults: list[Fault] = []

    def fault(self, start: int, end: int, reason: str) -> None:
        self.faults.append(Fault(start, end, reason))
        if len(self.faults) > 2 * MAX_FAULTS:
            self.faults.sort()
            del self.faults[MAX_FAULTS:]

    def seal(self, level: int, index: int, tile: bytes) -> bytes:
        """Compare a tile that is full; the root to carry on."""
        computed = self._tree.perfect(tile)
        stored = self.compare(level, index, tile)
        if stored == tile or len(stored) != len(tile):
            return computed
        above = self._store.get(tile_key(level + 1, index // TILE_WIDTH)) or b""
        at = index % TILE_WIDTH * HASH_SIZE
        former = self._tree.perfect(stored)
        return former if former == above[at : at + HASH_SIZE] else computed

    def compare(self, level: int, index: int, tile: bytes) -> bytes:
        """Report each hash in which the stored tile differs; the stored tile."""
        stored = self._store.get(tile_key(level, index)) or b""
        if stored == tile:
            return stored
        path = tile_path(level, index, len(tile) // HASH_SIZE)
        common = min(len(stored), len(tile)) // HASH_SIZE
        for entry in range(common):
            at = entry * HASH_SIZE
            if stored[at : at + HASH_SIZE] != tile[at : at + HASH_SIZE]:
                start, end = tile_range(level, index, entry, entry + 1)
                self.fault(start, end, f"not what hash {entry} of {path} was made from")
        if len(stored) != len(tile):
            longest = -(-max(len(stored), len(tile)) // HASH_SIZE)
            start, end = tile_range(level, index, common, longest)
            self.fault(start, end, f"{path} has {len(stored)} bytes, expected {len(tile)}")
        return stored

    def beyond(self) -> None:
        """Report tiles to the right of the last and above the highest."""
        for level in range(top_level(self._size) + 2):
            entries = self._size >> (TILE_HEIGHT * level)
            index = -(-entries // TILE_WIDTH)
            if self._store.get(tile_key(level, index)) is not None:
                path = tile_path(level, index)
                self.fault(self._size, self._size, f"{path} lies beyond the log's end")


def _judge(
    scan: _Scan, store: Store, checkpoints: Sequence[Checkpoint], roots: dict[int, bytes]
) -> None:
    """Compare checkpoints with the computed tree, or, where leaves changed, with stored tiles."""
    vouched = 0
    log = Log(store)
    for point in sorted(checkpoints, key=lambda point: point.size):
        if point.root == roots.get(point.size) or point.root == _stored_root(log, point.size):
            vouched = point.size
            continue
        if point.size > log.size:
            reason = f"cut off: a checkpoint covers {point.size} leaves, the log has {log.size}"
            scan.fault(log.size, point.size, reason)
        else:
            reason = f"the root of the first {point.size} leaves is not that of the checkpoint"
            scan.fault(vouched, point.size, reason)


def _stored_root(log: Log, size: int) -> bytes | None:
    """The root that the stored tiles give, None where they are damaged or too few."""
    try:
        return log.root(size)
    except AuditError:
        return None
