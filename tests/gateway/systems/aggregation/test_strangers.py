"""Whatever a source answers, an adapter gives a reading within bounds, or says that it cannot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csid.status import Health
from gateway.systems.aggregation.adapters.kubernetes.adapter import Kubernetes
from gateway.systems.aggregation.adapters.placement.adapter import Placement
from gateway.systems.aggregation.adapters.table.adapter import Table
from gateway.systems.aggregation.readings import (
    CHIPS,
    KINDS,
    LABELS_MAX,
    Adapter,
    Ask,
    Reading,
    ReadingError,
    Said,
)
from tests.support.kubernetes_objects import claim, container, devices, node, pod, resource_slice
from tests.support.polled import NOW, Polled, source

TEXT_MAX = 400
STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 2**70, 1.5e308, "", "x" * 5_000, "1e999999", "\0\u202e\ud7ff", "9" * 400,
    [], {}, [[[[]]]], {"": {"": None}}, "K1", "-5", "100Ei", [None], {"a": []},
)  # fmt: skip
DEEP = b'{"x":' + b"[" * 50_000


def placement() -> dict[str, Any]:
    recorded = Path(__file__).parent / "said/placement/1.39/answers.json"
    return msgspec.json.decode(recorded.read_bytes(), type=dict[str, Any])


def kubernetes() -> dict[str, Any]:
    labels = {"nvidia.com/gpu.replicas": "2", "nvidia.com/gpu.memory": "81559"}
    taints = [{"key": "a", "value": "b", "effect": "NoSchedule"}]
    beginning = [container({"cpu": "1"}, "s", restartPolicy="Always"), container({"cpu": "4"})]
    counted = devices(2, consumesCounters=[{"counterSet": "c", "counters": {}}], taints=taints)
    twin = node("n0")["status"]["nodeInfo"]["systemUUID"]
    lists: dict[str, list[Any]] = {
        "nodes": [node("n0", labels=labels), node("n1", taints=taints), node("n2", uuid=twin)],
        "pods": [pod("p", "n0", {"nvidia.com/gpu": "3"}, initContainers=beginning)],
        "resourceslices": [
            resource_slice("s", "n0", devices(3)),
            resource_slice("t", "n1", counted),
        ],
        "resourceclaims": [claim("c", "n0", "gpu-1")],
    }
    names = {
        "nodes": "NodeList",
        "pods": "PodList",
        "resourceslices": "ResourceSliceList",
        "resourceclaims": "ResourceClaimList",
    }
    pages = {
        kind: {"kind": names[kind], "items": items, "metadata": {"resourceVersion": "7"}}
        for kind, items in lists.items()
    }
    return pages | {
        "version": {"gitVersion": "v1.34.1"},
        "group": {"versions": [{"version": "v1"}]},
    }


def table() -> dict[str, Any]:
    usage = [{"ip": "a", "cpuUsage": 25, "memUsage": 1, "cpu": 64, "memory": 256}]
    group = {"enterprise": "e", "city": "c", "zone": "z", "isMonitor": 0, "usage": usage}
    return {"": [group | {"cpurls": ["K1C8", "K2C3"]}, group | {"city": "d", "cpurls": []}]}


def platform() -> dict[str, Any]:
    one = {"computing_id": "i", "gpu_available": 3, "gpu_memory": 16, "gpu_model": "m", "price": 1}
    return {"": {"computing_resources": [one, one | {"network_ips": "b"}]}}


KINDS_OF_SOURCE: Mapping[str, tuple[Adapter, dict[str, Any], dict[str, str]]] = {
    "placement": (Placement(), placement(), {"group": "aggregate", "freed_seconds": "1"}),
    "kubernetes": (Kubernetes(), kubernetes(), {}),
    "cpurl": (Table(), table(), {"layout": "scope=2 C:chips"}),
    "platform": (Table(), platform(), {"layout": "id=1"}),
}


def changed(value: Any, dice: Random) -> Any:
    """A value with something strange somewhere in it."""
    if dice.random() < 0.15 or not isinstance(value, dict | list) or not value:
        return dice.choice(STRANGE)
    if isinstance(value, dict):
        name = dice.choice(list(value))
        if dice.random() < 0.2:
            return {key: one for key, one in value.items() if key != name}
        return value | {name: changed(value[name], dice)}
    place = dice.randrange(len(value))
    if dice.random() < 0.2:
        return value + [value[place]] * dice.randint(1, 3)
    return [*value[:place], changed(value[place], dice), *value[place + 1 :]]


def strange(body: Any, dice: Random) -> bytes:
    kind = dice.random()
    if kind < 0.02:
        return dice.choice(
            (b"", b"{", DEEP, b"\xff\xfe", b"null", b"[]", b"PK\x03\x04" + bytes(40))
        )
    for _ in range(dice.choice((0, 1, 1, 2, 4))):
        body = changed(body, dice)
    return msgspec.json.encode(body)


def assert_bounded(reading: Reading) -> None:
    assert len(reading.notes) < 40 and all(len(x) <= TEXT_MAX for x in reading.notes)
    for unit in reading.units:
        assert unit.key and unit.health in get_args(Health) and len(unit.labels) <= LABELS_MAX
        texts = [*unit[:2], unit.why, unit.chip, unit.group, *unit.labels, *unit.labels.values()]
        assert all(len(x) <= TEXT_MAX and x.isprintable() for x in texts), texts
        assert set(unit.free) <= set(unit.total) <= set(KINDS)
        for kind, has in unit.total.items():
            assert math.isfinite(has) and 0 <= unit.free.get(kind, 0) <= has <= 2**53
        # Where cards only are not known, the rest can be had.
        assert (
            not unit.why
            or not any(unit.free.values())
            or not (unit.is_known or unit.free.get(CHIPS))
        )


@pytest.mark.parametrize("kind", KINDS_OF_SOURCE)
@given(dice=st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_whatever_a_source_answers(kind: str, dice: Random) -> None:
    adapter, answers, options = KINDS_OF_SOURCE[kind]

    def answer(ask: Ask) -> Said:
        body = answers.get(ask.path, answers.get(ask.kind, {}))
        if dice.random() < 0.85:  # or hardly anything would be read to its end
            return Said(200, {}, msgspec.json.encode(body))
        status = 200 if dice.random() < 0.97 else dice.choice((301, 401, 403, 404, 410, 500, 503))
        return Said(status, {"last-modified": dice.choice(("", "x"))}, strange(body, dice))

    polled = Polled(adapter, source(adapter.kind, **options), answer)
    for turn in range(2):
        try:
            assert_bounded(polled.poll(NOW + turn * 10_000))
        except ReadingError as error:
            assert len(str(error)) <= 2 * TEXT_MAX and str(error).isprintable()


@given(dice=st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_whatever_a_cluster_tells_of_changes(dice: Random) -> None:
    answers = kubernetes()

    def answer(ask: Ask) -> Said:
        return Said(200, {}, msgspec.json.encode(answers[ask.kind]))

    polled = Polled(Kubernetes(), source("kubernetes"), answer)
    polled.poll()
    watches = polled.adapter.watch(polled.source, polled.memory)
    for _ in range(8):
        watch = dice.choice(list(watches))
        one = dice.choice(answers[watch.ask.kind.removeprefix("watch-")]["items"])
        type_ = dice.choice(("ADDED", "MODIFIED", "DELETED", "BOOKMARK"))
        event = {"type": type_, "object": changed(one, dice)}
        line = msgspec.json.encode(event) if dice.random() < 0.8 else strange(event, dice)
        try:
            reading = watch.line(line, NOW)
        except ReadingError as error:
            assert len(str(error)) <= 2 * TEXT_MAX and str(error).isprintable()
            return
        if reading is not None:
            keys = [unit.key for unit in reading.units]
            assert len(keys) == len(set(keys))
            assert_bounded(reading)
        assert len(watch.ask.path) < 2_000


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_whatever_a_table_is(body: bytes) -> None:
    heads = "资源编号,名称,芯片数量,节点数,空闲卡数,健康状况\n".encode()
    for octets in (body, heads + body, heads + b"a,b," + body):
        try:
            reading = Polled(Table(), source("table"), lambda _: Said(200, {}, octets)).poll()  # noqa: B023
        except ReadingError as error:
            assert str(error).isprintable()
        else:
            assert_bounded(reading)
