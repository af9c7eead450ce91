"""Allocations that hold: so many blocks of a size, each within one node, in one pool or over many.

Free cards are counted by node (`csid.shape`), never summed over nodes where a block is asked for.
Of all allocations one with the fewest pools is taken, and of these one with the most points.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.systems.selection import checks, engine, scan
from gateway.systems.selection.checks import Shaped
from gateway.systems.selection.columns import Columns
from gateway.systems.selection.demand import Blocks, Demand, DemandError
from gateway.systems.selection.supply import Supply

_STATES_MAX: Final = 4_000_000  # of the search: candidates x pools x blocks
_CANDIDATES_MAX: Final = 512
_BLOCKS_MAX: Final = 100_000
Numbers = NDArray[np.int64]


class Piece(NamedTuple):
    """What is taken of one pool.

    Attributes:
        blocks: how many, of `size` chips (or virtual processors) each.
        units: of which nodes: what each of them has free, and how many blocks are taken of such;
            those first in which the least is left over.
    """

    identifier: str
    slot: int
    blocks: int
    size: int
    units: tuple[tuple[int, int], ...]


class Allocation(NamedTuple):
    """Pieces that together are what was asked for, the largest first; points of all their pools."""

    pieces: tuple[Piece, ...]
    points: int


def blocks_asked(demand: Demand) -> Blocks:
    """What is to be allocated; cards that may lie anywhere are blocks of one.

    Raises:
        DemandError: nothing countable is asked for, more than is searched for, or not what is free.
    """
    blocks = demand.blocks or (Blocks(True, 1, demand.cards) if demand.cards else None)
    if blocks is None or not demand.free:
        raise DemandError("an allocation is of cards, or vcpu, that are free: ask for them")
    if blocks.number > _BLOCKS_MAX:
        raise DemandError(f"{blocks.number} blocks; at most {_BLOCKS_MAX} are allocated together")
    return blocks


def allocate(
    supply: Supply, demand: Demand, now: int, rtt: NDArray[np.float64] | None = None
) -> Allocation | None:
    """An allocation of what is free now, over at most `demand.pools` pools; None if there is none.
    Arguments as those of `engine.select`.

    Raises:
        DemandError: it cannot be understood, or is about nothing that can be allocated.
    """
    asked = blocks_asked(demand)
    ready = engine.prepare(supply, demand, now, rtt)
    columns = supply.columns
    slots = scan.fitting(columns, engine.in_order(ready.checks, columns, now), now)
    room = _room(columns, slots, asked, demand)
    slots, room = slots[room > 0], np.minimum(room[room > 0], asked.number)
    pools = _fewest(room, asked.number)
    if pools is None or pools > demand.pools:
        return None
    points = scan.points(columns, ready.parts, slots, now)
    chosen = _best(supply, slots, room, points, asked.number, pools)
    pieces = _pieces(supply, slots[chosen], room[chosen], points[chosen], asked)
    return Allocation(tuple(pieces), int(points[chosen].sum()))


def _room(columns: Columns, slots: Numbers, asked: Blocks, demand: Demand) -> Numbers:
    """How many blocks each row has, with the memory and virtual processors that go with each."""
    if demand.blocks is None:
        room = columns.live["free_chips"][slots].astype(np.int64)
    else:
        check = Shaped(1 if asked.chips else 2, asked.size, 1)
        room = checks.blocks_of(check, columns, slots)
    for name, each in (("free_memory", demand.memory), ("free_vcpu", demand.vcpu)):
        if each and (name == "free_memory" or asked.chips):
            room = np.minimum(room, (columns.live[name][slots] // each).astype(np.int64))
    return room


def _fewest(room: Numbers, number: int) -> int | None:
    """The fewest rows that have so many blocks together."""
    together = np.cumsum(np.sort(room)[::-1])
    enough = int(np.searchsorted(together, number))
    return enough + 1 if enough < len(together) else None


def _best(
    supply: Supply, slots: Numbers, room: Numbers, points: Numbers, number: int, pools: int
) -> Numbers:
    """Which rows: so many pools that have enough, with the most points together. Exact among the
    candidates: those with the most points and those with the most room.
    """
    names = scan.by_identifier(supply.columns, slots)
    by_points = np.lexsort((*names, -points))
    if pools == 1:
        return by_points[room[by_points] >= number][:1]
    by_room = np.lexsort((*names, -points, -room))
    most = min(_CANDIDATES_MAX, max(2 * pools, _STATES_MAX // (pools * (number + 1))))
    half = most // 2
    seen = dict.fromkeys([*by_room[:half].tolist(), *by_points[:half].tolist()])
    candidates = np.array(sorted(seen, key=by_points.argsort().__getitem__), np.int64)
    if len(candidates) * pools * (number + 1) > _STATES_MAX:
        return by_room[:pools]
    return candidates[_knapsack(room[candidates], points[candidates], number, pools)]


def _knapsack(room: Numbers, points: Numbers, number: int, pools: int) -> Numbers:
    """Exactly so many items with enough room and the most points; there is such a choice."""
    never = np.int64(-1)
    best = np.full((pools + 1, number + 1), never)  # by items taken and room had, cut at `number`
    best[0, 0] = 0
    came = np.full((len(room), pools + 1, number + 1), -1, np.int32)  # from which room, by item
    to = np.arange(number + 1)
    for item, (size, worth) in enumerate(zip(room.tolist(), points.tolist(), strict=True)):
        for items in range(pools, 0, -1):
            before = best[items - 1]
            source = to - size
            source[number] = number - size + int(before[number - size :].argmax())
            gained = np.where((source >= 0) & (before[source] >= 0), before[source] + worth, never)
            better = gained > best[items]
            best[items][better] = gained[better]
            came[item, items][better] = source[better]
    chosen = []
    items, had = pools, number
    for item in range(len(room) - 1, -1, -1):
        if items and came[item, items, had] >= 0:
            chosen.append(item)
            items, had = items - 1, int(came[item, items, had])
    return np.array(chosen, np.int64)


def _pieces(
    supply: Supply, slots: Numbers, room: Numbers, points: Numbers, asked: Blocks
) -> Iterator[Piece]:
    """As many blocks as are asked for, of each pool as many as it has."""
    left = asked.number
    for at in np.lexsort((-points, -room)):
        blocks = min(left, int(room[at]))
        left -= blocks
        slot = int(slots[at])
        units = _units(supply.columns, slot, asked, blocks)
        yield Piece(supply.identifier(slot), slot, blocks, asked.size, units)


def _units(columns: Columns, slot: int, asked: Blocks, blocks: int) -> tuple[tuple[int, int], ...]:
    """From which nodes of a pool blocks are taken: where least is left over, the smallest first."""
    units = [
        (int(free), int(number) * (int(free) // asked.size))
        for free, number in zip(columns.shape_free[slot], columns.shape_count[slot], strict=True)
        if number and free >= asked.size
    ]
    found = []
    for free, most in sorted(units, key=lambda unit: (unit[0] % asked.size, unit[0])):
        if blocks <= 0:
            break
        found.append((free, min(most, blocks)))
        blocks -= min(most, blocks)
    return tuple(found)
