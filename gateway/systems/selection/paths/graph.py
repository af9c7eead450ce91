"""All lines that carry, as arrays: a multigraph of places, made once and searched many times."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from csid.errors import CsidError
from gateway.systems.selection.paths import search
from gateway.systems.selection.paths.latency import counts, estimate
from gateway.systems.selection.paths.lines import Elastic, Express, Line, Task, measured
from gateway.systems.selection.paths.places import EARTH_KM, Floats, area, places

# Where the latency of a line is from: what is less certain is larger.
MEASURED, STATED, ESTIMATED = range(3)
ORIGINS: Final = ("measured", "stated", "estimated")
COMPILED: Final = not (search.__file__ or "").endswith(".py")
_NEAR: Final = 3  # places that are named where there is no line

Ints = NDArray[np.int32]


class NoLineError(CsidError):
    """No line ends at a place."""


class Graph:
    """Lines that carry on one day; arrays in their order.

    Args:
        now: Unix milliseconds, against which the age of measurements counts; None: when the day
            begins (UTC).

    Attributes:
        nodes: location codes.
        names: of lines.
        ends: (2, lines), indices of nodes.
        ms: round-trip times; `origin`: one of MEASURED, STATED, ESTIMATED. Infinite where nothing
            is known.
        free: Gbit/s that can be had.
        rates: (3, lines): prices for a Gbit/s and hour, for a task, for a terabyte; of these one is
            not 0.
        currency: of its tariff; empty without one.
        provider: owner codes.
    """

    def __init__(self, some: Iterable[Line], day: dt.date, now: int | None = None) -> None:
        if now is None:
            now = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp() * 1_000)
        lines = [line for line in some if line.carries(day)]
        joined = [line.locations for line in lines]
        self.nodes = tuple(sorted({end for pair in joined for end in pair}))
        index = {code: at for at, code in enumerate(self.nodes)}
        self._index = index
        self.names = tuple(line.name for line in lines)
        pairs = [(index[one], index[other]) for one, other in joined]
        self.ends: Ints = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
        self.free: Floats = np.array([line.free_gbps for line in lines], dtype=np.float64)
        rates = [_rates(line) for line in lines]
        self.rates: Floats = np.array(rates, dtype=np.float64).reshape(-1, 3).T
        self.currency = np.array([line.tariff.currency if line.tariff else "" for line in lines])
        self.provider = np.array([line.provider for line in lines])
        self.ms, self.origin = _latencies(lines, self.nodes, self.ends, now)
        self.first, self.head, self.line = _arcs(len(self.nodes), self.ends)

    def at(self, location: str) -> tuple[int, ...]:
        """The indices of the nodes that a location is reached by: its own, and that of its city."""
        found = dict.fromkeys((location, area(location)))
        return tuple(self._index[code] for code in found if code in self._index)

    def require(self, location: str) -> tuple[int, ...]:
        """The same.

        Raises:
            NoLineError: no line ends there.
        """
        found = self.at(location)
        if found:
            return found
        raise NoLineError(f"no line that carries ends at {location}; {self._nearest(location)}")

    def _nearest(self, location: str) -> str:
        if not self.nodes:
            return "there are no lines that carry: csid line add, csid line list"
        distance, _ = places(self.nodes).distances(location)
        known = [at for at in np.argsort(distance) if not np.isnan(distance[at])]
        if not known:
            return "csid line list shows where lines end"
        told = [f"{self.nodes[at]} ({distance[at]:.0f} km)" for at in known[:_NEAR]]
        return f"the nearest places at which one does: {', '.join(told)}"


def plain(array: NDArray[Any]) -> Any:
    """An array as `search` takes it: as it is where that is compiled, else as a list."""
    return np.ascontiguousarray(array) if COMPILED else array.tolist()


def floats(count: int, value: float | None = None) -> Any:
    """Room for so many numbers, as `search` takes it."""
    if not COMPILED:
        return [value or 0.0] * count
    return np.empty(count) if value is None else np.full(count, value)


def ints(count: int, value: int = 0) -> Any:
    """The same for whole numbers."""
    if not COMPILED:
        return [value] * count
    return np.full(count, value, np.int32) if value else np.empty(count, np.int32)


def _rates(line: Line) -> tuple[float, float, float]:
    match line.tariff:
        case Elastic():
            return line.tariff.per_gbps_hour, 0.0, 0.0
        case Task():
            return 0.0, line.tariff.per_task, 0.0
        case Express():
            return 0.0, 0.0, line.tariff.per_tb
    return 0.0, 0.0, 0.0


def _latencies(
    lines: Sequence[Line], nodes: Sequence[str], ends: Ints, now: int
) -> tuple[Floats, NDArray[np.uint8]]:
    """What was measured and is believed, else what the provider states, else the middle of the
    estimate.
    """
    at = places(nodes)
    one, other = at.vectors[:, ends[0]], at.vectors[:, ends[1]]
    km = 2 * EARTH_KM * np.arcsin(np.minimum(np.sqrt(((one - other) ** 2).sum(axis=0)) / 2, 1.0))
    guess = estimate(km, np.zeros_like(km)).middle
    ms = np.where(np.isnan(guess), np.inf, guess)
    origin = np.full(len(lines), ESTIMATED, dtype=np.uint8)
    for index, line in enumerate(lines):
        told = measured(line)
        if told is not None and counts(told, now):
            ms[index], origin[index] = told.median, MEASURED
        elif line.stated_ms is not None:
            ms[index], origin[index] = line.stated_ms, STATED
    return ms, origin


def _arcs(nodes: int, ends: Ints) -> tuple[Any, Any, Any]:
    """Each line in both directions, by the node where it begins (compressed sparse rows)."""
    count = ends.shape[1]
    start = np.concatenate((ends[0], ends[1]))
    head = np.concatenate((ends[1], ends[0]))
    line = np.tile(np.arange(count, dtype=np.int32), 2)
    order = np.argsort(start, kind="stable")
    first = np.zeros(nodes + 1, dtype=np.int32)
    np.cumsum(np.bincount(start, minlength=nodes), out=first[1:])
    return plain(first), plain(head[order]), plain(line[order])
