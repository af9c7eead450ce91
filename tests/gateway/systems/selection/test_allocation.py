"""Allocations hold: no node gives what it has not, and no other allocation is better."""

from __future__ import annotations

from itertools import combinations
from random import Random
from typing import Any

import pytest

from csid import shape
from csid.record import Record
from csid.status import Status, Told
from gateway.systems.selection.allocation import Allocation, allocate
from gateway.systems.selection.demand import Demand, DemandError
from gateway.systems.selection.engine import select
from gateway.systems.selection.supply import Supply

NOW = 1_800_000_000_000
OWNER = "91330106673959654P"


def pool(
    supply: Supply, serial: str, units: list[int], *, per_node: int = 8, price: str = "5"
) -> str:
    """A pool whose nodes have so many chips free."""
    identifier = f"{OWNER}/6450/330106/ACP/H60M07A1-{serial}-AA"
    record = Record(
        {
            "state": "active", "chip": "Ascend 910B", "count": per_node * len(units),
            "price": price, "currency": "CNY", "price_unit": "card-hour",
            "extra": {"nodes": len(units), "per_node": per_node},
        }
    )  # fmt: skip
    supply.put(identifier, record)
    told = Told(free={"chips": sum(units), "nodes": len(units), **shape.write(units)})
    supply.status(identifier, Status(NOW - 1_000, NOW + 30_000, "gw", 1, told))
    return identifier


def taken(allocation: Allocation | None) -> dict[str, int]:
    assert allocation is not None
    return {piece.identifier.split("-")[1]: piece.blocks for piece in allocation.pieces}


def test_four_free_cards_on_four_nodes_are_no_node_with_four() -> None:
    supply = Supply()
    pool(supply, "A", [1, 1, 1, 1])
    demand = Demand(per_node=4, free=True)
    assert select(supply, demand, NOW).results == ()
    assert allocate(supply, demand, NOW) is None
    pool(supply, "B", [4])
    assert taken(allocate(supply, demand, NOW)) == {"B": 1}


def test_nodes_where_the_least_is_left_over_are_taken_first() -> None:
    supply = Supply()
    pool(supply, "A", [8, 8, 7, 4, 5])
    found = allocate(supply, Demand(per_node=4, nodes=3, free=True), NOW)
    assert found is not None
    assert found.pieces[0].units == ((4, 1), (8, 2))


def test_a_gang_lies_over_the_fewest_pools_and_of_these_the_best() -> None:
    supply = Supply()
    pool(supply, "A", [8] * 3, price="1")
    pool(supply, "B", [8] * 6, price="9")
    pool(supply, "C", [8] * 6, price="2")
    pool(supply, "D", [8] * 5, price="1")
    ten = Demand(per_node=8, nodes=10, pools=3, free=True)
    assert taken(allocate(supply, ten, NOW)) == {"C": 6, "D": 4}
    assert allocate(supply, Demand(per_node=8, nodes=10, pools=1, free=True), NOW) is None
    assert allocate(supply, Demand(per_node=8, nodes=21, pools=64, free=True), NOW) is None
    every = allocate(supply, Demand(per_node=8, nodes=20, pools=4, free=True), NOW)
    assert sum(taken(every).values()) == 20


def test_cards_that_may_lie_anywhere_are_counted_singly() -> None:
    supply = Supply()
    pool(supply, "A", [1] * 5)
    pool(supply, "B", [3, 3])
    assert taken(allocate(supply, Demand(cards=11, pools=2, free=True), NOW)) == {"B": 6, "A": 5}


MIXED = {
    "state": "active", "chip": "Ascend 910B", "count": 16, "vcpu": 128.0, "memory_gib": 1000.0,
    "extra": {"nodes": 2, "per_node": 8},
}  # fmt: skip


def held(free: dict[str, float], **told: Any) -> Supply:
    """A supply of one pool with that free; its record is MIXED unless told otherwise."""
    supply = Supply()
    name = f"{OWNER}/6450/330106/ACP/H60M07A1-A-AA"
    supply.put(name, Record(MIXED | told))
    supply.status(name, Status(NOW, NOW + 30_000, "gw", 1, Told(free=free)))
    return supply


WHOLE = {"chips": 16.0, "nodes_8": 2.0, "memory_gib": 1000.0, "vcpu": 128.0}


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ({"per_node": 8, "memory": 500}, True),
        ({"per_node": 8, "memory": 501}, False),  # no node has as much
        ({"per_node": 8, "nodes": 2, "memory": 500}, True),
        ({"per_node": 8, "vcpu": 64}, True),
        ({"per_node": 8, "vcpu": 65}, False),
        ({"per_node": 4, "nodes": 4, "memory": 250}, True),
        ({"per_node": 4, "nodes": 3, "memory": 300}, False),  # a node has it once
        ({"per_node": 4, "nodes": 2, "memory": 300}, True),
        ({"vcpu": 32, "nodes": 3, "memory": 300}, False),
        ({"memory": 501}, False),
        ({"memory": 500, "nodes": 2}, True),
        ({"memory": 400, "nodes": 3}, False),
        ({"cards": 12, "memory": 1000, "vcpu": 128}, True),  # of all cards together
        ({"cards": 12, "memory": 1001}, False),
    ],
)
def test_memory_and_processors_of_each_node_are_those_of_one(
    asked: dict[str, Any], fits: bool
) -> None:
    vcpus = "vcpu" in asked and not {"cards", "per_node"} & set(asked)
    kind = {"vcpu": 128.0, "vcpu_64": 2.0, "memory_gib": 1000.0} if vcpus else WHOLE
    for free in (False, True):
        found = select(held(kind), Demand(free=free, **asked), NOW).results
        assert bool(found) == fits


def test_a_pool_of_many_small_nodes_has_none_that_is_large() -> None:
    supply = held({}, count=512, memory_gib=16_384.0, extra={"nodes": 64, "per_node": 8})
    assert not select(supply, Demand(nodes=2, per_node=8, memory=2_048), NOW).results
    assert select(supply, Demand(nodes=2, per_node=8, memory=256), NOW).results
    assert select(supply, Demand(where="node_memory_gib = 256"), NOW).results


def test_a_piece_says_what_goes_with_its_blocks() -> None:
    for demand, number, beside in (
        (Demand(per_node=8, nodes=2, memory=400, vcpu=50, free=True), 2, (100.0, 800.0)),
        (Demand(cards=16, memory=100, vcpu=4, free=True), 16, (4.0, 100.0)),
        (Demand(cards=16, memory=100, vcpu=4, pools=2, free=True), 16, (4.0, 100.0)),
        (Demand(per_node=8, free=True), 1, (0.0, 0.0)),
    ):
        found = allocate(held(WHOLE), demand, NOW)
        assert found is not None, demand
        (piece,) = found.pieces
        assert (piece.blocks, (piece.vcpu, piece.memory_gib)) == (number, beside)
    supply = held({"vcpu": 128.0, "vcpu_64": 2.0, "memory_gib": 1000.0})
    found = allocate(supply, Demand(vcpu=32, nodes=3, memory=200, free=True), NOW)
    assert found is not None  # its blocks are the processors
    assert [(one.vcpu, one.memory_gib) for one in found.pieces] == [(0.0, 600.0)]


def test_cards_that_are_spread_come_with_their_share_of_memory() -> None:
    supply = Supply()
    for serial, memory in (("A", 60.0), ("B", 45.0)):
        name = f"{OWNER}/6450/330106/ACP/H60M07A1-{serial}-AA"
        supply.put(name, Record(MIXED))
        free = {"chips": 16.0, "nodes_8": 2.0, "memory_gib": memory}
        supply.status(name, Status(NOW, NOW + 30_000, "gw", 1, Told(free=free)))
    found = allocate(supply, Demand(cards=10, memory=100, pools=2, free=True), NOW)
    assert taken(found) == {"A": 6, "B": 4}
    assert found is not None and [one.memory_gib for one in found.pieces] == [60.0, 40.0]
    assert allocate(supply, Demand(cards=11, memory=121, pools=2, free=True), NOW) is None


def test_what_cannot_be_counted_is_refused() -> None:
    for demand in (Demand(type="A"), Demand(cards=8), Demand(cards=200_000, free=True)):
        with pytest.raises(DemandError, match=r"free|most"):
            allocate(Supply(), demand, NOW)


@pytest.mark.parametrize("seed", range(60))
def test_no_allocation_is_better(seed: int) -> None:
    random = Random(seed)
    supply = Supply()
    units: dict[str, list[int]] = {}
    for number in range(random.randint(1, 9)):
        free = [random.choice((0, 1, 2, 4, 8)) for _ in range(random.randint(1, 6))]
        serial = f"P{number}"
        units[pool(supply, serial, free, price=str(random.randint(1, 30)))] = free
    size, number = random.choice((1, 2, 3, 4, 8)), random.randint(1, 12)
    pools = random.randint(1, 4)
    demand = Demand(per_node=size, nodes=number, pools=pools, free=True)
    found = allocate(supply, demand, NOW)
    points = {
        one.identifier: one.points
        for one in select(supply, Demand(per_node=size, free=True, pools=2, top=50), NOW).results
    }
    room = {name: sum(one // size for one in free) for name, free in units.items()}
    holds = [
        (count, -sum(points[one] for one in some))
        for count in range(1, pools + 1)
        for some in combinations(sorted(points), count)
        if sum(room[one] for one in some) >= number
    ]
    if not holds:
        assert found is None
        return
    assert found is not None
    assert (len(found.pieces), -found.points) == min(holds)
    assert sum(piece.blocks for piece in found.pieces) == number
    for piece in found.pieces:
        left = list(units[piece.identifier])
        for free, blocks in piece.units:
            for _ in range(blocks):  # of a node with so much free, each block lies within one
                at = next(
                    n
                    for n, one in enumerate(left)
                    if one >= size and units[piece.identifier][n] == free
                )
                left[at] -= size
        assert sum(blocks for _, blocks in piece.units) == piece.blocks and min(left) >= 0
