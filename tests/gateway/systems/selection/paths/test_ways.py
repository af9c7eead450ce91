"""The k best ways are those that an enumeration finds (networkx), under every limit."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import networkx
import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st

from gateway.systems.selection.paths.graph import COMPILED, Graph, NoLineError
from gateway.systems.selection.paths.latency import STALE_MS, Measures, between
from gateway.systems.selection.paths.lines import Elastic, Express, Line, Quality, Task, measured
from gateway.systems.selection.paths.ways import Found, Wanted, WantedError, ways
from tests.support.servers import CHECKOUT

DAY = dt.date(2026, 11, 26)
PLACES = ("110000", "310000", "330100", "440100", "500000", "610100", "SGSIN")
ONE, OTHER = "91330106673959654P", "X0000000000000101T"


def line(name: str, one: str, other: str, ms: float, **more: Any) -> Line:
    values = {"bandwidth_gbps": 10.0, "free_gbps": 10.0, "state": "open", "stated_ms": ms, **more}
    return Line(name, (one, other), values.pop("provider", ONE), **values)


@st.composite
def networks(draw: st.DrawFn) -> list[Line]:
    """Lines between few places, several between two of them among these, some with equal costs."""
    made = []
    for index in range(draw(st.integers(1, 16))):
        one, other = draw(st.permutations(PLACES))[:2]
        made.append(
            line(
                f"l{index}",
                one,
                other,
                draw(st.sampled_from((0.0, 1.0, 2.0, 2.5, 7.0)) | st.floats(0, 50)),
                free_gbps=draw(st.sampled_from((0.0, 1.0, 10.0))),
                state=draw(st.sampled_from(("open", "open", "open", "degraded", "down"))),
                tariff=draw(
                    st.sampled_from(
                        (None, Elastic(2.0), Elastic(0.5), Task(3.0), Express(1.0, "USD"))
                    )
                ),
                provider=draw(st.sampled_from((ONE, OTHER))),
            )
        )
    return made


wishes = st.builds(
    Wanted,
    gbps=st.sampled_from((1.0, 0.0, 5.0)),
    max_ms=st.none() | st.floats(0, 80),
    max_price=st.none() | st.sampled_from((0.0, 5.0, 12.0, 30.0)),
    max_lines=st.none() | st.integers(1, 5),
    without=st.sampled_from((frozenset(), frozenset({OTHER}))),
    per_ms=st.sampled_from((1.0, 0.0)),
    per_price=st.sampled_from((0.0, 1.0, 0.3)),
    hours=st.sampled_from((1.0, 24.0)),
    tasks=st.integers(0, 3),
    terabytes=st.sampled_from((1.0, 0.5)),
    currency=st.sampled_from(("CNY", "USD")),
)


def price_of(one: Line, wanted: Wanted) -> float | None:
    tariff = one.tariff
    if tariff is None or tariff.currency != wanted.currency:
        return None
    if isinstance(tariff, Elastic):
        if not wanted.gbps and tariff.per_gbps_hour:
            return None  # nobody can say
        return tariff.per_gbps_hour * wanted.gbps * wanted.hours
    if isinstance(tariff, Task):
        return tariff.per_task * wanted.tasks
    return tariff.per_tb * wanted.terabytes


def every_way(lines: list[Line], wanted: Wanted, start: str, end: str) -> Iterator[float]:
    """The costs of all loopless paths that meet what is asked, by enumeration."""
    graph = networkx.MultiGraph()
    graph.add_nodes_from((start, end))
    needs_price = wanted.per_price or wanted.max_price is not None
    usable = {}
    for one in lines:
        price = price_of(one, wanted)
        if one.state not in ("open", "degraded") or one.provider in wanted.without:
            continue
        if not one.free_gbps or one.free_gbps < wanted.gbps or (needs_price and price is None):
            continue
        usable[one.name] = (one.stated_ms or 0.0, price or 0.0)
        graph.add_edge(*one.ends, key=one.name)
    for path in networkx.all_simple_edge_paths(graph, start, end):
        ms = sum(usable[key][0] for _, _, key in path)
        price = sum(usable[key][1] for _, _, key in path)
        if (
            (wanted.max_ms is None or ms <= wanted.max_ms)
            and (wanted.max_price is None or price <= wanted.max_price)
            and (wanted.max_lines is None or len(path) <= wanted.max_lines)
        ):
            yield wanted.per_ms * ms + wanted.per_price * price


def needs_bandwidth(lines: list[Line], wanted: Wanted) -> bool:
    """Whether a price counts that is by bandwidth, and none is given."""
    counts = bool(wanted.per_price) or wanted.max_price is not None
    return (
        counts
        and not wanted.gbps
        and any(
            isinstance(one.tariff, Elastic) and one.tariff.currency == wanted.currency
            for one in lines
            if one.carries(DAY)
        )
    )


def found_in(lines: list[Line], wanted: Wanted, top: int) -> Found:
    if needs_bandwidth(lines, wanted):
        with pytest.raises(WantedError, match="give the bandwidth"):
            ways(Graph(lines, DAY), PLACES[0], PLACES[1], wanted, top)
        reject()
    try:
        return ways(Graph(lines, DAY), PLACES[0], PLACES[1], wanted, top)
    except NoLineError:
        return Found(())


@given(networks(), wishes, st.integers(1, 6))
@example([line("a", *PLACES[:2], 1.0), line("b", *PLACES[:2], 1.0)], Wanted(), 2)
def test_they_are_those_of_an_enumeration(lines: list[Line], wanted: Wanted, top: int) -> None:
    found = found_in(lines, wanted, top)
    costs = sorted(every_way(lines, wanted, *PLACES[:2]))[:top]
    assert [way.cost for way in found.ways] == pytest.approx(costs)
    assert found.whole


@given(networks(), wishes)
def test_they_are_sorted_distinct_loopless_and_meet_what_is_asked(
    lines: list[Line], wanted: Wanted
) -> None:
    by_name = {one.name: one for one in lines}
    found = found_in(lines, wanted, 8).ways
    assert all(one.cost <= other.cost + 1e-9 for one, other in pairwise(found))
    assert len({way.lines for way in found}) == len(found)
    for way in found:
        used = [by_name[name] for name in way.lines]
        assert (way.places[0], way.places[-1]) == PLACES[:2]
        assert len(set(way.places)) == len(way.places) == len(used) + 1
        for one, step in zip(used, pairwise(way.places), strict=True):
            assert set(step) == set(one.ends) and one.carries(DAY)
            assert one.provider not in wanted.without and one.free_gbps >= wanted.gbps
        assert way.ms == pytest.approx(sum(one.stated_ms or 0 for one in used))
        assert way.gbps == min(one.free_gbps for one in used) > 0
        priced = [price_of(one, wanted) for one in used]
        if None in priced:
            assert way.price is None
        else:
            assert way.price == pytest.approx(sum(one or 0 for one in priced))
        assert wanted.max_ms is None or way.ms <= wanted.max_ms
        assert wanted.max_price is None or (way.price or 0) <= wanted.max_price
        assert wanted.max_lines is None or len(used) <= wanted.max_lines


@given(networks(), wishes)
def test_both_directions_have_the_same_costs(lines: list[Line], wanted: Wanted) -> None:
    graph = Graph(lines, DAY)
    there, back = found_in(lines, wanted, 4), Found(())
    if {PLACES[0], PLACES[1]} <= set(graph.nodes):
        back = ways(graph, PLACES[1], PLACES[0], wanted, 4)
    # A limit that is met to the last bit in one order of summing may not be in the other.
    if len(there.ways) == len(back.ways):
        assert [way.cost for way in there.ways] == pytest.approx([way.cost for way in back.ways])


CITIES = ("330100", "330106", "310000", "310115", "110000")
of_cities = st.tuples(st.sampled_from(CITIES), st.sampled_from(CITIES), st.integers(1, 30))


@given(st.lists(of_cities, max_size=9), st.integers(1, 6), st.sampled_from([None, 2]))
def test_a_district_is_reached_by_its_own_lines_and_by_those_of_its_city(
    some: list[tuple[str, str, int]], top: int, most: int | None
) -> None:
    lines = [
        line(f"l-{number}", one, other, float(ms))
        for number, (one, other, ms) in enumerate(some)
        if one != other
    ]
    wanted = Wanted(max_lines=most)
    expected = sorted(
        cost
        for start in ("330106", "330100")
        for end in ("310115", "310000")
        for cost in every_way(lines, wanted, start, end)
    )
    try:
        found = ways(Graph(lines, DAY), "330106", "310115", wanted, top)
    except NoLineError:
        found = Found(())
    assert [way.cost for way in found.ways] == pytest.approx(expected[:top])


def test_a_grid_of_equal_lines_is_searched_and_not_enumerated() -> None:
    """Of 10 x 10 places, where there are 48,620 ways of one length and far more of others."""
    from csid import codes

    districts = (code for code in codes.divisions() if code.startswith(("33", "32")))
    names = [code for code in districts if not code.endswith("00")][:100]
    lines = []
    for at, name in enumerate(names):
        for step in (1, 10):
            if at + step < 100 and (step == 10 or at % 10 < 9):
                lines.append(line(f"l{len(lines)}", name, names[at + step], 1.0))
    graph = Graph(lines, DAY)
    found = ways(graph, names[0], names[99], Wanted(max_lines=20), 50)
    assert found.whole and [way.cost for way in found.ways] == [18.0] * 50
    limited = ways(graph, names[0], names[99], Wanted(max_ms=20, max_lines=30, per_ms=0.5), 5)
    assert limited.whole and {way.ms for way in limited.ways} == {18.0}


def test_it_is_said_why_there_is_none() -> None:
    lines = [
        line("a", "110000", "310000", 20.0, tariff=Elastic(3.0)),
        line("b", "330100", "SGSIN", 1),
    ]
    graph = Graph(lines, DAY)

    def why(wanted: Wanted, end: str = "310000") -> str:
        found = ways(graph, "110000", end, wanted)
        assert not found.ways
        return found.why

    assert "at least 20 on any way, more than 15" in why(Wanted(max_ms=15))
    assert "price: at least 30" in why(Wanted(gbps=10, max_price=20))
    assert "no lines lead there that can be used as asked" in why(Wanted(gbps=100))
    assert why(Wanted(), "SGSIN") == "no lines lead there"
    assert "no line is needed" in why(Wanted(), "110101")
    with pytest.raises(NoLineError, match=r"nearest .* 310000 \("):
        ways(graph, "110000", "320500", Wanted())
    with pytest.raises(NoLineError, match="no lines that carry"):
        ways(Graph([], DAY), "110000", "320500", Wanted())


def test_limits_that_no_way_meets_together_are_told_of() -> None:
    lines = [
        line("fast", "110000", "310000", 5.0, tariff=Elastic(10.0)),
        line("cheap", "110000", "310000", 50.0, tariff=Elastic(1.0)),
    ]
    found = ways(Graph(lines, DAY), "110000", "310000", Wanted(1.0, max_ms=20, max_price=5))
    assert found.ways == () and "not all of them by one way" in found.why


def test_a_district_is_reached_by_the_lines_of_its_city() -> None:
    graph = Graph([line("a", "330100", "310000", 6.2)], DAY)
    (way,) = ways(graph, "330106", "310115", Wanted()).ways
    assert way.places == ("330100", "310000")


def test_validity_is_looked_at() -> None:
    one = line("a", "330100", "310000", 6, valid_from=DAY, valid_until=DAY)
    assert Graph([one], DAY).names == ("a",)
    assert Graph([one], DAY + dt.timedelta(1)).names == ()
    assert Graph([one], DAY - dt.timedelta(1)).names == ()


def test_the_latency_is_measured_else_stated_else_estimated_and_the_least_certain_is_said() -> None:
    now = int(dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC).timestamp() * 1_000)
    quality = Quality(4.0, 5.0, now - STALE_MS, "probe")
    lines = [
        line("measured", "110000", "310000", 9.0, quality=quality),
        line("stated", "310000", "330100", 2.0),
        line("estimated", "330100", "440100", 0, stated_ms=None),
    ]
    graph = Graph(lines, DAY, now)
    marks = {}
    for end in ("310000", "330100", "440100"):
        (way,) = ways(graph, "110000", end, Wanted()).ways
        marks[end] = way.mark, way.ms
    assert marks["310000"] == ("measured", 4.0)
    assert marks["330100"] == ("stated", 6.0)
    assert marks["440100"][0] == "estimated" and 20 < marks["440100"][1] < 50


def test_what_was_measured_is_believed_as_long_as_elsewhere() -> None:
    now = int(dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC).timestamp() * 1_000)
    for stated, otherwise in ((9.0, ("stated", 9.0)), (None, None)):
        for age, believed in ((STALE_MS, True), (STALE_MS + 1, False)):
            quality = Quality(0.5, 0.6, now - age, "probe")
            one = line("a", "330100", "310000", 0, stated_ms=stated, quality=quality)
            (way,) = ways(Graph([one], DAY, now), "330100", "310000", Wanted()).ways
            found = measured(one)
            assert found is not None
            public = between("330100", "310000", Measures([found]), now)
            assert (public.mark == "measured") is believed
            expected = ("measured", 0.5) if believed else otherwise
            expected = expected or ("estimated", pytest.approx(public.middle))
            assert (way.mark, way.ms) == expected


def test_a_price_by_bandwidth_is_of_some_bandwidth() -> None:
    lines = [line("a", "330100", "310000", 5.0, tariff=Elastic(100.0))]
    graph = Graph(lines, DAY)
    for wanted in (Wanted(per_price=1.0), Wanted(max_price=1.0)):
        with pytest.raises(WantedError, match="give the bandwidth"):
            ways(graph, "330100", "310000", wanted)
        assert ways(graph, "330100", "310000", wanted._replace(currency="USD")).ways == ()
    (way,) = ways(graph, "330100", "310000", Wanted()).ways
    assert way.price is None
    (way,) = ways(graph, "330100", "310000", Wanted(2.0, per_price=1.0)).ways
    assert way.price == 200.0
    by_task = Graph([line("a", "330100", "310000", 5.0, tariff=Task(3.0))], DAY)
    (way,) = ways(by_task, "330100", "310000", Wanted(per_price=1.0)).ways
    assert way.price == 3.0


def test_a_line_whose_latency_nobody_knows_is_not_free_of_it() -> None:
    graph = Graph([line("a", "330100", "USZZZ", 0, stated_ms=None)], DAY)
    assert "no lines lead there" in ways(graph, "330100", "USZZZ", Wanted()).why


@pytest.mark.parametrize(
    "wrong",
    [
        {"hours": -1.0},
        {"gbps": float("nan")},
        {"per_price": 1e12},
        {"tasks": 10**400},
        {"max_ms": float("nan")},
        {"max_ms": -1.0},
        {"max_price": float("inf")},
        {"max_lines": 10**400},
        {"max_lines": -(10**5_000)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_nobody_can_ask_is_refused(wrong: dict[str, Any]) -> None:
    graph = Graph([line("a", "330100", "310000", 6.2)], DAY)
    with pytest.raises(WantedError, match="expected a number from 0"):
        ways(graph, "330100", "310000", Wanted()._replace(**wrong))


@pytest.mark.skipif(not COMPILED, reason="these are the tests of what is not compiled")
def test_what_is_not_compiled_finds_the_same() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    command += ["-k", "enumeration or sorted or grid"]
    ran = subprocess.run(
        command, cwd=CHECKOUT, env={"CSID_PURE": "1", "PATH": ""}, capture_output=True, timeout=300
    )
    assert ran.returncode == 0, ran.stdout.decode()
