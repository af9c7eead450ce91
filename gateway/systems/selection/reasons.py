"""Why no more fits: which condition keeps how many away, and the nearest that would fit.

This looks at every row, so it takes longer than a selection: for when too few fit.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from csid.errors import CsidError
from gateway.systems.selection import allocation, checks, engine
from gateway.systems.selection.checks import Maker
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.engine import Prepared
from gateway.systems.selection.nearest import Near as Near
from gateway.systems.selection.nearest import nearest
from gateway.systems.selection.supply import Supply
from gateway.systems.selection.texts import WORK_MAX, TooMuchError, Work

POOLS: Final = "pools"  # the name of what keeps away where no pools have enough together
_ROWS: Final = 1 << 14  # looked at together
_WORK: Final = 2 * WORK_MAX  # rows whose texts are looked at, in many steps
Rows = NDArray[np.int64]
Bools = NDArray[np.bool_]


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


class Together(NamedTuple):
    """What as many pools as a demand may be spread over have together, in blocks of what is asked.

    Attributes:
        pools: over how many it may be spread.
        asked: blocks that are asked for.
        now: the most that so many of those that fit have free.
        could: the most that so many would have if all of them were free.
        most: the pool that has the most now, or, where none has any, that would have; "" if none.
    """

    pools: int
    asked: int
    now: int
    could: int
    most: str


class Reasons(NamedTuple):
    """What comes of a demand.

    Attributes:
        rows: resources in all.
        fit: how many fit.
        could: how many would fit if all of them were free.
        kept: what each condition keeps away, in the order in which they are looked at; at the end
            `pools`, where it may be spread over several.
        together: what several pools have, where it may be spread over them.
    """

    rows: int
    fit: int
    could: int
    kept: tuple[Kept, ...]
    together: Together | None = None

    @property
    def never(self) -> bool:
        """Nothing fits, or not enough together, and would not even if all of it were free."""
        gang = self.together
        return self.could == 0 or (gang is not None and gang.could < gang.asked)


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

    Texts that each row has its own of are searched only where all that lasts holds, or just one
    condition does not, and only in so many rows; of others they are neither held to keep them away
    nor to let them through.

    Raises:
        ChangedError: between two steps the supply has got values that it had not.
    """
    begun = _form(supply)
    ready = engine.prepare(supply, demand, now, rtt)
    count = len(ready.named)
    of_left, alone = np.zeros(count, np.int64), np.zeros(count, np.int64)
    only: list[list[Rows]] = [[] for _ in ready.named]
    fit = could = 0
    gang, work = _Gang(supply, demand, Maker(supply.columns, now, rtt)), Work(_WORK)
    texts = sum(map(checks.open_in, ready.checks))
    first = 0
    while first < supply.columns.capacity:
        last = first + (_ROWS // (1 + 4 * texts) if work.left > 0 else _ROWS)
        slots, held, unseen = _held(supply, ready, slice(first, last), now, work)
        passed = held | unseen
        failed = ~passed
        alone += failed.sum(axis=1)
        before = np.logical_and.accumulate(np.vstack((np.ones_like(held[:1]), passed)), axis=0)
        of_left += (before[:-1] & failed).sum(axis=1)
        fitting = held.all(axis=0)
        lasting = passed[[not one.now for one in ready.named]].all(axis=0)
        fit += int(fitting.sum())
        could += int(lasting.sum())
        gang.see(slots[fitting], slots[lasting])
        but_one = (~held).sum(axis=0) == 1
        for at in range(count):
            only[at].append(slots[failed[at] & but_one])
        first = last
        yield
        if _form(supply) != begun:
            raise ChangedError("the supply has changed meanwhile")
    kept = []
    for at, named in enumerate(ready.named):
        rows = np.concatenate(only[at]) if only[at] else np.zeros(0, np.int64)
        near = nearest(supply, ready, at, rows, now, rtt) if len(rows) else None
        kept.append(Kept(named.name, named.now, int(of_left[at]), int(alone[at]), len(rows), near))
    together = gang.together()
    if together is not None:
        kept.append(_spread(demand, together, fit))
    return Reasons(len(supply), fit, could, tuple(kept), together)


class _Gang:
    """Which pools have the most blocks together, of all that are seen."""

    def __init__(self, supply: Supply, demand: Demand, maker: Maker) -> None:
        self._supply, self._demand, self._maker = supply, demand, maker
        self._asked = allocation.counted(demand) if demand.pools > 1 else None
        empty = np.zeros(0, np.int64)
        self._now, self._could = (empty, empty), (empty, empty)  # rooms and rows

    def see(self, fitting: Rows, lasting: Rows) -> None:
        """Some rows that fit, and some that would if all of them were free."""
        if self._asked is None:
            return
        free = allocation.room_free(self._supply.columns, fitting, self._demand)
        self._now = self._most(self._now, free, fitting)
        room = allocation.room_if_free(self._maker, lasting, self._demand)
        self._could = self._most(self._could, room, lasting)

    def _most(self, before: tuple[Rows, Rows], room: Rows, rows: Rows) -> tuple[Rows, Rows]:
        room, rows = np.append(before[0], room), np.append(before[1], rows)
        kept = np.argsort(-room, kind="stable")[: self._demand.pools]
        return room[kept], rows[kept]

    def together(self) -> Together | None:
        """What they have; None where nothing is spread."""
        if self._asked is None:
            return None
        of = self._now if self._now[0].any() else self._could
        most = self._supply.identifier(int(of[1][0])) if of[0].any() else ""
        now, could = (int(rooms.sum()) for rooms, _ in (self._now, self._could))
        return Together(self._demand.pools, self._asked.number, now, could, most)


def _spread(demand: Demand, found: Together, fit: int) -> Kept:
    """What it keeps away that so many pools have not enough together: all that fits, or nothing."""
    asked = allocation.counted(demand)
    if found.now >= found.asked or asked is None:
        return Kept(POOLS, True, 0, 0, 0, None)
    field = f"blocks of {asked.size} in {found.pools} pools"
    near = Near(found.most, field, found.asked, found.now) if found.most else None
    return Kept(POOLS, found.could >= found.asked, fit, fit, fit, near)


def _form(supply: Supply) -> tuple[int, ...]:
    """What must stay for what was made ready to hold on."""
    columns = supply.columns
    sizes = [len(one) for one in columns.dictionaries.values()]
    return id(columns), columns.capacity, *sizes


def _held(
    supply: Supply, ready: Prepared, among: slice, now: int, work: Work
) -> tuple[Rows, Bools, Bools]:
    """Some rows; of each check (a line) whether it holds for each of them; and whether that was not
    looked at.
    """
    columns, made = supply.columns, ready.checks
    slots = among.start + np.flatnonzero(columns.alive[among])
    held = np.zeros((len(made), len(slots)), np.bool_)
    unseen = np.zeros_like(held)
    late = [at for at, one in enumerate(made) if checks.open_in(one)]
    for at, one in enumerate(made):
        if at not in late:
            held[at] = checks.test(one, columns, slots, now)
    if late:
        others = ~np.delete(held, late, axis=0)
        live = np.delete(np.array([one.now for one in ready.named]), late)
        close = (others.sum(axis=0) <= 1) | ~others[~live].any(axis=0)
        for at in late:
            unseen[at] = ~close
            try:
                held[at, close] = checks.test(made[at], columns, slots[close], now, work)
            except TooMuchError:
                unseen[at] = True
    return slots, held, unseen
