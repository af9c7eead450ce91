"""Names and endpoints of rows, which hardly two have alike: octets one behind the other.

    name 00 endpoint 20 endpoint … 0A        folded, UTF-8; none of these octets occurs in a text

A condition about them is answered by a search for its letters in all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.systems.selection import conditions
from gateway.systems.selection.conditions import IN, LIKE, Leaf

NAMES: Final = ("name", "endpoints")
_BETWEEN, _END = b"\0", b"\n"
_WASTE: Final = 1 << 20  # octets that nobody has any more, and half of all: then they are left out


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

    def put(self, slot: int, facts: Mapping[str, Any]) -> None:
        """Keep what a record says, in place of what the row had."""
        texts = (facts.get("nm", ""), " ".join(facts.get("ep", ())))
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

    def rows(self, leaf: Leaf) -> NDArray[np.bool_]:
        """For which rows a condition about one of NAMES holds."""
        found = np.zeros(len(self.starts), np.bool_)
        rows = np.flatnonzero(self.starts >= 0)
        rows = rows[np.argsort(self.starts[rows], kind="stable")]
        starts = self.starts[rows]
        hits = np.fromiter(self._entries(leaf), np.int64)
        at = np.minimum(np.searchsorted(starts, hits), max(0, len(starts) - 1))
        if len(starts):
            found[rows[at[starts[at] == hits]]] = True
        return found

    def _entries(self, leaf: Leaf) -> Iterator[int]:
        """Where entries begin for which it holds, those that no row has among them."""
        which = NAMES.index(leaf.field)
        for letters in _letters(leaf):
            begin = 0
            while (at := self.octets.find(letters, begin)) >= 0:
                start = self.octets.rfind(_END, 0, at) + 1
                begin = self.octets.index(_END, at) + 1
                text = self.octets[start : begin - 1].split(_BETWEEN)[which].decode()
                if text and conditions.holds(leaf, text):
                    yield start


def _letters(leaf: Leaf) -> list[bytes]:
    """Octets of which one occurs wherever a condition holds."""
    if leaf.operator == IN:
        return [one.encode() for one in leaf.value]
    if leaf.operator == LIKE:
        return [max(re.split(r"[*?]", leaf.value), key=len).encode()]
    return [leaf.value.encode()]
