"""Selection: what of a supply fits a demand, the best first."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.systems.selection import checks, chips, compiled, ranking, scan
from gateway.systems.selection.checks import Check, Every, Maker
from gateway.systems.selection.columns import Columns
from gateway.systems.selection.demand import Demand, DemandError, Named, conditions_of
from gateway.systems.selection.ranking import Part
from gateway.systems.selection.supply import Supply
from gateway.systems.selection.texts import TooMuchError, Work

_SAMPLE: Final = 128  # rows by which checks are ordered: what lets the fewest through goes first


class Result(NamedTuple):
    """A resource that fits.

    Attributes:
        slot: its row, while the supply stays as it is.
        points: its score in whole points, of `most` of the selection.
        parts: what each part gave, 0 to 1, by name.
    """

    identifier: str
    slot: int
    points: int
    parts: dict[str, float]


class Selection(NamedTuple):
    """What fits a demand.

    Attributes:
        results: the best first; those with as many points by identifier.
        most: points that a resource has which is best in everything.
        wanted: how many were asked for.
    """

    results: tuple[Result, ...]
    most: int
    wanted: int

    @property
    def short(self) -> bool:
        """Fewer fit than were asked for: `reasons.explain` tells why."""
        return len(self.results) < self.wanted


class Prepared(NamedTuple):
    """A demand made ready for a supply as it is at a moment."""

    named: list[Named]
    checks: list[Check]  # one for each condition
    parts: list[Part]


def prepare(
    supply: Supply, demand: Demand, now: int, rtt: NDArray[np.float64] | None = None
) -> Prepared:
    """The checks and parts of a demand.

    Raises:
        DemandError: it asks for a chip that nobody knows, or its conditions are wrong.
    """
    named = conditions_of(demand, now)
    maker = Maker(supply.columns, now, rtt)
    try:
        made = [maker.make(one.condition) for one in named]
    except chips.ChipError as error:
        raise DemandError(f"chips: {error}") from None
    return Prepared(named, made, ranking.parts(demand, maker))


def select(
    supply: Supply, demand: Demand, now: int, rtt: NDArray[np.float64] | None = None
) -> Selection:
    """The resources that fit a demand best.

    Args:
        now: Unix milliseconds; no status is believed past its validity.
        rtt: milliseconds from `demand.near` to each of `supply.locations`; NaN, or missing at the
            end, where nobody knows.

    Raises:
        DemandError: it cannot be understood.
    """
    ready = prepare(supply, demand, now, rtt)
    columns = supply.columns
    ordered = in_order(ready.checks, columns, now)
    found = compiled.best(columns, ordered, ready.parts, now, demand.top)
    parts = parts_of(supply, ready.parts, [one.slot for one in found], now)
    results = tuple(
        Result(supply.identifier(one.slot), one.slot, one.points, made)
        for one, made in zip(found, parts, strict=True)
    )
    return Selection(results, most_of(ready.parts), demand.top)


def in_order(made: list[Check], columns: Columns, now: int) -> list[Check]:
    """Checks one by one, what lets the fewest rows through first.

    Raises:
        DemandError: texts of too many rows would have to be searched.
    """
    flat: list[Check] = []
    for one in made:
        flat += one.of if isinstance(one, Every) else (one,)
    if any(map(checks.open_in, flat)):
        flat = _searched(flat, columns, now)
    step = max(1, columns.capacity // _SAMPLE)
    rows = slice(0, columns.capacity, step)
    shares = [np.count_nonzero(checks.test(one, columns, rows, now)) for one in flat]
    return [flat[at] for at in sorted(range(len(flat)), key=shares.__getitem__)]


def _searched(flat: list[Check], columns: Columns, now: int) -> list[Check]:
    """The same, with texts searched for in those rows alone that all else leaves."""
    ready = [one for one in flat if not checks.open_in(one)]
    rows = scan.fitting(columns, in_order(ready, columns, now), now)
    work = Work()
    try:
        for one in flat:
            if checks.open_in(one):
                ready.append(checks.searched(one, columns, rows, work))
                rows = rows[checks.test(ready[-1], columns, rows, now)]
    except TooMuchError as error:
        raise DemandError(f"where: {error}") from None
    return ready


def most_of(parts: list[Part]) -> int:
    """The points of what is best in everything."""
    weights = {part.name: part.weight for part in parts}
    return sum(weights.values()) * ranking.ONE


def parts_of(
    supply: Supply, parts: list[Part], slots: list[int], now: int
) -> list[dict[str, float]]:
    """What each part gives each of some rows, 0 to 1."""
    if not parts:
        return [{} for _ in slots]
    rows = np.array(slots, np.int64)
    points = {part.name: np.zeros(len(rows), np.int64) for part in parts}
    for part in parts:
        points[part.name] += ranking.points_of(part, supply.columns, rows, now)
    columns = [(points[name] / ranking.ONE).tolist() for name in points]
    return [dict(zip(points, one, strict=True)) for one in zip(*columns, strict=True)]
