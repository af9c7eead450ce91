"""What is selected and allocated is what a real Placement gives: the same nodes are candidates, and
it grants every block of an allocation.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from csid import shape
from csid.record import Record
from csid.status import Status, Told
from gateway.systems.selection.allocation import allocate
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.engine import select
from gateway.systems.selection.supply import Supply
from tests.support.placement import PlacementServer, running_placement

NOW = 1_800_000_000_000
GPU = "CUSTOM_GPU"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlacementServer]:
    with running_placement(tmp_path_factory.mktemp("placement")) as found:
        yield found


def put(supply: Supply, serial: str, totals: list[int], free: list[int]) -> str:
    name = f"91330106673959654P/6450/330106/ACP/H60M07A1-{serial}-AA"
    extra = {"nodes": len(totals), "per_node": max(totals)}
    supply.put(name, Record({"state": "active", "count": sum(totals), "extra": extra}))
    told = Told(free={"chips": sum(free), **shape.write(free)})
    supply.status(name, Status(NOW, NOW + 9_000, "gw", 1, told))
    return name


@pytest.mark.parametrize("seed", range(4))
def test_candidates_are_those_of_placement_and_it_grants_an_allocation(
    seed: int, server: PlacementServer
) -> None:
    random = Random(seed)
    server.clear()
    alone, pools = Supply(), Supply()
    nodes: dict[str, str] = {}  # what selection calls a node → what Placement does
    free_of: dict[str, int] = {}
    of_pool: dict[str, list[str]] = {}
    for number in range(4):
        totals = [random.choice((2, 4, 8)) for _ in range(random.randint(1, 4))]
        totals = [max(totals)] * len(totals)  # alike, as a pool is
        free = []
        for at, total in enumerate(totals):
            uuid = server.provider(f"n{seed}-{number}-{at}", {GPU: {"total": total}})
            used = random.randint(0, total)
            assert not used or server.allocate((uuid, {GPU: used})) is not None
            free.append(total - used)
            nodes[put(alone, f"N{number}X{at}", [total], [total - used])] = uuid
            free_of[uuid] = total - used
        name = put(pools, f"P{number}", totals, free)
        of_pool[name] = list(free_of)[-len(totals) :]
    for size in (1, 2, 3, 4, 8):
        found = select(alone, Demand(per_node=size, free=True, top=100), NOW).results
        wanted = server.candidates(f"resources={GPU}:{size}")
        assert {nodes[one.identifier] for one in found} == wanted
    most = sum(one // 2 for one in free_of.values())
    assert allocate(pools, Demand(per_node=2, nodes=most + 1, pools=4, free=True), NOW) is None
    if not most:
        return
    allocation = allocate(pools, Demand(per_node=2, nodes=most, pools=4, free=True), NOW)
    assert allocation is not None and sum(one.blocks for one in allocation.pieces) == most
    for piece in allocation.pieces:
        for free_there, blocks in piece.units:
            there = [uuid for uuid in of_pool[piece.identifier] if free_of[uuid] == free_there]
            for at in range(blocks):
                uuid = there[at // (free_there // 2)]
                assert server.allocate((uuid, {GPU: 2})) is not None
    assert not server.candidates(f"resources={GPU}:2")  # nothing was left that could be had
