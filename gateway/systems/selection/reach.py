"""How soon what there is is reached from where the data of a demand is: over the public internet,
or over dedicated lines where bandwidth is asked for. What was worked out once is remembered until
something of it changes, whoever changes it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.systems.selection.demand import Demand
from gateway.systems.selection.paths.graph import Graph, NoLineError
from gateway.systems.selection.paths.latency import (
    AHEAD_MS,
    ENDS_MS,
    STALE_MS,
    Measures,
    Measuring,
    Rtt,
    Together,
    rtt_from,
)
from gateway.systems.selection.paths.lines import Line, measured
from gateway.systems.selection.paths.lines_store import Lines
from gateway.systems.selection.paths.measured_store import Latencies
from gateway.systems.selection.paths.places import Floats, area, places
from gateway.systems.selection.paths.reaching import Nodes, nodes_of, reached
from gateway.systems.selection.paths.ways import Wanted, Way, ways
from gateway.systems.selection.supply import Supply

K = TypeVar("K")

DAY: Final = 86_400_000  # ms
ORIGINS_KEPT: Final = 256  # places from which round trips are remembered
ORIGIN_MS: Final = 60_000  # that they are remembered for, whatever the clock does
WAYS_KEPT: Final = 4_096


class Reach(NamedTuple):
    """How soon each location of the supply is reached from one place, each (locations,).

    Attributes:
        rtt: as it was measured or is estimated.
        ms: what is compared and scored, NaN where it is unknown or there is no way.
        needs: whether a line is needed: bandwidth is asked for, and it is another city.
        graph: the lines that lead there, if some are asked for.
    """

    rtt: Rtt
    ms: Floats
    needs: NDArray[np.bool_]
    graph: Graph | None


class _Kept(NamedTuple):
    """Round trips from a place, made at a time (Unix ms) of what was measured until a change."""

    rtt: Rtt
    changed: tuple[int, ...]
    at: int


class Reaching:
    """What is known of lines and latency.

    Args:
        folder: of the system; made if it is not there.
        now: gives Unix milliseconds.

    Attributes:
        lines, latencies: as they are kept.

    Raises:
        StoreError: they cannot be used.
    """

    def __init__(self, folder: Path, now: Callable[[], int]) -> None:
        self.lines = Lines(folder)
        self.latencies = Latencies(folder)
        self._now = now
        self._measures: Measuring = self.latencies
        self._rtt: dict[str, _Kept] = {}
        self._supply: Supply | None = None  # of which these are the locations, and their cities
        self._places = places([])
        self._cities = np.zeros(0, object)
        self._seen = -1  # the last change of lines
        self._hold = (0, 0)  # Unix ms: from when, until when lines count as they are known
        self._carrying: list[Line] = []
        # All of these are about the lines as they are known:
        self._graph: Graph | None = None
        self._reached: dict[tuple[str, float], Floats] = {}
        self._ways: dict[tuple[str, float, str], Way | None] = {}
        self._nodes: tuple[Supply | None, Nodes] = (None, nodes_of(Graph([], self._today()), []))

    def close(self) -> None:
        """End the use of files."""
        self.lines.close()
        self.latencies.close()

    def number(self) -> tuple[int, int]:
        """By which it is seen that anything was written, by whatever process."""
        return self.lines.number(), self.latencies.number()

    def of(self, demand: Demand, supply: Supply) -> Reach | None:
        """How soon a demand reaches what there is; None where it says of no place."""
        if not demand.near:
            return None
        rtt = self.rtt(demand.near, supply)
        if demand.gbps is None:
            return Reach(rtt, rtt.middle, np.zeros(len(rtt.middle), dtype=bool), None)
        graph, asked = self.graph(), (demand.near, demand.gbps)
        if asked not in self._reached:
            _let_go(self._reached, ORIGINS_KEPT)
            self._reached[asked] = reached(graph, *asked)
        of, nodes = self._nodes
        locations = supply.locations
        if of is not supply or len(nodes) != len(locations):
            nodes = nodes_of(graph, locations)
            self._nodes = supply, nodes
        needs = (self._cities != area(demand.near)).astype(bool)
        # Within one city it is known to be near, though nobody knows where the city is.
        near = np.where(np.isnan(rtt.middle), ENDS_MS[1], rtt.middle)
        return Reach(rtt, np.where(needs, nodes.soonest(self._reached[asked]), near), needs, graph)

    def way(self, demand: Demand, reach: Reach, location: str) -> Way | None:
        """The quickest way over the lines of a reach, with the bandwidth that is asked for."""
        if reach.graph is None:
            return None
        gbps = demand.gbps or 0.0
        asked = demand.near, gbps, location
        if reach.graph is not self._graph:  # it has become another one since
            return _way(reach.graph, *asked)
        if asked not in self._ways:
            _let_go(self._ways, WAYS_KEPT)
            self._ways[asked] = _way(reach.graph, *asked)
        return self._ways[asked]

    def rtt(self, origin: str, supply: Supply) -> Rtt:
        """Round trips from a place to each location of the supply, in ms."""
        measures, now = self.measures(), self._now()
        if self._supply is not supply or len(self._places) != len(supply.locations):
            self._supply, self._places = supply, places(supply.locations)
            self._cities = np.array([area(code) for code in supply.locations], object)
            self._rtt.clear()
        changed = self.latencies.changed((origin, area(origin)))
        kept = self._rtt.pop(origin, None)
        until = 0.0 if kept is None else min(kept.rtt.until, kept.at + ORIGIN_MS)
        if kept is None or kept.changed != changed or not kept.at <= now < until:
            _let_go(self._rtt, ORIGINS_KEPT)
            kept = _Kept(rtt_from(self._places, origin, measures, now), changed, now)
        self._rtt[origin] = kept
        return kept.rtt

    def measures(self) -> Measuring:
        """What was measured on lines that carry, and over the public internet."""
        self._look()
        return self._measures

    def graph(self) -> Graph:
        """The lines that carry today."""
        self._look()
        if self._graph is None:
            self._graph = Graph(self._carrying, self._today(), self._now())
        return self._graph

    def _today(self) -> date:
        return datetime.fromtimestamp(self._now() / 1_000, UTC).date()

    def _look(self) -> None:
        """See whether lines have changed, which commands change as well, or are of another day now,
        or something that was measured of them begins or ceases to count.
        """
        number, now = self.lines.number(), self._now()
        since, until = self._hold
        if number == self._seen and since <= now < until:
            return
        today = self._today()
        self._carrying = [one for one in self.lines.all() if one.carries(today)]
        found = [told for told in map(measured, self._carrying) if told is not None]
        turns = [now - now % DAY + DAY]
        turns += [one.taken - AHEAD_MS for one in found]
        turns += [one.taken + STALE_MS + 1 for one in found]
        self._seen, self._hold = number, (now, min(turn for turn in turns if turn > now))
        self._measures = Together((Measures(found), self.latencies))
        self._rtt.clear()
        self._graph = None
        self._reached.clear()
        self._ways.clear()
        self._nodes = None, self._nodes[1]


def _way(graph: Graph, origin: str, gbps: float, location: str) -> Way | None:
    try:
        found = ways(graph, origin, location, Wanted(gbps), 1).ways
    except NoLineError:
        return None
    return found[0] if found else None


def _let_go(kept: dict[K, Any], most: int) -> None:
    """Make room for one more, of what was put in first."""
    if len(kept) >= most:
        del kept[next(iter(kept))]
