"""What a reading changes: once, whatever happens in between."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from csid.record import Record
from gateway.systems.aggregation import pooling
from gateway.systems.aggregation.difference import applied
from gateway.systems.aggregation.known import ACTIVE, DAY_MILLISECONDS, SUSPENDED, Known
from tests.support.supply import GRACE, NOW, differed, node, plain, reading, registered

NAMES = st.sets(st.sampled_from("abcdef"))
SAID = st.tuples(NAMES, st.integers(0, 8), st.booleans(), st.integers(1, GRACE))


@given(st.lists(SAID, max_size=8))
@settings(max_examples=60)
def test_a_difference_applied_leaves_none(history) -> None:
    known, now = Known(), NOW
    for names, free, whole, later in history:
        now += later
        said = reading([node(one, free) for one in sorted(names)], now, whole=whole)
        known, _ = differed(known, said, now)
        again, change = differed(known, said, now)
        assert change.is_empty and again == known
        for pool in known.pools.values():
            Record({"state": "active", **pool.wanted})  # a record takes it
        assert {one.pool for one in known.units.values()} <= known.pools.keys()


def test_a_unit_that_is_missed_is_marked_then_forgotten_and_the_pool_suspended() -> None:
    known, _ = differed(Known(), reading([node("a"), plain("b")]))
    pool = known.units["key-a"].pool
    known, change = differed(known, reading([plain("b")]), NOW + 1)
    assert [one.name for one in change.vanished] == ["a"]
    assert not change.updates and not change.suspensions
    told = change.statuses[pool]
    assert (told.health, told.free["chips"]) == ("failed", 0)
    known, change = differed(known, reading([plain("b")]), NOW + GRACE)
    assert change.is_empty
    known, change = differed(known, reading([plain("b")]), NOW + 1 + GRACE)
    assert [one.name for one in change.forgotten] == ["a"]
    assert [one.key for one in change.suspensions] == [pool]
    assert known.pools[pool].state == SUSPENDED and pool not in change.statuses
    # There again, it is reinstated, as it was us who suspended it.
    known, change = differed(known, reading([node("a"), plain("b")]), NOW + 2 + GRACE)
    assert [one.key for one in change.reinstatements] == [pool]
    assert known.pools[pool].state == ACTIVE and not change.registrations


def test_one_that_comes_back_in_time_has_its_mark_cleared() -> None:
    known, _ = differed(Known(), reading([node("a"), node("b")]))
    before = known
    known, _ = differed(known, reading([node("a")]), NOW + 1)
    known, change = differed(known, reading([node("a"), node("b")]), NOW + 2)
    assert [one.name for one in change.returned] == ["b"]
    assert known.units == before.units and not change.updates


def test_what_was_not_wholly_read_has_not_vanished() -> None:
    known, _ = differed(Known(), reading([node("a"), plain("b")]))
    after, change = differed(known, reading([node("a")], whole=False), NOW + 2 * GRACE)
    assert change.only_seen == {"key-b"} and not change.vanished and not change.pools
    assert change.digest == differed(known, reading([node("a"), plain("b")]))[1].digest
    assert not after.units["key-b"].gone
    assert known.units["key-b"].pool not in change.statuses  # nothing is known of it
    again, change = differed(after, reading([node("a"), plain("b")]), NOW + 3 * GRACE)
    assert again.units == known.units and change.only_seen == {"key-b"}


def test_what_is_free_touches_no_record() -> None:
    known, _ = differed(Known(), reading([node("a", 8)]))
    after, change = differed(known, reading([node("a", 0, health="maintenance")]), NOW + 1)
    assert change.is_empty and after == known
    (told,) = change.statuses.values()
    assert told.health == "maintenance" and told.free["chips"] == 0


def test_only_facts_that_changed_are_told() -> None:
    known, _ = differed(Known(), reading([node("a")]))
    _, change = differed(known, reading([node("a"), node("b")]), NOW + 1)
    (update,) = change.updates
    assert update.before["count"] == 8 and update.after["count"] == 16
    assert "chip" not in update.after and "name" not in update.after
    assert update.after["extra"]["nodes"] == 2


def test_a_key_that_is_named_twice_counts_once() -> None:
    known, change = differed(Known(), reading([node("a"), node("a")]))
    assert len(known.units) == 1 and "twice" in change.notes[0]


def test_a_unit_that_moves_leaves_its_pool() -> None:
    known, _ = differed(Known(), reading([node("a", group="x"), node("b", group="x")]))
    old = known.units["key-a"].pool
    known, change = differed(known, reading([node("a", group="y"), node("b", group="x")]), NOW + 1)
    assert len(change.registrations) == 1
    assert [one.key for one in change.updates] == [old]
    assert known.pools[old].wanted["count"] == 8


def test_texts_of_a_stranger_become_what_a_record_takes() -> None:
    for chip in ("\x1b[31mred", "x" * 500, "   ", "\u202eh", "卡" * 100):
        known, change = differed(Known(), reading([node("a", chip=chip, group=chip)]))
        for one in change.registrations:
            Record({"state": "active", **one.facts})
        assert known.pools


def test_an_owner_that_is_none_registers_nothing_and_is_told() -> None:
    import msgspec

    from tests.support.supply import SOURCE

    wrong = msgspec.structs.replace(SOURCE, owner="91330106673959654Q")
    known, change = differed(Known(), reading([node("a")]), source=wrong)
    assert not change.registrations and "no identifier can be made" in change.notes[0]
    assert not known.pools and not change.statuses


@given(st.lists(SAID, min_size=1, max_size=6), st.integers(0, 5))
@settings(max_examples=40)
def test_a_difference_that_was_not_written_is_found_again(history, lost) -> None:
    """Killed before a reading is written: the same reading gives the same rows."""
    straight, broken, now = Known(), Known(), NOW
    for at, (names, free, whole, later) in enumerate(history):
        now += later
        said = reading([node(one, free) for one in sorted(names)], now, whole=whole)
        straight, change = differed(straight, said, now)
        if at == lost:
            differed(broken, said, now)  # and not applied
        broken, again = differed(broken, said, now)
        assert again.digest == change.digest
        assert applied(broken, again) == broken == straight


def test_a_unit_that_has_nothing_any_more_counts_as_missing() -> None:
    nothing = node("a", total={"chips": 0, "vcpu": 0, "memory_gib": 0})._replace(free={})
    known, change = differed(Known(), reading([nothing]))
    assert not known.units and "has nothing" in change.notes[0]
    known, _ = differed(Known(), reading([node("a"), node("b")]))
    known, change = differed(known, reading([nothing, node("b")]), NOW + 1)
    assert [one.name for one in change.vanished] == ["a"] and not change.registrations
    known, change = differed(known, reading([nothing, node("b")]), NOW + 1 + GRACE)
    assert [one.name for one in change.forgotten] == ["a"] and not change.registrations
    assert len(known.pools) == 1


def test_what_is_never_wholly_read_is_forgotten_after_a_longer_while() -> None:
    some = [node(f"n{number}") for number in range(10)]
    known, now = Known(), NOW
    for one in [*some, some[0]]:  # another one each poll
        known, _ = differed(known, reading([one], whole=False), now)
        now += 60_000
    assert len(known.units) == 10
    now += DAY_MILLISECONDS
    known, change = differed(known, reading(some[:1], whole=False), now)
    assert len(change.vanished) == 9 and not change.forgotten
    known, change = differed(known, reading(some[:1], whole=False), now + GRACE)
    assert len(change.forgotten) == 9
    (pool,) = known.pools.values()
    assert pool.wanted["count"] == 8


def test_a_pool_whose_units_go_to_another_has_its_grace() -> None:
    known, _ = differed(Known(), reading([node("a", group="x")]))
    known = registered(known)
    old = known.units["key-a"].pool
    known, change = differed(known, reading([node("a", group="y")]), NOW + 1)
    assert len(change.registrations) == 1 and not change.suspensions
    told = change.statuses[old]
    assert (told.health, told.free["chips"]) == ("failed", 0)
    known = registered(known)
    for now in (NOW + 2, NOW + GRACE):
        _, change = differed(known, reading([node("a", group="y")], now), now)
        assert change.is_empty
    # Back in time it is as it was.
    back, change = differed(known, reading([node("a", group="x")]), NOW + GRACE)
    assert back.pools[old].emptied == 0 and not change.suspensions and not change.reinstatements
    known, change = differed(known, reading([node("a", group="y")]), NOW + 1 + GRACE)
    assert [one.key for one in change.suspensions] == [old]
    assert known.pools[old].state == SUSPENDED


def test_an_empty_pool_that_is_not_registered_is_to_be_dropped_at_once() -> None:
    known, _ = differed(Known(), reading([node("a", group="x")]))
    old = known.units["key-a"].pool
    known, _ = differed(known, reading([node("a", group="y")]), NOW + 1)
    assert known.pools[old].state == SUSPENDED  # the registry is not asked to register it


def test_only_so_many_suspended_pools_are_kept(monkeypatch) -> None:
    monkeypatch.setattr(pooling, "EMPTY_MAX", 2)
    known, now = Known(), NOW
    for group in "uvwxyz":
        known, change = differed(known, reading([node("a", group=group)]), now)
        now += GRACE
        known = registered(known)
        known, _ = differed(known, reading([node("a", group=group)]), now)
        known = registered(known)
    known, _ = differed(known, reading([node("a", group="z")]), now)
    kept = {one.wanted["name"][-1] for one in known.pools.values()}
    assert kept == set("xyz")
    # A unit that is back is in the pool that it was in.
    before = {one.identifier for one in known.pools.values()}
    known, change = differed(known, reading([node("a", group="x")]), now)
    assert len(change.reinstatements) == 1 and not change.registrations
    assert {one.identifier for one in known.pools.values()} == before
