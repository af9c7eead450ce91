"""What is kept of a cluster is bounded, and what changes costs is in proportion to the change."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from copy import deepcopy

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.systems.aggregation.adapters.kubernetes import objects
from gateway.systems.aggregation.adapters.kubernetes.keys import Remembered
from gateway.systems.aggregation.adapters.kubernetes.nodes import Settings
from gateway.systems.aggregation.adapters.kubernetes.room import Room
from gateway.systems.aggregation.adapters.kubernetes.state import CLAIMS, NODES, PODS, SLICES, State
from gateway.systems.aggregation.readings import ReadingError
from tests.support.growth import FEW, IN_PROPORTION, MANY, growth, seconds
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
from tests.support.polled import NOW

SAME = "4c4c4544-0044-4a10-8052-b4c04f4e3132"
TYPES = {
    NODES: objects.Node,
    PODS: objects.Pod,
    SLICES: objects.Slice,
    CLAIMS: objects.Claim,
}


def take(state: State, kind: str, one: Object, gone: bool = False) -> None:
    state.take(msgspec.convert(one, TYPES[kind]), gone)
    state.refresh()


def one_of(kind: str, number: int, size: int = 8) -> Object:
    name = f"{number:0{size}}"
    return {
        NODES: lambda: node(name, labels={name: name}),
        PODS: lambda: pod(name, name, {"cpu": "1"}),
        SLICES: lambda: resource_slice(name, name, devices(2)),
        CLAIMS: lambda: claim(name, name, "gpu-0"),
    }[kind]()


@pytest.mark.parametrize("kind", TYPES)
def test_all_kinds_count_and_what_is_gone_leaves_nothing(kind: str) -> None:
    room = Room(10, 100_000)
    state = State(Settings(), (), "", Remembered(), room)
    for number in range(30):
        take(state, kind, one_of(kind, number))
        take(state, kind, one_of(kind, number))
        take(state, kind, one_of(kind, number), gone=True)
        assert (room.objects, room.octets) == (0, 0)
    for number in range(30):
        take(state, kind, one_of(kind, number))
        state.forget(kind)
        state.refresh()
        assert (room.objects, room.octets) == (0, 0)
    empty = vars(State(Settings(), (), "", Remembered(), room)._pools)
    assert {x: one for x, one in vars(state._pools).items() if x != "_room"} == {
        x: one for x, one in empty.items() if x != "_room"
    }
    assert not state._pods._nodes and not state._pods._pods and not state._found
    with pytest.raises(ReadingError, match="more than 10 nodes, pods and devices"):
        for number in range(11):
            take(state, kind, one_of(kind, number))


@pytest.mark.parametrize("kind", TYPES)
def test_octets_are_bounded_however_few_objects_they_are_of(kind: str) -> None:
    state = State(Settings(), (), "", Remembered(), Room(10_000, 100_000))
    with pytest.raises(ReadingError, match="more than 100,000 octets of nodes, pods and devices"):
        for number in range(200):
            take(state, kind, one_of(kind, number, size=200))


def test_what_is_not_used_is_not_kept() -> None:
    room = Room()
    state = State(Settings(), (), "", Remembered(), room)
    take(state, NODES, node("n0"))
    before = room.octets
    many = {f"a.example/{x}": "1" for x in range(1_000)}
    labels = {f"label-{x:03}": "x" * 1_000 for x in range(1_000)}
    take(state, NODES, node("n0", labels=labels, allocatable=many))
    assert room.octets < before + 64 * 400
    state.forget(NODES)
    take(state, PODS, pod("p", "n0", many))
    assert room.octets < 1_000
    taken = room.octets
    take(state, CLAIMS, claim("c", "n0", "x", driver="dra.net"))
    take(state, SLICES, resource_slice("s", "n0", devices(8), driver="dra.net"))
    take(state, PODS, pod("waits", "", {"cpu": "1"}))
    assert room.octets == taken


def test_nothing_is_lost_by_amounts_that_come_and_go() -> None:
    cluster = Cluster([node("n0")], [pod("a", "n0", {"cpu": "100m"})])
    before = cluster.poll().units
    huge = pod("b", "n0", {"cpu": "9E", "memory": "9E"})
    told = cluster.tell("pods", huge, "ADDED")
    assert told is not None and told.units[0].free["vcpu"] == 0
    told = cluster.tell("pods", huge, "DELETED")
    assert told is not None and told.units == before


# -- what it costs


def slices_of_one_pool(number: int) -> Callable[[], None]:
    said = [resource_slice(f"s{x}", f"n{x}", [], of=number) for x in range(number)]
    for one in said:
        one["spec"]["pool"]["name"] = "rack"
    slices = [msgspec.convert(one, objects.Slice) for one in said]
    of_the_node = msgspec.convert(node("n0"), objects.Node)

    def work() -> None:
        state = State(Settings(), (), "", Remembered())
        state.take(of_the_node)
        for one in slices:
            state.take(one)
            state.refresh()

    return work


def test_slices_of_one_pool_cost_in_proportion() -> None:
    assert growth(slices_of_one_pool(FEW), slices_of_one_pool(MANY)) < IN_PROPORTION


def costs(cluster: Cluster, plural: str, *told: Object) -> float:
    """Seconds of a change to one thing and another in turn."""
    cluster.poll()
    watches = cluster.polled.adapter.watch(cluster.polled.source, cluster.polled.memory)
    (watch,) = (x for x in watches if x.ask.kind == f"watch-{plural}")
    lines = itertools.cycle(msgspec.json.encode({"type": "MODIFIED", "object": x}) for x in told)

    def work() -> None:
        for _ in range(50):
            assert watch.line(next(lines), NOW) is not None

    return seconds(work)


def test_a_change_of_a_pod_costs_the_same_however_many_are_on_its_node() -> None:
    def cost(pods: int) -> float:
        having = [pod(f"p{x}", "n0", {"cpu": "1m"}) for x in range(pods)]
        more = {"allocatable": {"pods": "100000"}}
        changes = [pod("p0", "n0", {"cpu": x}) for x in ("2", "3")]
        return costs(Cluster([node("n0", **more)], having), "pods", *changes)

    assert cost(10_000) < 3 * cost(100)


def test_a_change_of_a_node_costs_the_same_however_many_slices_are_of_no_node() -> None:
    def cost(slices: int) -> float:
        far = [
            resource_slice(f"s{x}", "", devices(20), nodeName=None, allNodes=True)
            for x in range(slices)
        ]
        changes = [node("n0", spec={"unschedulable": x}) for x in (True, False)]
        return costs(Cluster([node("n0")], slices=far), "nodes", *changes)

    assert cost(500) < 3 * cost(5)


def test_a_change_of_a_node_costs_the_same_where_nodes_say_one_uuid() -> None:
    def cost(alike: int) -> float:
        nodes = [
            node(f"n{x}", uuid=f"{x // alike:08}-2222-3333-4444-555555555555") for x in range(2_000)
        ]
        changes = [node("n5", spec={"unschedulable": x}) for x in (True, False)]
        return costs(Cluster(nodes), "nodes", *changes)

    assert cost(2) < 3 * cost(1)


def test_a_claim_costs_the_same_however_many_nodes_its_pool_is_of() -> None:
    def cost(nodes: int) -> float:
        slices = [resource_slice(f"s{x}", f"n{x}", devices(1), of=nodes) for x in range(nodes)]
        for x, one in enumerate(slices):
            one["spec"]["pool"]["name"] = "rack"
            one["spec"]["devices"][0]["name"] = f"gpu-{x}"
        cluster = Cluster([node(f"n{x}", chips=0) for x in range(nodes)], slices=slices)
        return costs(cluster, "resourceclaims", claim("c", "rack", "gpu-1"), claim("c", "rack"))

    assert cost(2_000) < 3 * cost(20)


# -- single changes come to what lists come to

COUNTED = [{"counterSet": "c", "counters": {}}]
NODE = st.sampled_from(["n0", "n1"])
DEVICES = st.sampled_from([[], devices(2), devices(1, consumesCounters=COUNTED), devices(3)])
CHANGES = st.one_of(
    st.builds(
        lambda name, chips, cordoned: (
            NODES,
            node(name, chips=chips, uuid=SAME, spec={"unschedulable": cordoned}),
        ),
        NODE,
        st.sampled_from([0, 2]),
        st.booleans(),
    ),
    st.builds(
        lambda name, on, chips: (PODS, pod(name, on, {"cpu": "100m", GPU: str(chips)})),
        st.sampled_from("pq"),
        NODE,
        st.integers(0, 2),
    ),
    st.builds(
        lambda name, on, having, generation, of: (
            SLICES,
            resource_slice(name, on, having, generation, of),
        ),
        st.sampled_from("st"),
        NODE,
        DEVICES,
        st.integers(1, 2),
        st.integers(1, 2),
    ),
    st.builds(
        lambda name, on, taken: (CLAIMS, claim(name, on, *taken)),
        st.sampled_from("cd"),
        NODE,
        st.sets(st.sampled_from(["gpu-0", "gpu-1"])),
    ),
)


@given(st.lists(st.tuples(CHANGES, st.booleans()), max_size=25))
@settings(max_examples=150)
def test_single_changes_come_to_the_same_as_lists(
    changes: list[tuple[tuple[str, Object], bool]],
) -> None:
    state = State(Settings(), (), "", Remembered())
    there: dict[tuple[str, str], Object] = {}
    for (kind, one), gone in changes:
        take(state, kind, one, gone)
        there.pop((kind, one["metadata"]["name"]), None)
        if not gone:
            there[kind, one["metadata"]["name"]] = one
    fresh = State(Settings(), (), "", deepcopy(state.remembered))
    for (kind, _), one in there.items():
        fresh.take(msgspec.convert(one, TYPES[kind]))
    fresh.settle()
    told, listed = state.reading(NOW), fresh.reading(NOW)
    assert sorted(told.units) == sorted(listed.units)
    assert told._replace(units=()) == listed._replace(units=())
    assert (state._room.objects, state._room.octets) == (fresh._room.objects, fresh._room.octets)
