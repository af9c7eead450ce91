"""Large clusters: what a poll and a change cost."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import msgspec

from gateway.systems.aggregation.adapters.kubernetes.adapter import Kubernetes
from gateway.systems.aggregation.readings import Ask, Said
from tests.support.growth import FEW, IN_PROPORTION, MANY, growth, seconds
from tests.support.kubernetes_objects import node, pod
from tests.support.polled import NOW, Polled, source

PAGE = 500


def test_the_effort_grows_with_the_nodes_no_faster_and_a_change_costs_little() -> None:
    def read(polled: Polled, nodes: int) -> Callable[[], None]:
        def work() -> None:
            reading = polled.poll()
            assert len(reading.units) == nodes and reading.units[-1].free["chips"] == 5

        return work

    small, large = cluster(FEW), cluster(MANY)
    assert growth(read(small, FEW), read(large, MANY)) < IN_PROPORTION
    (_, pods) = large.adapter.watch(large.source, large.memory)
    cards = itertools.cycle((1, 2))

    def change() -> None:
        asked = next(cards)
        one = pod("new", "n5", {"nvidia.com/gpu": str(asked)})
        changed = pods.line(msgspec.json.encode({"type": "MODIFIED", "object": one}), NOW)
        assert changed is not None and changed.units[5].free["chips"] == 5 - asked

    assert seconds(change) < seconds(read(large, MANY)) / 4


def cluster(nodes: int) -> Polled:
    labels = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "room": "7"}
    lists = {
        "nodes": [node(f"n{x}", labels=labels) for x in range(nodes)],
        "pods": [pod(f"p{x}", f"n{x}", {"cpu": "4", "nvidia.com/gpu": "3"}) for x in range(nodes)],
    }
    pages = {
        (kind, start): msgspec.json.encode(
            {
                "kind": "NodeList" if kind == "nodes" else "PodList",
                "items": items[start : start + PAGE],
                "metadata": {
                    "resourceVersion": "7",
                    "continue": str(start + PAGE) if start + PAGE < nodes else "",
                },
            }
        )
        for kind, items in lists.items()
        for start in range(0, nodes, PAGE)
    }

    def answer(ask: Ask) -> Said:
        if ask.kind == "version":
            return Said(200, {}, b'{"gitVersion": "v1.34.1"}')
        if ask.kind == "group":
            return Said(404, {}, b"")
        start = int(parse_qs(urlsplit(ask.path).query).get("continue", ["0"])[0])
        return Said(200, {}, pages[ask.kind, start])

    return Polled(Kubernetes(), source("kubernetes"), answer)
