"""SIEVE: as its authors describe it, whatever happens; and popular names stay in a flood."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from resolver.cache.sieve import ASKED, Sieve

SLOTS = 6


class Described:
    """The algorithm of the paper, word for word: a list, the newest first."""

    def __init__(self) -> None:
        self.queue: list[list[int]] = []  # slot, visited
        self.hand: list[int] | None = None

    def evict(self) -> int:
        one = self.hand or self.queue[-1]
        while one[1]:
            one[1] = 0
            at = self.queue.index(one) - 1
            one = self.queue[at] if at >= 0 else self.queue[-1]
        at = self.queue.index(one) - 1
        self.hand = self.queue[at] if at >= 0 else None
        self.queue.remove(one)
        return one[0]


@given(st.lists(st.tuples(st.sampled_from(["come", "ask", "go"]), st.integers(0, SLOTS - 1))))
def test_what_goes_is_what_the_paper_says(steps: list[tuple[str, int]]) -> None:
    marks = memoryview(bytearray(SLOTS))
    sieve, described = Sieve(marks), Described()
    for what, slot in steps:
        here = next((one for one in described.queue if one[0] == slot), None)
        if what == "come":
            if sieve.is_full:
                assert sieve.evict() == described.evict()
            described.queue.insert(0, [sieve.take(), 0])
        elif what == "ask" and here is not None:
            marks[slot], here[1] = ASKED, 1
        elif what == "go" and here is not None:
            if described.hand is here:
                at = described.queue.index(here) - 1
                described.hand = described.queue[at] if at >= 0 else None
            sieve.free(slot)
            described.queue.remove(here)
        assert len(sieve) == len(described.queue)


def test_slots_that_were_kept_are_taken_once_and_the_others_are_free() -> None:
    sieve = Sieve(memoryview(bytearray(4)))
    assert [sieve.restore(slot) for slot in (2, 0, 2, 4, -1)] == [True, True, False, False, False]
    sieve.settle()
    assert len(sieve) == 2
    assert {sieve.take(), sieve.take()} == {1, 3}
    assert sieve.is_full
    assert sieve.evict() == 2


def test_what_is_popular_outlives_a_scan() -> None:
    numbers = random.Random(1)
    slots = 1_000
    marks = memoryview(bytearray(slots))
    sieve = Sieve(marks)
    held: dict[int, int] = {}
    names: dict[int, int] = {}
    hits = asked = 0
    for turn in range(200_000):
        popular = turn % 5 == 0
        name = min(int(numbers.paretovariate(1.0)), 10_000) if popular else 1_000_000 + turn
        if name in held:
            marks[held[name]] = ASKED
        else:
            if sieve.is_full:
                del held[names.pop(slot := sieve.evict())]
                assert slot not in names
            held[name] = sieve.take()
            names[held[name]] = name
            asked += popular
            continue
        hits += popular
        asked += popular
    assert hits / asked > 0.8
