"""Groups of one node as columns, by which a million of them are summed at once. Pure.

    texts     dimension -> of each row its text
    has       amounts or pflops, kind -> which rows have it
    limbs     amounts or pflops, kind, place in Parts -> exponent of 2 -> of each row a whole number

A number is kept as what it has of each power of 2^32, so many times below 2^32: whole ones as one
array, others as a few. Sums of those are exact in whatever order, so that what is summed by columns
is what `math.fsum` makes of the numbers, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.systems.aggregation.picture import DIMENSIONS, Figures, Parts, Row

ROWS_MAX: Final = 2**21  # that may be summed: with 32 bits of each, a sum has 53
FIELDS: Final = ("amounts", "pflops")
TOLD_BY: Final = "teller"  # beside DIMENSIONS: the source of a row, or the region it is told by
TOTAL, UNKNOWN = (Parts._fields.index(name) for name in ("total", "unknown"))
_BITS: Final = 32  # of a limb
_LOWEST: Final = -1088  # exponent: below it no number has anything
Array = NDArray[Any]
Kind = tuple[str, str]  # of FIELDS, kind of it
Column = tuple[str, str, int]  # the same, place in Parts


class Texts(NamedTuple):
    """A text for each row: `there[code]`, by the row's code."""

    there: tuple[str, ...]
    codes: Array

    @classmethod
    def of(cls, texts: Iterable[str]) -> Texts:
        """Those of some rows."""
        code: dict[str, int] = {}
        codes = np.fromiter((code.setdefault(one, len(code)) for one in texts), np.uint32)
        return cls(tuple(code), _small(codes))

    @classmethod
    def same(cls, text: str, rows: int) -> Texts:
        """One text for all rows."""
        return cls((text,), np.zeros(rows, np.uint8))

    def made(self, of: Callable[[str], str]) -> Texts:
        """What a function makes of each."""
        there, codes = Texts.of(map(of, self.there))
        return Texts(there, codes[self.codes])


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows of one node.

    Attributes:
        texts: by DIMENSIONS and TOLD_BY.
        resources, unknown, oldest, newest: of each row, as Figures have them.
        has, limbs: as above; of a column that is zero throughout there are no limbs.
    """

    texts: Mapping[str, Texts]
    resources: Array
    unknown: Array
    oldest: Array
    newest: Array
    has: Mapping[Kind, Array]
    limbs: Mapping[Column, Mapping[int, Array]]

    def __len__(self) -> int:
        return len(self.resources)

    @property
    def as_unknown(self) -> Columns:
        """The same once nothing is known of it: only what there is."""
        never = np.zeros(len(self), np.int64)
        totals = {column: limbs for column, limbs in self.limbs.items() if column[2] == TOTAL}
        unknown = {(*column[:2], UNKNOWN): limbs for column, limbs in totals.items()}
        return replace(
            self, unknown=self.resources, oldest=never, newest=never, limbs=totals | unknown
        )

    def rows(self, where: Mapping[str, str]) -> Array:
        """Places of the rows whose dimensions are so."""
        chosen = np.ones(len(self), np.bool_)
        for name, wanted in where.items():
            there, codes = self.texts[name]
            chosen &= (
                codes == there.index(wanted) if wanted in there else np.zeros(len(self), np.bool_)
            )
        return np.flatnonzero(chosen)

    def numbers(self, column: Column) -> Array:
        """The numbers of a column as they were given: from the largest limb on no bit is lost."""
        found = np.zeros(len(self))
        for power, limb in self.limbs.get(column, {}).items():
            found += np.ldexp(limb.astype(np.float64), power)
        return found


def columns_of(texts: Mapping[str, Texts], figures: Sequence[Figures]) -> Columns:
    """Rows by columns.

    Args:
        texts: by DIMENSIONS and TOLD_BY.
        figures: of each row; amounts are finite and not negative.
    """
    has: dict[Kind, Array] = {}
    limbs: dict[Column, Mapping[int, Array]] = {}
    for field in FIELDS:
        each: list[Mapping[str, Parts]] = [getattr(one, field) for one in figures]
        for kind in sorted(set().union(*each)):
            here = np.array([kind in one for one in each])
            parts = chain.from_iterable(one[kind] for one in each if kind in one)
            numbers = np.zeros((len(each), len(Parts._fields)))
            numbers[here] = np.fromiter(parts, np.float64).reshape(-1, len(Parts._fields))
            has[field, kind] = here
            for place, column in enumerate(numbers.T):
                if found := _limbs(column):
                    limbs[field, kind, place] = found
    return Columns(
        texts,
        _small(np.array([one.resources for one in figures], np.int64)),
        _small(np.array([one.unknown for one in figures], np.int64)),
        np.array([one.oldest for one in figures], np.int64),
        np.array([one.newest for one in figures], np.int64),
        has,
        limbs,
    )


def columns_of_rows(rows: Sequence[Row]) -> Columns:
    """Rows of this node by columns."""
    texts = {name: Texts.of(one.what.get(name, "") for one in rows) for name in DIMENSIONS}
    by = (one.what.get("source") or one.what.get("region", "") for one in rows)
    return columns_of({**texts, TOLD_BY: Texts.of(by)}, [one.figures for one in rows])


def _limbs(numbers: Array) -> dict[int, Array]:
    """What numbers have of each power of 2^32, by its exponent, the largest first."""
    found: dict[int, Array] = {}
    _, bits = np.frexp(numbers.max(initial=0))
    highest = (int(bits) - 1) // _BITS * _BITS
    rest = numbers
    for power in range(highest, _LOWEST - 1, -_BITS):
        if not rest.any():
            break
        limb = np.floor(np.ldexp(rest, -power))
        if limb.any():
            found[power] = _small(limb)
        rest = rest - np.ldexp(limb, power)
    return found


def _small(numbers: Array) -> Array:
    """Whole numbers, none of them negative, in as few octets as hold them."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))
