"""Answers that are made already: bounded, and what is asked for stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.resolving.remembered import Made, Remembered
from resolver.cache import entry as entries

ENTRY = entries.encode(0, -1, 300, 1_000, entries.Section(b"\xc0\x0c\0\x10\0\1\0\0\0\0\0\2\1x", 1))


def made(octets: int = 1_000) -> Made:
    return Made(b"key", ENTRY, 1_300, bytes(octets), lambda ttl: b"%d" % ttl, 200)


SIZE = made().octets()


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5_000), st.booleans())))
def test_it_holds_no_more_than_it_may_and_knows_how_much(
    steps: list[tuple[int, int, bool]],
) -> None:
    remembered: Remembered[int] = Remembered(5 * SIZE)
    for key, octets, asked in steps:
        remembered.put(key, made(octets))
        for one in list(remembered.made.values())[:1]:
            one.asked |= asked
        assert remembered.octets == sum(one.octets() for one in remembered.made.values())
        assert remembered.octets <= 5 * SIZE


def test_all_of_what_fits_stays_in_whatever_order_it_is_asked_for() -> None:
    remembered: Remembered[int] = Remembered(100 * SIZE)
    for _ in range(3):
        for key in range(100):
            if key not in remembered.made:
                remembered.put(key, made())
    assert remembered.made.keys() == set(range(100))


def test_what_is_asked_for_again_outlives_a_flood_of_what_is_not() -> None:
    remembered: Remembered[int] = Remembered(100 * SIZE)
    for key in range(50):
        remembered.put(key, made())
    for flood in range(1_000, 3_000):
        for key in range(50):
            remembered.made[key].asked = True
        remembered.put(flood, made())
    assert remembered.made.keys() >= set(range(50))


def test_when_an_entry_is_worth_to_be_renewed_is_known() -> None:
    one = made()
    assert (one.ahead, one.until) == (1_300 - 29, 1_300)
