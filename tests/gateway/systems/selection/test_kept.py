"""Demands that are kept: found without reading all of them, listed by pages."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from gateway.http.problems import Problem
from gateway.systems.contract import OPERATE
from gateway.systems.selection import calls, kept
from gateway.systems.selection.demand import Demand
from tests.support.begun_selection import BLOCK, begun, call


def test_a_change_is_found_where_it_belongs(tmp_path: Path) -> None:
    with begun(tmp_path) as net:
        demands = net.state.demands
        made = [demands.keep(by, BLOCK, 0, 9, True) for by in ("one", "one", "other")]
        names = sorted(one.name for one in made)
        assert [one.name for one in demands.open()] == names
        assert demands.open()[0] == (names[0], 9, True)
        assert demands.change(msgspec.structs.replace(made[0], state="handed"))
        assert made[0].name not in [one.name for one in demands.open()]
        found = demands.get(made[0].name)
        assert found is not None and found.state == "handed"
        assert demands.withdraw(made[1].name) and not demands.withdraw(made[1].name)
        assert not demands.change(made[1])
        assert demands.get(made[1].name) is None
        assert [one.name for one in demands.open()] == [made[2].name]
        assert [one.name for one in demands.page("one", "", 9)] == [made[0].name]


def test_what_is_no_name_finds_nothing(tmp_path: Path) -> None:
    with begun(tmp_path) as net:
        made = net.state.demands.keep("one", BLOCK, 0, 9, True)
        for name in ("", "\0", f"\0o{made.name}", f"\0bone\0{made.name}", "-" * 600):
            assert net.state.demands.get(name) is None
            assert not net.state.demands.withdraw(name)
        assert len(net.state.demands.open()) == 1


def test_those_of_an_older_version_are_found(tmp_path: Path) -> None:
    with begun(tmp_path) as net:
        made = net.state.demands.keep("one", BLOCK, 0, 9, True)
        table = net.state.place.tables[kept.TABLE]
        with net.state.place.tables.writing() as txn:
            for key in [key for key, _ in txn.cursor(db=table) if key < b"\1"]:
                txn.delete(key, db=table)
        assert net.state.demands.open() == []
        again = kept.Demands(net.state.place.tables)
        assert again.open() == [(made.name, 9, True)]
        assert [one.name for one in again.page("one", "", 9)] == [made.name]


def test_no_more_than_so_many_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "OF_ONE_MAX", 2)
    monkeypatch.setattr(kept, "DEMANDS_MAX", 3)
    with begun(tmp_path) as net:
        demands = net.state.demands
        for by in ("one", "one", "on"):
            demands.keep(by, BLOCK, 0, 9, False)
        with pytest.raises(kept.TooManyError, match="3 demands are kept, 2 of this caller"):
            demands.keep("one", BLOCK, 0, 9, False)
        with pytest.raises(kept.TooManyError, match="3 demands are kept, 0 of this caller"):
            demands.keep("two", BLOCK, 0, 9, False)


def test_they_are_listed_by_pages(tmp_path: Path) -> None:
    async def pages(net: object, role: str, caller: str) -> list[str]:
        found, after = [], ""
        while True:
            asked = call(asked=calls.Listed(after, 2), caller=caller, role=role)
            body = (await calls.list_demands(net, asked)).body  # type: ignore[arg-type]
            assert len(body["items"]) <= 2
            found += [one["name"] for one in body["items"]]
            if body["next"] is None:
                return found
            after = body["next"]

    async def main() -> None:
        with begun(tmp_path) as net:
            of_one = sorted([await net.keep(BLOCK, dispatch=False) for _ in range(4)])
            others = [await net.keep(BLOCK, "other", dispatch=False) for _ in range(3)]
            assert await pages(net.state, "ask", "one") == of_one
            assert await pages(net.state, OPERATE, "boss") == sorted(of_one + others)
            assert await pages(net.state, "ask", "nobody") == []

    asyncio.run(main())


def test_more_blocks_than_are_searched_for_are_refused_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        wrong = pytest.raises(Problem, match="at most 100000 are allocated together")
        with begun(tmp_path) as net, wrong:
            await net.keep(Demand(cards=100_001, free=True), dispatch=False)

    asyncio.run(main())
