"""Why no more fits: which condition keeps how many away, and the nearest that would fit.

This looks at every row, so it takes longer than a selection: for when too few fit.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from csid.errors import CsidError
from gateway.systems.selection import checks, conditions, engine, fields, scan
from gateway.systems.selection.checks import Check, Maker, Shaped
from gateway.systems.selection.conditions import Leaf
from gateway.systems.selection.demand import Blocks, Demand, Named, Room
from gateway.systems.selection.engine import Prepared
from gateway.systems.selection.fields import DATE, NUMBER
from gateway.systems.selection.supply import Supply

_ROWS: Final = 1 << 14  # looked at together
_RISING: Final = (">", ">=")  # operators for which more is nearer
_FALLING: Final = ("<", "<=")
Rows = NDArray[np.int64]


class Near(NamedTuple):
    """The nearest that would fit but for one condition.

    Attributes:
        field: what the condition is about.
        asked: what it asks.
        offered: what this one has; None where it does not say.
    """

    identifier: str
    field: str
    asked: Any
    offered: Any


class Kept(NamedTuple):
    """What a condition keeps away.

    Attributes:
        name: of the condition, `conditions_of` gives it.
        now: it is about the status: another moment may be different.
        of_left: how many of those that the conditions before it have left.
        alone: how many of all, were it the only one.
        nothing_else: how many that would fit but for this one.
        near: the nearest of those.
    """

    name: str
    now: bool
    of_left: int
    alone: int
    nothing_else: int
    near: Near | None


class Reasons(NamedTuple):
    """What comes of a demand.

    Attributes:
        rows: resources in all.
        fit: how many fit.
        could: how many would fit if all of them were free.
        kept: what each condition keeps away, in the order in which they are looked at.
    """

    rows: int
    fit: int
    could: int
    kept: tuple[Kept, ...]

    @property
    def never(self) -> bool:
        """Nothing fits, and would not even if all of it were free."""
        return self.could == 0


class ChangedError(CsidError):
    """The supply has become another one meanwhile: it is to be explained anew."""


def explain(
    supply: Supply, demand: Demand, now: int, rtt: NDArray[np.float64] | None = None
) -> Reasons:
    """Why what fits is so much and no more; arguments as those of `engine.select`.

    Raises:
        DemandError: as `engine.select`.
    """
    steps = explaining(supply, demand, now, rtt)
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            found: Reasons = ended.value
            return found


def explaining(
    supply: Supply, demand: Demand, now: int, rtt: NDArray[np.float64] | None = None
) -> Generator[None, None, Reasons]:
    """The same in steps of a millisecond or two, between which others have their turn: what they
    change of rows that were not looked at yet is seen, of others not.

    Raises:
        ChangedError: between two steps the supply has got values that it had not.
    """
    begun = _form(supply)
    ready = engine.prepare(supply, demand, now, rtt)
    count = len(ready.named)
    of_left, alone = np.zeros(count, np.int64), np.zeros(count, np.int64)
    only: list[list[Rows]] = [[] for _ in ready.named]
    fit = could = 0
    for first in range(0, supply.columns.capacity, _ROWS):
        slots, held = _held(supply, ready.checks, first, now)
        failed = ~held
        alone += failed.sum(axis=1)
        before = np.logical_and.accumulate(np.vstack((np.ones_like(held[:1]), held)), axis=0)
        of_left += (before[:-1] & failed).sum(axis=1)
        fit += int(before[-1].sum())
        lasting = held[[not one.now for one in ready.named]]
        could += int(lasting.all(axis=0).sum())
        but_one = failed.sum(axis=0) == 1
        for at in range(count):
            only[at].append(slots[failed[at] & but_one])
        yield
        if _form(supply) != begun:
            raise ChangedError("the supply has changed meanwhile")
    kept = []
    for at, named in enumerate(ready.named):
        rows = np.concatenate(only[at]) if only[at] else np.zeros(0, np.int64)
        near = _near(supply, demand, ready, at, rows, now, rtt) if len(rows) else None
        kept.append(Kept(named.name, named.now, int(of_left[at]), int(alone[at]), len(rows), near))
    return Reasons(len(supply), fit, could, tuple(kept))


def _form(supply: Supply) -> tuple[int, ...]:
    """What must stay for what was made ready to hold on."""
    columns = supply.columns
    sizes = [len(one) for one in columns.dictionaries.values()]
    return id(columns), columns.capacity, *sizes


def _held(
    supply: Supply, made: list[Check], first: int, now: int
) -> tuple[Rows, NDArray[np.bool_]]:
    """Some rows, and of each check (a line) whether it holds for each of them."""
    last = min(first + _ROWS, supply.columns.capacity)
    slots = first + np.flatnonzero(supply.columns.alive[first:last])
    found = [checks.test(one, supply.columns, slots, now) for one in made]
    return slots, np.array(found, np.bool_).reshape(len(made), len(slots))


def _near(
    supply: Supply,
    demand: Demand,
    ready: Prepared,
    at: int,
    rows: Rows,
    now: int,
    rtt: NDArray[np.float64] | None,
) -> Near:
    """The nearest of some rows that fail one condition alone; of those as near, the best."""
    named = ready.named[at]
    asked = _asked(named)
    if isinstance(named.condition, Blocks | Room):
        offered = _blocks(supply, named.condition, rows, now)
        rows, field = _largest(rows, offered), f"blocks of {named.condition.size}"
    elif asked is None:
        field = next(iter(conditions.leaves(named.condition))).field
    else:
        values = _values(Maker(supply.columns, now, rtt), asked.field, rows, now)
        rising = asked.operator in _RISING
        rows, field = _largest(rows, values if rising else -values), asked.field
    points = scan.points(supply.columns, ready.parts, rows, now)
    keys = (*scan.by_identifier(supply.columns, rows), -points)
    slot = int(rows[np.lexsort(keys)[0]])
    return Near(supply.identifier(slot), field, *_shown(supply, named, asked, slot, now, rtt))


def _blocks(supply: Supply, asked: Blocks | Room, rows: Rows, now: int) -> NDArray[np.float64]:
    """How many blocks of the size asked for there are, NaN where nobody tells."""
    columns = supply.columns
    if isinstance(asked, Room):
        return Maker(columns, now, None).rooms(asked)[columns.codes["units"][rows]]
    check = Shaped(1 if asked.chips else 2, asked.size, asked.number)
    found = checks.blocks_of(check, columns, rows).astype(np.float64)
    found[columns.live["until"][rows] <= now] = np.nan
    return found


def _asked(named: Named) -> Leaf | None:
    """The condition about a number whose nearness can be told, if there is just one."""
    if isinstance(named.condition, Blocks | Room):
        return None
    found = [
        one
        for one in conditions.leaves(named.condition)
        if fields.field(one.field).kind == NUMBER and one.operator in _RISING + _FALLING
    ]
    return found[0] if len(found) == 1 else None


def _largest(rows: Rows, values: NDArray[np.float64]) -> Rows:
    """Those rows with the largest value; all where nobody tells one."""
    if np.isnan(values).all():
        return rows
    nearest: Rows = rows[values == np.nanmax(values)]
    return nearest


def _values(maker: Maker, name: str, rows: Rows, now: int) -> NDArray[np.float64]:
    """What a field of numbers says of some rows, NaN where nothing is told."""
    field, columns = fields.field(name), maker.columns
    if field.live:
        kept = columns.live[field.column][rows].astype(np.float64)
        kept[(columns.live["until"][rows] <= now) | checks.untold(columns, field.column, rows)] = (
            np.nan
        )
        if field.since:
            kept = field.since * (now - kept)
        return kept / field.parts
    codes = columns.codes[field.column][rows]
    if name == "rtt":
        return maker.latencies()[codes]
    return columns.dictionaries[field.column].numbers(name, field.of)[codes]


def _shown(
    supply: Supply,
    named: Named,
    asked: Leaf | None,
    slot: int,
    now: int,
    rtt: NDArray[np.float64] | None,
) -> tuple[Any, Any]:
    """What is asked and what a row offers, as people read it."""
    row = np.array([slot])
    if isinstance(named.condition, Blocks | Room):
        blocks = _blocks(supply, named.condition, row, now)[0]
        return named.condition.number, None if np.isnan(blocks) else int(blocks)
    if asked is not None:
        value = _values(Maker(supply.columns, now, rtt), asked.field, row, now)[0]
        return asked.value, None if np.isnan(value) else float(value)
    first = next(iter(conditions.leaves(named.condition)))
    field = fields.field(first.field)
    shown = conditions.json(named.condition)
    if field.live and (field.kind == NUMBER or supply.columns.live["until"][slot] <= now):
        return shown, None
    if field.kind == DATE or field.column not in supply.columns.dictionaries:
        return shown, None
    code = supply.columns.codes[field.column][slot]
    value = supply.columns.dictionaries[field.column].values[code]
    return shown, None if value is None else field.of(value)
