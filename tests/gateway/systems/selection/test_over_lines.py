"""Compute that is reached over dedicated lines with the bandwidth that is asked for."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.identifier import make
from csid.record import Record, encode
from gateway.systems.selection import calls, said, streams
from gateway.systems.selection.demand import Demand, DemandError, of_json
from gateway.systems.selection.paths.graph import Graph
from gateway.systems.selection.paths.lines import Line, made
from gateway.systems.selection.paths.places import area
from gateway.systems.selection.paths.reaching import nodes_of, reached
from gateway.systems.selection.rows import Change
from tests.support.begun_selection import RECORD, Begun, begun, call
from tests.support.commands import run
from tests.support.registering import OWNER
from tests.support.selecting import CHEAP, Selecting

HANGZHOU, XIHU, SHANGHAI, BEIJING, GUIYANG = "330100", "330106", "310000", "110000", "520100"
CITIES = (HANGZHOU, XIHU, SHANGHAI, "310115", BEIJING, GUIYANG, "SGSIN")
DAY = date(2026, 11, 27)


def line(name: str, one: str, other: str, ms: float | None, free: float = 100.0) -> Line:
    return made(
        name=name, ends=[one, other], provider=OWNER, bandwidth_gbps=100.0, free_gbps=free,
        state="open", stated_ms=ms,
    )  # fmt: skip


city = st.sampled_from(CITIES)
ends = st.tuples(city, city).filter(lambda pair: pair[0] != pair[1])
some_lines = st.lists(
    st.tuples(ends, st.integers(0, 60), st.sampled_from([0.0, 1.0, 10.0, 100.0])), max_size=14
)


@given(some_lines, city, st.sampled_from([0.5, 1.0, 5.0, 50.0]))
def test_each_place_is_reached_as_soon_as_networkx_says(
    some: list[tuple[tuple[str, str], int, float]], origin: str, gbps: float
) -> None:
    lines = [line(f"l-{at}", *pair, ms, free) for at, (pair, ms, free) in enumerate(some)]
    graph = Graph(lines, DAY)
    least = nx.Graph()
    for (one, other), ms, free in some:
        if free >= gbps and ms < least.get_edge_data(one, other, {"ms": math.inf})["ms"]:
            least.add_edge(one, other, ms=ms)
    far = dict(nx.all_pairs_dijkstra_path_length(least, weight="ms"))
    found = nodes_of(graph, CITIES).soonest(reached(graph, origin, gbps))
    for code, ms in zip(CITIES, found, strict=True):
        if area(code) == area(origin):
            continue  # no line is needed
        # A place is reached by its own lines, and by those of its city.
        some_ms = [
            far[here][there]
            for here in (origin, area(origin))
            for there in (code, area(code))
            if there in far.get(here, {})
        ]
        assert ms == min(some_ms) if some_ms else math.isnan(ms), code


def named(location: str) -> str:
    return str(make(OWNER, "6450", location, "ACP", "H60M07N6", "0001"))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Begun]:
    """Pools in four places, of which lines join two to Hangzhou."""
    with begun(tmp_path) as found:
        record = encode(Record(RECORD))
        changes = [Change(named(one), record) for one in (XIHU, SHANGHAI, BEIJING, GUIYANG)]
        found.state.changed(found.state.rows.apply("registry", changes))
        for one in (
            line("hz-sh", HANGZHOU, SHANGHAI, 6.5),
            line("sh-bj", SHANGHAI, BEIJING, 20.0, free=10.0),
            line("hz-bj", HANGZHOU, BEIJING, 40.0, free=50.0),
        ):
            found.state.reaching.lines.add(one, "me", found.state.now())
        yield found


def fits(here: Begun, **asked: Any) -> list[str]:
    return here.fits(Demand(near=HANGZHOU, weights={"latency": 1}, **asked))


def test_what_no_line_leads_to_does_not_fit(here: Begun) -> None:
    assert len(fits(here)) == 4
    assert fits(here, gbps=5.0) == [named(XIHU), named(SHANGHAI), named(BEIJING)]
    assert fits(here, gbps=60.0) == [named(XIHU), named(SHANGHAI)]
    assert fits(here, gbps=5.0, rtt=26.5) == [named(XIHU), named(SHANGHAI), named(BEIJING)]
    assert fits(here, gbps=20.0, rtt=26.5) == [named(XIHU), named(SHANGHAI)]  # 40 ms
    assert fits(here, gbps=200.0) == [named(XIHU)]  # within the city none is needed


def test_a_line_that_is_taken_or_opened_counts_at_once(here: Begun) -> None:
    now = here.state.now()
    assert named(GUIYANG) not in fits(here, gbps=5.0)
    here.state.reaching.lines.add(line("hz-gy", HANGZHOU, GUIYANG, 24.5), "me", now)
    assert named(GUIYANG) in fits(here, gbps=5.0)
    here.state.reaching.lines.change("hz-gy", "me", now, free_gbps=1.0)
    assert named(GUIYANG) not in fits(here, gbps=5.0)
    here.state.reaching.lines.change("hz-gy", "me", now, free_gbps=9.0, state="down")
    assert named(GUIYANG) not in fits(here, gbps=5.0)


def test_a_line_of_a_district_takes_none_of_its_city_away(here: Begun) -> None:
    now = here.state.now()
    for name, one, other in (("x", XIHU, "330200"), ("y", "310115", "330200")):
        here.state.reaching.lines.add(line(name, one, other, 5.0, free=0.0), "me", now)
    change = Change(named("310115"), encode(Record(RECORD)))
    here.state.changed(here.state.rows.apply("registry", [change]))
    found = here.fits(Demand(near=XIHU, gbps=5.0, weights={"latency": 1}))
    assert {named(SHANGHAI), named("310115"), named(BEIJING)} <= set(found)


def test_within_one_place_no_line_is_needed_though_nobody_knows_where_it_is(here: Begun) -> None:
    change = Change(named("SGZZZ"), encode(Record(RECORD)))
    here.state.changed(here.state.rows.apply("registry", [change]))
    assert here.fits(Demand(near="SGZZZ", gbps=5.0, rtt=5.0)) == [named("SGZZZ")]


def test_a_stream_says_that_another_way_is_the_quickest(here: Begun) -> None:
    demand = Demand(near=HANGZHOU, gbps=5.0, type="ACP", weights={"price": 1})

    async def main() -> None:
        events = streams.stream(here.state, demand)
        first = await anext(events)
        (one,) = (row for row in first.data["results"] if row["identifier"] == named(BEIJING))
        assert one["way"]["lines"] == ("hz-sh", "sh-bj")
        here.state.reaching.lines.change("sh-bj", "me", here.state.now(), state="down")
        then = await anext(events)
        (one,) = (row for row in then.data["results"] if row["identifier"] == named(BEIJING))
        assert (then.name, one["way"]["lines"]) == ("selection", ("hz-bj",))

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_line_that_may_be_opened_is_no_never_however_it_is_asked(here: Begun) -> None:
    for asked in ({"rtt": 2.0}, {"where": "rtt <= 2"}, {"where": "rtt <= 2 and count >= 1"}):
        demand = Demand(near=GUIYANG, gbps=5.0, chips=("H800",), type="ACP", **asked)
        assert not asyncio.run(said.why(here.state, demand))["never"]
    fixed = Demand(near=GUIYANG, gbps=5.0, where="count >= 1000")
    assert asyncio.run(said.why(here.state, fixed))["never"]


def test_each_result_says_how_soon_and_the_first_which_way(
    here: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(said, "WAYS_SAID", 2)
    whole = said.answer(here.state, Demand(near=HANGZHOU, gbps=5.0, weights={"latency": 1}))
    assert [one.get("way", {}).get("ms") for one in whole["results"]] == [None, 6.5, 26.5]
    assert "lines" in whole["results"][1]["way"] and "lines" not in whole["results"][2]["way"]


def test_a_place_that_comes_later_is_reached_too(here: Begun) -> None:
    assert len(fits(here, gbps=5.0)) == 3
    change = Change(named("310115"), encode(Record(RECORD)))  # in Shanghai
    here.state.changed(here.state.rows.apply("registry", [change]))
    assert len(fits(here, gbps=5.0)) == 4


def test_the_way_is_said_and_why_nothing_fits(here: Begun) -> None:
    demand = Demand(near=HANGZHOU, gbps=5.0, weights={"latency": 1})
    whole = said.answer(here.state, demand)
    near, shanghai, beijing = whole["results"]
    assert "way" not in near and near["rtt"]["mark"] == "estimated"
    assert shanghai["way"]["lines"] == ("hz-sh",) and shanghai["way"]["ms"] == 6.5
    assert beijing["way"]["lines"] == ("hz-sh", "sh-bj")
    assert beijing["way"] | {"ms": 26.5, "mark": "stated", "gbps": 10.0} == beijing["way"]
    assert shanghai["parts"]["latency"] == pytest.approx(20 / 26.5, abs=1e-6)
    away = Demand(near=GUIYANG, gbps=5.0, type="ACP", chips=("H800",))
    answer = asyncio.run(calls.select(here.state, call(away, calls.How(explain=True)))).body
    assert [one["identifier"] for one in answer["results"]] == [named(GUIYANG)]
    (kept,) = (one for one in answer["why"]["conditions"] if one["name"] == "gbps")
    assert (kept["alone"], kept["near"]["field"], kept["near"]["asked"]) == (3, "gbps", 5.0)
    elsewhere = Demand(near="440100", gbps=5.0)
    answer = asyncio.run(calls.select(here.state, call(elsewhere, calls.How()))).body
    assert answer["results"] == [] and not answer["why"]["never"]  # a line may be opened


def test_bandwidth_is_from_somewhere(here: Begun) -> None:
    with pytest.raises(DemandError, match="near"):
        of_json({"gbps": 5})
    for wrong in (0, -1, 1e9, "5", float("nan")):
        with pytest.raises(DemandError):
            of_json({"gbps": wrong, "near": HANGZHOU})
    assert fits(here, gbps=1e6) == [named(XIHU)]


def test_over_http(net: Selecting) -> None:
    asked = {"near": GUIYANG, "gbps": 10, "rtt": 30}
    assert net.names(**asked) == []
    opened = {
        "name": "gy-hz", "ends": [GUIYANG, HANGZHOU], "provider": OWNER, "bandwidth_gbps": 40,
        "free_gbps": 40, "state": "open", "stated_ms": 24.5,
    }  # fmt: skip
    assert net.client.post("/v1/lines", json=opened).status_code == 201
    found = net.select(**asked)
    assert CHEAP in [one["identifier"] for one in found]
    assert all(one["way"]["lines"] == ["gy-hz"] for one in found)
    words = ("--near", GUIYANG, "--gbps", 10, "--rtt", 30, "--url", net.client.base_url)
    ran = run("select", *words)
    assert ran.code == 0 and "24.5 (gy-hz)" in ran.out
    assert run("select", *words, "--json").json[0]["results"] == found
    none = run("select", *words[:3], 1000, *words[4:])
    assert none.code == 1 and "gbps" in none.out + none.err
