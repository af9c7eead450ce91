"""A cluster of 10,000 nodes: what a poll and a change cost."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import msgspec

from gateway.systems.aggregation.adapters.kubernetes.adapter import Kubernetes
from gateway.systems.aggregation.readings import Ask, Said
from tests.support.kubernetes_objects import node, pod
from tests.support.polled import NOW, Polled, source

NODES = 10_000
PAGE = 500


def test_10000_nodes_are_soon_read_and_a_change_costs_little() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "room": "7"}
    lists = {
        "nodes": [node(f"n{x}", labels=labels) for x in range(NODES)],
        "pods": [pod(f"p{x}", f"n{x}", {"cpu": "4", "nvidia.com/gpu": "3"}) for x in range(NODES)],
    }
    pages = {
        (kind, start): msgspec.json.encode(
            {
                "items": items[start : start + PAGE],
                "metadata": {
                    "resourceVersion": "7",
                    "continue": str(start + PAGE) if start + PAGE < NODES else "",
                },
            }
        )
        for kind, items in lists.items()
        for start in range(0, NODES, PAGE)
    }

    def answer(ask: Ask) -> Said:
        if ask.kind == "version":
            return Said(200, {}, b'{"gitVersion": "v1.34.1"}')
        if ask.kind == "group":
            return Said(404, {}, b"")
        start = int(parse_qs(urlsplit(ask.path).query).get("continue", ["0"])[0])
        return Said(200, {}, pages[ask.kind, start])

    polled = Polled(Kubernetes(), source("kubernetes"), answer)
    started = time.process_time()
    reading = polled.poll()
    took = time.process_time() - started
    assert len(reading.units) == NODES and reading.units[-1].free["chips"] == 5
    (_, pods) = polled.adapter.watch(polled.source, polled.memory)
    one = pod("new", "n5", {"nvidia.com/gpu": "1"})
    event = msgspec.json.encode({"type": "ADDED", "object": one})
    started = time.process_time()
    changed = pods.line(event, NOW)
    change = time.process_time() - started
    assert changed is not None and changed.units[5].free["chips"] == 4
    print(f"poll {took:.3f} s, change {change * 1e3:.2f} ms")
    assert took < 3 and change < 0.2
