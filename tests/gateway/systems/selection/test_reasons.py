"""Why no more fits: counts are those of a count by hand, and the nearest is the nearest."""

from __future__ import annotations

from typing import Any

from csid import shape
from csid.record import Record
from csid.status import Status, Told
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.engine import select
from gateway.systems.selection.reasons import Kept, Near, Reasons, explain
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


def test_what_fits_is_counted_as_it_is_selected() -> None:
    supply = supply_of(**{f"R{n}": {"trust": n % 5 + 1} for n in range(30)})
    demand = Demand(trust=4, top=100)
    found = explain(supply, demand, NOW)
    assert found.fit == len(select(supply, demand, NOW).results) == 12
    assert kept(found, "trust").near == Near(name("R12"), "trust", 4.0, 3.0)
