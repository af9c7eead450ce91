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
from gateway.systems.selection.checks import Maker, Shaped
from gateway.systems.selection.columns import Columns
from gateway.systems.selection.demand import Blocks, Demand, DemandError, room_of
from gateway.systems.selection.supply import Supply

_STATES_MAX: Final = 4_000_000  # of the search: candidates x pools x blocks
_STEPS_MAX: Final = 8_192  # candidates x pools
_CANDIDATES_MAX: Final = 512
_BLOCKS_MAX: Final = 100_000
Numbers = NDArray[np.int64]


class Piece(NamedTuple):
    """What is taken of one pool.

    Attributes:
        blocks: how many, of `size` chips (or virtual processors) each.
        units: of which nodes: what each of them has free, and how many blocks are taken of such;
            those first in which the least is left over.
        vcpu: virtual processors that go with these blocks, where they are of chips.
        memory_gib: main memory that goes with them.
    """

    identifier: str
    slot: int
    blocks: int
    size: int
    units: tuple[tuple[int, int], ...]
    vcpu: float = 0.0
    memory_gib: float = 0.0


class Allocation(NamedTuple):
    """Pieces that together are what was asked for, the largest first; points of all their pools."""

    pieces: tuple[Piece, ...]
    points: int


def blocks_asked(demand: Demand) -> Blocks:
    """What is to be allocated; cards that may lie anywhere are blocks of one.

    Raises:
        DemandError: nothing countable is asked for, more than is searched for, or not what is free.
    """
    blocks = counted(demand)
    if blocks is None or not demand.free:
        raise DemandError("an allocation is of cards, or vcpu, that are free: ask for them")
    if blocks.number > _BLOCKS_MAX:
        raise DemandError(f"{blocks.number} blocks; at most {_BLOCKS_MAX} are allocated together")
    return blocks


def counted(demand: Demand) -> Blocks | None:
    """The blocks that are counted, cards that may lie anywhere singly; None where none are."""
    return demand.blocks or (Blocks(True, 1, demand.cards) if demand.cards else None)


def beside(demand: Demand, blocks: int) -> tuple[float, float]:
    """The virtual processors and the GiB of memory that go with so many blocks: as much as is asked
    for with each, or, of cards that may lie anywhere, their share of it. Where blocks are of
    virtual processors, there are none beside them.
    """
    share = blocks / demand.cards if demand.is_loose and demand.cards else blocks
    vcpu = demand.vcpu if demand.cards_asked else None
    return (vcpu or 0) * share, (demand.memory or 0) * share


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
    room = room_free(columns, slots, demand)
    slots, room = slots[room > 0], np.minimum(room[room > 0], asked.number)
    pools = _fewest(room, asked.number)
    if pools is None or pools > demand.pools:
        return None
    points = scan.points(columns, ready.parts, slots, now)
    chosen = _best(supply, slots, room, points, asked.number, pools)
    pieces = _pieces(supply, slots[chosen], room[chosen], points[chosen], demand)
    return Allocation(tuple(pieces), int(points[chosen].sum()))


def room_free(columns: Columns, slots: Numbers, demand: Demand) -> Numbers:
    """How many of the blocks that are counted each of some rows that fit has free now, with the
    memory and virtual processors that go with them.
    """
    asked = demand.blocks
    if asked is None:
        room = columns.live["free_chips"][slots].astype(np.int64)
    else:
        check = Shaped(1 if asked.chips else 2, asked.size, 1)
        room = checks.blocks_of(check, columns, slots)
    vcpu = demand.vcpu if demand.cards_asked else None
    there = ((columns.live["free_memory"], demand.memory), (columns.live["free_vcpu"], vcpu))
    return _with(room, [(column[slots].astype(np.float64), each) for column, each in there], demand)


def room_if_free(maker: Maker, slots: Numbers, demand: Demand) -> Numbers:
    """The same, were all of them free; 0 where a record does not say."""
    columns, asked = maker.columns, room_of(demand)
    if asked is not None:
        rooms = maker.rooms(asked)[columns.codes["units"][slots]]
        return np.nan_to_num(rooms).astype(np.int64)

    def declared(name: str) -> NDArray[np.float64]:
        numbers = columns.dictionaries[name].numbers(name, float)
        return np.nan_to_num(numbers[columns.codes[name][slots]])

    beside = [(declared("memory_gib"), demand.memory), (declared("vcpu"), demand.vcpu)]
    return _with(declared("count").astype(np.int64), beside, demand)


def _with(
    room: Numbers, there: list[tuple[NDArray[np.float64], float | None]], demand: Demand
) -> Numbers:
    """As much room as what goes with each block leaves: `there` has of each kind what there is, and
    what is asked for with a block, or with all cards where these may lie anywhere.
    """
    of = (demand.cards or 1) if demand.is_loose else 1
    for amounts, each in there:
        if each:
            room = np.minimum(room, (amounts * of // each).astype(np.int64))
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
    most = min(_STATES_MAX // (number + 1), _STEPS_MAX) // pools
    most = min(_CANDIDATES_MAX, max(2 * pools, most))
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
    supply: Supply, slots: Numbers, room: Numbers, points: Numbers, demand: Demand
) -> Iterator[Piece]:
    """As many blocks as are asked for, of each pool as many as it has."""
    asked = blocks_asked(demand)
    left = asked.number
    for at in np.lexsort((-points, -room)):
        blocks = min(left, int(room[at]))
        left -= blocks
        slot = int(slots[at])
        units = _units(supply.columns, slot, asked, blocks)
        more = beside(demand, blocks)
        yield Piece(supply.identifier(slot), slot, blocks, asked.size, units, *more)


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
