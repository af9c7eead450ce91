"""Ways over dedicated lines 算网路径: the k best between two places that meet what is asked.

k-shortest loopless paths by Yen, each branch once (Lawler), looked at only when its lower bound is
the best that is left, with exact potentials from the far end. A limit on what is not minimised
makes labels of several values of it, of which the dominated are given up. Equal to an enumeration
of all paths (tests/gateway/systems/selection/paths/test_ways.py: networkx).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np

from csid.errors import CsidError
from gateway.systems.selection.paths import search
from gateway.systems.selection.paths.graph import ORIGINS, Graph, floats, ints, plain
from gateway.systems.selection.paths.places import Floats

WAYS_MAX: Final = 100  # that may be asked for
LABELS_MAX: Final = 1 << 17  # of one search: some 0.1 s
AMOUNT_MAX: Final = 1e9
LIMIT_MAX: Final = 1e15
_AMOUNTS: Final = ("gbps", "per_ms", "per_price", "hours", "tasks", "terabytes")
_LIMITS: Final = ("max_ms", "max_price", "max_lines")


class WantedError(CsidError):
    """What nobody can ask of a way."""


class Wanted(NamedTuple):
    """What a way has to be like. Whatever is None is not asked.

    Attributes:
        gbps: bandwidth that each line of it has free; 0: any.
        max_ms: the longest round-trip time.
        max_price: the highest price of all lines together, in `currency`.
        max_lines: the most lines, one after another.
        without: owner codes of providers whose lines are not used.
        per_ms, per_price: what is minimised: per_ms × latency + per_price × price.
        hours, tasks, terabytes: for how long, for how many tasks and for how much it is used, from
            which the price follows: a line costs by what its tariff counts.
    """

    gbps: float = 0.0
    max_ms: float | None = None
    max_price: float | None = None
    max_lines: int | None = None
    without: frozenset[str] = frozenset()
    per_ms: float = 1.0
    per_price: float = 0.0
    hours: float = 1.0
    tasks: int = 1
    terabytes: float = 1.0
    currency: str = "CNY"


class Way(NamedTuple):
    """A way.

    Attributes:
        lines: their names, in order; `places`: location codes, one more.
        ms: its round-trip time; `mark`: where that is from, of the least certain of its lines.
        price: of all lines together; None where one has no tariff in that currency, or one by
            bandwidth while none was asked for.
        gbps: what can be had at most.
        cost: what was minimised.
    """

    lines: tuple[str, ...]
    places: tuple[str, ...]
    ms: float
    mark: str
    price: float | None
    gbps: float
    cost: float


class Found(NamedTuple):
    """The ways found, the best first.

    Attributes:
        why: why there is none; empty if there are some.
        whole: false if the search was given up before all were found that were asked for.
    """

    ways: tuple[Way, ...]
    why: str = ""
    whole: bool = True


def prices(graph: Graph, wanted: Wanted) -> Floats:
    """What each line costs, (lines,); NaN where it has no tariff in the currency, or one by
    bandwidth while none is asked for.
    """
    per_gbps_hour, per_task, per_tb = graph.rates
    price = per_gbps_hour * wanted.gbps * wanted.hours
    price = price + per_task * wanted.tasks + per_tb * wanted.terabytes
    known = graph.currency == wanted.currency
    if not wanted.gbps:
        known &= per_gbps_hour == 0
    return np.where(known, price, np.nan)


def _require(graph: Graph, wanted: Wanted) -> None:
    """Raises WantedError where a number is none, or a price by bandwidth would be of none."""
    for name in _AMOUNTS + _LIMITS:
        amount, most = getattr(wanted, name), LIMIT_MAX if name in _LIMITS else AMOUNT_MAX
        if amount is not None and not 0 <= amount <= most:
            told = max(min(amount, LIMIT_MAX * 10), -LIMIT_MAX)  # of 400 digits no float is made
            raise WantedError(f"{name}: {told:g}; expected a number from 0 to {most:g}")
    counts = bool(wanted.per_price) or wanted.max_price is not None
    by_bandwidth = (graph.rates[0] > 0) & (graph.currency == wanted.currency)
    if counts and not wanted.gbps and by_bandwidth.any():
        raise WantedError(
            "lines here cost by bandwidth and time; give the bandwidth, too, above 0 Gbit/s"
        )


def ways(graph: Graph, start: str, end: str, wanted: Wanted, top: int = 3) -> Found:
    """The best ways between two places, at most ``top`` (up to WAYS_MAX).

    Raises:
        NoLineError: no line ends at one of them, or in its city.
        WantedError: an amount or a limit is below 0, or no number; or a price counts, and lines
            cost by bandwidth, of which none is given.
    """
    _require(graph, wanted)
    sources, targets = graph.require(start), graph.require(end)
    if set(sources) & set(targets):
        return Found((), f"{start} and {end} are reached by the same place: no line is needed")
    top = max(1, min(top, WAYS_MAX))
    tasks = [_Task(graph, wanted, target) for target in targets]
    pairs = [(task, source) for task in tasks for source in sources]
    reasons = [task.reason(source) for task, source in pairs]
    if all(reasons):
        return Found((), reasons[0])
    # A task looks for its next way only when it is asked, and leaves nothing marked meanwhile.
    each = [
        task.from_node(source, top)
        for (task, source), reason in zip(pairs, reasons, strict=True)
        if not reason
    ]
    merged = islice(heapq.merge(*each, key=itemgetter(0)), top)
    found = tuple(_way(graph, tasks[0].price, *one) for one in merged)
    whole = all(task.whole for task in tasks)
    if found:
        return Found(found, "", whole)
    if whole:
        return Found((), "each limit can be met by itself, but not all of them by one way")
    return Found((), "none was found before the search was given up: ask for fewer limits", False)


def _way(graph: Graph, price: Floats, cost: float, nodes: list[int], lines: list[int]) -> Way:
    total = sum(float(price[line]) for line in lines)
    return Way(
        tuple(graph.names[line] for line in lines),
        tuple(graph.nodes[node] for node in nodes),
        sum(float(graph.ms[line]) for line in lines),
        ORIGINS[max(int(graph.origin[line]) for line in lines)],
        None if np.isnan(total) else total,
        min(float(graph.free[line]) for line in lines),
        cost,
    )


class _Branch(NamedTuple):
    """Ways that begin alike: along `nodes` and `lines`, which come to `sums`, and then along no
    line that is banned.
    """

    nodes: list[int]
    lines: list[int]
    sums: list[float]
    banned: frozenset[int]


class _Task:
    """One search: arrays of what counts, and room to work in."""

    def __init__(self, graph: Graph, wanted: Wanted, target: int) -> None:
        self._graph, self._wanted, self._target = graph, wanted, target
        self.whole = True
        self.price = prices(graph, wanted)
        self._weigh()
        self._nodes, self._lines = len(graph.nodes), len(graph.names)
        arcs = 2 * self._lines
        room = arcs + 1 if self._values == 1 else LABELS_MAX
        self._room = self._left = room
        self._keys, self._items = floats(room + arcs), ints(room + arcs)
        self._sums = floats(self._values * self._nodes, float("inf"))
        for value in range(self._values):
            self._reach(value)
        self._blocked, self._banned = bytearray(self._nodes), bytearray(self._lines)
        self._closed = ints(self._nodes, search.NONE)
        self._best = floats(self._nodes, float("inf"))
        self._label = floats(room * self._values)
        self._at, self._parent, self._via, self._chain = (ints(room) for _ in range(4))
        self._used = ints(1)

    def _weigh(self) -> None:
        """What is minimised of each line, and what is limited."""
        graph, wanted = self._graph, self._wanted
        usable = (graph.free >= wanted.gbps) & (graph.free > 0) & np.isfinite(graph.ms)
        if wanted.without:
            usable &= ~np.isin(graph.provider, list(wanted.without))
        self._priced = bool(wanted.per_price) or wanted.max_price is not None
        if self._priced:
            usable &= ~np.isnan(self.price)
        self._usable = usable
        price = np.nan_to_num(self.price)
        cost = wanted.per_ms * np.where(usable, graph.ms, 0.0) + wanted.per_price * price
        rows = [np.where(usable, cost, np.inf)]
        self._limits = [float("inf")]
        self._limited = [""]
        for name, limit, row in (
            ("latency, ms", wanted.max_ms, graph.ms),
            ("price", wanted.max_price, price),
            ("lines", wanted.max_lines, np.ones(len(graph.ms))),
        ):
            if limit is None:
                continue
            if np.array_equal(np.where(usable, row, np.inf), rows[0]):
                self._limits[0], self._limited[0] = float(limit), name
            else:
                rows.append(np.where(usable, row, 0.0))
                self._limits.append(float(limit))
                self._limited.append(name)
        self._values = len(rows)
        self._weights = plain(np.concatenate(rows))
        self._bounds = plain(np.array(self._limits))

    def _reach(self, value: int) -> None:
        graph = self._graph
        search.reach(
            graph.first, graph.head, graph.line, self._weights, value * self._lines, self._lines,
            self._target, self._sums, value * self._nodes, self._keys, self._items,
        )  # fmt: skip

    def reason(self, source: int) -> str:
        """Why there is no way from a node, where one value alone says so."""
        if self._sums[source] == float("inf"):
            if self._usable.all():
                return "no lines lead there"
            return "no lines lead there that can be used as asked"
        for value, (limit, name) in enumerate(zip(self._limits, self._limited, strict=True)):
            least = self._sums[value * self._nodes + source]
            if least > limit * (1 + search.ROUNDING):
                return f"{name}: at least {least:.6g} on any way, more than {limit:g}"
        return ""

    def from_node(self, source: int, top: int) -> Iterator[tuple[float, list[int], list[int]]]:
        """The best ways: cost, nodes, lines."""
        whole = _Branch([source], [], [0.0] * self._values, frozenset())
        # (least cost, number, branch, way): a branch that was not looked into has no way yet.
        heap: list[tuple[float, int, _Branch, Any]] = [(self._sums[source], 0, whole, None)]
        number = given = 0
        while heap and given < top:
            _, _, branch, way = heapq.heappop(heap)
            if way is None:
                way = self._look_into(branch)
                if way is not None:
                    number += 1
                    heapq.heappush(heap, (way[0], number, branch, way))
                continue
            given += 1
            yield way
            if given == top:
                return
            for least, other in self._split(branch, way[1], way[2]):
                number += 1
                heapq.heappush(heap, (least, number, other, None))

    def _split(
        self, branch: _Branch, nodes: list[int], lines: list[int]
    ) -> Iterator[tuple[float, _Branch]]:
        """What is left of a branch without its best way: at each node from where it began, the
        ways that turn off there.
        """
        graph = self._graph
        sums, banned = list(branch.sums), branch.banned
        self._mark(nodes[: len(branch.nodes) - 1], banned, 1)
        blocked = len(branch.nodes) - 1
        for at in range(len(branch.lines), len(lines)):
            self._blocked[nodes[at]] = 1
            blocked = at + 1
            banned = banned | {lines[at]}
            self._banned[lines[at]] = 1
            least = search.bound(
                graph.first, graph.head, graph.line, self._weights, self._sums,
                self._blocked, self._banned, nodes[at], sums[0],
            )  # fmt: skip
            if least < float("inf"):
                yield least, _Branch(nodes[: at + 1], lines[:at], list(sums), banned)
            for line in banned:
                self._banned[line] = 0
            banned = frozenset()
            for value in range(self._values):
                sums[value] += self._weights[value * self._lines + lines[at]]
        for node in nodes[:blocked]:
            self._blocked[node] = 0

    def _look_into(self, branch: _Branch) -> tuple[float, list[int], list[int]] | None:
        """The best way of a branch."""
        graph = self._graph
        self._mark(branch.nodes, branch.banned, 1)
        for value, amount in enumerate(branch.sums):
            self._label[value] = amount
        last = search.spur(
            graph.first, graph.head, graph.line, self._weights, self._lines,
            self._sums, self._nodes, self._bounds, self._values, self._blocked, self._banned,
            branch.nodes[-1], self._target, self._closed, self._best, self._label, self._at,
            self._parent, self._via, self._chain, min(self._room, self._left),
            self._keys, self._items, self._used,
        )  # fmt: skip
        self._mark(branch.nodes, branch.banned, 0)
        if self._values > 1:
            self._left -= self._used[0]
            if last == search.CUT or self._left <= 1:
                self.whole = False
        if last < 0:
            return None
        cost = float(self._label[last * self._values])
        nodes, lines = [], []
        while last > 0:
            nodes.append(int(self._at[last]))
            lines.append(int(self._via[last]))
            last = self._parent[last]
        return cost, branch.nodes + nodes[::-1], branch.lines + lines[::-1]

    def _mark(self, nodes: list[int], banned: frozenset[int], value: int) -> None:
        for node in nodes:
            self._blocked[node] = value
        for line in banned:
            self._banned[line] = value
