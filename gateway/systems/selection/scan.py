"""The best rows of all that fit: blocks by what they can give at best, until none can be better.

`cscan.pyx` does the same, compiled (`compiled.py`); both give the same rows.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.systems.selection import checks, ranking
from gateway.systems.selection.checks import Check, Every, Listed, Shaped, Some, Table, Within
from gateway.systems.selection.columns import BLOCK, LARGEST, Columns
from gateway.systems.selection.facts import BUCKETS, SEGMENTS
from gateway.systems.selection.ranking import BY_STABILITY, BY_TABLE, Part

_FIRST_BLOCKS: Final = 16  # looked at together at first; then more
_MOST_BLOCKS: Final = 1_024
_BIT: Final = np.uint64(1) << np.arange(BUCKETS, dtype=np.uint64)


class Scored(NamedTuple):
    """A row and what it got."""

    points: int
    slot: int


def best(
    columns: Columns, every: list[Check], parts: list[Part], now: int, top: int
) -> list[Scored]:
    """The rows with the most points of those for which every check holds; the best first, those
    with as many points by identifier.
    """
    bounds = bounds_of(columns, parts, now)
    bounds[~possible(Every(tuple(every)), columns, now)] = -1
    order = np.argsort(-bounds, kind="stable")
    order = order[: np.count_nonzero(bounds >= 0)]
    slots = np.zeros(0, np.int64)
    gained = np.zeros(0, np.int64)
    done, step = 0, _FIRST_BLOCKS
    while done < len(order):
        if len(gained) >= top and bounds[order[done]] < gained[top - 1]:
            break
        rows = _fitting(columns, every, order[done : done + step], now)
        done, step = done + step, min(_MOST_BLOCKS, step * 2)
        slots = np.append(slots, rows)
        gained = np.append(gained, points(columns, parts, rows, now))
        kept = np.argsort(-gained, kind="stable")
        if len(kept) > top:
            kept = kept[gained[kept] >= gained[kept[top - 1]]]
        slots, gained = slots[kept], gained[kept]
    kept = np.lexsort((*by_identifier(columns, slots), -gained))[:top]
    return [Scored(int(gained[at]), int(slots[at])) for at in kept]


def fitting(columns: Columns, every: list[Check], now: int) -> NDArray[np.int64]:
    """All rows for which every check holds."""
    blocks = np.flatnonzero(possible(Every(tuple(every)), columns, now))
    found = [
        _fitting(columns, every, blocks[at : at + _MOST_BLOCKS], now)
        for at in range(0, len(blocks), _MOST_BLOCKS)
    ]
    together: NDArray[np.int64] = np.concatenate((np.zeros(0, np.int64), *found))
    return together


def _fitting(
    columns: Columns, every: list[Check], blocks: NDArray[np.int64], now: int
) -> NDArray[np.int64]:
    """The rows of some blocks for which every check holds."""
    rows: NDArray[np.int64] = (blocks[:, None] * BLOCK + np.arange(BLOCK)).ravel()
    rows = rows[columns.alive[rows] != 0]
    for check in every:
        rows = rows[checks.test(check, columns, rows, now)]
    return rows


def by_identifier(columns: Columns, slots: NDArray[np.int64]) -> list[NDArray[Any]]:
    """Keys that order rows by their identifiers; the one that counts most is the last."""
    ranks = [
        columns.dictionaries[name].rank[columns.codes[name][slots]] for name in reversed(SEGMENTS)
    ]
    return [columns.serial[slots], *ranks]


def points(
    columns: Columns, parts: list[Part], rows: NDArray[np.int64], now: int
) -> NDArray[np.int64]:
    """The points of each of some rows."""
    total = np.zeros(len(rows), np.int64)
    for part in parts:
        total += part.weight * ranking.points_of(part, columns, rows, now)
    return total


def bounds_of(columns: Columns, parts: list[Part], now: int) -> NDArray[np.int64]:
    """The most points that a row of each block can have."""
    bounds = np.zeros(columns.capacity // BLOCK, np.int64)
    for part in parts:
        if part.kind == BY_TABLE:
            of_bucket = np.zeros(BUCKETS, np.int64)
            np.maximum.at(of_bucket, columns.dictionaries[part.column].bucket_of, part.points)
            found = _best_bucket(columns.present[part.column], of_bucket)
        elif part.kind == BY_STABILITY:
            found = columns.largest["stability"] * ranking.STABILITY_STEP
        else:
            found = ranking.freshness(columns.largest["taken"], columns.largest["until"], now)
        bounds += part.weight * found
    return bounds


def _best_bucket(present: NDArray[np.uint64], of_bucket: NDArray[np.int64]) -> NDArray[np.int64]:
    found = np.zeros(len(present), np.int64)
    for bucket in np.argsort(of_bucket):  # the best last
        found[(present & _BIT[bucket]) != 0] = of_bucket[bucket]
    return found


def possible(check: Check, columns: Columns, now: int) -> NDArray[np.bool_]:
    """For which blocks a check may hold for a row of it."""
    holds: NDArray[np.bool_] = columns.largest["until"] > now
    if isinstance(check, Table):
        if check.turned:
            return np.ones(len(holds), np.bool_)
        found: NDArray[np.bool_] = (columns.present[check.column] & mask_of(check, columns)) != 0
        return found & holds if check.live else found
    if isinstance(check, Within):
        if check.turned or check.column not in LARGEST:
            return np.ones(len(holds), np.bool_) if check.turned else holds
        return holds & (columns.largest[check.column] >= check.low)
    if isinstance(check, Shaped):
        return holds
    if isinstance(check, Listed):
        listed: NDArray[np.bool_] = np.logical_or.reduce(check.rows.reshape(-1, BLOCK), axis=1)
        return listed
    parts = [possible(one, columns, now) for one in check.of]
    if not parts:
        return np.full(len(holds), isinstance(check, Every))
    joined = np.logical_or if isinstance(check, Some) else np.logical_and
    reduced: NDArray[np.bool_] = joined.reduce(parts)
    return reduced


def mask_of(check: Table, columns: Columns) -> np.uint64:
    """The buckets of what is allowed."""
    buckets = columns.dictionaries[check.column].bucket_of[check.allowed]
    mask: np.uint64 = np.bitwise_or.reduce(_BIT[np.unique(buckets)], initial=np.uint64(0))
    return mask
