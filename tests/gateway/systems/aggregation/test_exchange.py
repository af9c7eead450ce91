"""Pictures told to the nation: each report counts once, and nobody is believed about others."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.systems.aggregation import asked, exchange, regions, upward
from gateway.systems.aggregation.asked import AskedError
from gateway.systems.aggregation.believing import believe, require_sound
from gateway.systems.aggregation.columns import columns_of_rows
from gateway.systems.aggregation.counting import Counting, Group
from gateway.systems.aggregation.exchange import (
    DROP_MS,
    SKEW_MS,
    Answer,
    ExchangeError,
    Kept,
    Key,
    Neighbour,
    Report,
    StrangerError,
    Told,
)
from gateway.systems.aggregation.picture import Figures, Parts, Row, places_of
from gateway.systems.aggregation.regions import NEIGHBOURS, REGIONS, Regions, Sent
from gateway.systems.aggregation.settings import Aggregation
from gateway.systems.aggregation.upward import Upward
from resolver.tables import Tables
from tests.support.sources import played, saying

NOW = 1_795_700_000_000
HERE = Aggregation(region="zhejiang", upward="http://127.0.0.1:9")


def told(place: str = "330100", free: float = 3, chip: str = "H100", at: int = NOW) -> Told:
    parts = {"chips": Parts(8, free=free, used=8 - free)}
    return Told(Key(place, "ACP", chip, "active"), 1, 0, parts, {}, at, at)


def report(number: int = 1, base: int = 0, *groups: Told, at: int = NOW, **more: Any) -> Report:
    return Report("zhejiang", number, base, at, 135, list(groups), **more)


def taken(given_: Report, kept: Kept | None = None, now: int = NOW) -> Kept:
    found, again = believe(given_, kept, "zhejiang", None, now)
    assert found is not None and not again
    return found


def whole(kept: Kept, now: int) -> Group:
    return Counting([exchange.shown(kept).at(now)], ()).whole()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Regions]:
    names = regions.NAMES
    with closing(Tables(tmp_path / "t.mdb", names, 64 << 20, lasting=True)) as tables:
        yield Regions(tables)


# -- once, and in order


def test_a_difference_follows_on_what_is_kept() -> None:
    one, two, three = told(), told("330200"), told("330300")
    first = taken(report(1, 0, one, two))
    changed = told(free=5)
    again = exchange.Again(two.key, NOW + 7, NOW + 8)
    second = report(2, 1, changed, three, again=[again], gone=[])
    after = taken(second, first)
    assert {key.key: key for key in after.groups} == {
        one.key: changed,
        two.key: msgspec.structs.replace(two, oldest=NOW + 7, newest=NOW + 8),
        three.key: three,
    }
    last = taken(report(3, 2, gone=[one.key]), after)
    assert {one.key.prefecture for one in last.groups} == {"330200", "330300"}


def test_what_came_already_changes_nothing() -> None:
    first = taken(report(1, 0, told()))
    second = taken(report(2, 1, told("330200")), first)
    found, again = believe(report(2, 1, told("330200")), second, "zhejiang", None, NOW)
    assert found is second and not again  # its answer was lost
    found, again = believe(report(1, 0, told()), second, "zhejiang", None, NOW)
    assert found is second and again
    found, again = believe(report(2, 1, told("330300")), second, "zhejiang", None, NOW)
    assert found is second and again  # another one of this number: of a restored folder


def test_what_does_not_follow_is_asked_for_whole() -> None:
    first = taken(report(5, 0, told()))
    for one in (
        report(7, 6, told(free=1)),
        report(6, 5, again=[exchange.Again(told("x").key, 0, 0)]),
    ):
        found, again = believe(one, first, "zhejiang", None, NOW)
        assert found is first and again
    assert believe(report(2, 1, told()), None, "zhejiang", None, NOW) == (None, True)
    assert taken(report(9, 0, told("330200")), first).groups == [told("330200")]


GROUPS = st.dictionaries(st.sampled_from("1234"), st.integers(0, 8), max_size=4)


@settings(deadline=None)
@given(st.lists(st.tuples(GROUPS, st.sampled_from(["both", "lost", "unheard", "restored"]))))
def test_whatever_is_lost_the_nation_comes_to_have_what_the_region_has(steps: list[Any]) -> None:
    sent, old, kept = Sent(), Sent(), None
    for n, (places, fate) in enumerate([*steps, ({"1": 1}, "both"), ({"2": 2}, "both")]):
        made = (told(f"33{one}100", free, at=NOW + n) for one, free in places.items())
        groups = {one.key: one for one in made}
        if fate == "restored":
            sent = old  # the folder of a while ago
        given_ = upward.report_of(sent, groups, HERE, NOW + n)
        if fate == "lost":
            sent = msgspec.structs.replace(sent, number=given_.number)
            continue
        kept, again = believe(given_, kept, "zhejiang", None, NOW + n)
        if not again:
            assert kept is not None and {one.key: one for one in kept.groups} == groups
        if fate == "unheard":
            sent = msgspec.structs.replace(sent, number=given_.number)
            continue
        number = 0 if kept is None else kept.number
        old, answer = sent, Answer(number, again, NOW, "nation")
        sent = upward.after(sent, given_, groups, answer, NOW)
    # At most one report after one that was not taken all is there.
    given_ = upward.report_of(sent, groups, HERE, NOW)
    kept, again = believe(given_, kept, "zhejiang", None, NOW)
    assert kept is not None and not again
    assert {one.key: one for one in kept.groups} == groups


def test_now_and_then_all_is_told() -> None:
    groups = {told().key: told()}
    sent, whole_ones = Sent(), []
    for n in range(2 * exchange.WHOLE_EVERY):
        given_ = upward.report_of(sent, groups, HERE, NOW)
        whole_ones += [n] if not given_.base else []
        sent = upward.after(sent, given_, groups, Answer(given_.number, False, NOW, "n"), NOW)
    assert whole_ones == [0, exchange.WHOLE_EVERY]


# -- who is believed


@pytest.mark.parametrize("skew", [SKEW_MS + 1, -SKEW_MS - 1])
def test_clocks_that_differ_are_said(skew: int) -> None:
    with pytest.raises(ExchangeError, match="the clocks differ by 60 s"):
        taken(report(1, 0, at=NOW + skew))


def test_a_region_tells_of_its_own_places() -> None:
    assert believe(report(1, 0, told()), None, "zhejiang", ("33",), NOW).kept is not None
    with pytest.raises(StrangerError, match="110100; here it answers for 33"):
        believe(report(1, 0, told(), told("110100")), None, "zhejiang", ("33",), NOW)


@pytest.mark.parametrize(
    ("amounts", "said"),
    [
        ({"chips": Parts(8, free=9)}, "do not make up"),
        ({"chips": Parts(8, free=8, used=-1, gone=1)}, "from 0 to"),
        ({"chips": Parts(float("nan"), free=float("nan"))}, "from 0 to"),
        ({"chips": Parts(float("inf"), free=float("inf"))}, "from 0 to"),
        ({"cards": Parts(8, free=8)}, "amounts are units, chips"),
    ],
)
def test_figures_that_cannot_be_are_refused(amounts: dict[str, Parts], said: str) -> None:
    wrong = msgspec.structs.replace(told(), amounts=amounts)
    with pytest.raises(ExchangeError, match=said):
        taken(report(1, 0, wrong))


def test_statuses_of_tomorrow_are_refused() -> None:
    with pytest.raises(ExchangeError, match="of later than the report"):
        taken(report(1, 0, told(at=NOW + SKEW_MS + 1)))


@pytest.mark.parametrize("at", [0, NOW - 90 * 86_400_000, NOW - 3_600_000 - SKEW_MS - 1])
def test_what_is_free_has_an_age_at_which_it_holds(at: int) -> None:
    with pytest.raises(ExchangeError, match="too old to hold"):
        taken(report(1, 0, told(at=at)))
    nobody_knows = msgspec.structs.replace(told(at=at), unknown=1)
    assert taken(report(1, 0, nobody_knows)).groups == [nobody_knows]


def test_what_was_told_by_a_clock_that_was_ahead_is_unknown() -> None:
    figures = whole(taken(report(1, 0, told())), NOW - SKEW_MS - 1).figures
    assert figures.amounts["chips"] == Parts(8, unknown=8)


def test_a_report_is_bounded_and_so_is_what_grows_of_it() -> None:
    many = [told(chip=f"c{n}") for n in range(exchange.GROUPS_MAX)]
    octets = msgspec.msgpack.encode(report(1, 0, *many))
    assert len(octets) < exchange.REPORT_OCTETS
    first = taken(msgspec.msgpack.decode(octets, type=Report))
    with pytest.raises(ExchangeError, match="5,001 groups; at most 5,000"):
        believe(report(2, 1, told(chip="more")), first, "zhejiang", None, NOW)
    with pytest.raises(msgspec.ValidationError, match="5000"):
        whole_ = report(1, 0, *many, told(chip="more"))
        msgspec.msgpack.decode(msgspec.msgpack.encode(whole_), type=Report)


def test_too_many_groups_are_told_together() -> None:
    figures = Figures(1, 0, {"chips": Parts(8, free=8)}, {}, NOW, NOW)
    what = {**places_of("330106"), "type": "ACP", "state": "active"}
    rows = [Row({**what, "chip": f"c{n}"}, figures) for n in range(9)]
    found = exchange.told_of(columns_of_rows(rows), 4)
    assert len(found) == 4 and sum(one.resources for one in found.values()) == 9
    assert {one.chip for one in found} > {"*"}
    require_sound(found[exchange.REST], NOW, NOW)
    # A region tells of these, too, wherever they are.
    every = report(1, 0, *found.values())
    assert believe(every, None, "zhejiang", ("33",), NOW).kept is not None


# -- what becomes of it


def test_what_holds_no_more_is_marked_and_then_dropped(kept: Regions) -> None:
    kept.take(report(1, 0, told()), "zhejiang", None, NOW)
    (one,) = kept.all(REGIONS, NOW)
    chips = whole(one, NOW + 134_999).figures.amounts["chips"]
    assert chips == Parts(8, free=3, used=5)
    figures = whole(one, NOW + 135_000).figures
    assert figures.amounts["chips"] == Parts(8, unknown=8)
    assert (figures.resources, figures.unknown, figures.newest) == (1, 1, 0)
    assert not kept.all(REGIONS, NOW + DROP_MS + 1)
    kept.forget(NOW + DROP_MS + 1)
    assert not kept.all(REGIONS, NOW)


def test_a_region_is_told_of_its_neighbours_and_not_of_itself(kept: Regions) -> None:
    for name, place in (("zhejiang", "330100"), ("jiangsu", "320100")):
        one = msgspec.structs.replace(report(1, 0, told(place)), region=name)
        kept.take(one, name, None, NOW)
    answer = kept.answer(report(1, 0), "nation", 1, False, NOW + 5_000)
    (neighbour,) = answer.neighbours
    assert (neighbour.region, neighbour.age, neighbour.holds) == ("jiangsu", 5_000, 130_000)
    assert neighbour.groups is not None
    assert [one.key.prefecture for one in neighbour.groups] == ["320000"]
    known = report(1, 0, have={"jiangsu": neighbour.mark})
    assert kept.answer(known, "nation", 1, False, NOW).neighbours[0].groups is None


def test_neighbours_are_kept_by_the_clock_here(kept: Regions) -> None:
    one = Neighbour("jiangsu", "7", 5_000, 130_000, [told("320000")])
    answer = Answer(1, False, NOW + 30_000, "nation", [one])
    kept.hear(answer, "zhejiang", 1, NOW)
    (found,) = kept.all(NEIGHBOURS, NOW)
    assert (found.source, found.at, found.until) == ("nation", NOW - 5_000, NOW + 130_000)
    same = msgspec.structs.replace(one, groups=None, age=9_000)
    kept.hear(msgspec.structs.replace(answer, neighbours=[same]), "zhejiang", 1, NOW + 10)
    (found,) = kept.all(NEIGHBOURS, NOW)
    assert found.at == NOW + 10 - 9_000 and found.groups == [told("320000")]
    kept.hear(msgspec.structs.replace(answer, neighbours=[]), "zhejiang", 1, NOW)
    assert not kept.all(NEIGHBOURS, NOW)


def test_what_the_nation_cannot_know_is_not_believed(kept: Regions) -> None:
    good = Neighbour("jiangsu", "7", 0, 1_000, [told("320000")])
    kept.hear(Answer(1, False, NOW, "nation", [good]), "zhejiang", 1, NOW)
    wrong = msgspec.structs.replace(told(), amounts={"chips": Parts(1, free=2)})
    for answer in (
        Answer(1, False, NOW + SKEW_MS + 1, "nation", []),
        Answer(1, False, NOW, "nation", [Neighbour("fujian", "1", 0, 1, [wrong])]),
        Answer(exchange.AHEAD_MAX + 2, False, NOW, "nation", []),  # no later one could follow
    ):
        with pytest.raises(ExchangeError):
            kept.hear(answer, "zhejiang", 1, NOW)
        assert [one.region for one in kept.all(NEIGHBOURS, NOW)] == ["jiangsu"]
    mine = Neighbour("zhejiang", "1", 0, 1, [told()])
    kept.hear(Answer(1, False, NOW, "nation", [mine]), "zhejiang", 1, NOW)
    assert not kept.all(NEIGHBOURS, NOW)


def test_an_answer_about_many_regions_is_bounded() -> None:
    groups = [
        msgspec.structs.replace(
            told("330000", chip=f"{n}" * 8),
            pflops={letter: Parts(1 / 3, 1 / 7, 1 / 3 - 1 / 7) for letter in "HBSDEN"},
        )
        for n in range(300)
    ]
    many = [
        exchange.outlined(exchange.shown(Kept(f"r{n}", "x", 1, "1", b"", NOW, NOW + 9, groups)))
        for n in range(exchange.REGIONS_MAX)
    ]
    by_region = {one.region: one for one in many}

    def fewer(head: exchange.Head, most: int) -> list[Told]:
        return exchange.fewer(by_region[head.region], most)

    answer = Answer(1, False, NOW, "n", exchange.neighbours_of(many, fewer, {}, NOW))
    assert len(msgspec.json.encode(answer)) < exchange.ANSWER_OCTETS
    assert all(sum(g.resources for g in one.groups or ()) == 300 for one in answer.neighbours)


def test_a_region_more_than_there_may_be_is_refused(
    kept: Regions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "REGIONS_MAX", 1)
    kept.take(report(1, 0, told()), "zhejiang", None, NOW)
    kept.take(report(2, 0, told()), "zhejiang", None, NOW)
    with pytest.raises(ExchangeError, match="1 regions already"):
        kept.take(msgspec.structs.replace(report(), region="jiangsu"), "jiangsu", None, NOW)


# -- a nation that fails


def exchanged(kept: Regions, groups: Mapping[Key, Told], settings_: Aggregation) -> str:
    async def run() -> str:
        async def in_tables(work: Any, *given_: Any) -> Any:
            return work(*given_)

        made = Upward(kept, in_tables, settings_)
        try:
            return await made.exchange(groups, NOW)
        finally:
            await made.close()

    return asyncio.run(run())


def test_a_nation_that_is_not_there_is_said_and_numbers_go_on(kept: Regions) -> None:
    why = exchanged(kept, {told().key: told()}, HERE)
    assert HERE.upward in why
    sent = kept.sent()
    assert (sent.number, sent.base, sent.why) == (1, 0, why)


def test_a_key_is_not_sent_in_the_clear(kept: Regions, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("csid_zhejiang_secret\n")
    open_ = Aggregation(region="zhejiang", upward="http://192.0.2.1:1", upward_key=key)
    assert "in the clear" in exchanged(kept, {}, open_)


DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (DEEP, 200),
        (DEEP, 500),
        (b'{"number": 1, "x": ' + DEEP, 200),
        (b"null", 200),
        (b"\xff", 500),
        (b" " * (exchange.ANSWER_OCTETS + 1), 200),
    ],
)
def test_whatever_it_says_the_region_goes_on(kept: Regions, body: bytes, status: int) -> None:
    with played(saying(body, status)) as broken:
        said = Aggregation(region="zhejiang", upward=broken.url)
        why = exchanged(kept, {told().key: told()}, said)
        assert broken.url in why and len(why) <= 500
        assert len(broken.asked) == 1 and kept.sent().base == 0


def test_what_is_packed_so_that_it_grows_is_not_unpacked(kept: Regions) -> None:
    packed = gzip.compress(b" " * (exchange.ANSWER_OCTETS + 1))
    with played(saying(packed, Content_Encoding="gzip")) as broken:
        said = Aggregation(region="zhejiang", upward=broken.url)
        assert "malformed" in exchanged(kept, {}, said)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2026-11-26T08:00Z", 1_795_680_000_000),
        ("2026-11-26T08:00", 1_795_680_000_000),
        ("2026-11-26T16:00 08:00", 1_795_680_000_000),  # its sign became a space on the way
        ("2026-11-26", 1_795_651_200_000),
        ("1950-01-01", 0),
    ],
)
def test_moments_as_they_are_asked_for(text: str, milliseconds: int) -> None:
    assert asked.moment(text, "from") == milliseconds


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01"])
def test_what_is_no_moment_is_said(text: str) -> None:
    with pytest.raises(AskedError, match="from: "):
        asked.moment(text, "from")
