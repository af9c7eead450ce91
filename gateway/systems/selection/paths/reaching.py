"""How soon places are reached over dedicated lines 专线: the least round trips from one to many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gateway.systems.selection.paths import search
from gateway.systems.selection.paths.graph import Graph, Ints, floats, ints, plain
from gateway.systems.selection.paths.places import Floats


class Nodes(NamedTuple):
    """The nodes of a graph by which places are reached, one after another: those of place `n` stand
    from `first[n]` on. Where there are none stands one behind the last node.
    """

    first: Ints
    node: Ints

    def __len__(self) -> int:
        return len(self.first)

    def soonest(self, of_nodes: Floats) -> Floats:
        """What of each node's is the least, (places,); NaN where there is none."""
        if not len(self.first):
            return np.zeros(0)
        return np.fmin.reduceat(np.append(of_nodes, np.nan)[self.node], self.first)


def nodes_of(graph: Graph, locations: Sequence[str]) -> Nodes:
    """By which nodes locations are reached."""
    found = [graph.at(code) or (len(graph.nodes),) for code in locations]
    counts = np.array([len(one) for one in found], np.int32)
    flat = [node for one in found for node in one]
    return Nodes((np.cumsum(counts) - counts).astype(np.int32), np.array(flat, np.int32))


def reached(graph: Graph, origin: str, gbps: float) -> Floats:
    """Round-trip times in ms to each node of a graph, over lines with so many Gbit/s free; NaN
    where there is no way. Each is that of the quickest way.
    """
    usable = (graph.free >= gbps) & (graph.free > 0) & np.isfinite(graph.ms)
    weights = plain(np.where(usable, graph.ms, np.inf))
    room = 2 * len(graph.names) + 1
    keys, items = floats(room), ints(room)
    least = np.full(len(graph.nodes), np.nan)
    for source in graph.at(origin):
        found = floats(len(graph.nodes), search.INFINITE)
        search.reach(
            graph.first, graph.head, graph.line, weights, 0, len(graph.names), source,
            found, 0, keys, items,
        )  # fmt: skip
        told = np.array(found, np.float64)
        least = np.fmin(least, np.where(np.isfinite(told), told, np.nan))
    return least
