"""Devices by DRA: which of them are cards, while pools are written, and when they are refused."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.systems.aggregation.adapters.kubernetes import pool
from gateway.systems.aggregation.readings import Reading, ReadingError
from tests.support.kubernetes_objects import (
    GPU,
    Cluster,
    Object,
    claim,
    devices,
    node,
    pod,
    resource_slice,
)

BUS = "resource.kubernetes.io/pciBusID"
WRITTEN = "its pool of devices is being written"


def bare(name: str = "n0", **more: Any) -> Object:
    return node(name, chips=0, **more)


def device(name: str, kind: str, **attributes: str) -> Object:
    said = {"type": kind, "productName": "AMD Instinct MI300X"} | attributes
    return {"name": name, "attributes": {x: {"string": one} for x, one in said.items()}}


def chips(reading: Reading | None) -> tuple[float, float]:
    assert reading is not None
    unit = reading.units[0]
    return unit.total["chips"], unit.free["chips"]


# -- what is a card


def test_a_card_and_its_partitions_in_other_slices_are_one() -> None:
    counters = [{"counterSet": "gpu-0", "counters": {}}]
    part = device("part-0", "mig") | {"consumesCounters": counters}
    slices = [
        resource_slice("counted", "n0", [], of=3, sharedCounters=[{"name": "gpu-0"}]),
        resource_slice("whole", "n0", devices(1, consumesCounters=counters), of=3),
        resource_slice("parts", "n0", [part], of=3),
    ]
    cluster = Cluster([bare()], slices=slices)
    assert chips(cluster.poll()) == (1, 1)
    assert chips(cluster.tell("resourceclaims", claim("c", "n0", "part-0"), "ADDED")) == (1, 0)


def test_partitions_without_their_card_are_none() -> None:
    parts = [device(f"gpu-{x}", "amdgpu-partition", **{BUS: f"0{x // 8}:0"}) for x in range(64)]
    reading = Cluster([bare()], slices=[resource_slice("s", "n0", parts)]).poll()
    assert "chips" not in reading.units[0].total and reading.whole
    assert reading.notes == (
        "64 devices by DRA are not known to be whole cards and are not counted: amdgpu-partition",
    )


@pytest.mark.parametrize(
    ("card", "twin"),
    [
        ({BUS: "0000:0F:00.0"}, {BUS: "0000:0f:00.0"}),
        ({"pcieBusID": "0000:0f:00.0"}, {BUS: "0000:0f:00.0"}),
        ({"pciAddr": "0000:0f:00.0"}, {"parentPciAddr": "0000:0f:00.0"}),
        ({"uuid": "GPU-1"}, {"uuid": "MIG-1", "parentUUID": "gpu-1"}),
    ],
)
def test_what_is_said_to_be_the_same_card_is_one_whatever_else_it_is_called(
    card: dict[str, str], twin: dict[str, str]
) -> None:
    having = [device("gpu-0", "amdgpu", **card), device("gpu-vfio-0", "vfio", **twin)]
    cluster = Cluster([bare()], slices=[resource_slice("s", "n0", having)])
    reading = cluster.poll()
    assert chips(reading) == (1, 1) and not reading.notes
    taken = claim("c", "n0", "gpu-vfio-0")
    assert chips(cluster.tell("resourceclaims", taken, "ADDED")) == (1, 0)


def test_cards_of_a_driver_that_has_no_types_are_cards_and_those_of_unknown_types_are_not() -> None:
    untyped = {"name": "0000-03-00-0", "attributes": {"model": {"string": "Max 1550"}}}
    having = [untyped, device("x", "brain"), device("y", "vfio")]
    reading = Cluster([bare()], slices=[resource_slice("s", "n0", having)]).poll()
    assert chips(reading) == (1, 1)
    assert reading.notes[0].startswith("2 devices by DRA") and reading.notes[0].endswith(
        ": brain, vfio"
    )


def test_cards_that_a_plugin_and_dra_offer_are_the_same() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    for said in (labels, {}):
        reading = Cluster(
            [node("n0", labels=said)],
            [pod("p", "n0", {GPU: "1"})],
            slices=[resource_slice("s", "n0", devices(8))],
            claims=[claim("c", "n0", "gpu-0", "gpu-1")],
        ).poll()
        assert chips(reading) == (8, 6) and reading.units[0].chip == "H100"
        assert reading.notes == (
            "1 nodes offer cards by a plugin and by DRA, which are taken to be the same",
        )
    other = node("n0", chips=4, labels={"nvidia.com/gpu.product": "NVIDIA-A10"})
    reading = Cluster([other], slices=[resource_slice("s", "n0", devices(8))]).poll()
    assert chips(reading) == (8, 8) and not reading.notes
    assert reading.units[0].labels["cards_not_counted"] == "4 A10"


# -- while a pool is written


def test_of_a_node_whose_pool_is_written_all_else_is_told() -> None:
    cluster = Cluster([bare()], slices=[resource_slice("s", "n0", devices(8))])
    assert chips(cluster.poll()) == (8, 8)
    begun = resource_slice("s", "n0", devices(1), generation=2, of=2)
    reading = cluster.tell("resourceslices", begun)
    assert reading is not None and reading.whole and chips(reading) == (8, 0)
    assert (reading.units[0].why, reading.units[0].free["vcpu"]) == (WRITTEN, 63.5)
    assert not reading.units[0].is_known
    assert reading.notes == ("1 nodes have pools of devices that are not whole",)
    reading = cluster.tell("pods", pod("p", "n0", {"cpu": "60"}), "ADDED")
    assert reading is not None and reading.units[0].free["vcpu"] == 3.5
    reading = cluster.tell("nodes", bare(spec={"unschedulable": True}))
    assert reading is not None and not any(reading.units[0].free.values())
    assert (reading.units[0].health, reading.units[0].why) == ("maintenance", "unschedulable")
    cluster.tell("nodes", bare())
    cluster.lists["resourceslices"] = [begun]
    assert chips(cluster.poll()) == (8, 0)  # also after a new poll
    more = [one | {"name": f"more-{one['name']}"} for one in devices(3)]
    rest = resource_slice("t", "n0", more, generation=2, of=2)
    reading = cluster.tell("resourceslices", rest, "ADDED")
    assert chips(reading) == (4, 4) and reading is not None and not reading.notes
    assert reading.units[0].is_known and not reading.units[0].why


# -- what is refused


@pytest.mark.parametrize(
    ("kind", "status"),
    [("group", 403), ("group", 404), ("resourceslices", 403), ("resourceclaims", 404)],
)
def test_devices_that_may_not_be_read_any_more_are_there_and_not_free(
    kind: str, status: int
) -> None:
    cluster = Cluster([bare()], slices=[resource_slice("s", "n0", devices(8))])
    assert chips(cluster.poll()) == (8, 8)
    cluster.statuses[kind] = status
    for _ in range(2):
        reading = cluster.poll()
        assert not reading.whole and chips(reading) == (8, 0)
        assert reading.units[0].why == "its devices by DRA may not be read any more"
        assert reading.notes[0].startswith("devices by DRA are not free any more: ")
    cluster.statuses.clear()
    reading = cluster.poll()
    assert reading.whole and chips(reading) == (8, 8) and not reading.notes


def test_a_cluster_that_never_had_dra_is_whole_without_it() -> None:
    cluster = Cluster([node("n0")])
    cluster.statuses["group"] = 404
    reading = cluster.poll()
    assert reading.whole and not reading.notes


# -- what is more than there can be


def test_a_claim_and_a_slice_have_bounds() -> None:
    cluster = Cluster([bare()])
    cluster.poll()
    names = [f"gpu-{x}" for x in range(2_000)]
    with pytest.raises(ReadingError, match="claim /c: 2,000 devices are allocated to it"):
        cluster.tell("resourceclaims", claim("c", "n0", *names), "ADDED")
    with pytest.raises(ReadingError, match="a resource slice of 2,000 devices"):
        cluster.tell("resourceslices", resource_slice("s", "n0", devices(2_000)), "ADDED")


@pytest.mark.parametrize("bound", ["_SLICES_MAX", "_SLICES_OF_A_NODE_MAX"])
def test_a_pool_of_too_many_slices_has_nothing_free_and_others_are_as_they_are(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(pool, bound, 3)
    other = resource_slice("other", "n1", devices(2))
    cluster = Cluster([bare("n0"), bare("n1")], slices=[other])
    cluster.poll()
    reading = None
    for x in range(4):  # the first three say to be all
        having = [one | {"name": f"{x}-{one['name']}"} for one in devices(1)]
        one = resource_slice(f"s{x}", "n0", having, of=3)
        reading = cluster.tell("resourceslices", one, "ADDED") or reading
        if x == 2:
            assert chips(reading) == (3, 3)
    assert chips(reading) == (3, 0) and reading is not None
    assert reading.units[1].free["chips"] == 2
    for x in range(4):
        reading = cluster.tell("resourceslices", resource_slice(f"s{x}", "n0", []), "DELETED")
    reading = cluster.tell("resourceslices", resource_slice("s0", "n0", devices(2)), "ADDED")
    assert chips(reading) == (2, 2)
