"""What is summed by columns is what rows make up, to the last bit, whatever comes and goes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.systems.aggregation import calls, exchange, history, saying
from gateway.systems.aggregation import tables as books
from gateway.systems.aggregation.columns import Columns, columns_of_rows
from gateway.systems.aggregation.counting import Counting, Group
from gateway.systems.aggregation.exchange import DROP_MS, SKEW_MS, Key, Report, Told
from gateway.systems.aggregation.picture import DIMENSIONS, Figures, Parts, Row
from gateway.systems.aggregation.region import TABLES, Aggregating
from gateway.systems.aggregation.regions import OUTLINES, REGIONS
from gateway.systems.aggregation.settings import Aggregation
from gateway.systems.contract import Caller
from resolver.tables import Tables
from tests.support import growth, pictures
from tests.support.growth import FEW, MANY

NOW = 1_795_700_000_000
VALID = 135  # seconds

# -- rows of any numbers

NUMBER = st.one_of(
    st.sampled_from([0.0, 1.0, 8.0, 0.1, 1 / 3, 2.0**53, 2.0**32, 2.0**-33, 5e-324, 1e-300]),
    st.integers(0, 2**53).map(float),
    st.floats(0, 2.0**53),
)
PARTS = st.builds(Parts, *[NUMBER] * len(Parts._fields))
FIGURES = st.builds(
    Figures,
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.dictionaries(st.sampled_from(["units", "chips", "vcpu"]), PARTS, max_size=3),
    st.dictionaries(st.sampled_from("HB"), PARTS, max_size=2),
    st.sampled_from([0, NOW - 5, NOW - 3]),
    st.sampled_from([0, NOW - 2, NOW - 1]),
)
WHAT = st.fixed_dictionaries(
    {
        "region": st.sampled_from(["", "zhejiang"]),
        "prefecture": st.sampled_from(["", "330100", "330200", "320100"]),
        "chip": st.sampled_from(["", "H100", "910B", "中"]),
        "source": st.sampled_from(["", "a", "b"]),
    }
)
NODES = st.lists(st.lists(st.builds(Row, WHAT, FIGURES), max_size=5), max_size=4)
BY = st.lists(st.sampled_from(DIMENSIONS), max_size=2, unique=True)
WHERE = st.dictionaries(
    st.sampled_from(["chip", "region", "owner"]), st.sampled_from(["", "H100", "zhejiang"])
)


@settings(deadline=None)
@given(NODES, BY, WHERE)
def test_columns_make_up_what_rows_do(
    nodes: list[list[Row]], by: list[str], where: dict[str, str]
) -> None:
    rows = [row for each in nodes for row in each]
    counting = Counting([columns_of_rows(each) for each in nodes], by, where)
    groups = pictures.picture(rows, by, where)
    assert counting.groups() == groups and len(counting) == len(groups)
    assert counting.groups(2) == groups[:2]
    assert counting.whole() == pictures.whole(rows, where)


@settings(deadline=None)
@given(NODES)
def test_what_is_unknown_by_columns_is_so_by_rows(nodes: list[list[Row]]) -> None:
    unknown = [[Row(what, one.as_unknown) for what, one in each] for each in nodes]
    found = [columns_of_rows(each).as_unknown for each in nodes]
    rows = [row for each in unknown for row in each]
    assert Counting(found, ("chip",)).groups() == pictures.picture(rows, ("chip",), {})
    assert history.minute_of(found) == pictures.minute_of(rows, history.GROUPS_MAX)


@pytest.mark.parametrize("most", [3, 1_000])
@settings(deadline=None)
@given(NODES)
def test_a_minute_is_summed_in_the_order_of_rows(most: int, nodes: list[list[Row]]) -> None:
    rows = [row for each in nodes for row in each]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(history, "GROUPS_MAX", most)
        found = history.minute_of([columns_of_rows(each) for each in nodes])
    assert list(found.items()) == list(pictures.minute_of(rows, most).items())


@given(st.lists(NUMBER, max_size=20))
def test_no_bit_of_a_number_is_lost(numbers: list[float]) -> None:
    rows = [Row({}, Figures(amounts={"chips": Parts(one)})) for one in numbers]
    columns = columns_of_rows(rows)
    assert columns.numbers(("amounts", "chips", 0)).tolist() == numbers
    if numbers:
        whole = Counting([columns], ()).whole().figures.amounts["chips"].total
        assert whole == math.fsum(numbers)


# -- a nation, whatever regions tell


class Nation:
    """A nation and what it was told, whose clock is turned by hand."""

    def __init__(self, tables: Tables) -> None:
        self.now = NOW
        self.tables = tables
        self.states = [self.begun(), self.begun()]  # processes over the same tables
        self.number = 0

    def begun(self) -> Aggregating:
        said = Aggregation(region="nation")
        place = SimpleNamespace(settings=said, now=lambda: self.now, tables=self.tables)
        return Aggregating(cast(Any, place))

    def told(self, region: str, groups: Mapping[Key, Told], whole: bool, who: int) -> None:
        """A region tells its picture, all of it or what has changed."""
        state = self.states[who]
        before = {one.region: one for one in state.regions.all(REGIONS, self.now)}.get(region)
        self.number += 1
        said = Report(region, self.number, 0, self.now, VALID, list(groups.values()))
        if before is not None and not whole:
            changed, again, gone = exchange.between({g.key: g for g in before.groups}, groups)
            said = Report(region, self.number, before.number, self.now, VALID, changed, again, gone)
        answer = state.take(said, Caller(region, ""), self.now)
        assert (answer.number, answer.whole) == (self.number, False)
        self.requires_neighbours(region, answer.neighbours)

    def requires_neighbours(self, region: str, neighbours: list[exchange.Neighbour]) -> None:
        """What is told of the others is made of their pictures."""
        outlines = self.states[0].regions.all(OUTLINES, self.now)
        others = [one for one in outlines if one.region != region]
        most = max(1, exchange.TOLD_MAX // max(1, len(others)))
        assert [one.region for one in neighbours] == [one.region for one in others]
        for one, other in zip(neighbours, others, strict=True):
            assert one.groups == exchange.fewer(other, most)
            assert one.age == max(0, self.now - other.at)
            assert one.holds == max(0, other.until - self.now)

    def requires(self, by: list[str], where: dict[str, str]) -> None:
        """The picture and the minute are those of all that was told, as rows."""
        for state in self.states:
            kept = state.regions.all(REGIONS, self.now)
            rows = [row for one in kept for row in pictures.rows_of(one, self.now)]
            found = calls.picture_of(state, tuple(by), where, 3)
            groups = pictures.picture(rows, by, where) if by else []
            assert found.total == saying.counted(pictures.whole(rows, where), self.now)
            assert found.items == [saying.counted(one, self.now) for one in groups[:3]]
            assert found.more == max(0, len(groups) - 3)
            minute = history.minute_of(state.counted(self.now))
            made = pictures.minute_of(rows, history.GROUPS_MAX)
            assert list(minute.items()) == list(made.items())


def group(place: str, chip: str, free: float, seen: int) -> Told:
    chips = Parts(8.3, free=free, used=8.3 - free)
    pflops = {"H": chips.times(1 / 7)}
    return Told(Key(place, "ACP", chip, "active"), 3, 1, {"chips": chips}, pflops, seen, seen)


GROUPS = st.dictionaries(
    st.tuples(st.sampled_from(["330100", "330200", "320100"]), st.sampled_from(["H100", "*", ""])),
    st.sampled_from([0.0, 0.1, 1 / 3, 8.0]),
    max_size=5,
)
STEP = st.one_of(
    st.tuples(st.just("told"), st.sampled_from("abc"), GROUPS, st.booleans(), st.integers(0, 1)),
    st.tuples(
        st.just("later"), st.sampled_from([1, 60_000, 134_999, 135_000, DROP_MS, -SKEW_MS - 1])
    ),
    st.tuples(st.just("forget"), st.integers(0, 1)),
    st.tuples(st.just("begun anew"), st.integers(0, 1)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(STEP, BY, WHERE), max_size=12))
def test_whatever_comes_and_goes_the_picture_is_as_if_made_from_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any]
) -> None:
    file = tmp_path_factory.mktemp("nation") / "t.mdb"
    names = (*TABLES, *books.NAMES)
    with closing(Tables(file, names, 64 << 20, lasting=False)) as tables:
        nation = Nation(tables)
        for (what, *more), by, where in steps:
            if what == "told":
                region, places, whole, who = more
                groups = [group(*key, free, nation.now) for key, free in places.items()]
                nation.told(region, {one.key: one for one in groups}, whole, who)
            elif what == "later":
                nation.now += more[0]
            elif what == "forget":
                nation.states[more[0]].regions.forget(nation.now)
            else:
                nation.states[more[0]] = nation.begun()
            nation.requires(by, where)


# -- what it costs


def many(groups: int) -> list[Told]:
    return [group(f"33{n % 9 + 1:02}00", f"c{n}", 1 / 3, NOW) for n in range(groups)]


def test_what_was_told_is_not_read_again(tmp_path: Path) -> None:
    names = (*TABLES, *books.NAMES)
    with closing(Tables(tmp_path / "t.mdb", names, 64 << 20, lasting=False)) as tables:
        nation = Nation(tables)
        nation.told("a", {one.key: one for one in many(2 * FEW)}, True, 0)
        known, anew = nation.states

        def read_anew() -> None:
            anew.regions._shown.clear()
            anew.regions.shown(NOW)

        again = growth.seconds(lambda: known.regions.shown(NOW))
        assert again < growth.seconds(read_anew) / 5


def shown_groups(nodes: list[Columns]) -> list[Group]:
    return Counting(nodes, ("chip", "province")).groups(9)


@pytest.mark.parametrize("work", [history.minute_of, shown_groups])
def test_a_minute_and_a_picture_cost_in_proportion(work: Callable[[Any], object]) -> None:
    few, lots = ([exchange.shown(kept(many(rows))).columns] for rows in (FEW, MANY))
    assert growth.growth(lambda: work(few), lambda: work(lots)) < growth.IN_PROPORTION


def kept(groups: list[Told]) -> exchange.Kept:
    return exchange.Kept("a", "a", 1, "1", b"", NOW, NOW + 9, groups)


def test_a_picture_that_was_changed_behind_its_back_is_read_again(tmp_path: Path) -> None:
    names = (*TABLES, *books.NAMES)
    with closing(Tables(tmp_path / "t.mdb", names, 64 << 20, lasting=False)) as tables:
        nation = Nation(tables)
        nation.told("a", {one.key: one for one in many(3)}, True, 0)
        nation.requires(["chip"], {})
        nation.told("a", {one.key: one for one in many(2)}, False, 1)
        nation.requires(["chip"], {})
        assert msgspec.structs.astuple(nation.states[0].regions.shown(NOW)[0].head)[2] == 2
