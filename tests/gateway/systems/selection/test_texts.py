"""Texts that each row has its own of are searched after all else, and in so many rows."""

from __future__ import annotations

import pytest

from csid.record import Record
from gateway.systems.selection import compiled, scan, texts
from gateway.systems.selection.demand import TOP_MAX, Demand, DemandError
from gateway.systems.selection.engine import in_order, prepare, select
from gateway.systems.selection.reasons import explain
from gateway.systems.selection.supply import Supply
from tests.support.growth import seconds

NOW = 1_800_000_000_000
ROWS = 3_000


def name(number: int) -> str:
    return f"91330106673959654P/6450/330106/ACP/H60M07A1-{number:05d}-AA"


@pytest.fixture(scope="module")
def supply() -> Supply:
    """Pools of which one in a hundred is trusted most; half are called alike."""
    made = Supply()
    for number in range(ROWS):
        extra = {"nodes": 2, "per_node": 8, "note": "ab" * 400 + str(number), "line": f"l{number}"}
        made.put(
            name(number),
            Record(
                {
                    "state": "active",
                    "count": 16,
                    "trust": 5 if number % 100 == 0 else 3,
                    "name": "a pool" if number % 2 else f"a pool named {number:05d} aaaa",
                    "extra": extra,
                }
            ),
        )
    made.tidy()
    return made


def found(supply: Supply, where: str, **asked: int) -> set[str]:
    results = select(supply, Demand(where=where, top=TOP_MAX, **asked), NOW).results  # type: ignore[arg-type]
    return {one.identifier for one in results}


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ('name like "*named*00 *"', range(0, ROWS, 100)),
        ("trust = 5 and not name like *named*", []),
        ("trust = 5 and (extra.line = l200 or name contains 00300)", [200, 300]),
        ("extra.line in (l7, l200) and name contains pool", [7, 200]),
        ("not (trust = 3 or name like *05?0*)", [n for n in range(0, ROWS, 100) if n // 100 != 5]),
    ],
)
def test_they_are_found_however_conditions_are_joined(
    supply: Supply, where: str, wanted: list[int]
) -> None:
    assert found(supply, where) == {name(number) for number in wanted}
    demand = Demand(where=where)
    ready = prepare(supply, demand, NOW)
    ordered = in_order(ready.checks, supply.columns, NOW)
    arguments = (supply.columns, ordered, ready.parts, NOW, 10)
    assert compiled.best(*arguments) == scan.best(*arguments)


def test_nothing_is_found_in_nothing() -> None:
    demand = Demand(where="not name = x or extra.y like *")
    assert select(Supply(), demand, NOW).results == ()
    assert explain(Supply(), demand, NOW).rows == 0


def test_a_pattern_without_letters_is_one_as_well(supply: Supply) -> None:
    assert len(found(supply, "name like ??????*")) == TOP_MAX
    assert found(supply, "name like *???????????????????????????*") == set()


def test_they_are_searched_in_what_all_else_leaves(
    supply: Supply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "WORK_MAX", 100)
    monkeypatch.setattr(texts.Work.__init__, "__defaults__", (100,))
    assert len(found(supply, "name like *a?p*", trust=5)) == 30
    assert len(found(supply, "name like *a?p* and trust = 5 and extra.line like l*")) == 30
    assert found(supply, "not name like *a?p*", trust=5) == set()
    with pytest.raises(DemandError, match="too many rows for that: narrow it by chips"):
        found(supply, "name like *a?p*")
    with pytest.raises(DemandError, match="narrow it"):  # three times as many looks as rows
        found(supply, "name = a or name like b* or name = c or endpoints = d", trust=5)
    # long texts count for several
    with pytest.raises(DemandError, match="narrow it"):
        found(supply, 'extra.note like "*a?ab?ba?ab?c*" or extra.note = x', trust=5)


def test_a_text_that_many_have_is_matched_once(
    supply: Supply, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    plain = texts.conditions.tester

    def counted(leaf: object) -> object:
        test = plain(leaf)  # type: ignore[arg-type]
        return lambda text: tried.append(text) or test(text)  # type: ignore[func-returns-value]

    monkeypatch.setattr(texts.conditions, "tester", counted)
    found(supply, 'name like "a ?ool"')
    assert len(tried) == len(set(tried)) <= ROWS // 2 + 1


def test_no_demand_holds_up_the_others_for_long(supply: Supply) -> None:
    """What took minutes: patterns of many parts, 64 of them, over all rows."""
    worst = " or ".join(f'extra.note like "*{"a?" * 10}{n}*"' for n in range(64))

    def refused() -> None:
        with pytest.raises(DemandError, match="narrow it"):
            found(supply, worst)

    looks = texts.WORK_MAX / ROWS  # as many as one that looks at each row once
    assert seconds(refused) < 5 * looks * seconds(lambda: found(supply, 'extra.line like "*7*"'))
