"""The picture of a region: its parts make up its totals, and nothing unknown is free."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.aggregation import picture, readings
from gateway.systems.aggregation.counting import Group
from gateway.systems.aggregation.known import ACTIVE, Pool, Unit
from gateway.systems.aggregation.live import NAMES as LIVE
from gateway.systems.aggregation.live import Live
from gateway.systems.aggregation.picture import DIMENSIONS, Parts, Row
from gateway.systems.aggregation.readings import Reading
from gateway.systems.aggregation.service import decide
from gateway.systems.aggregation.tables import NAMES, Book
from gateway.systems.aggregation.told import told_of
from resolver.tables import Tables
from tests.support.pictures import counted
from tests.support.supply import GRACE, NOW, SOURCE, node, plain, reading

VALID_MS = 135_000  # twice an interval of 60 s, and a bit


class Kept:
    """A book beside what sources have said last."""

    def __init__(self, tables: Tables) -> None:
        self.book = Book(tables)
        self.live = Live(tables, self.book, "zhejiang")

    def take(self, said: Reading, now: int = NOW, source: Any = SOURCE) -> None:
        decided = decide(self.book, source, said, now, GRACE)
        self.live.keep(source, said, decided.statuses, now)

    def whole(self, now: int = NOW, **where: str) -> Group:
        return counted(self.live.rows(now), **where).whole()

    def by(self, *names: str, now: int = NOW) -> dict[tuple[str, ...], Group]:
        groups = counted(self.live.rows(now), *names).groups()
        return {tuple(one.by.values()): one for one in groups}


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with closing(Tables(tmp_path / "t.mdb", (*NAMES, *LIVE), 64 << 20, lasting=True)) as tables:
        found = Kept(tables)
        found.book.add(SOURCE)
        yield found


def chips(group: Group) -> Parts:
    return group.figures.amounts["chips"]


def test_each_chip_is_in_one_part(kept: Kept) -> None:
    units = [node("a", 8), node("b", 3), node("c", free=0, health="maintenance", why="DRAIN")]
    kept.take(reading([*units, node("d", free=0, health="failed"), node("e", 0), plain("f")]))
    whole = kept.whole()
    assert chips(whole) == Parts(40, free=11, used=13, failed=8, maintenance=8)
    assert whole.figures.amounts["units"] == Parts(6, 3, 1, 1, 1)
    assert whole.figures.amounts["vcpu"].free == 11 * 12 + 64
    assert (whole.figures.resources, whole.figures.unknown) == (2, 0)
    assert whole.figures.oldest == whole.figures.newest == NOW
    assert whole.sources == (SOURCE.name,)


def test_what_is_past_its_validity_is_counted_and_not_free(kept: Kept) -> None:
    kept.take(reading([node("a", 8), node("b", 3)]))
    assert chips(kept.whole(NOW + VALID_MS - 1)) == Parts(16, free=11, used=5)
    later = kept.whole(NOW + VALID_MS)
    assert chips(later) == Parts(16, unknown=16)
    assert (later.figures.unknown, later.figures.oldest, later.figures.newest) == (1, 0, 0)
    assert later.figures.pflops["B"].free == 0 < later.figures.pflops["B"].unknown
    assert set(kept.by("status", now=NOW + VALID_MS)) == {("unknown",)}


def test_a_source_that_says_old_things_says_nothing_that_holds(kept: Kept) -> None:
    kept.take(reading([node("a", 8)], taken=NOW - 2 * VALID_MS))
    assert chips(kept.whole()) == Parts(8, unknown=8)


def test_what_a_clock_that_was_ahead_has_seen_is_unknown(kept: Kept) -> None:
    kept.take(reading([node("a", 8)]))
    assert chips(kept.whole()).free == 8
    assert chips(kept.whole(NOW - 60_001)) == Parts(8, unknown=8)


def test_what_nobody_knows_to_be_in_use_is_not_used(kept: Kept) -> None:
    kept.take(reading([node("a", 0)._replace(is_known=False), node("b", 3)]))
    assert chips(kept.whole()) == Parts(16, free=3, used=5, unknown=8)


def test_what_was_never_read_is_known_by_its_record_alone(kept: Kept) -> None:
    decide(kept.book, SOURCE, reading([node("a"), node("b")]), NOW, GRACE)
    whole = kept.whole()
    assert chips(whole) == Parts(16, unknown=16)
    assert whole.figures.amounts["units"] == Parts(2, unknown=2) and whole.figures.unknown == 1


def test_what_is_gone_is_neither_free_nor_used(kept: Kept) -> None:
    kept.take(reading([node(one) for one in "abcde"]))
    kept.take(reading([node(one) for one in "abcd"], NOW + 1), NOW + 1)
    assert chips(kept.whole(NOW + 1)) == Parts(40, free=32, gone=8)


def test_what_was_not_wholly_read_is_unknown(kept: Kept) -> None:
    kept.take(reading([node("a"), node("b")]))
    kept.take(reading([node("a", 2)], NOW + 1, whole=False), NOW + 1)
    assert chips(kept.whole(NOW + 1)) == Parts(16, free=2, used=6, unknown=8)


def test_what_is_held_back_is_not_believed(kept: Kept) -> None:
    kept.take(reading([node(one) for one in "abcdefgh"]))
    later = NOW + 60_000
    kept.take(reading([node("a")], later), later)
    assert kept.book.held_back(SOURCE.name) is not None
    assert chips(kept.whole(later)) == Parts(64, free=64)  # as it was told before
    assert chips(kept.whole(NOW + VALID_MS)) == Parts(64, unknown=64)


def test_a_card_that_fell_off_is_failed(kept: Kept) -> None:
    kept.take(reading([node("a", 8), node("b", 8)]))
    kept.take(reading([node("a", 5, chips=7), node("b", 8)], NOW + 1), NOW + 1)
    assert chips(kept.whole(NOW + 1)) == Parts(16, free=13, used=2, failed=1)


def test_it_is_grouped_by_any_two(kept: Kept) -> None:
    other = msgspec.structs.replace(SOURCE, name="nb", location="330203")
    kept.book.add(other)
    kept.take(reading([node("a", 8), plain("b")]))
    kept.take(reading([node("x", 2)]), source=other)
    found = kept.by("prefecture", "type")
    assert {key: one.figures.resources for key, one in found.items()} == {
        ("330100", "ACP"): 1,
        ("330100", "GCP"): 1,
        ("330200", "ACP"): 1,
    }
    assert chips(kept.by("province")[("330000",)]).free == 10
    assert chips(kept.whole(source="nb")).free == 2
    assert kept.whole(owner="nobody").figures.resources == 0
    assert list(kept.by("state")) == [("proposed",)] and list(kept.by("region")) == [("zhejiang",)]
    assert set(DIMENSIONS) == set(kept.live.rows(NOW)[0].what)


def test_what_a_source_said_goes_with_it(kept: Kept) -> None:
    kept.take(reading([node("a")]))
    assert kept.live.said(SOURCE.name) is not None
    kept.book.remove(SOURCE.name)
    kept.live.forget()
    assert kept.live.said(SOURCE.name) is None and not kept.live.rows(NOW)


# -- whatever a source says

AMOUNT = st.sampled_from([0.0, 0.5, 1.0, 3.0, 8.0, 16.0, -1.0, math.nan, math.inf])
SAID = st.builds(
    lambda total, free, cores, health: readings.Unit(
        "k", "n", {"chips": total, "vcpu": cores}, {"chips": free, "vcpu": free}, health
    ),
    AMOUNT,
    AMOUNT,
    AMOUNT,
    st.sampled_from(["ok", "degraded", "failed", "maintenance"]),
)


@given(st.lists(st.tuples(SAID | st.none(), st.booleans(), st.booleans()), max_size=6))
def test_parts_make_up_totals_and_free_is_what_the_status_tells(given_: list[Any]) -> None:
    known = {
        str(n): Unit("p", "n", "", 8.0, 16.0, 64.0, 0, "", int(gone), int(less))
        for n, (_, gone, less) in enumerate(given_)
    }
    named = {str(n): said for n, (said, gone, _) in enumerate(given_) if said and not gone}
    amounts = picture.amounts_of(known, named)
    for parts in amounts.values():
        assert all(one >= 0 for one in parts)
        assert parts.total == pytest.approx(sum(parts[1:]))
    told = told_of(list(named.values()), "x").free
    assert amounts.get("chips", Parts()).free == pytest.approx(told.get("chips", 0))
    assert amounts.get("vcpu", Parts()).free == pytest.approx(told.get("vcpu", 0))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.booleans()), max_size=20))
def test_groups_make_up_the_whole(rows: list[Any]) -> None:
    made = []
    for chip, free, fresh in rows:
        parts = Parts(10, free=free, used=10 - free) if fresh else Parts(10, unknown=10)
        figures = picture.Figures(1, int(not fresh), {"chips": parts}, {}, NOW, NOW)
        made.append(Row({"chip": chip}, figures))
    groups = counted(made, "chip").groups()
    whole = counted(made).whole().figures
    assert picture.together(one.figures for one in groups) == whole
    assert sum(one.figures.resources for one in groups) == len(rows)
    totals = [one.figures.amounts["chips"].total for one in groups]
    assert totals == sorted(totals, reverse=True)


def test_a_pool_as_the_registry_has_it() -> None:
    made = Pool("x", 0, {}, {})
    assert picture.state_of(made) == "proposed"
    assert picture.state_of(msgspec.structs.replace(made, refusal="no")) == "refused"
    assert picture.state_of(msgspec.structs.replace(made, done={})) == ACTIVE
