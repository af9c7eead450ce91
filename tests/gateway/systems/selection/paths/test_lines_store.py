"""Lines and their orders are kept with what became of them, and asked twice is done once."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.systems.selection.paths import lines_writing
from gateway.systems.selection.paths.lines import Line, LineError, Order, changed, made, pack
from gateway.systems.selection.paths.lines_store import Change, Lines

NOW = 1_800_000_000_000
ONE = "91330106673959654P"


def line(name: str = "l-1", gbps: float = 100.0, state: str = "planned") -> Line:
    return made(
        name=name,
        ends=["330100", "310000"],
        provider=ONE,
        bandwidth_gbps=gbps,
        free_gbps=gbps,
        state=state,
    )


def order(key: str, gbps: float = 10.0, name: str = "l-1", by: str = "a") -> Order:
    return Order(key, name, by, gbps, NOW, NOW)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Lines]:
    opened = Lines(tmp_path)
    opened.add(line(), "me", NOW)
    yield opened
    opened.close()


def test_lines_are_listed_in_order_and_lasting(tmp_path: Path) -> None:
    opened = Lines(tmp_path)
    for name in ("b", "a", "c", "a-1"):
        assert opened.add(line(name), "me", NOW)
    opened.close()
    again = Lines(tmp_path)
    assert [one.name for one in again.all()] == ["a", "a-1", "b", "c"]
    assert [one.name for one in again.all("a")] == ["a-1", "b", "c"]
    assert again.find("b") == line("b") and again.find("z") is None
    again.close()


def test_a_line_that_is_added_twice_is_added_once(store: Lines) -> None:
    assert not store.add(line(), "me", NOW + 1)
    with pytest.raises(LineError, match="csid line change l-1"):
        store.add(line(gbps=1.0), "me", NOW)
    assert store.history("l-1") == [Change(NOW, "me", "planned", "added")]


def test_changes_of_the_state_are_kept_with_who_and_why(store: Lines) -> None:
    store.change("l-1", "me", NOW + 1, state="open")
    store.change("l-1", "you", NOW + 2, "fibre cut", state="down")
    store.change("l-1", "you", NOW + 3, state="down")  # no change
    store.change("l-1", "you", NOW + 4, note="x")
    assert store.history("l-1")[1:] == [
        Change(NOW + 1, "me", "open", ""),
        Change(NOW + 2, "you", "down", "fibre cut"),
        Change(NOW + 4, "you", "note", ""),
    ]


def test_the_history_is_bounded_and_the_newest_stay(
    store: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_writing, "HISTORY_MAX", 3)
    for step in range(6):
        store.change("l-1", "me", NOW + step, note=str(step))
    assert [one.at for one in store.history("l-1")] == [NOW + 3, NOW + 4, NOW + 5]


def test_an_order_goes_from_ordered_by_accepted_to_open(store: Lines) -> None:
    assert store.order(order("k"), NOW).state == "ordered"
    assert store.answer("k", "accepted", "line-co", NOW + 1).state == "accepted"
    assert _free(store) == 100.0
    opened = store.answer("k", "open", "line-co", NOW + 2, "done")
    assert (opened.state, opened.changed, opened.why) == ("open", NOW + 2, "done")
    found = store.find("l-1")
    assert found and (found.state, found.free_gbps) == ("open", 90.0)
    store.answer("k", "ended", "a", NOW + 3)
    assert _free(store) == 100.0
    told = [one.what for one in store.history("l-1")]
    assert told == [
        "planned",
        "order k ordered",
        "order k accepted",
        "open",
        "order k open",
        "open",
        "order k ended",
    ]


def _free(store: Lines) -> float:
    found = store.find("l-1")
    assert found
    return found.free_gbps


def test_the_same_order_again_is_the_same_order_as_it_is_now(store: Lines) -> None:
    store.order(order("k"), NOW)
    store.answer("k", "accepted", "line-co", NOW + 1)
    again = Order("k", "l-1", "a", 10.0, NOW + 9, NOW + 9)
    assert store.order(again, NOW + 9).state == "accepted"
    assert len(store.orders("l-1")) == 1
    store.add(line("l-2"), "me", NOW)
    for other in (order("k", 20.0), order("k", name="l-2")):
        with pytest.raises(LineError, match="another key"):
            store.order(other, NOW)


def test_a_key_is_of_who_orders_and_says_nothing_of_others(store: Lines) -> None:
    store.add(line("l-2"), "me", NOW)
    store.order(order("k"), NOW)
    other = order("k", 20.0, "l-2", by="b")
    assert store.order(other, NOW) == other == store.order(other, NOW)
    assert (len(store.orders("l-1")), len(store.orders("l-2"))) == (1, 1)
    with pytest.raises(LineError, match="a, b have one each"):
        store.answer("k", "accepted", "line-co", NOW)
    assert store.answer("k", "accepted", "line-co", NOW, of="b").line == "l-2"
    assert store.answer("k", "refused", "line-co", NOW, line="l-1").by == "a"
    for wrong in ({"of": "c"}, {"of": "a", "line": "l-2"}):
        with pytest.raises(LineError, match="there is no order k"):
            store.answer("k", "open", "line-co", NOW, **wrong)
    with pytest.raises(LineError, match="there is no order x"):
        store.answer("x" * 600, "open", "line-co", NOW)


def test_orders_of_before_keys_were_of_somebody_go_on(store: Lines) -> None:
    tables = store._tables
    with tables.writing() as txn:
        txn.put(b"k", pack(order("k")), db=tables["orders"])
        txn.put(b"l-1\0k", b"", db=tables["by_line"])
    assert store.order(order("k"), NOW) == order("k")
    store.order(order("k", 5.0, by="b"), NOW)
    assert store.answer("k", "accepted", "line-co", NOW, of="a").state == "accepted"
    assert [(one.by, one.state) for one in store.orders("l-1")] == [
        ("a", "accepted"),
        ("b", "ordered"),
    ]


def test_the_same_answer_again_takes_nothing_again(store: Lines) -> None:
    store.order(order("k"), NOW)
    for state in ("accepted", "accepted", "open", "open"):
        store.answer("k", state, "line-co", NOW)
    assert _free(store) == 90.0


@pytest.mark.parametrize(
    ("before", "wrong"),
    [
        ((), "open"),
        ((), "ended"),
        (("refused",), "accepted"),
        (("accepted", "open"), "refused"),
        (("accepted", "open", "ended"), "open"),
    ],
)
def test_an_order_does_not_become_what_it_cannot(
    store: Lines, before: tuple[str, ...], wrong: str
) -> None:
    store.order(order("k"), NOW)
    for state in before:
        store.answer("k", state, "line-co", NOW)
    with pytest.raises(LineError, match="it can become"):
        store.answer("k", wrong, "line-co", NOW)


def test_more_than_is_free_is_not_ordered_and_not_opened(store: Lines) -> None:
    with pytest.raises(LineError, match="100 Gbit/s free, 101 were ordered"):
        store.order(order("k", 101.0), NOW)
    for key in ("one", "two"):
        store.order(order(key, 60.0), NOW)
        store.answer(key, "accepted", "line-co", NOW)
    store.answer("one", "open", "line-co", NOW)
    with pytest.raises(LineError, match="40 Gbit/s free"):
        store.answer("two", "open", "line-co", NOW)
    assert [one.state for one in store.orders("l-1")] == ["open", "accepted"]
    assert _free(store) == 40.0


def test_what_was_ordered_of_a_line_ends_when_it_is_closed(store: Lines) -> None:
    for key in ("one", "two"):
        store.order(order(key), NOW)
    store.answer("one", "accepted", "line-co", NOW)
    store.answer("one", "open", "line-co", NOW)
    assert store.close_line("l-1", "line-co", NOW).state == "closed"
    assert [one.state for one in store.orders("l-1")] == ["ended", "refused"]
    for again in (lambda: store.change("l-1", "me", NOW, state="open"),):
        with pytest.raises(LineError, match="closed, for ever"):
            again()
    with pytest.raises(LineError, match="is closed"):
        store.order(order("three"), NOW)
    before = store.history("l-1")
    store.close_line("l-1", "line-co", NOW + 5)
    assert store.history("l-1") == before


def test_orders_that_have_ended_make_room(store: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_writing, "ORDERS_MAX", 2)
    store.order(order("a"), NOW)
    store.order(order("b"), NOW)
    with pytest.raises(LineError, match="orders under way"):
        store.order(order("c"), NOW)
    store.answer("a", "refused", "line-co", NOW)
    store.order(order("c"), NOW)
    assert [one.key for one in store.orders("l-1")] == ["b", "c"]


@pytest.mark.parametrize("key", ["", "ü", "x" * 65, "a b", "a\n"])
def test_a_key_that_is_none_is_refused_and_nothing_is_written(store: Lines, key: str) -> None:
    with pytest.raises(LineError):
        store.order(order(key), NOW)
    assert store.orders("l-1") == []


def test_what_is_not_there_is_told_of(store: Lines) -> None:
    for wrong in (
        lambda: store.change("z", "me", NOW),
        lambda: store.order(order("k", name="z"), NOW),
        lambda: store.answer("k", "open", "me", NOW),
        lambda: store.close_line("z", "me", NOW),
        lambda: store.change("", "me", NOW),
    ):
        with pytest.raises(LineError, match="there is no"):
            wrong()
    with pytest.raises(LineError, match="the reason has 201"):
        store.close_line("l-1", "me", NOW, "x" * 201)


def opened(store: Lines, key: str, gbps: float, name: str = "l-1") -> None:
    store.order(order(key, gbps, name), NOW)
    store.answer(key, "accepted", "line-co", NOW)
    store.answer(key, "open", "line-co", NOW)


def test_a_change_to_closed_is_a_closing(store: Lines) -> None:
    opened(store, "one", 10.0)
    store.order(order("two"), NOW)
    closed = store.change("l-1", "me", NOW, "sold", state="closed", note="x")
    assert (closed.state, closed.note, closed.free_gbps) == ("closed", "x", 100.0)
    assert [(one.state, one.why) for one in store.orders("l-1")] == [
        ("ended", "sold"),
        ("refused", "sold"),
    ]
    assert store.change("l-1", "me", NOW, state="closed") == closed == store.find("l-1")


def test_what_a_closed_line_has_left_open_ends_when_it_is_closed_again(store: Lines) -> None:
    opened(store, "one", 10.0)
    found = store.find("l-1")
    assert found
    with store._tables.writing() as txn:  # as it was once
        txn.put(b"l-1", pack(changed(found, state="closed")), db=store._tables["lines"])
    assert store.close_line("l-1", "me", NOW).state == "closed"
    assert [one.state for one in store.orders("l-1")] == ["ended"]


def test_a_line_whose_days_are_over_is_not_ordered_and_not_opened(store: Lines) -> None:
    day = 86_400_000
    until = dt.datetime.fromtimestamp(NOW / 1_000, dt.UTC).date()
    store.change("l-1", "me", NOW, valid_until=until.isoformat())
    store.order(order("one"), NOW)
    store.answer("one", "accepted", "line-co", NOW)
    with pytest.raises(LineError, match="was valid until"):
        store.answer("one", "open", "line-co", NOW + day)
    with pytest.raises(LineError, match="was valid until"):
        store.order(order("two"), NOW + day)
    assert store.answer("one", "open", "line-co", NOW).state == "open"


def test_bandwidth_that_orders_have_stays_theirs(store: Lines) -> None:
    opened(store, "one", 90.0)
    for wrong in ({"bandwidth_gbps": 20.0}, {"free_gbps": 100.0}, {"free_gbps": 11.0}):
        with pytest.raises(LineError, match="90 Gbit/s are taken"):
            store.change("l-1", "me", NOW, **wrong)
    with pytest.raises(LineError, match=r"bandwidth_gbps"):
        store.change("l-1", "me", NOW, bandwidth_gbps=float("nan"))
    for gbps, free in ((95.0, 5.0), (90.0, 0.0), (200.0, 110.0)):
        assert store.change("l-1", "me", NOW, bandwidth_gbps=gbps).free_gbps == free
    assert store.change("l-1", "me", NOW, free_gbps=1.0).free_gbps == 1.0
    store.answer("one", "ended", "line-co", NOW)
    assert _free(store) == 91.0


def test_three_tenths_are_three_times_a_tenth(store: Lines) -> None:
    store.add(line("l-3", 0.3), "me", NOW)
    for key in ("one", "two", "three"):
        opened(store, key, 0.1, "l-3")
    found = store.find("l-3")
    assert found and found.free_gbps == 0.0
    with pytest.raises(LineError, match="0 Gbit/s free"):
        store.order(order("four", 0.1, "l-3"), NOW)


steps = st.lists(
    st.tuples(
        st.sampled_from(("order", "accepted", "open", "refused", "ended")),
        st.sampled_from("abc"),
        st.sampled_from((5.0, 40.0, 70.0)),
    ),
    max_size=25,
)


@settings(max_examples=40)
@given(steps)
def test_what_is_free_is_all_but_what_is_open(some: list[tuple[str, str, float]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Lines(Path(folder))
        store.add(line(), "me", NOW)
        for what, key, gbps in some:
            try:
                if what == "order":
                    store.order(order(key, gbps), NOW)
                else:
                    store.answer(key, what, "line-co", NOW)
            except LineError:
                pass
            taken = sum(one.bandwidth_gbps for one in store.orders("l-1") if one.state == "open")
            assert _free(store) == 100.0 - taken >= 0
        store.close()
