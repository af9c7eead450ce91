"""What is found and what is reserved are the same, and two askers never get the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from csid.errors import CsidError
from gateway.http.problems import Problem
from gateway.systems.selection import calls, reserving, snapshot
from gateway.systems.selection.demand import Demand
from tests.support.begun_selection import BLOCK, BOTH, begun, call, named


def test_a_retry_under_its_key_has_what_was_reserved(tmp_path: Path) -> None:
    async def main() -> None:
        with begun(tmp_path) as net:
            net.learn(1, 2)
            net.tell(1, chips=16, nodes_8=2)
            first = await net.reserve(BOTH, "k")
            again = await net.reserve(BOTH, "k")
            assert again["reservation"] == first["reservation"]
            assert again["allocation"] == first["allocation"]
            assert [one["identifier"] for one in again["results"]] == [named(1)]
            assert "why" not in again
            assert net.fits() == []  # it counts for others still
            net.tell(2, chips=16, nodes_8=2)  # nor is another pool taken for it
            third = await net.reserve(BOTH, "k")
            assert third["reservation"] == first["reservation"]
            assert len(net.state.reservations) == 1
            with pytest.raises(Problem, match="something else was reserved by it"):
                await net.reserve(BLOCK, "k")
            other = await net.reserve(BOTH, "k", "other")
            assert [one["identifier"] for one in other["allocation"]] == [named(2)]

    asyncio.run(main())


def test_what_is_reserved_stays_so_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        with begun(tmp_path) as net:
            await net.state.catch_up()
            net.learn(1)
            net.tell(1, chips=16, nodes_8=2)
            await net.reserve(BOTH)
            assert net.fits() == []

            def full(*_: object) -> None:
                raise CsidError("no space left on the device")

            monkeypatch.setattr(snapshot, "write", full)
            with pytest.raises(CsidError, match="no space left"):
                net.state.keep()
            assert net.fits() == []
            assert "reservation" not in await net.reserve(BOTH, name="other")

    asyncio.run(main())


def test_a_status_that_comes_too_late_is_not_what_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        with begun(tmp_path) as net:
            net.learn(1)
            net.tell(1, before=1_000, chips=16, nodes_8=2)
            made = await net.reserve(BOTH)
            net.tell(1, before=5_000, chips=0)
            await calls.release(net.state, call(path=made["reservation"]["reservation"]))
            assert net.fits(BOTH) == [named(1)]

    asyncio.run(main())


def test_cards_that_a_shape_does_not_tell_are_reserved_by_their_sum(tmp_path: Path) -> None:
    async def main() -> None:
        with begun(tmp_path) as net:
            net.learn(1)
            net.tell(1, chips=16, nodes_7=2)  # rounded down
            made = await net.reserve(Demand(cards=16, free=True))
            assert made["reservation"]["items"] == [
                {"identifier": named(1), "size": 1, "number": 16}
            ]
            assert net.fits(Demand(cards=1, free=True)) == []

    asyncio.run(main())


def test_what_cannot_be_reserved_is_not_offered_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        with begun(tmp_path) as net:
            net.learn(1, 2)
            for one in (1, 2):
                net.tell(one, chips=16, nodes_8=2)
            first, second = net.fits()
            free = reserving.is_free
            monkeypatch.setattr(
                reserving,
                "is_free",
                lambda state, one: one.identifier != first and free(state, one),
            )
            made = await net.reserve(BLOCK)
            assert [one["identifier"] for one in made["reservation"]["items"]] == [second]
            made = await net.reserve(msgspec.structs.replace(BOTH, nodes=4, pools=2))
            assert made["allocation"] == [] and "reservation" not in made

    asyncio.run(main())


def test_memory_and_processors_go_with_cards(tmp_path: Path) -> None:
    demand = Demand(per_node=8, memory=400, vcpu=100, free=True)

    async def main() -> None:
        with begun(tmp_path) as net:
            net.learn(1)
            net.tell(1, chips=16, nodes_8=2, memory_gib=700, vcpu=150)
            made = await net.reserve(demand)
            (item,) = made["reservation"]["items"]
            assert (item["memory_gib"], item["vcpu"]) == (400, 100)
            left = net.state.supply.told(
                net.state.supply.index.find(named(1), net.state.supply.index.digest(named(1))),
                net.state.now(),
            )["free"]
            assert left == {"chips": 8, "nodes_8": 1, "memory_gib": 300, "vcpu": 50}
            assert "reservation" not in await net.reserve(demand, name="other")
            body = calls.Reserve((calls.Item(named(1), 8, memory_gib=301),))
            with pytest.raises(Problem, match="301 memory_gib are not free; there are 300"):
                await calls.reserve(net.state, call(body, caller="other"))

    asyncio.run(main())
