"""Differences that look wrong are held back, with their reasons."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.aggregation.difference import Difference
from gateway.systems.aggregation.known import Known
from gateway.systems.aggregation.quarantine import (
    NEW_MAX,
    REFUSED,
    SHOWN_MAX,
    WAITING,
    Reason,
    believed,
    held,
    reasons,
)
from gateway.systems.aggregation.readings import Reading, Unit
from tests.support.supply import NOW, differed, node, plain, reading

TEN = [node(f"n{number}") for number in range(10)]


def looked_at(
    known: Known,
    said: Reading,
    now: int = NOW,
    source_of: Callable[[str], str | None] = lambda _: None,
) -> tuple[Difference, tuple[Reason, ...]]:
    _, change = differed(known, said, now)
    return change, reasons(known, said, change, now, source_of)


def codes(known: Known, units: list[Unit], **more: bool) -> set[str]:
    _, why = looked_at(known, reading(units, **more))
    return {one.code for one in why}


@pytest.fixture
def ten() -> Known:
    return differed(Known(), reading(TEN))[0]


def test_half_of_a_source_gone_at_once(ten: Known) -> None:
    assert codes(ten, TEN[:6]) == set()
    assert codes(ten, TEN[:5]) == {"gone"}
    assert codes(ten, TEN[:5], whole=False) == set()


def test_half_of_it_gone_little_by_little(ten: Known) -> None:
    known, _ = differed(ten, reading(TEN[:7]))
    assert codes(known, TEN[:6]) == set()
    assert codes(known, TEN[:5]) == {"gone"}


def test_a_source_that_says_nothing(ten: Known) -> None:
    assert codes(ten, []) == {"nothing"}
    assert codes(Known(), []) == set()
    one, _ = differed(Known(), reading(TEN[:1]))
    assert codes(one, []) == {"nothing"}


@pytest.mark.parametrize(("times", "found"), [(9, set()), (10, {"tenfold"}), (1024, {"tenfold"})])
def test_capacity_tenfold_and_a_tenth(times: int, found: set[str]) -> None:
    small, large = plain("a", memory=16), plain("a", memory=16 * times)
    known, _ = differed(Known(), reading([small]))
    assert codes(known, [large]) == found
    known, _ = differed(Known(), reading([large]))
    # Less counts only once the grace is over.
    known, _ = differed(known, reading([small]), NOW)
    _, why = looked_at(known, reading([small]), NOW + 10**9)
    assert {one.code for one in why} == found


def test_a_source_that_grows_tenfold(ten: Known) -> None:
    more = [node(f"m{number}") for number in range(90)]
    assert codes(ten, TEN + more[:89]) == set()
    assert codes(ten, TEN + more) == {"tenfold"}


def test_a_key_of_another_source(ten: Known) -> None:
    new = node("n99")
    _, why = looked_at(ten, reading([*TEN, new]), source_of=lambda key: "other")
    (reason,) = why
    assert reason.code == "other" and "other" in reason.text
    _, why = looked_at(ten, reading(TEN), source_of=lambda key: "other")
    assert not why  # those are known: somebody has looked at them


def test_a_clock_that_is_ahead(ten: Known) -> None:
    _, why = looked_at(ten, reading(TEN, NOW + 61_000))
    assert [one.code for one in why] == ["clock"]
    _, why = looked_at(ten, reading(TEN, NOW + 59_000))
    assert not why


def test_very_many_new_identifiers() -> None:
    some = [plain(f"n{number}", group=f"g{number}") for number in range(NEW_MAX + 1)]
    assert codes(Known(), some) == {"many"}
    change, why = looked_at(Known(), reading(some))
    shown = held(change, why, None, NOW)
    assert len(shown.changes["registrations"]) == SHOWN_MAX
    assert shown.counts["registrations"] == NEW_MAX + 1
    assert all(len(one.pools) <= SHOWN_MAX for one in shown.reasons)


def test_a_word_stays_with_what_it_was_said_of(ten: Known) -> None:
    import msgspec

    change, why = looked_at(ten, reading(TEN[:5]))
    first = held(change, why, None, NOW)
    assert first.verdict == WAITING
    refused = msgspec.structs.replace(first, verdict=REFUSED)
    later, again = looked_at(ten, reading(TEN[:5]), NOW + 60_000)
    same = held(later, again, refused, NOW + 60_000)
    assert (same.verdict, same.since, same.seen) == (REFUSED, NOW, NOW + 60_000)
    other, why = looked_at(ten, reading(TEN[:4]))
    assert held(other, why, refused, NOW).verdict == WAITING


def test_what_no_reason_touches_is_told_meanwhile(ten: Known) -> None:
    known, _ = differed(ten, reading([*TEN, plain("p")]))
    gone = reading([*TEN[:3], plain("p")])
    change, why = looked_at(known, gone)
    told = believed(known, change, why)
    assert set(told) == {known.units["key-p"].pool}
    change, why = looked_at(known, reading([]))
    assert believed(known, change, why) == {}


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(10, 19)))
def test_the_same_change_has_the_same_digest_whenever_it_is_found(gone, new) -> None:
    known, _ = differed(Known(), reading(TEN))
    units = [one for number, one in enumerate(TEN) if number not in gone]
    units += [node(f"n{number}") for number in new]
    first, _ = looked_at(known, reading(units), NOW)
    later, _ = looked_at(known, reading(list(reversed(units)), NOW + 5), NOW + 5)
    assert first.digest == later.digest
    assert (first.digest == looked_at(known, reading(TEN))[0].digest) == (not gone and not new)
