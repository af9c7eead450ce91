"""What is measured between places: what of it is believed, and how it is kept."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.systems.selection.paths import measured_store
from gateway.systems.selection.paths.latency import (
    AHEAD_MS,
    MEASURED,
    STALE_MS,
    Measured,
    Measures,
    Together,
    between,
    least_between,
    rtt_from,
)
from gateway.systems.selection.paths.lines import LineError, made
from gateway.systems.selection.paths.lines_store import Lines
from gateway.systems.selection.paths.measured import MeasurementError, believed, measurement
from gateway.systems.selection.paths.measured_store import LOOK_MS, Latencies
from gateway.systems.selection.paths.places import all_places, places

NOW = 1_800_000_000_000
ONE = "91330106673959654P"
BEIJING, HANGZHOU, XIHU, SHANGHAI = "110000", "330100", "330106", "310000"
CODES = all_places().codes
place = st.sampled_from(CODES)


def told(one: str, other: str, median: float = 30.0, by: str = "p-1", taken: int = NOW) -> Measured:
    return Measured(one, other, median, median * 1.5, taken, by, 0.125)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Latencies]:
    opened = Latencies(tmp_path)
    yield opened
    opened.close()


@given(place, place)
def test_no_estimate_is_quicker_than_light(one: str, other: str) -> None:
    least = least_between(one, other)
    assert 0 <= least == pytest.approx(least_between(other, one))
    assert least <= between(one, other).low


def test_what_is_told_is_believed_as_it_is() -> None:
    said = {"from": "330106", "to": "sgsin", "median_ms": 60, "p90_ms": 70.5, "loss": 0.02}
    found = believed(measurement(**said), "p-1", NOW)
    assert found == Measured(XIHU, "SGSIN", 60.0, 70.5, NOW, "p-1", 0.02)
    identifier = f"{ONE}/6450/330106/ACV/H60M07A1-0001-FY"
    brief = believed(measurement(**{"from": identifier, "to": BEIJING, "median_ms": 30}), "p", NOW)
    assert (brief.one, brief.p90, brief.loss) == (XIHU, 30.0, 0.0)


def at(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ms / 1_000, dt.UTC)


def test_a_clock_that_is_a_little_ahead_is_set_right() -> None:
    said = {"from": XIHU, "to": BEIJING, "median_ms": 30}
    ahead = believed(measurement(**said, taken=at(NOW + AHEAD_MS)), "p", NOW)
    before = believed(measurement(**said, taken=at(NOW - 5_000)), "p", NOW)
    assert (ahead.taken, before.taken) == (NOW, NOW - 5_000)


@pytest.mark.parametrize(
    ("values", "by", "said"),
    [
        ({"median_ms": 4.9}, "p", "light takes 4.99"),
        ({"median_ms": 30, "p90_ms": 29}, "p", "below median_ms"),
        ({"median_ms": 30, "taken": at(NOW + AHEAD_MS + 1)}, "p", "yet to come"),
        ({"median_ms": 30, "taken": at(NOW - STALE_MS - 1)}, "p", "no news"),
        ({"median_ms": 30, "from": "hangzhou"}, "p", "no place"),
        ({"median_ms": 30}, "张三", "letters of ASCII"),
        ({"median_ms": 30}, "my probe", "without spaces"),
        ({"median_ms": 30}, "", "letters of ASCII"),
    ],
)
def test_what_nobody_can_have_measured_is_refused(
    values: dict[str, object], by: str, said: str
) -> None:
    given = {"from": HANGZHOU, "to": BEIJING, **values}
    with pytest.raises(MeasurementError, match=said):
        believed(measurement(**given), by, NOW)


@pytest.mark.parametrize(
    "values",
    [
        {"median_ms": 0},
        {"median_ms": float("nan")},
        {"median_ms": 10_001},
        {"median_ms": 30, "loss": 1},
        {"median_ms": 30, "taken": "2026-11-27T08:00:00"},  # of which zone?
        {"median_ms": 30, "taken": "null"},
        {"median_ms": 30, "more": 1},
        {},
    ],
)
def test_what_is_no_measurement_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(MeasurementError, match="no measurement"):
        measurement(**{"from": HANGZHOU, "to": BEIJING, **values})


def test_a_line_is_no_quicker_than_light_either(tmp_path: Path) -> None:
    lines = Lines(tmp_path)
    facts = {"name": "l", "ends": [HANGZHOU, BEIJING], "provider": ONE}
    facts |= {"bandwidth_gbps": 1, "free_gbps": 1}
    with pytest.raises(LineError, match="light takes"):
        lines.add(made(**facts, stated_ms=1), "me", NOW)
    quality = {"median_ms": 1, "p90_ms": 30, "taken": NOW, "by": "p"}
    with pytest.raises(LineError, match="light takes"):
        lines.add(made(**facts, quality=quality), "me", NOW)
    lines.add(made(**facts, stated_ms=20), "me", NOW)
    with pytest.raises(LineError, match="light takes"):
        lines.change("l", "me", NOW, quality=quality)
    with pytest.raises(LineError, match="yet to come"):
        late = quality | {"median_ms": 20, "taken": NOW + AHEAD_MS + 1}
        lines.change("l", "me", NOW, quality=late)
    lines.change("l", "me", NOW, quality=quality | {"median_ms": 20})
    with pytest.raises(LineError, match="stated_ms is 1"):
        lines.change("l", "me", NOW, stated_ms=1)
    lines.close()


FEW = [BEIJING, HANGZHOU, XIHU, SHANGHAI, "SGSIN"]
few = st.sampled_from(FEW)
who = st.sampled_from(["p-1", "p-2", "a/b"])
change = st.one_of(
    st.tuples(st.just("put"), few, few, who, st.integers(NOW, NOW + 3), st.floats(20, 90)),
    st.tuples(st.just("remove"), few, few, st.one_of(who, st.just(""))),
    st.tuples(st.just("forget"), few, few, who),
)


@settings(deadline=None)
@given(st.lists(change, max_size=25), few)
def test_it_keeps_of_each_pair_and_whoever_measures_the_newest(
    changes: list[tuple[object, ...]], end: str
) -> None:
    model: dict[tuple[frozenset[str], str], Measured] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = Latencies(Path(folder))
        for what, one, other, by, *more in changes:
            pair = frozenset({str(one), str(other)})
            before = store.changed(FEW)
            if what == "put":
                taken, median = more
                new = told(str(one), str(other), median, str(by), taken)  # type: ignore[arg-type]
                kept = model.get((pair, new.by))
                is_older = kept is not None and kept.taken > new.taken
                assert store.put([new], NOW) == is_older
                ends = set() if is_older else pair
                if not is_older:
                    model[pair, new.by] = new
            else:
                is_pair = what == "remove"
                gone = [
                    key for key in model if by in ("", key[1]) and (key[0] == pair or not is_pair)
                ]
                removed = store.remove(str(by), (str(one), str(other)) if is_pair else None)
                assert removed == len(gone)
                ends = {end for key in gone for end in key[0]}
                for key in gone:
                    del model[key]
            # Who has remembered what was measured from a place learns that it has changed.
            after = zip(FEW, before, store.changed(FEW), strict=True)
            assert {end for end, old, new in after if old != new} == ends
        every = list(store.all())
        assert len(every) == len(model)
        for found in every:
            kept = model[frozenset({found.one, found.other}), found.by]
            assert (found.median, found.p90, found.taken) == (kept.median, kept.p90, kept.taken)
        keys = [(one.one, one.other, one.by) for one in every]
        assert keys == sorted(keys)
        for number, key in enumerate(keys):  # page by page
            assert list(store.all(key)) == every[number + 1 :]
        about = {(one.other, one.by) for one in store.all(of=[end])}
        expected = {(next(iter(pair - {end}), end), by) for pair, by in model if end in pair}
        assert about == expected == {(other, one.by) for other, one in store.of(end)}
        both = [BEIJING, HANGZHOU]
        within = {pair for pair in model if pair[0] & set(both)}
        assert len(list(store.all(of=both))) == len(within)
        store.close()


def test_all_of_what_is_told_is_kept_or_nothing(
    store: Latencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measured_store, "ROWS_MAX", 4)
    with pytest.raises(MeasurementError, match="csid latency remove"):
        store.put([told(BEIJING, one) for one in (HANGZHOU, XIHU, SHANGHAI)], NOW)
    assert list(store.all()) == []
    old = told(BEIJING, XIHU, taken=NOW - STALE_MS)
    store.put([told(BEIJING, HANGZHOU), old], NOW)
    store.put([old._replace(median=31.0)], NOW)  # another value takes no room
    with pytest.raises(MeasurementError):  # all were looked through just now
        store.put([told(BEIJING, SHANGHAI)], NOW + 1)
    store.put([told(BEIJING, SHANGHAI)], NOW + LOOK_MS)  # what nobody believes any more makes room
    assert {one.other for _, one in store.of(BEIJING)} == {HANGZHOU, SHANGHAI}


def test_what_a_clock_that_was_ahead_has_left_keeps_nothing_out(store: Latencies) -> None:
    later = NOW + 365 * 86_400_000
    store.put([told(XIHU, SHANGHAI, 5.0, taken=later)], later)
    assert between(XIHU, SHANGHAI, store, NOW).mark == "estimated"
    assert store.put([told(XIHU, SHANGHAI, 9.0)], NOW) == 0
    assert between(XIHU, SHANGHAI, store, NOW).middle == 9.0


def test_of_what_so_much_is_lost_nobody_can_count_on_it(store: Latencies) -> None:
    store.put([told(XIHU, SHANGHAI, 5.0)._replace(loss=0.5)], NOW)
    found = between(XIHU, SHANGHAI, store, NOW)
    assert found.mark == "estimated" and found.stale is not None


def test_no_district_is_nearer_than_light_because_its_city_is(store: Latencies) -> None:
    store.put([told(HANGZHOU, SHANGHAI, 0.01)], NOW)
    assert least_between(XIHU, SHANGHAI) > 0.01
    assert between(XIHU, SHANGHAI, store, NOW).middle == least_between(XIHU, SHANGHAI)


def test_what_is_kept_counts_beside_lines_and_the_quickest_is_believed(store: Latencies) -> None:
    store.put([told(XIHU, SHANGHAI, 9.0), told(SHANGHAI, XIHU, 7.0, "p-2")], NOW)
    found = between(XIHU, SHANGHAI, store, NOW)
    assert (found.mark, found.middle, found.measured and found.measured.by) == (
        "measured",
        7.0,
        "p-2",
    )
    line = Measures([Measured(XIHU, SHANGHAI, 4.0, 5.0, NOW, "isp", line="l")])
    rtt = rtt_from(places([SHANGHAI, BEIJING]), XIHU, Together((line, store)), NOW)
    assert rtt.middle[0] == 4.0 and rtt.mark[0] == MEASURED != rtt.mark[1]
    stale = between(XIHU, SHANGHAI, store, NOW + STALE_MS + 1)
    assert stale.mark == "estimated" and stale.stale is not None
