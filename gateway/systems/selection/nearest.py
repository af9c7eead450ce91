"""Of what one condition alone keeps away, the nearest that would fit."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.systems.selection import checks, conditions, fields, scan
from gateway.systems.selection.checks import Maker, Shaped
from gateway.systems.selection.conditions import Condition, Leaf
from gateway.systems.selection.demand import Blocks, Named, Room
from gateway.systems.selection.engine import Prepared
from gateway.systems.selection.fields import DATE, NUMBER
from gateway.systems.selection.supply import Supply
from gateway.systems.selection.texts import TooMuchError, Work

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


def nearest(
    supply: Supply,
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
        maker = Maker(supply.columns, now, rtt)
        rows, asked = _comparable(maker, named.condition, asked, rows, now)
        field = asked.field
        if asked.operator in _RISING + _FALLING:
            values = _values(maker, field, rows, now)
            rows = _largest(rows, values if asked.operator in _RISING else -values)
    points = scan.points(supply.columns, ready.parts, rows, now)
    keys = (*scan.by_identifier(supply.columns, rows), -points)
    slot = int(rows[np.lexsort(keys)[0]])
    return Near(supply.identifier(slot), field, *_shown(supply, named, asked, slot, now, rtt))


def _comparable(
    maker: Maker, condition: Condition, asked: Leaf, rows: Rows, now: int
) -> tuple[Rows, Leaf]:
    """Those rows that fail just that condition about a number, with it. Where all fail something
    else as well, those that tell the number, and what else they fail: a price in another currency
    is not the nearer the lower it is.
    """
    rest = maker.make(conditions.without(condition, asked))
    try:
        alone = rows[checks.test(rest, maker.columns, rows, now, Work())]
    except TooMuchError:
        alone = rows
    if len(alone):
        return alone, asked
    told = rows[~np.isnan(_values(maker, asked.field, rows, now))]
    for one in conditions.leaves(condition):
        if one is not asked and len(told):
            return told, one
    return rows, asked


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
    if asked is not None and fields.field(asked.field).kind == NUMBER:
        value = _values(Maker(supply.columns, now, rtt), asked.field, row, now)[0]
        return asked.value, None if np.isnan(value) else float(value)
    first = asked or next(iter(conditions.leaves(named.condition)))
    field = fields.field(first.field)
    shown = conditions.json(asked or named.condition)
    if field.live and (field.kind == NUMBER or supply.columns.live["until"][slot] <= now):
        return shown, None
    if field.kind == DATE or field.column not in supply.columns.dictionaries:
        return shown, None
    code = supply.columns.codes[field.column][slot]
    value = supply.columns.dictionaries[field.column].values[code]
    return shown, None if value is None else field.of(value)
