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
import random
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import networkx
import numpy as np

from benchmarks.report import Report, number, ratio
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


class Asked(NamedTuple):
    """What is asked, and what of it is left to networkx."""

    name: str
    wanted: Wanted
    limited: bool = False  # networkx has no such search: its paths are gone through


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


def theirs(graph: Any, one: str, other: str, asked: Asked, top: int) -> list[float]:
    """Costs of the k best paths by networkx."""
    if one not in graph or other not in graph or not networkx.has_path(graph, one, other):
        return []
    found = []
    for path in networkx.shortest_simple_paths(graph, one, other, weight="cost"):
        edges = list(zip(path, path[1:], strict=False))
        if asked.limited and not _meets(graph, edges, asked.wanted):
            continue
        found.append(sum(graph.edges[edge]["cost"] for edge in edges))
        if len(found) == top:
            break
    return found


def _meets(graph: Any, edges: Sequence[tuple[str, str]], wanted: Wanted) -> bool:
    price = sum(graph.edges[edge]["price"] for edge in edges)
    return price <= (wanted.max_price or float("inf"))


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds, and what came of it."""
    began = time.process_time()
    found = run()
    return time.process_time() - began, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--places", type=int, default=3_000)
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--searches", type=int, default=300)
    parser.add_argument("--theirs", type=int, default=20, help="how many of them for networkx, too")
    parser.add_argument("--top", type=int, default=5)
    args = parser.parse_args()
    lines = network(args.places, args.lines)
    graph = Graph(lines, DAY)
    dice = random.Random(2)
    pairs = [tuple(dice.sample(graph.nodes, 2)) for _ in range(args.searches)]
    print(f"{len(graph.nodes)} places, {len(lines)} lines; compiled: {COMPILED}")
    for asked in (
        Asked("latency, 10 Gbit/s", Wanted(gbps=10)),
        Asked("latency, 1 Gbit/s, at most 60 ms", Wanted(gbps=1, max_ms=60)),
        Asked("price, 1 Gbit/s", Wanted(gbps=1, per_ms=0, per_price=1)),
        Asked("latency, 1 Gbit/s, price at most 60", Wanted(gbps=1, max_price=60), True),
        Asked("price, at most 60 ms", Wanted(gbps=1, per_ms=0, per_price=1, max_ms=60), True),
        Asked("latency, price at most 60, 10 lines", Wanted(gbps=1, max_price=60, max_lines=10)),
    ):
        ours = []
        cut = none = 0
        for one, other in pairs:
            took, found = timed(lambda: ways(graph, one, other, asked.wanted, args.top))
            ours.append(took)
            cut += not found.whole
            none += not found.ways
        p50, p99 = np.percentile(ours, [50, 99]) * 1e3
        print(f"{asked.name:40} ours p50 {p50:7.2f} p99 {p99:7.2f} ms  cut {cut} none {none}")


if __name__ == "__main__":
    main()
