"""Serials that may have lost leading zeros, seen from those beside them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sheets.serials import Known, Widths, is_bare

GROUP = "O/I/L/T/C"


def doubtful(
    serials: list[str], pools: set[int] | None = None, known: tuple[str, ...] = ()
) -> set[str]:
    widths = Widths()
    for serial in serials:
        widths.add(GROUP, serial)
    doubts = widths.doubts(lambda _: Known(frozenset(pools or ()), known))
    return {serial for serial in serials if GROUP in doubts and doubts[GROUP].of(serial)}


@pytest.mark.parametrize(
    ("serials", "expected"),
    [
        (["0001", "0002"], []),
        (["1", "2", "9"], []),  # nothing beside them says otherwise
        (["1", "2", "10"], ["1", "2", "10"]),  # was 10 0010? nobody knows
        (["0001", "2"], ["2"]),
        (["0001", "1000"], []),
        (["0001", "1000", "2"], ["1000", "2"]),
        (["000A", "9"], ["9"]),
        (["A1", "1000"], []),
        (["N1A0001", "NW1A0001"], []),  # letters, which no spreadsheet takes away
        (["N1", "12"], []),
        (["123456789012"], []),
        (["1" * 20, "2"], ["1" * 20, "2"]),  # no serial at all: the rules refuse it
    ],
)
def test_beside_others_of_the_table(serials: list[str], expected: list[str]) -> None:
    assert doubtful(serials) == set(expected)


@pytest.mark.parametrize(
    ("serials", "pools", "known", "expected"),
    [
        (["1", "2"], {4}, [], ["1", "2"]),
        (["0001", "5K"], {4}, [], ["5K"]),
        (["1000"], {4}, ["1"], []),
        (["1000", "00001"], {4, 5}, [], []),
        (["7"], None, ["0001", "0002"], ["7"]),
        (["7"], None, ["1", "2"], []),
        (["10"], None, ["1", "2"], ["10"]),
        (["0010"], None, ["1", "2"], []),
    ],
)
def test_beside_what_is_registered(
    serials: list[str], pools: set[int] | None, known: list[str], expected: list[str]
) -> None:
    assert doubtful(serials, pools, known) == set(expected)


@given(st.lists(st.integers(1, 9999), min_size=2, max_size=30, unique=True))
def test_no_serial_of_a_counted_block_comes_through_with_its_zeros_lost(numbers: list[int]) -> None:
    """Unless all of them are of one width without zeros, when they are what they would be anyway
    or nothing shows it.
    """
    stripped = [str(number) for number in numbers]
    through = set(stripped) - doubtful(stripped)
    assert not through or len({len(serial) for serial in stripped}) == 1
    assert doubtful([serial.zfill(4) for serial in stripped]) == set()
    half = [s if n % 2 else s.zfill(5) for n, s in enumerate(stripped)]
    assert not any(is_bare(serial) for serial in set(half) - doubtful(half))


def test_groups_do_not_touch_one_another() -> None:
    widths = Widths()
    widths.add("a", "1")
    widths.add("b", "0001")
    assert widths.doubts(lambda _: Known(frozenset(), ())) == {} and len(widths) == 2
