"""What is reserved is not given twice, comes back, and never makes more free than there is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid import shape
from csid.status import Status, Told
from gateway.systems.selection.reservations import (
    Item,
    NotFreeError,
    Reservations,
    taken_from,
    without,
)

SHAPES = st.dictionaries(st.integers(1, 16), st.integers(1, 6), max_size=6).map(
    lambda counts: tuple(sorted((shape.Units(*one) for one in counts.items()), reverse=True))
)


def told(free: dict[str, float], taken: int = 0) -> Status:
    return Status(taken, taken + 30_000, "gw", taken, Told(free=free))


def units(free: dict[int, int]) -> dict[str, float]:
    said: dict[str, float] = {f"nodes_{n}": count for n, count in free.items()}
    return {"chips": float(sum(n * count for n, count in free.items())), **said}


@given(SHAPES, st.integers(1, 16), st.integers(1, 20))
def test_as_many_blocks_are_taken_as_there_are_and_nothing_appears(
    given_shape: shape.Shape, size: int, number: int
) -> None:
    left, taken = taken_from(given_shape, size, number)
    assert taken == min(number, shape.blocks(given_shape, size))
    total = sum(one.free * one.number for one in given_shape)
    assert sum(one.free * one.number for one in left) == total - taken * size
    # What is left has as many blocks less.
    assert shape.blocks(left, size) == shape.blocks(given_shape, size) - taken
    assert sum(one.number for one in left) <= sum(one.number for one in given_shape)


def test_units_that_fit_most_closely_go_first() -> None:
    left, taken = taken_from((shape.Units(8, 2), shape.Units(4, 1)), 4, 1)
    assert (left, taken) == ((shape.Units(8, 2),), 1)
    left, taken = taken_from((shape.Units(8, 2),), 4, 3)
    assert (left, taken) == ((shape.Units(4, 1),), 3)


def test_two_askers_do_not_get_the_same_cards() -> None:
    held = Reservations()
    now = {"A": told(units({8: 1}))}
    made, after = held.take("one", (Item("A", 8),), 10_000, now)
    assert after["A"].told.free == {"chips": 0.0}
    with pytest.raises(NotFreeError, match="1 blocks of 8 chips are not free; there are 0"):
        held.take("other", (Item("A", 8),), 10_000, after)
    # A new status does not give them back before the reservation ends.
    again = held.status("A", new := told(units({8: 1}), 5_000))
    held.learn("A", new)
    assert again.told.free == {"chips": 0.0} and again.taken == 5_000
    assert held.ended(9_999) == []
    assert held.ended(10_000) == [made.name]
    assert held.release([made.name])["A"].told.free == units({8: 1})
    assert len(held) == 0
    assert held.status("A", told(units({8: 2}))).told.free == units({8: 2})


def test_all_of_it_or_nothing() -> None:
    held = Reservations()
    now = {"A": told(units({8: 1})), "B": told(units({4: 1}))}
    with pytest.raises(NotFreeError):
        held.take("one", (Item("A", 8), Item("B", 8)), 10, now)
    assert len(held) == 0
    with pytest.raises(NotFreeError, match="C: nothing is known now"):
        held.take("one", (Item("A", 8), Item("C", 8)), 10, now)
    made, after = held.take("one", (Item("A", 4), Item("A", 4)), 10, now)
    assert after["A"].told.free == {"chips": 0.0}
    assert [one.name for one in held.all()] == [made.name]


def test_what_the_resource_says_is_taken_meanwhile_is_not_taken_twice_over() -> None:
    held = Reservations()
    held.take("one", (Item("A", 8),), 10, {"A": told(units({8: 2}))})
    assert held.status("A", told(units({4: 1}))).told.free == units({4: 1})
    assert held.status("A", told(units({8: 1}))).told.free == {"chips": 0.0}


def test_the_same_again_under_the_same_key_is_one() -> None:
    held = Reservations()
    now = {"A": told(units({8: 1}))}
    made, after = held.take("one", (Item("A", 8),), 10, now, "k")
    assert held.take("one", (Item("A", 8),), 10, after, "k") == (made, {})
    with pytest.raises(NotFreeError, match="something else was reserved by it"):
        held.take("one", (Item("A", 4),), 10, after, "k")
    with pytest.raises(NotFreeError):  # of another caller it is another key
        held.take("other", (Item("A", 8),), 10, after, "k")
    held.release([made.name])
    assert held.take("one", (Item("A", 4),), 10, now, "k")[0].name != made.name


def test_large_blocks_go_first_whatever_was_reserved_first() -> None:
    new = told({"chips": 8.0, "nodes_8": 1.0}, 1)
    for _ in range(8):  # names are random
        held = Reservations()
        now = {"A": told(units({8: 1, 4: 1}))}
        held.take("one", (Item("A", 4),), 10, now)
        held.take("one", (Item("A", 8),), 10, {"A": held.left("A")})
        assert held.status("A", new).told.free == {"chips": 0.0}


def test_what_goes_with_cards_is_taken_with_them() -> None:
    now = told(units({8: 2}) | {"memory_gib": 1_000.0, "vcpu": 128.0})
    item = Item("A", 8, 2, vcpu=64.0, memory_gib=900.0)
    assert without(now, item).told.free == {"chips": 0.0, "memory_gib": 100.0, "vcpu": 64.0}
    with pytest.raises(NotFreeError, match="A: 1001 memory_gib are not free; there are 1000"):
        without(now, Item("A", 8, memory_gib=1_001.0))
    assert without(told(units({8: 1})), Item("A", 8, memory_gib=1_001.0))  # nobody tells of it
    # Of what is taken already, what goes with it is taken, too.
    half = told(units({8: 1}) | {"memory_gib": 600.0})
    assert without(half, item, True).told.free == {"chips": 0.0, "memory_gib": 150.0}


@pytest.mark.parametrize(
    "wrong", [{"memory_gib": -1.0}, {"vcpu": 2.0**60}, {"of": "vcpu", "vcpu": 1.0}]
)
def test_what_is_no_amount_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="vcpu"):
        Item("A", 8, **wrong)


def test_cards_are_counted_by_their_sum_where_a_shape_tells_less() -> None:
    now = told({"chips": 16.0, "nodes_7": 2.0})
    assert without(now, Item("A", 1, 16)).told.free == {"chips": 0.0}
    with pytest.raises(NotFreeError):
        without(now, Item("A", 8))


def test_a_sum_without_a_shape_gives_single_cards_alone() -> None:
    assert without(told({"chips": 8.0}), Item("A", 1, 3)).told.free == {"chips": 5.0}
    with pytest.raises(NotFreeError):  # whether two are on one node nobody says
        without(told({"chips": 8.0}), Item("A", 2))


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(1, 3), st.booleans()), max_size=8))
def test_what_is_reserved_and_what_is_free_are_together_what_was_told(
    steps: list[tuple[int, int, bool]],
) -> None:
    held, base = Reservations(), told(units({8: 3, 2: 1}))
    now = base
    for size, number, release in steps:
        if release and held.all():
            now = held.release([held.all()[0].name])["A"]
            continue
        try:
            _, after = held.take("x", (Item("A", size, number),), 1, {"A": now})
        except NotFreeError:
            continue
        now = after["A"]
        reserved = sum(item.size * item.number for one in held.all() for item in one.items)
        assert now.told.free["chips"] <= base.told.free["chips"] - reserved + 1e-9
    names = [one.name for one in held.all()]
    if names:
        assert held.release(names)["A"] == base
