"""The best rows by `cscan.pyx` where it is compiled, by `scan.py` elsewhere; and checks and parts
as the compiled form reads them.

A check becomes leaves, each of which says with which leaf of it to go on if it holds, and if it
does not; `sizes` has for each leaf how many its check has.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.systems.selection import scan
from gateway.systems.selection.checks import Check, Every, Listed, Shaped, Some, Table
from gateway.systems.selection.columns import BLOCK, Columns
from gateway.systems.selection.facts import SEGMENTS
from gateway.systems.selection.ranking import BY_TABLE, Part
from gateway.systems.selection.scan import Scored

try:
    from gateway.systems.selection.cscan import best as _best
except ImportError:  # nothing is compiled here
    _best = None

_TABLE, _WITHIN, _SHAPED, _LISTED = range(4)
ACCEPT: Final = -1
REJECT: Final = -2


def best(
    columns: Columns, every: list[Check], parts: list[Part], now: int, top: int
) -> list[Scored]:
    """As `scan.best`."""
    if _best is None:
        return scan.best(columns, every, parts, now, top)
    leaves: list[tuple[Any, ...]] = []
    sizes: list[int] = []
    for check in every:
        own: list[tuple[Any, ...]] = []
        _write(check, columns, own, ACCEPT, REJECT)
        leaves += own
        sizes += [len(own)] * len(own)
    blocks = columns.capacity // BLOCK
    told = [_part(part, columns) for part in parts]
    found = _best(_rows(columns), leaves, sizes, told, blocks, now, top)
    return [Scored(*one) for one in found]


def _rows(columns: Columns) -> tuple[Any, ...]:
    live, largest = columns.live, columns.largest
    return (
        columns.alive,
        live["taken"],
        live["until"],
        live["stability"],
        columns.shape_kind,
        columns.shape_free,
        columns.shape_count,
        largest["taken"],
        largest["until"],
        largest["stability"],
        columns.serial,
        [columns.codes[name] for name in SEGMENTS],
        [columns.dictionaries[name].rank for name in SEGMENTS],
        columns.first_owner,
    )


def _part(part: Part, columns: Columns) -> tuple[Any, ...]:
    if part.kind != BY_TABLE:
        return (part.kind, part.weight)
    buckets = columns.dictionaries[part.column].bucket_of
    column, present = columns.codes[part.column], columns.present[part.column]
    return (part.kind, part.weight, column, present, part.points, buckets)


def _size(check: Check) -> int:
    """How many leaves it becomes."""
    return sum(map(_size, check.of)) if isinstance(check, Every | Some) else 1


def _write(
    check: Check, columns: Columns, leaves: list[tuple[Any, ...]], if_true: int, if_false: int
) -> None:
    """Add the leaves of a check, which goes on as told once it is decided."""
    if not isinstance(check, Every | Some):
        leaves.append(_leaf(check, columns, if_true, if_false))
        return
    for at, one in enumerate(check.of):
        following = len(leaves) + _size(one)
        if at == len(check.of) - 1:
            _write(one, columns, leaves, if_true, if_false)
        elif isinstance(check, Every):
            _write(one, columns, leaves, following, if_false)
        else:
            _write(one, columns, leaves, if_true, following)


def _leaf(check: Any, columns: Columns, if_true: int, if_false: int) -> tuple[Any, ...]:
    goes = (if_true, if_false)
    if isinstance(check, Shaped):
        asked = (check.size, check.kind, check.number)
        return (_SHAPED, True, False, *goes, None, None, None, None, *asked)
    if isinstance(check, Listed):
        return (_LISTED, False, False, *goes, None, None, check.rows, None, 0, 0)
    name = check.column
    if isinstance(check, Table):
        buckets = columns.dictionaries[name].bucket_of
        column, present = columns.codes[name], columns.present[name]
        allowed = (column, present, check.allowed, buckets)
        return (_TABLE, check.live, check.turned, *goes, *allowed, 0, 0)
    column, largest = columns.live[name], columns.largest.get(name)
    return (_WITHIN, True, check.turned, *goes, column, largest, None, None, check.low, check.high)
