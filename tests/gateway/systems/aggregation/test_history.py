"""How compute was used: each minute counts once in its minute, hour and day, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.systems.aggregation import history
from gateway.systems.aggregation.columns import columns_of_rows
from gateway.systems.aggregation.history import (
    GROUPS_MAX,
    HISTORY,
    MINUTE_MS,
    STEPS,
    History,
    HistoryError,
    Key,
    Sums,
)
from gateway.systems.aggregation.picture import Figures, Parts, Row
from resolver.tables import Tables

DAY = 24 * 60
BEGIN = 30_000_000 // DAY * DAY  # a minute at which a day begins
PLACES: list[Key] = [("330100", "ACP", "H100"), ("330200", "ACP", "H100"), ("330100", "GCP", "")]


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Tables]:
    with closing(Tables(tmp_path / "t.mdb", (HISTORY,), 256 << 20, lasting=True)) as found:
        yield found


def used(chips: float, free: float = 0) -> Sums:
    return Sums(1, 1, chips + free, free, chips)


def of(past: History, step: str, *by: str, at: int = BEGIN, minutes: int = 3 * DAY) -> list[Any]:
    found = past.points(at * MINUTE_MS, (at + minutes) * MINUTE_MS, step, by, {})
    return [(one.at // MINUTE_MS - BEGIN, one.minutes, one.sums.chips_used) for one in found]


def test_a_minute_is_in_its_minute_its_hour_and_its_day(tables: Tables) -> None:
    past = History(tables)
    for minute in (0, 1, 59, 60, 1_439, 1_440):
        assert past.take((BEGIN + minute) * MINUTE_MS + 12_345, {PLACES[0]: used(minute + 1)})
    assert of(past, "minute") == [(n, 1, n + 1) for n in (0, 1, 59, 60, 1_439, 1_440)]
    assert of(past, "hour") == [(0, 3, 63), (60, 1, 61), (1_380, 1, 1_440), (1_440, 1, 1_441)]
    assert of(past, "day") == [(0, 5, 1_564), (1_440, 1, 1_441)]


def test_a_minute_that_was_taken_is_not_taken_again(tables: Tables) -> None:
    past = History(tables)
    assert past.take(BEGIN * MINUTE_MS, {PLACES[0]: used(3)})
    assert not past.take(BEGIN * MINUTE_MS + 59_999, {PLACES[0]: used(5)})
    assert of(past, "day") == [(0, 1, 3)]


def test_who_is_killed_between_minute_and_hour_has_written_neither(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    past, add = History(tables), History._add

    def killed(self: History, txn: Any, place: int, *more: Any) -> bool:
        if place == 1:
            raise KeyboardInterrupt
        return add(self, txn, place, *more)

    monkeypatch.setattr(History, "_add", killed)
    with pytest.raises(KeyboardInterrupt):
        past.take(BEGIN * MINUTE_MS, {PLACES[0]: used(3)})
    monkeypatch.undo()
    assert not of(past, "minute")
    assert past.take(BEGIN * MINUTE_MS, {PLACES[0]: used(3)})
    assert of(past, "minute") == of(past, "hour") == of(past, "day") == [(0, 1, 3)]


def test_it_is_kept_for_so_long(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PROVEN", 1)
    past = History(tables)
    past.take(BEGIN * MINUTE_MS, {PLACES[0]: used(1)})
    past.take((BEGIN + 48 * 60 + 1) * MINUTE_MS, {PLACES[0]: used(2)})
    assert [one[0] for one in of(past, "minute")] == [2_881]
    past.take((BEGIN + 93 * DAY) * MINUTE_MS, {PLACES[0]: used(4)})
    assert [one[0] for one in of(past, "hour", minutes=100 * DAY)] == [93 * DAY]
    assert [one[2] for one in of(past, "day", minutes=100 * DAY)] == [1, 2, 4]
    past.take((BEGIN + 6 * 366 * DAY) * MINUTE_MS, {PLACES[0]: used(8)})
    assert [one[2] for one in of(past, "day", minutes=3_000 * DAY)] == [8]


def test_what_a_clock_that_was_ahead_has_left_is_not_kept(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PROVEN", 2)
    past = History(tables)
    past.take((BEGIN + 10) * MINUTE_MS, {PLACES[0]: used(1)})
    past.take((BEGIN + 2 * DAY - 20) * MINUTE_MS, {PLACES[0]: used(7)})
    past.take((BEGIN + 11) * MINUTE_MS, {PLACES[0]: used(2)})
    assert of(past, "minute") == [(10, 1, 1), (11, 1, 2)]
    assert of(past, "day") == [(0, 2, 3)]


@pytest.mark.parametrize("wrong", [0, BEGIN + 20 * 365 * DAY])
def test_a_clock_that_is_wrong_for_hours_deletes_nothing(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, wrong: int
) -> None:
    monkeypatch.setattr(history, "PROVEN", 5)
    past = History(tables)
    for minute in range(10):
        past.take((BEGIN + minute) * MINUTE_MS, {PLACES[0]: used(1)})
    before = [of(past, step) for step in STEPS]
    for minute in range(4):  # one more would be the hours after which it is believed
        assert past.take((wrong + minute) * MINUTE_MS, {PLACES[0]: used(7)})
        assert [of(past, step) for step in STEPS] == before
    for minute in range(10, 15):
        past.take((BEGIN + minute) * MINUTE_MS, {PLACES[0]: used(1)})
    assert of(past, "day") == [(0, 15, 15)]
    assert not of(past, "day", at=wrong)


def test_it_is_grouped_and_chosen(tables: Tables) -> None:
    past = History(tables)
    past.take(BEGIN * MINUTE_MS, {place: used(n + 1) for n, place in enumerate(PLACES)})
    span = (BEGIN * MINUTE_MS, (BEGIN + 1) * MINUTE_MS)
    found = past.points(*span, "minute", ("prefecture",), {})
    assert {one.by["prefecture"]: one.sums.chips_used for one in found} == {
        "330100": 4,
        "330200": 2,
    }
    (one,) = past.points(*span, "minute", ("province",), {"type": "ACP"})
    assert (one.by, one.sums.chips_used) == ({"province": "330000"}, 3)
    (none,) = past.points(*span, "minute", ("chip",), {"type": "XXX"})
    assert (none.minutes, none.sums.chips_used) == (1, 0)  # it was looked, and there was nothing


def test_what_is_not_kept_so_is_said(tables: Tables) -> None:
    past = History(tables)
    with pytest.raises(HistoryError, match="minute, hour, day"):
        past.points(0, 1, "week", (), {})
    with pytest.raises(HistoryError, match="province, prefecture, type, chip"):
        past.points(0, 1, "day", ("owner",), {})
    assert past.points(0, 2**63, "day", (), {}) == []


def test_an_answer_is_bounded(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    past = History(tables)
    for minute in range(3):
        past.take((BEGIN + minute) * MINUTE_MS, dict.fromkeys(PLACES, used(1)))
    monkeypatch.setattr(history, "POINTS_MAX", 5)
    assert len(of(past, "minute")) == 3
    with pytest.raises(HistoryError, match=r"5 rows; .* a longer step"):
        of(past, "minute", "prefecture", "type")
    monkeypatch.setattr(history, "READ_MAX", 5)
    with pytest.raises(HistoryError, match=r"5 groups to be read; .* a longer step"):
        of(past, "minute")


def minute_of(rows: list[Row]) -> dict[Key, Sums]:
    return history.minute_of([columns_of_rows(rows)])


def test_groups_are_bounded_and_nothing_is_lost() -> None:
    def row(n: int) -> Row:
        return Row({"prefecture": f"{n:06}", "type": "ACP", "chip": f"c{n}"}, figures(n))

    found = minute_of([row(n) for n in range(GROUPS_MAX + 10)])
    assert len(found) == GROUPS_MAX
    assert sum(one.chips_used for one in found.values()) == sum(range(GROUPS_MAX + 10))
    assert found["*", "*", "*"].resources == 11


def test_what_one_province_tells_displaces_no_other() -> None:
    invented = [
        Row({"prefecture": "320100", "type": "ACP", "chip": f"c{n}"}, figures(1e6))
        for n in range(GROUPS_MAX + 200)
    ]
    true = [Row({"prefecture": "330100", "type": "ACP", "chip": "H100"}, figures(50))]
    found = minute_of([*invented, *true])
    assert len(found) == GROUPS_MAX
    assert found["330100", "ACP", "H100"].chips_used == 50


def figures(chips: float) -> Figures:
    return Figures(1, 0, {"chips": Parts(chips, used=chips)})


MINUTES = st.integers(0, 2 * DAY - 1)
TAKEN = st.lists(
    st.tuples(MINUTES, st.dictionaries(st.sampled_from(PLACES), st.integers(0, 9), max_size=3)),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(TAKEN, st.sampled_from(list(STEPS)), MINUTES, st.integers(1, 2 * DAY))
def test_as_a_model_has_it(
    tmp_path_factory: pytest.TempPathFactory, taken: list[Any], step: str, first: int, length: int
) -> None:
    file = tmp_path_factory.mktemp("history") / "t.mdb"
    model: dict[int, dict[Key, int]] = {}
    with closing(Tables(file, (HISTORY,), 64 << 20, lasting=False)) as tables:
        past = History(tables)
        for minute, groups in sorted(taken, key=lambda one: one[0]):
            past.take((BEGIN + minute) * MINUTE_MS, {key: used(n) for key, n in groups.items()})
            model.setdefault(minute, groups)
        found = past.points(
            (BEGIN + first) * MINUTE_MS, (BEGIN + first + length) * MINUTE_MS, step, ("chip",), {}
        )
    size = STEPS[step].minutes
    wanted: dict[tuple[int, str], float] = {}
    counts: dict[int, int] = {}
    for minute, groups in model.items():
        bucket = minute - minute % size
        if not first <= bucket < first + length:
            continue
        counts[bucket] = counts.get(bucket, 0) + 1
        for (_, _, chip), n in groups.items():
            wanted[bucket, chip] = wanted.get((bucket, chip), 0) + n
    said = {(one.at // MINUTE_MS - BEGIN, one.by["chip"]): one.sums.chips_used for one in found}
    assert {key: n for key, n in said.items() if n} == {key: n for key, n in wanted.items() if n}
    assert {one.at // MINUTE_MS - BEGIN: one.minutes for one in found} == counts
