"""Why no more fits: counts are those of a count by hand, and the nearest is the nearest."""

from __future__ import annotations

from typing import Any

from pytest import MonkeyPatch

from csid import shape
from csid.record import Record
from csid.status import Status, Told
from gateway.systems.selection import reasons
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.engine import select
from gateway.systems.selection.reasons import Kept, Near, Reasons, Together, explain
from gateway.systems.selection.supply import Supply

NOW = 1_800_000_000_000
PLACE = "91330106673959654P/6450/330106/ACP"


def name(serial: str) -> str:
    return f"{PLACE}/H60M07A1-{serial}-AA"


def supply_of(**rows: dict[str, Any]) -> Supply:
    """Pools of 910B, 64 GiB, 4 nodes of 8 at 10 CNY unless told otherwise; `units` are free."""
    supply = Supply()
    for serial, told in rows.items():
        units = told.pop("units", None)
        facts: dict[str, Any] = {
            "state": "active", "chip": "Ascend 910B", "chip_memory_gib": 64, "count": 32,
            "price": "10", "currency": "CNY", "price_unit": "card-hour", "trust": 3,
            "extra": {"nodes": 4, "per_node": 8},
        }  # fmt: skip
        supply.put(name(serial), Record({k: v for k, v in (facts | told).items() if v is not None}))
        if units is not None:
            free = {"chips": sum(units), **shape.write(units)}
            supply.status(name(serial), Status(NOW, NOW + 9_000, "gw", 1, Told(free=free)))
    return supply


def kept(found: Reasons, condition: str) -> Kept:
    return next(one for one in found.kept if one.name == condition)


def test_each_condition_is_counted_in_turn_and_alone() -> None:
    supply = supply_of(
        A={"chip_memory_gib": 32, "price": "20"},
        B={"chip_memory_gib": 32},
        C={"price": "20"},
        D={"price": "13"},
        E={},
    )
    demand = Demand(chip_memory=64, price="8/卡时")
    found = explain(supply, demand, NOW)
    assert (found.rows, found.fit, found.could, found.never) == (5, 0, 0, True)
    memory, price = kept(found, "chip_memory"), kept(found, "price")
    assert (memory.of_left, memory.alone, memory.nothing_else, memory.near) == (2, 2, 0, None)
    assert (price.of_left, price.alone, price.nothing_else) == (3, 5, 3)
    assert price.near == Near(name("E"), "card_hour", 8.0, 10.0)


def test_what_is_not_declared_is_near_only_where_nothing_else_is() -> None:
    supply = supply_of(A={"price": None, "currency": None, "price_unit": None}, B={"price": "99"})
    found = kept(explain(supply, Demand(price="8/卡时"), NOW), "price")
    assert found.near == Near(name("B"), "card_hour", 8.0, 99.0)
    alone = supply_of(A={"price": None, "currency": None, "price_unit": None})
    near = kept(explain(alone, Demand(price="8/卡时"), NOW), "price").near
    assert near == Near(name("A"), "card_hour", 8.0, None)


def test_what_would_fit_at_another_moment_is_told_from_what_never_does() -> None:
    supply = supply_of(A={"units": [8, 4, 4]}, B={"units": [8, 8]}, C={})
    demand = Demand(per_node=8, nodes=3, free=True)
    found = explain(supply, demand, NOW)
    assert (found.fit, found.could, found.never) == (0, 3, False)
    free = kept(found, "free")
    assert free.now and free.near == Near(name("B"), "blocks of 8", 3, 2)
    assert kept(found, "status").of_left == 1
    never = explain(supply, Demand(per_node=8, nodes=5, free=True), NOW)
    assert never.never
    assert kept(never, "nodes").of_left == 3 or kept(never, "cards").of_left == 3


def test_a_name_that_does_not_fit_is_told_with_what_there_is() -> None:
    near = kept(explain(supply_of(A={}), Demand(chips=("H800",)), NOW), "chips").near
    assert near is not None and near.offered == "Ascend 910B"


def test_a_condition_about_anything_can_be_what_keeps_away() -> None:
    supply = supply_of(A={"units": [8], "name": "one"}, B={"name": "two"})
    for where in ("name contains three", "load > 0.5", "health = failed", "not count >= 1",
                  "valid_until < 2020-01-01", "extra.x = 5", "rtt < 5", "free.chips > 99",
                  "type like G* or free.nodes = 3"):  # fmt: skip
        found = kept(explain(supply, Demand(where=where), NOW), "where")
        assert found.alone == found.nothing_else == 2 and found.near is not None, where


def test_what_lasts_of_where_is_told_from_what_is_of_now() -> None:
    supply = supply_of(A={"units": [8]}, B={"units": [8]})
    for where in (
        "count >= 1000000 and load < 0.5",
        "load < 0.5 and (trust = 3 and count >= 1000000)",
    ):
        found = explain(supply, Demand(where=where), NOW)
        assert (found.could, found.never) == (0, True)
        assert [kept(found, name).now for name in ("where", "where_now")] == [False, True]
        assert (kept(found, "where").alone, kept(found, "where_now").alone) == (2, 2)
    later = explain(supply, Demand(where="count >= 1 and load < 0.5"), NOW)
    assert (later.fit, later.could, later.never) == (0, 2, False)
    assert kept(later, "where_now").nothing_else == 2
    only = explain(supply, Demand(where="load < 0.5"), NOW)
    assert kept(only, "where").now and not only.never


def test_the_nearest_price_is_of_the_currency_that_is_asked_for() -> None:
    supply = supply_of(A={"price": "12.5"}, B={"price": "11", "currency": "USD"})
    near = kept(explain(supply, Demand(price="12/卡时"), NOW), "price").near
    assert near == Near(name("A"), "card_hour", 12.0, 12.5)
    abroad = supply_of(A={"price": None, "currency": None, "price_unit": None},
                       B={"price": "11", "currency": "USD"})  # fmt: skip
    near = kept(explain(abroad, Demand(price="12/卡时"), NOW), "price").near
    assert near is not None
    assert (near.identifier, near.field, near.offered) == (name("B"), "cost_currency", "USD")
    assert near.asked == {"field": "cost_currency", "op": "=", "value": "cny"}


def test_why_no_pools_have_enough_together() -> None:
    supply = supply_of(
        A={"units": [8, 8, 4]}, B={"units": [8]}, C={"units": [8, 8, 8]}, D={"trust": 1}
    )
    demand = Demand(per_node=8, nodes=6, pools=2, free=True, trust=3)
    found = explain(supply, demand, NOW)
    assert (found.fit, found.could, found.never) == (3, 3, False)
    assert found.together == Together(2, 6, 5, 8, name("C"))
    last = found.kept[-1]
    near = Near(name("C"), "blocks of 8 in 2 pools", 6, 5)
    assert last == Kept("pools", True, 3, 3, 3, near)

    never = explain(supply, Demand(per_node=8, nodes=9, pools=2, free=True, trust=3), NOW)
    assert never.together is not None and never.together.could == 8
    assert never.never and not never.kept[-1].now

    enough = explain(supply, Demand(per_node=8, nodes=5, pools=2, free=True), NOW)
    assert enough.kept[-1] == Kept("pools", True, 0, 0, 0, None)
    cards = explain(supply, Demand(cards=65, pools=2, free=True), NOW)
    assert cards.together == Together(2, 65, 44, 64, name("C"))
    assert cards.never
    assert explain(supply, Demand(per_node=8, free=True), NOW).together is None
    none = explain(supply, Demand(per_node=8, pools=2, free=True, trust=5), NOW)
    assert none.together == Together(2, 1, 0, 0, "") and none.kept[-1].near is None


def test_texts_are_looked_at_where_they_decide() -> None:
    supply = supply_of(
        A={"name": "east one"},
        B={"name": "east two", "trust": 1},
        C={"name": "west"},
        D={"name": "west", "trust": 1},
        E={"name": "west", "trust": 1, "chip_memory_gib": 32},
    )
    demand = Demand(where="name like e*", trust=3, chip_memory=64)
    found = explain(supply, demand, NOW)
    assert (found.fit, found.could) == (1, 1)
    where, trust = kept(found, "where"), kept(found, "trust")
    assert (where.alone, where.of_left, where.nothing_else) == (2, 1, 1)  # of E nobody knows
    assert trust.nothing_else == 1 and trust.near is not None
    assert trust.near.identifier == name("B")


def test_an_explanation_looks_at_so_many_texts_and_no_more(monkeypatch: MonkeyPatch) -> None:
    supply = supply_of(**{f"R{n}": {"name": f"pool {n}"} for n in range(20)})
    monkeypatch.setattr(reasons, "_WORK", 10)
    found = explain(supply, Demand(where="name contains nothing"), NOW)
    assert (found.fit, found.could, found.never) == (0, 20, False)
    assert kept(found, "where").nothing_else == 0  # which is not known, and not said


def test_what_fits_is_counted_as_it_is_selected() -> None:
    supply = supply_of(**{f"R{n}": {"trust": n % 5 + 1} for n in range(30)})
    demand = Demand(trust=4, top=100)
    found = explain(supply, demand, NOW)
    assert found.fit == len(select(supply, demand, NOW).results) == 12
    assert kept(found, "trust").near == Near(name("R12"), "trust", 4.0, 3.0)
