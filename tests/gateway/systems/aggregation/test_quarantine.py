"""Differences that look wrong are held back, with their reasons."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.aggregation import quarantine
from gateway.systems.aggregation.difference import Difference
from gateway.systems.aggregation.known import DAY_MILLISECONDS, Known
from gateway.systems.aggregation.quarantine import (
    NEW_MAX,
    NEW_OF_DAY_MAX,
    REASONS_MAX,
    REFUSED,
    SHOWN_MAX,
    WAITING,
    Reason,
    believed,
    held,
    reasons,
)
from gateway.systems.aggregation.readings import Reading, Unit
from tests.support.supply import GRACE, NOW, SOURCE, differed, node, plain, reading, registered

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


def test_units_that_come_and_go_may_be_half_gone_and_not_gone_altogether(ten: Known) -> None:
    _, change = differed(ten, reading(TEN[:4]))
    assert not reasons(ten, reading(TEN[:4]), change, NOW, lambda _: None, elastic=True)
    _, change = differed(ten, reading([]))
    why = reasons(ten, reading([]), change, NOW, lambda _: None, elastic=True)
    assert [one.code for one in why] == ["nothing"]


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


def test_half_of_the_units_go_to_another_pool(ten: Known) -> None:
    renamed = [one._replace(group="new") for one in TEN]
    _, why = looked_at(ten, reading(renamed))
    (reason,) = why
    assert reason.code == "moved" and len(reason.pools) == 2
    assert codes(ten, [*renamed[:5], *TEN[5:]]) == {"moved"}
    assert codes(ten, [*renamed[:4], *TEN[4:]]) == set()


def with_chips(number: float) -> list[Unit]:
    return [node(f"n{name}", min(8, number), number) for name in range(10)]


def test_half_of_the_chips_is_lost_of_units_that_are_there(ten: Known) -> None:
    assert codes(ten, with_chips(5)) == set()
    for left in (4, 0):
        assert codes(ten, with_chips(left)) == {"less"}
    # Whoever has accepted that is asked again when they would be pools of their own.
    known, change = differed(ten, reading(with_chips(4)))
    known = msgspec.structs.replace(known, past=change.past.accepted(change.has))
    assert codes(known, with_chips(4)) == set()
    _, why = looked_at(known, reading(with_chips(4)), NOW + GRACE)
    assert [one.code for one in why] == ["moved"]
    one, _ = differed(Known(), reading(TEN[:1]))
    assert codes(one, with_chips(4)[:1]) == set()
    assert codes(one, with_chips(0)[:1]) == {"less"}


def test_half_of_the_identifiers_would_be_suspended() -> None:
    some = [plain(f"n{number}", group=f"g{number}") for number in range(3)]
    known, _ = differed(Known(), reading(some))
    known, _ = differed(registered(known), reading(some[:1]))
    _, why = looked_at(known, reading(some[:1]), NOW + GRACE)
    assert [one.code for one in why] == ["suspended"]
    known, _ = differed(registered(known), reading(some))
    known, _ = differed(known, reading(some[:2]))
    assert not looked_at(known, reading(some[:2]), NOW + GRACE)[1]


def test_growth_that_is_tenfold_in_several_polls() -> None:
    some = [node(f"n{number}") for number in range(81)]
    known, _ = differed(Known(), reading(some[:1]))
    known, _ = differed(known, reading(some[:9]), NOW + 60_000)
    _, why = looked_at(known, reading(some), NOW + 120_000)
    assert {one.code for one in why} == {"tenfold"}
    # The day after it is compared with what there was then.
    _, why = looked_at(known, reading(some), NOW + DAY_MILLISECONDS)
    assert not why


def test_loss_of_nearly_half_day_after_day() -> None:
    some = [node(f"n{number}") for number in range(100)]
    known, now = differed(Known(), reading(some))[0], NOW
    found = []
    for left in (51, 26, 14):
        now += GRACE
        _, why = looked_at(known, reading(some[:left]), now)
        found.append({one.code for one in why})
        known, _ = differed(known, reading(some[:left]), now)
        known, _ = differed(known, reading(some[:left]), now + GRACE)
    assert found == [set(), {"gone"}, {"gone"}]


def test_units_that_have_nothing_are_none() -> None:
    known, _ = differed(Known(), reading(TEN[:3]))
    nothing = node("x", total={"chips": 0, "vcpu": 0, "memory_gib": 0})._replace(free={})
    assert codes(known, [nothing]) == {"nothing"}


def test_very_many_new_identifiers_on_one_day() -> None:
    each = msgspec.structs.replace(SOURCE, each=True)
    some = [plain(f"n{number}") for number in range(NEW_OF_DAY_MAX + 1)]
    known = Known()
    for number in (400, 800, NEW_OF_DAY_MAX):
        known, change = differed(known, reading(some[:number]), source=each)
        assert not reasons(known, reading(some[:number]), change, NOW, lambda _: None)
    _, change = differed(known, reading(some), source=each)
    (reason,) = reasons(known, reading(some), change, NOW, lambda _: None)
    assert reason.code == "many" and len(reason.pools) == 1
    later = NOW + DAY_MILLISECONDS
    _, change = differed(known, reading(some), later, source=each)
    assert not reasons(known, reading(some), change, later, lambda _: None)


def test_more_units_than_a_source_may_have(ten: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "KNOWN_MAX", 11)
    new = [plain("x"), plain("y")]
    assert codes(ten, [*TEN, *new[:1]]) == set()
    assert codes(ten, new, whole=False) == {"large"}


def test_each_rule_has_its_share_of_what_is_shown_and_all_are_believed() -> None:
    each = msgspec.structs.replace(SOURCE, each=True)
    some = [plain(f"n{number}") for number in range(400)]
    known, _ = differed(Known(), reading(some), source=each)
    large = [plain(f"n{number}", 64 * 20, 256 * 20) for number in range(100)]
    said = reading([*large, *some[100:], plain("other")])
    _, change = differed(known, said, source=each)
    why = reasons(known, said, change, NOW, lambda _: "theirs")
    told = believed(known, change, why)
    assert set(told) == {known.units[one.key].pool for one in some[100:]}
    found = held(change, why, None, NOW).reasons
    assert len(found) <= REASONS_MAX and {one.code for one in found} == {"tenfold", "other"}


def test_a_pool_that_units_come_to_is_told_by_nobody_meanwhile(ten: Known) -> None:
    x = [node(f"x{number}", group="x") for number in range(2)]
    known, _ = differed(ten, reading([*TEN, *x, plain("small", memory=16), plain("p", 8)]))
    moved = [one._replace(group="x") for one in TEN[:3]]
    said = reading([*moved, *TEN[3:], *x, plain("small", memory=160), plain("p", 8)])
    change, why = looked_at(known, said)
    assert {one.code for one in why} == {"tenfold"}
    assert set(believed(known, change, why)) == {known.units["key-p"].pool}
