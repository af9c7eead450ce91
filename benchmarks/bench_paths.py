"""The k best ways over dedicated lines, beside networkx in one run: CPU per search.

    python -m benchmarks.bench_paths                      3,000 places, 10,000 lines
    python -m benchmarks.bench_paths --searches 50 --top 5

Lines join places that are near each other, and some far ones, as networks are built; latencies are
those of the distance, half of them measured with some noise. networkx has a graph with the lines
that meet what is asked (shortest_simple_paths), made beforehand: what it takes to make it is not
counted, while ours is.
"""

from __future__ import annotations

import argparse
import datetime as dt
import math
import random
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import networkx
import numpy as np

from benchmarks.report import Report, middle, number, percentile, ratio
from csid import codes
from gateway.systems.selection.paths.graph import COMPILED, Graph
from gateway.systems.selection.paths.latency import rtt_from
from gateway.systems.selection.paths.lines import Elastic, Line, Quality
from gateway.systems.selection.paths.places import locate, places
from gateway.systems.selection.paths.ways import Wanted, ways

DAY: Final = dt.date(2026, 11, 26)
PROVIDER: Final = "91330106673959654P"
NEAREST: Final = 12  # places among which the near ends of lines are
FAR: Final = 0.15  # of lines, between any two places
PATHS_MAX: Final = 50  # of networkx, gone through for one search


class Asked(NamedTuple):
    """What is asked. Limits on what is not minimised networkx cannot search by: its paths are gone
    through until enough meet them, at most PATHS_MAX.
    """

    name: str
    wanted: Wanted


ASKED: Final = (
    Asked("latency; 10 Gbit/s", Wanted(gbps=10)),
    Asked("latency; 1 Gbit/s, at most 60 ms", Wanted(gbps=1, max_ms=60)),
    Asked("price; 1 Gbit/s", Wanted(gbps=1, per_ms=0, per_price=1)),
    Asked("latency; 1 Gbit/s, price at most 120", Wanted(gbps=1, max_price=120)),
    Asked("price; 1 Gbit/s, at most 60 ms", Wanted(gbps=1, per_ms=0, per_price=1, max_ms=60)),
    Asked(
        "both; price at most 60, 60 ms, 12 lines",
        Wanted(gbps=1, per_price=0.5, max_price=60, max_ms=60, max_lines=12),
    ),
)


Ends = tuple[str, str]


def network(count: int, lines: int, seed: int = 1) -> list[Line]:
    """Lines between so many places."""
    dice = random.Random(seed)
    table = codes.divisions()
    named = [code for code in table if table.last(code).end == codes.NEVER and locate(code)]
    some = sorted(dice.sample(named, count))
    at = places(some)
    near = {}
    for code in some:
        distance, _ = at.distances(code)
        near[code] = [some[index] for index in np.argsort(distance)[1 : NEAREST + 1]]
    pairs: dict[tuple[str, str], None] = {}
    # A ring through all of them, so that each can be reached.
    for one, other in zip(some, some[1:] + some[:1], strict=True):
        pairs[min(one, other), max(one, other)] = None
    while len(pairs) < lines:
        one = dice.choice(some)
        other = dice.choice(some if dice.random() < FAR else near[one])
        if one != other:
            pairs[min(one, other), max(one, other)] = None
    made = []
    for index, (one, other) in enumerate(pairs):
        ms = float(rtt_from(places([other]), one).middle[0]) * dice.uniform(0.6, 1.1)
        quality = Quality(ms, ms * 1.2, 0, "bench") if dice.random() < 0.5 else None
        gbps = dice.choice((1.0, 10.0, 10.0, 100.0, 400.0))
        price = round(dice.uniform(1, 20), 2)
        made.append(
            Line(
                f"l{index}", (one, other), PROVIDER, gbps, gbps, "open", Elastic(price), ms, quality
            )
        )
    return made


def graph_of(lines: Sequence[Line], wanted: Wanted) -> Any:
    """The same for networkx."""
    graph = networkx.Graph()
    for line in lines:
        if line.free_gbps >= wanted.gbps and isinstance(line.tariff, Elastic):
            ms = line.quality.median_ms if line.quality else line.stated_ms
            price = line.tariff.per_gbps_hour * wanted.gbps
            cost = wanted.per_ms * (ms or 0.0) + wanted.per_price * price
            graph.add_edge(*line.ends, cost=cost, ms=ms, price=price)
    return graph


def theirs(graph: Any, ends: Sequence[Ends], wanted: Wanted, top: int) -> list[float] | None:
    """Costs of the k best paths by networkx, between whichever of these; None where it has gone
    through too many.
    """
    found: list[float] = []
    for one, other in ends:
        costs = between(graph, one, other, wanted, top)
        if costs is None:
            return None
        found += costs
    return sorted(found)[:top]


def between(graph: Any, one: str, other: str, wanted: Wanted, top: int) -> list[float] | None:
    """The same between two places."""
    if one not in graph or other not in graph or not networkx.has_path(graph, one, other):
        return []
    found: list[float] = []
    paths = networkx.shortest_simple_paths(graph, one, other, weight="cost")
    for count, path in enumerate(paths):
        edges = [graph.edges[edge] for edge in pairwise(path)]
        cost = sum(edge["cost"] for edge in edges)
        if wanted.max_ms is not None and wanted.per_ms and not wanted.per_price:
            if cost > wanted.max_ms:
                return found  # all others are longer
        elif count == PATHS_MAX:
            return None
        if meets(edges, wanted):
            found.append(cost)
        if len(found) == top:
            return found
    return found


def meets(edges: Sequence[Any], wanted: Wanted) -> bool:
    """Whether a path is within all limits."""
    price, ms = (sum(edge[what] for edge in edges) for what in ("price", "ms"))
    return (
        price <= (wanted.max_price or math.inf)
        and ms <= (wanted.max_ms or math.inf)
        and len(edges) <= (wanted.max_lines or math.inf)
    )


def timed(run: Callable[..., Any], *given: Any) -> tuple[float, Any]:
    """CPU milliseconds, and what came of it."""
    began = time.process_time()
    found = run(*given)
    return (time.process_time() - began) * 1e3, found


def row(asked: Asked, lines: Sequence[Line], graph: Graph, args: argparse.Namespace) -> list[str]:
    """Both, in turn, for the same pairs of places.

    Raises:
        SystemExit: they differ.
    """
    dice = random.Random(2)
    peer = graph_of(lines, asked.wanted)
    ours, ours_beside, its, given_up = [], [], [], 0
    for count in range(args.searches):
        one, other = dice.sample(graph.nodes, 2)
        sources, targets = graph.at(one), graph.at(other)  # a district by lines of its city, too
        if set(sources) & set(targets):
            continue  # no line is needed
        took, found = timed(ways, graph, one, other, asked.wanted, args.top)
        ours.append(took)
        if count >= args.theirs:
            continue
        pairs = [(graph.nodes[one], graph.nodes[other]) for one in sources for other in targets]
        took, costs = timed(theirs, peer, pairs, asked.wanted, args.top)
        if costs is None:
            given_up += 1
            continue
        its.append(took)
        ours_beside.append(ours[-1])
        if not np.allclose(costs, [way.cost for way in found.ways]) or not found.whole:
            raise SystemExit(f"{asked.name}, {one} to {other}: {found}, networkx: {costs}")
    return [
        asked.name,
        *(number(percentile(sorted(ours), share)) for share in (50, 99, 100)),
        number(middle(its)),
        ratio(middle(its), middle(ours_beside)),
        f"{len(its)} equal" + (f", {given_up} given up" if given_up else ""),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--places", type=int, default=3_000)
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--searches", type=int, default=500)
    parser.add_argument("--theirs", type=int, default=10, help="how many of them by networkx, too")
    parser.add_argument("--top", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    args = parser.parse_args()
    lines = network(args.places, args.lines)
    took, graph = timed(Graph, lines, DAY)
    print(f"{len(graph.nodes)} places, {len(lines)} lines, as arrays in {took:.0f} ms")
    if not COMPILED:
        print("not compiled: python setup.py build_ext --inplace")
    heads = ["asked", "p50 ms", "p99 ms", "most ms", "networkx p50", "ratio", "networkx"]
    settings = ("places", "lines", "searches", "theirs", "top")
    report = Report("paths", {name: getattr(args, name) for name in settings})
    rows = [row(asked, lines, graph, args) for asked in ASKED]
    report.raw["rows"] = rows
    report.add(f"The {args.top} best ways, CPU ms", heads, rows)
    if args.keep:
        report.write()


if __name__ == "__main__":
    main()
