"""Conditions made ready for columns: tables over codes, ranges of live figures, shapes; joined by
AND and OR alone, since every NOT has gone down to what it is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.systems.selection import chips, conditions, fields
from gateway.systems.selection.columns import LIVE, UNTOLD, Columns
from gateway.systems.selection.conditions import IN, IS, RANGE, All, Condition, Leaf, Not
from gateway.systems.selection.demand import Blocks, Room
from gateway.systems.selection.fields import NUMBER, TEXT, TEXTS, Field
from gateway.systems.selection.texts import Work

Bools = NDArray[np.bool_]
_FURTHEST: Final = 2**62


@dataclass(frozen=True, slots=True)
class Table:
    """A coded column whose value is one of those allowed; of a live one only while it holds."""

    column: str
    allowed: Bools  # by code
    live: bool = False
    turned: bool = False  # the opposite


@dataclass(frozen=True, slots=True)
class Within:
    """A live column that lies between two ends, both included, while the status holds."""

    column: str
    low: int
    high: int
    turned: bool = False


@dataclass(frozen=True, slots=True)
class Shaped:
    """A status that holds and whose shape has so many blocks of a size."""

    kind: int
    size: int
    number: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A condition about texts that each row has its own of.

    Attributes:
        rows: for which of all rows it holds.
        is_open: it was not searched for yet (`searched`), and `rows` tells nothing.
    """

    leaf: Leaf
    turned: bool
    rows: Bools
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Every:
    of: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Some:
    of: tuple[Check, ...]


Check = Table | Within | Shaped | Listed | Every | Some


class Maker:
    """Makes conditions ready for the columns as they are now.

    Args:
        now: Unix milliseconds.
        rtt: milliseconds from where the data is, by the number of the location; NaN where unknown.
    """

    def __init__(self, columns: Columns, now: int, rtt: NDArray[np.float64] | None) -> None:
        self.columns = columns
        self.now = now
        self.rtt = rtt

    def make(self, condition: Condition | Blocks | Room, turned: bool = False) -> Check:
        """The check of a condition, or of its opposite.

        Raises:
            chips.ChipError: a chip is asked for that nobody knows.
        """
        if isinstance(condition, Blocks):
            return Shaped(1 if condition.chips else 2, condition.size, condition.number)
        if isinstance(condition, Room):
            return Table("units", self.rooms(condition) >= condition.number)
        if isinstance(condition, Not):
            return self.make(condition.of, not turned)
        if isinstance(condition, Leaf):
            return self._leaf(condition, turned)
        made = tuple(self.make(one, turned) for one in condition.of)
        return _joined(made, isinstance(condition, All) != turned)

    def _leaf(self, leaf: Leaf, turned: bool) -> Check:
        field = fields.field(leaf.field)
        if field.live and field.kind == NUMBER:
            spans = self._spans(field, leaf)
            made = tuple(Within(field.column, low, high, turned) for low, high in spans)
            return _joined(made, turned)
        if field.column == TEXTS:
            return Listed(leaf, turned, np.zeros(0, np.bool_), is_open=True)
        allowed = self._allowed(field, leaf)
        if field.live:
            return Table(field.column, allowed, True, turned)
        return Table(field.column, ~allowed if turned else allowed)

    def _allowed(self, field: Field, leaf: Leaf) -> Bools:
        dictionary = self.columns.dictionaries[field.column]
        if leaf.operator == IS:
            texts = (value[0] for value in dictionary.values[1:])
            wanted = chips.wanted(leaf.value, texts)
            return dictionary.numbers(leaf, lambda value: chips.fits(wanted, *value)) > 0
        if field.kind == TEXT:

            def fits(value: Any) -> bool:
                text = field.of(value)
                return text is not None and conditions.holds(leaf, text.casefold())

            return dictionary.numbers(leaf, fits) > 0
        if field.name == "rtt":
            return compared(leaf, self.latencies())
        return compared(leaf, dictionary.numbers(field.name, field.of))

    def rooms(self, asked: Room) -> NDArray[np.float64]:
        """How many blocks of a size there are, all nodes free, by the code of the units."""
        of_node = "per_node" if asked.chips else "node_vcpu"
        each = np.floor(self._units(of_node)) // asked.size
        needs = (("node_vcpu", asked.vcpu), ("node_memory", asked.memory))
        for name, needed in needs:
            if needed:
                each = np.minimum(each, self._units(name) // needed)
        found: NDArray[np.float64] = each * self._units("nodes")
        return found

    def _units(self, name: str) -> NDArray[np.float64]:
        """A member of the units by their code; 0 where it is not told."""
        dictionary = self.columns.dictionaries["units"]
        return dictionary.numbers(("units", name), lambda units: getattr(units, name) or 0.0, 0.0)

    def latencies(self) -> NDArray[np.float64]:
        """Milliseconds by the code of the location."""
        found = np.full(len(self.columns.dictionaries["location"]), np.nan)
        if self.rtt is not None:
            known = min(len(self.rtt), len(found) - 1)
            found[1 : known + 1] = self.rtt[:known]
        return found

    def _spans(self, field: Field, leaf: Leaf) -> list[tuple[int, int]]:
        """Ranges of what the column keeps."""
        kind = LIVE[field.column]
        least, most = 0, UNTOLD[kind] - 1 if kind != np.int64 else _FURTHEST
        ends = [_ends(leaf.operator, value, field.parts) for value in _each(leaf)]
        if field.since > 0:
            ends = [(self.now - high, self.now - low) for low, high in ends]
        elif field.since < 0:
            ends = [(self.now + low, self.now + high) for low, high in ends]
        return [(max(least, low), min(most, high)) for low, high in ends]


def _each(leaf: Leaf) -> tuple[Any, ...]:
    return leaf.value if leaf.operator == IN else (leaf.value,)


def _ends(operator: str, value: Any, parts: int) -> tuple[int, int]:
    """Both ends of what holds, in whole parts; a number means what its shortest decimal says."""
    if operator == RANGE:
        low, high = value
        return (
            -_FURTHEST if low is None else _whole(low, parts, ROUND_CEILING),
            _FURTHEST if high is None else _whole(high, parts, ROUND_FLOOR),
        )
    floor, ceiling = _whole(value, parts, ROUND_FLOOR), _whole(value, parts, ROUND_CEILING)
    return {
        "<": (-_FURTHEST, ceiling - 1),
        "<=": (-_FURTHEST, floor),
        ">": (floor + 1, _FURTHEST),
        ">=": (ceiling, _FURTHEST),
    }.get(operator, (ceiling, floor))


def _whole(value: float, parts: int, rounding: str) -> int:
    exact = Decimal(repr(value)) * parts
    return max(-_FURTHEST, min(_FURTHEST, int(exact.to_integral_value(rounding))))


def compared(leaf: Leaf, values: NDArray[np.float64]) -> Bools:
    """Of each number whether the condition holds for it; for NaN it never does."""
    wanted: Any = leaf.value
    if leaf.operator == IN:
        return np.isin(values, wanted)
    if leaf.operator == RANGE:
        low, high = wanted
        held = ~np.isnan(values)
        if low is not None:
            held &= values >= low
        if high is not None:
            held &= values <= high
        return held
    found: Bools = _COMPARED[leaf.operator](values, wanted)
    return found


_COMPARED: Final[dict[str, Any]] = {
    "=": np.equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def _joined(made: tuple[Check, ...], every: bool) -> Check:
    """The conjunction (or disjunction) of checks; tables of one column become one."""
    group = Every if every else Some
    flat: list[Check] = []
    tables: dict[str, Bools] = {}
    for one in made:
        parts = one.of if isinstance(one, group) else (one,)
        for part in parts:
            if isinstance(part, Table) and not part.live:
                before = tables.get(part.column)
                both = part.allowed
                if before is not None:
                    both = before & both if every else before | both
                tables[part.column] = both
            else:
                flat.append(part)
    merged: tuple[Check, ...] = (*(Table(name, one) for name, one in tables.items()), *flat)
    return merged[0] if len(merged) == 1 else group(merged)


def open_in(check: Check) -> int:
    """How many conditions in it are not searched for yet."""
    if isinstance(check, Every | Some):
        return sum(map(open_in, check.of))
    return int(isinstance(check, Listed) and check.is_open)


def searched(check: Check, columns: Columns, slots: NDArray[np.int64], work: Work) -> Check:
    """The same, searched for in some rows: of others it tells nothing.

    Raises:
        TooMuchError: these are too many.
    """
    if isinstance(check, Every | Some):
        return type(check)(tuple(searched(one, columns, slots, work) for one in check.of))
    if not isinstance(check, Listed):
        return check
    rows = columns.texts.rows(check.leaf, slots, work)
    return Listed(check.leaf, check.turned, ~rows if check.turned else rows)


def test(check: Check, columns: Columns, rows: Any, now: int, work: Work | None = None) -> Bools:
    """Whether a check holds for each of some rows, whatever it costs.

    Args:
        rows: an index of numpy: slots, or a slice.
        work: of what is not searched for yet; rows are slots then.

    Raises:
        TooMuchError: it is too much for that.
    """
    if isinstance(check, Table):
        found: Bools = check.allowed[columns.codes[check.column][rows]]
        if check.live:
            found = found & (columns.live["until"][rows] > now)
            return ~found if check.turned else found
        return found
    if isinstance(check, Listed):
        if check.is_open:
            held = columns.texts.hold(check.leaf, rows, work or Work())
            return ~held if check.turned else held
        listed: Bools = check.rows[rows]
        return listed
    holds: Bools = columns.live["until"][rows] > now
    if isinstance(check, Within):
        column = columns.live[check.column][rows]
        found = holds & (column >= check.low) & (column <= check.high)
        return ~found if check.turned else found
    if isinstance(check, Shaped):
        return holds & (blocks_of(check, columns, rows) >= check.number)
    parts = [test(one, columns, rows, now, work) for one in check.of]
    joined: Any = np.logical_and if isinstance(check, Every) else np.logical_or
    if not parts:
        return np.full(holds.shape, isinstance(check, Every))
    reduced: Bools = joined.reduce(parts)
    return reduced


def blocks_of(check: Shaped, columns: Columns, rows: Any) -> NDArray[np.int64]:
    """How many blocks of a size there are in the shapes of some rows, whether they hold or not."""
    free = columns.shape_free[rows].astype(np.int64)
    count = columns.shape_count[rows].astype(np.int64)
    blocks: NDArray[np.int64] = (free // check.size * count).sum(axis=-1)
    return np.where(columns.shape_kind[rows] == check.kind, blocks, 0)


def untold(columns: Columns, name: str, rows: Any) -> Bools:
    """Of which rows no status has ever told a live figure."""
    missing = UNTOLD[LIVE[name]]
    column = columns.live[name][rows]
    return column == missing if missing else np.zeros(column.shape, np.bool_)
