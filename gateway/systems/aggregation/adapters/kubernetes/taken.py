"""What pods have requested of nodes, counted as they come and go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from gateway.systems.aggregation.adapters.kubernetes.quantities import Amounts
from gateway.systems.aggregation.adapters.kubernetes.room import Room

# The least that Kubernetes can write: in whole numbers of it nothing is lost by adding and taking
# away, however large what comes in between is.
_PARTS: Final = 10**9


class _Pod(NamedTuple):
    node: str
    requests: Mapping[str, int]


class _Node:
    def __init__(self) -> None:
        self.pods = 0
        self.taken: dict[str, int] = {}


class Taken:
    """The pods of a cluster that are on nodes.

    Args:
        room: that there is for them.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._pods: dict[str, _Pod] = {}
        self._nodes: dict[str, _Node] = {}

    def put(self, pod: str, node: str, requests: Amounts) -> None:
        """A pod is on a node.

        Raises:
            ReadingError: there are too many.
        """
        one = _Pod(node, {name: round(x * _PARTS) for name, x in requests.items() if x})
        self._pods[pod] = one
        self._room.take(_octets(pod, one))
        of_node = self._nodes.setdefault(node, _Node())
        of_node.pods += 1
        for name, parts in one.requests.items():
            of_node.taken[name] = of_node.taken.get(name, 0) + parts

    def drop(self, pod: str) -> str:
        """A pod is there no more; the node that it was on, or nothing."""
        one = self._pods.pop(pod, None)
        if one is None:
            return ""
        self._room.leave(_octets(pod, one))
        of_node = self._nodes[one.node]
        of_node.pods -= 1
        for name, parts in one.requests.items():
            of_node.taken[name] -= parts
            if not of_node.taken[name]:
                del of_node.taken[name]
        if not of_node.pods:
            del self._nodes[one.node]
        return one.node

    def forget(self) -> list[str]:
        """Forget all pods; the nodes that they were on."""
        nodes = list(self._nodes)
        for pod in list(self._pods):
            self.drop(pod)
        return nodes

    def of(self, node: str) -> tuple[int, Amounts]:
        """How many pods are on a node, and what they have requested."""
        one = self._nodes.get(node)
        if one is None:
            return 0, {}
        return one.pods, {name: parts / _PARTS for name, parts in one.taken.items()}


def _octets(pod: str, one: _Pod) -> int:
    return len(pod) + len(one.node) + sum(len(name) + 100 for name in one.requests)
