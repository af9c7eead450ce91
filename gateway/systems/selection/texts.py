"""Texts that hardly two rows have alike (names, endpoints, unknown keys), one behind the other.

    name 00 endpoint 20 endpoint … 00 key=value 1F key=value … 0A

Folded, UTF-8; none of these octets occurs in a text.

A condition about them is answered by a search for its letters in all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.systems.selection import conditions
from gateway.systems.selection.conditions import IN, LIKE, Leaf
from gateway.systems.selection.facts import EXTRA_BREAK
from gateway.systems.selection.fields import EXTRA

_END: Final = b"\n"
WORK_MAX: Final = 200_000  # rows looked at for one demand: some tenths of a second
_OCTETS_OF_ROW: Final = 1_000  # searched through in about the time that looking at one row takes
_STEPS_OF_ROW: Final = 100  # comparisons of a pattern, likewise
_WASTE: Final = 1 << 20  # octets that nobody has any more, and half of all: then they are left out


class TooMuchError(ValueError):
    """A demand has more rows looked at one by one than any may."""


class Work:
    """How many rows may still be looked at, over all conditions of a demand."""

    def __init__(self, left: int = WORK_MAX) -> None:
        self.left = left

    def spend(self, rows: int) -> None:
        """Look at so many rows.

        Raises:
            TooMuchError: at more than may be.
        """
        self.left -= rows
        if self.left < 0:
            raise TooMuchError(
                "name, endpoints and extra.KEY are searched for row by row, and the other "
                "conditions leave too many rows for that: narrow it by chips, type, location, "
                "price or others, or ask for longer words"
            )


class Texts:
    """The texts of each row.

    Attributes:
        octets: all of them.
        starts: of each row, where its texts begin; -1 where it has none.
    """

    def __init__(self) -> None:
        self.octets = bytearray()
        self.starts: NDArray[np.int64] = np.zeros(0, np.int64)
        self.waste = 0

    def put(self, slot: int, texts: tuple[str, ...]) -> None:
        """Keep the texts of a row (`facts.texts_of`), in place of what it had."""
        entry = "\0".join(texts).casefold().encode() + _END
        start = int(self.starts[slot])
        if start >= 0:
            if self.octets.startswith(entry, start):
                return
            self.remove(slot)
        self.starts[slot] = len(self.octets)
        self.octets += entry

    def remove(self, slot: int) -> None:
        """Forget the texts of a row."""
        start = int(self.starts[slot])
        if start >= 0:
            self.waste += self.octets.index(_END, start) + 1 - start
            self.starts[slot] = -1
            if self.waste > max(_WASTE, len(self.octets) // 2):
                self.compact()

    def compact(self) -> None:
        """Leave out what no row has, and lay the rest in the order of the rows."""
        kept = bytearray()
        for slot in np.flatnonzero(self.starts >= 0).tolist():
            start = int(self.starts[slot])
            self.starts[slot] = len(kept)
            kept += self.octets[start : self.octets.index(_END, start) + 1]
        self.octets, self.waste = kept, 0

    def grow(self, capacity: int) -> None:
        """Make room for so many rows."""
        more = np.full(capacity, -1, np.int64)
        more[: len(self.starts)] = self.starts[:capacity]
        self.starts = more

    def rows(self, leaf: Leaf, slots: NDArray[np.int64], work: Work) -> NDArray[np.bool_]:
        """Of all rows, for which a condition about one of these texts holds; of others than those
        that are named it may not be told.

        Raises:
            TooMuchError: that would be too many.
        """
        found = np.zeros(len(self.starts), np.bool_)
        if len(slots) * _OCTETS_OF_ROW < len(self.octets) * len(_letters(leaf)):
            found[slots] = self.hold(leaf, slots, work)
            return found
        rows = np.flatnonzero(self.starts >= 0)
        rows = rows[np.argsort(self.starts[rows], kind="stable")]
        starts = self.starts[rows]
        hits = np.fromiter(self._entries(leaf, work), np.int64)
        at = np.minimum(np.searchsorted(starts, hits), max(0, len(starts) - 1))
        if len(starts):
            found[rows[at[starts[at] == hits]]] = True
        return found

    def hold(self, leaf: Leaf, slots: NDArray[np.int64], work: Work) -> NDArray[np.bool_]:
        """For which of some rows it holds, one by one.

        Raises:
            TooMuchError: these are too many.
        """
        work.spend(len(slots))
        test = _Test(leaf, work)
        found = np.zeros(len(slots), np.bool_)
        for at, start in enumerate(self.starts[slots].tolist()):
            if start >= 0:
                found[at] = test.holds(self.octets[start : self.octets.index(_END, start)])
        return found

    def _entries(self, leaf: Leaf, work: Work) -> Iterator[int]:
        """Where entries begin for which it holds, those that no row has among them."""
        test = _Test(leaf, work)
        for letters in _letters(leaf):
            begin = 0
            work.spend(len(self.octets) // _OCTETS_OF_ROW)
            while begin < len(self.octets) and (at := self.octets.find(letters, begin)) >= 0:
                start = self.octets.rfind(_END, 0, at) + 1
                begin = self.octets.index(_END, at) + 1
                work.spend(1)
                if test.holds(self.octets[start : begin - 1]):
                    yield start


class _Test:
    """A condition about one of the texts of a row; each text is looked at once."""

    def __init__(self, leaf: Leaf, work: Work) -> None:
        self._field = leaf.field
        self._test = conditions.tester(leaf)
        self._runs = conditions.runs(leaf)
        self._work = work
        self._known: dict[str, bool] = {"": False}

    def holds(self, entry: bytearray) -> bool:
        """Whether it holds for the row of an entry."""
        text = _text(entry, self._field)
        known = self._known.get(text)
        if known is None:
            steps = len(text) * self._runs
            self._work.spend(len(entry) // _OCTETS_OF_ROW + steps // _STEPS_OF_ROW)
            known = self._known[text] = self._test(text)
        return known


def _text(entry: bytearray, field: str) -> str:
    """What a field says in an entry; empty if nothing."""
    name, endpoints, rest = entry.decode().split("\0")
    if not field.startswith(EXTRA):
        return name if field == "name" else endpoints
    pairs = (one.partition("=") for one in rest.split(EXTRA_BREAK))
    return next((value for key, _, value in pairs if key == field.removeprefix(EXTRA)), "")


def _letters(leaf: Leaf) -> list[bytes]:
    """Octets of which one occurs wherever a condition holds."""
    if leaf.operator == IN:
        return [one.encode() for one in leaf.value]
    if leaf.operator == LIKE:
        return [max(re.split(r"[*?]", leaf.value), key=len).encode()]
    return [leaf.value.encode()]
