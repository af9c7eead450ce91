"""The shape of what is free: never more than there is, and exact where it is told exactly."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from csid import shape
from csid.status import FREE_MAX, Told

FREE = st.lists(st.integers(0, 16), max_size=60)
MANY = st.lists(st.one_of(st.integers(0, 100_000), st.floats(0, 1e9)), max_size=300)


def blocks_in(free_of_units: list[float], size: int) -> int:
    return sum(int(free) // size for free in free_of_units)


def test_four_chips_on_one_node_are_not_four_nodes_with_one() -> None:
    together, apart = shape.write([4]), shape.write([1, 1, 1, 1])
    assert (together, apart) == ({"nodes_4": 1}, {"nodes_1": 4})
    assert shape.blocks(shape.read(together), 4) == 1
    assert shape.blocks(shape.read(apart), 4) == 0
    assert shape.blocks(shape.read(together), 1) == shape.blocks(shape.read(apart), 1) == 4


@given(FREE, st.integers(1, 17))
def test_at_most_eight_different_are_told_exactly(free: list[int], size: int) -> None:
    told = shape.write(free)
    if len(set(free) - {0}) <= shape.SHAPES_MAX:
        assert dict(shape.read(told)) == dict(Counter(one for one in free if one))
        assert shape.blocks(shape.read(told), size) == blocks_in([*free], size)


@given(MANY, st.integers(1, 2_000))
def test_a_shape_never_promises_what_is_not_there(free: list[float], size: int) -> None:
    told = shape.write(free, shape.VCPU)
    units = shape.read(told, shape.VCPU)
    assert len(told) <= shape.SHAPES_MAX
    assert sum(one.number for one in units) <= sum(one >= 1 for one in free)
    assert shape.blocks(units, size) <= blocks_in(free, size)
    assert units == tuple(sorted(units, reverse=True))


@given(MANY)
def test_a_unit_counts_under_the_largest_told_that_it_has(free: list[float]) -> None:
    told = [units.free for units in shape.read(shape.write(free))]
    if len({int(one) for one in free}) <= 64:
        under = Counter(max((n for n in told if n <= one), default=0) for one in free)
        assert shape.read(shape.write(free)) == tuple(
            sorted(((n, count) for n, count in under.items() if n), reverse=True)
        )


def test_what_is_left_out_is_what_loses_least() -> None:
    free = [1] * 50 + [2] * 50 + [3] * 50 + [4] * 50 + [5] * 50 + [6, 6, 7] + [8] * 50 + [16] * 9
    kept = [units.free for units in shape.read(shape.write(free))]
    assert kept == [16, 8, 6, 5, 4, 3, 2, 1]


def test_it_fits_a_status_beside_the_sums() -> None:
    sums = {"chips": 1, "vcpu": 1, "memory_gib": 1, "nodes": 1}
    assert len(Told(free=sums | shape.write(range(1, 100))).free) == FREE_MAX


def test_kinds_that_are_no_shape_are_passed_over() -> None:
    free = {"chips": 9, "nodes": 3, "nodes_": 1, "nodes_08": 1, "nodes_8x": 1, "nodes_0": 1}
    assert shape.read(free) == ()
    assert shape.read({"nodes_8": 2.9, "vcpu_64": 3, "nodes_2": 0}) == ((8, 2),)
    assert shape.read({"nodes_8": 2, "vcpu_64": 3}, shape.VCPU) == ((64, 3),)
