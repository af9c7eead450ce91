"""Rows as columns: codes of distinct values, live figures as whole numbers, and for each block of
rows what can be found in it.

A block knows of each coded column which buckets of values it has (a bit each), of live figures the
largest. Both are only ever wide: a change widens them at once, and what has become too wide is
worked out anew after some changes, so that a block that is passed over has nothing to give.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from math import nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.systems.selection.facts import CODED, LIVE_CODED
from gateway.systems.selection.texts import Texts

BLOCK: Final = 128  # rows
SHAPES: Final = 8  # different N of a shape (csid.shape.SHAPES_MAX)
GROWTH: Final = 5  # a fifth more rows at a time
_DERIVED_MAX: Final = 96  # ways in which a dictionary is read that are remembered
Array = NDArray[Any]

LIVE: Final = {  # column → type; what is not told has the largest value of it
    "taken": np.int64,
    "until": np.int64,
    "free_chips": np.uint32,
    "free_vcpu": np.uint32,
    "free_memory": np.uint32,
    "free_nodes": np.uint32,
    "load": np.uint16,
    "stability": np.uint16,
}
LARGEST: Final = tuple(name for name in LIVE if name != "load")  # which a block knows
UNTOLD: Final = {np.uint32: 2**32 - 1, np.uint16: 2**16 - 1, np.int64: 0}


class Dictionary:
    """The distinct values of a column by their codes; code 0 is that nothing is told."""

    def __init__(self, bucket: Callable[[Any], int]) -> None:
        self.values: list[Any] = [None]
        self.codes: dict[Hashable, int] = {None: 0}
        self.bucket = bucket
        self.buckets = bytearray(b"\0")
        self._bucket_array = np.zeros(1, np.uint8)
        self._rank = np.zeros(1, np.uint32)
        self._derived: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self.values)

    def code(self, value: Hashable) -> int:
        """The code of a value, a new one if it has none."""
        found = self.codes.get(value)
        if found is None:
            found = self.codes[value] = len(self.values)
            self.values.append(value)
            self.buckets.append(self.bucket(value))
        return found

    @property
    def bucket_of(self) -> NDArray[np.uint8]:
        """The bucket of each code."""
        if len(self._bucket_array) < len(self.buckets):
            self._bucket_array = np.array(self.buckets, np.uint8)
        return self._bucket_array

    @property
    def rank(self) -> NDArray[np.uint32]:
        """The place of each code in the order of the values, which are texts; 0 for none."""
        if len(self._rank) < len(self.values):
            order = sorted(range(1, len(self.values)), key=self.values.__getitem__)
            self._rank = np.zeros(len(self.values), np.uint32)
            self._rank[order] = np.arange(1, len(self.values))
        return self._rank

    def numbers(
        self, key: Hashable, of: Callable[[Any], float | None], none: float = nan
    ) -> NDArray[np.float64]:
        """What a function says of each value, NaN for None, remembered by `key`; `none` is said of
        code 0.
        """
        kept = self._remembered(key)
        done = 0 if kept is None else len(kept)
        if done < len(self.values):
            more = [none if one is None else _number(of(one)) for one in self.values[done:]]
            new = np.array(more, np.float64)
            kept = self._derived[key] = new if kept is None else np.concatenate((kept, new))
        return kept  # type: ignore[no-any-return]

    def texts(self, key: Hashable, of: Callable[[Any], str | None]) -> list[str | None]:
        """The same for texts, folded."""
        kept = self._remembered(key)
        if kept is None:
            kept = self._derived[key] = []
        for one in self.values[len(kept) :]:
            text = None if one is None else of(one)
            kept.append(None if text is None else text.casefold())
        return kept  # type: ignore[no-any-return]

    def _remembered(self, key: Hashable) -> Any:
        kept = self._derived.pop(key, None)
        if kept is None and len(self._derived) >= _DERIVED_MAX:
            del self._derived[next(iter(self._derived))]
        if kept is not None:
            self._derived[key] = kept  # the last one used goes last
        return kept


def _number(value: float | None) -> float:
    return nan if value is None else float(value)


class Columns:
    """All columns, for `capacity` rows in whole blocks."""

    def __init__(self) -> None:
        self.capacity = 0
        self.dictionaries = {one.name: Dictionary(one.bucket) for one in (*CODED, *LIVE_CODED)}
        self.codes: dict[str, Array] = {
            one.name: np.zeros(0, np.uint16) for one in (*CODED, *LIVE_CODED)
        }
        self.live: dict[str, Array] = {name: np.zeros(0, kind) for name, kind in LIVE.items()}
        self.alive = np.zeros(0, np.uint8)
        self.texts = Texts()
        self.serial = np.zeros(0, "S15")
        self.shape_kind = np.zeros(0, np.uint8)  # 0 none, 1 of chips, 2 of virtual processors
        self.shape_free = np.zeros((0, SHAPES), np.uint16)
        self.shape_count = np.zeros((0, SHAPES), np.uint16)
        self.present: dict[str, NDArray[np.uint64]] = {
            name: np.zeros(0, np.uint64) for name in self.codes
        }
        self.largest: dict[str, Array] = {name: np.zeros(0, np.int64) for name in LARGEST}
        self.first_owner = np.zeros(0, np.uint32)  # code of a block's owner who goes before others
        self.changes = np.zeros(0, np.uint16)  # of each block since it was worked out

    def grow(self, capacity: int) -> None:
        """Make room for so many rows, in whole blocks."""
        blocks = -(-capacity // BLOCK)
        self.capacity = blocks * BLOCK
        self.texts.grow(self.capacity)
        for held, rows in (
            (self.codes, self.capacity),
            (self.live, self.capacity),
            (self.present, blocks),
            (self.largest, blocks),
        ):
            for name in held:
                held[name] = _grown(held[name], rows)
        for name in ("alive", "serial", "shape_kind", "shape_free", "shape_count"):
            setattr(self, name, _grown(getattr(self, name), self.capacity))
        self.first_owner = _grown(self.first_owner, blocks)
        self.changes = _grown(self.changes, blocks)

    def move(self, order: NDArray[np.int64]) -> None:
        """Keep these rows alone, in this order, in as many blocks as they need."""
        blocks = -(-len(order) // BLOCK)
        self.capacity = blocks * BLOCK
        for held in (self.codes, self.live):
            for name in held:
                held[name] = _grown(held[name][order], self.capacity)
        for name in ("alive", "serial", "shape_kind", "shape_free", "shape_count"):
            setattr(self, name, _grown(getattr(self, name)[order], self.capacity))
        self.texts.starts = self.texts.starts[order]
        self.texts.grow(self.capacity)
        self.texts.compact()
        for name in self.present:
            self.present[name] = np.zeros(blocks, np.uint64)
        for name in self.largest:
            self.largest[name] = np.zeros(blocks, np.int64)
        self.first_owner = np.zeros(blocks, np.uint32)
        self.changes = np.zeros(blocks, np.uint16)

    def widen(self, name: str) -> None:
        """Give a coded column codes of 32 bits."""
        self.codes[name] = self.codes[name].astype(np.uint32)

    def narrow(self, block: int) -> None:
        """Work out anew what a block has."""
        rows = slice(block * BLOCK, block * BLOCK + BLOCK)
        alive = self.alive[rows].view(np.bool_)
        for name, codes in self.codes.items():
            self.present[name][block] = self._bits(name, codes[rows][alive])
        for name in LARGEST:
            self.largest[name][block] = _largest(self.live[name][rows][alive])
        owners = set(self.codes["owner"][rows][alive].tolist())
        values = self.dictionaries["owner"].values
        self.first_owner[block] = min(owners, key=values.__getitem__, default=0)
        self.changes[block] = 0

    def _bits(self, name: str, codes: Array) -> int:
        buckets = self.dictionaries[name].buckets
        bits = 0
        for code in set(codes.tolist()):
            bits |= 1 << buckets[code]
        return bits

    def narrow_all(self) -> None:
        """Work out anew what each block has."""
        blocks = self.capacity // BLOCK
        dead = self.alive == 0
        for name, codes in self.codes.items():
            buckets = self.dictionaries[name].bucket_of
            bits = np.left_shift(np.uint64(1), buckets[codes].astype(np.uint64))
            bits[dead] = 0
            self.present[name] = np.bitwise_or.reduce(bits.reshape(blocks, BLOCK), axis=1)
        for name in LARGEST:
            column = self.live[name].astype(np.int64)
            column[dead] = 0
            if (untold := UNTOLD[LIVE[name]]) and name.startswith("free"):
                column[column == untold] = 0
            self.largest[name] = column.reshape(blocks, BLOCK).max(axis=1, initial=0)
        ranks = self.dictionaries["owner"].rank
        of_rows = ranks[self.codes["owner"]]
        of_rows[dead] = np.iinfo(np.uint32).max
        codes_by_rank = np.argsort(ranks)
        first = of_rows.reshape(blocks, BLOCK).min(axis=1, initial=np.iinfo(np.uint32).max)
        self.first_owner = codes_by_rank[np.minimum(first, len(ranks) - 1)].astype(np.uint32)
        self.changes[:] = 0


def _largest(values: Array) -> int:
    if values.dtype != np.int64:
        values = values[values != np.iinfo(values.dtype).max]
    return int(values.max(initial=0))


def _grown(array: Array, rows: int) -> Array:
    more = np.zeros((rows, *array.shape[1:]), array.dtype)
    more[: len(array)] = array[:rows]
    return more
