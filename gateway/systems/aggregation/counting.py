"""What columns of several nodes make up: the picture by what rows have in common. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple

import numpy as np

from gateway.systems.aggregation.columns import TOLD_BY, TOTAL, Array, Column, Columns, Kind
from gateway.systems.aggregation.picture import Figures, Parts
from gateway.systems.aggregation.readings import CHIPS, VCPU

SOURCES_SHOWN: Final = 20  # of one group
_NEVER: Final = np.iinfo(np.int64).max  # later than any status


class Group(NamedTuple):
    """Figures of what is alike.

    Attributes:
        by: what it has in common.
        sources: where it was read, by name; `more`: how many besides these.
    """

    by: Mapping[str, str]
    figures: Figures
    sources: tuple[str, ...]
    more: int


class Alike:
    """Rows of several nodes, told apart by some dimensions; groups are in the order of their texts.

    Args:
        nodes: with at most `columns.ROWS_MAX` rows together.
        by: dimensions that tell groups apart; none: one group of all, if there are rows.
        where: what dimensions have to be.

    Attributes:
        parts: nodes that have such rows, with the places of these.
        ids: of each of these rows the group, one node after the other.
        first: of each group its first row.
    """

    def __init__(self, nodes: Iterable[Columns], by: Iterable[str], where: Mapping[str, str]):
        self.names = tuple(by)
        chosen = [(one, one.rows(where)) for one in nodes]
        self.parts = [(one, rows) for one, rows in chosen if len(rows)]
        self._texts = [
            sorted(set().union(*(one.texts[name].there for one, _ in self.parts)))
            for name in self.names
        ]
        # A number for all texts of a row: of a few dimensions, with at most so many texts each as
        # there are rows, it stays far below 2^63.
        keys = np.zeros(sum(len(rows) for _, rows in self.parts), np.int64)
        for name, texts in zip(self.names, self._texts, strict=True):
            keys = keys * len(texts) + self._codes(name, texts)
        self._keys, self.first, self.ids = np.unique(keys, return_index=True, return_inverse=True)

    def _codes(self, name: str, texts: list[str]) -> Array:
        code = {text: number for number, text in enumerate(texts)}
        each = [
            np.array([code[text] for text in one.texts[name].there])[one.texts[name].codes[rows]]
            for one, rows in self.parts
        ]
        return np.concatenate(each) if each else np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._keys)

    def by(self, groups: Array) -> list[tuple[str, ...]]:
        """The texts of some groups."""
        keys, columns = self._keys[groups], []
        for texts in reversed(self._texts):
            keys, codes = np.divmod(keys, len(texts))
            columns.append([texts[code] for code in codes.tolist()])
        return list(zip(*reversed(columns), strict=True)) if columns else [()] * len(groups)

    def each(self) -> Iterable[tuple[Columns, Array, Array]]:
        """Nodes with the places of their rows, and the groups of these."""
        begin = 0
        for one, rows in self.parts:
            yield one, rows, self.ids[begin : begin + len(rows)]
            begin += len(rows)

    def summed(self, numbers: Callable[[Columns], Array]) -> Array:
        """Sums of numbers by group, added in the order of the rows."""
        if not self.parts:
            return np.zeros(0)
        each = np.concatenate([numbers(one)[rows] for one, rows in self.parts])
        return np.bincount(self.ids, each, len(self))

    def limbs(self, column: Column) -> dict[int, Array]:
        """Exact sums of the limbs of a column, by their exponents."""
        pieces: dict[int, list[tuple[Array, Array]]] = {}
        for one, rows, ids in self.each():
            for power, limb in one.limbs.get(column, {}).items():
                pieces.setdefault(power, []).append((ids, limb[rows]))
        found = {}
        for power, of in pieces.items():
            ids, limbs = (np.concatenate(arrays) for arrays in zip(*of, strict=True))
            found[power] = np.bincount(ids, limbs, len(self))
        return found


@dataclass(frozen=True, slots=True)
class Sums:
    """Figures of groups, by columns.

    Attributes:
        resources, unknown, oldest, newest: of each group; `oldest` is _NEVER where there is none.
        has: by kind, which groups have it.
        limbs: by column and exponent, exact.
    """

    resources: Array
    unknown: Array
    oldest: Array
    newest: Array
    has: Mapping[Kind, Array]
    limbs: Mapping[Column, Mapping[int, Array]]

    @property
    def whole(self) -> Sums:
        """Those of all groups together, as one."""
        return Sums(
            self.resources.sum(keepdims=True),
            self.unknown.sum(keepdims=True),
            self.oldest.min(keepdims=True, initial=_NEVER),
            self.newest.max(keepdims=True, initial=0),
            {kind: np.array([has.any()]) for kind, has in self.has.items()},
            {
                column: {power: one.sum(keepdims=True) for power, one in limbs.items()}
                for column, limbs in self.limbs.items()
            },
        )

    def numbers(self, column: Column, groups: Array) -> list[float]:
        """The sums of some groups, rounded once."""
        limbs = self.limbs.get(column, {}).items()
        each = [np.ldexp(sums[groups], power).tolist() for power, sums in limbs]
        if len(each) > 1:
            return list(map(math.fsum, zip(*each, strict=True)))
        return each[0] if each else [0.0] * len(groups)

    def figures(self, groups: Array) -> list[Figures]:
        """Figures of some groups."""
        newest = self.newest[groups]
        return list(
            map(
                Figures,
                self.resources[groups].astype(np.int64).tolist(),
                self.unknown[groups].astype(np.int64).tolist(),
                self._parts("amounts", groups),
                self._parts("pflops", groups),
                np.where(newest > 0, self.oldest[groups], 0).tolist(),
                newest.tolist(),
            )
        )

    def _parts(self, field: str, groups: Array) -> list[dict[str, Parts]]:
        found: list[dict[str, Parts]] = [{} for _ in groups]
        for of, kind in sorted(self.has):
            if of != field:
                continue
            places = range(len(Parts._fields))
            numbers = (self.numbers((field, kind, place), groups) for place in places)
            parts = map(Parts._make, zip(*numbers, strict=True))
            for into, has, one in zip(found, self.has[of, kind][groups], parts, strict=True):
                if has:
                    into[kind] = one
        return found


def sums_of(alike: Alike) -> Sums:
    """What the rows of each group make up."""
    kinds = sorted(set(chain.from_iterable(one.has for one, _ in alike.parts)))
    columns = sorted(set(chain.from_iterable(one.limbs for one, _ in alike.parts)))
    has = {kind: np.zeros(len(alike), np.bool_) for kind in kinds}
    oldest, newest = np.full(len(alike), _NEVER), np.zeros(len(alike), np.int64)
    for one, rows, ids in alike.each():
        for kind, here in one.has.items():
            has[kind][ids[here[rows]]] = True
        told = one.newest[rows] > 0
        np.minimum.at(oldest, ids[told], one.oldest[rows][told])
        np.maximum.at(newest, ids[told], one.newest[rows][told])
    return Sums(
        alike.summed(lambda one: one.resources),
        alike.summed(lambda one: one.unknown),
        oldest,
        newest,
        has,
        {column: alike.limbs(column) for column in columns},
    )


class Counting:
    """The picture of several nodes.

    Args:
        nodes, by, where: as Alike has them.
    """

    def __init__(
        self, nodes: Iterable[Columns], by: Iterable[str], where: Mapping[str, str] | None = None
    ) -> None:
        self._alike = Alike(nodes, by, where or {})
        self._sums = sums_of(self._alike)

    def __len__(self) -> int:
        return len(self._alike)

    def groups(self, most: int | None = None) -> list[Group]:
        """Groups, the largest first.

        Args:
            most: so many; None: all.
        """
        of_all = np.arange(len(self))
        chips, vcpu = (
            np.array(self._sums.numbers(("amounts", kind, TOTAL), of_all)) for kind in (CHIPS, VCPU)
        )
        # Of those that are as large the last ones by their texts.
        largest = np.lexsort((vcpu, chips))[::-1][:most]
        names = self._alike.names
        by = [dict(zip(names, texts, strict=True)) for texts in self._alike.by(largest)]
        place = np.full(len(self), -1)
        place[largest] = np.arange(len(largest))
        sources = self._sources(place, len(largest))
        return list(map(_group, by, self._sums.figures(largest), sources))

    def whole(self) -> Group:
        """All of it, even if there is nothing."""
        (figures,) = self._sums.whole.figures(np.zeros(1, np.intp))
        (sources,) = self._sources(np.zeros(len(self), np.intp), 1)
        return _group({}, figures, sources)

    def _sources(self, place: Array, number: int) -> list[set[str]]:
        """Where groups were read.

        Args:
            place: of each group in what is returned; -1: in none.
            number: of those that are returned.
        """
        found: list[set[str]] = [set() for _ in range(number)]
        for one, rows, ids in self._alike.each():
            there, codes = one.texts[TOLD_BY]
            places = place[ids]
            pairs = (places * len(there) + codes[rows])[places >= 0]
            for pair in np.unique(pairs).tolist():
                found[pair // len(there)].add(there[pair % len(there)])
        return found


def _group(by: Mapping[str, str], figures: Figures, sources: set[str]) -> Group:
    named = sorted(sources - {""})
    shown = tuple(named[:SOURCES_SHOWN])
    return Group(by, figures, shown, len(named) - len(shown))
