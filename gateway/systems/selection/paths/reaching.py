"""How soon places are reached over dedicated lines 专线: the least round trips from one to many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gateway.systems.selection.paths import search
from gateway.systems.selection.paths.graph import Graph, Ints, floats, ints, plain
from gateway.systems.selection.paths.places import Floats


def nodes_of(graph: Graph, locations: Sequence[str]) -> Ints:
    """The indices of the nodes by which locations are reached, (n,); -1 where no line ends."""
    found = [graph.find(code) for code in locations]
    return np.array([-1 if at is None else at for at in found], np.int32)


def reached(graph: Graph, origin: str, gbps: float) -> Floats:
    """Round-trip times in ms to each node of a graph, over lines with so many Gbit/s free; NaN
    where there is no way. Each is that of the quickest way.
    """
    found = floats(len(graph.nodes), search.INFINITE)
    source = graph.find(origin)
    if source is not None:
        usable = (graph.free >= gbps) & (graph.free > 0) & np.isfinite(graph.ms)
        arcs = 2 * len(graph.names) + 1
        search.reach(
            graph.first, graph.head, graph.line, plain(np.where(usable, graph.ms, np.inf)), 0,
            len(graph.names), source, found, 0, floats(arcs), ints(arcs),
        )  # fmt: skip
    told: Floats = np.array(found, np.float64)
    return np.where(np.isfinite(told), told, np.nan)
