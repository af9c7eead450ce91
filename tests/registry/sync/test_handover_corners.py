"""A cut that moves, where one thing crosses another: moves that follow each other, what holds one
up, and what others do with the two nodes and the cut meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from csid import names
from csid.protocol import REFUSED, SERVFAIL, TXT
from registry.network import following, handover_units
from registry.rules.lifecycle import Verb
from registry.rules.participants import Judgement
from registry.rules.requests import (
    AddLocks,
    AddNode,
    Advance,
    Assign,
    ChangeNode,
    JudgeOwner,
    KeepCut,
    MoveCut,
    ReinstateNode,
    RemoveLocks,
    RemoveNode,
    RequestFiling,
    SetScope,
    SuspendNode,
    WithdrawCut,
)
from registry.rules.status import Status
from registry.sync.duties import handover, handover_steps
from registry.sync.duties.handover import Handover
from registry.tables.enums import FilingState, LockKind, State
from registry.tables.node_keys import key_name
from registry.tables.rows import Moving
from registry.tables.view import get_assignment, get_cut, get_cut_filing
from registry.zones import moving as moves
from registry.zones.first import first_zone
from resolver.store.apexes import EXPIRED, NOT_READY
from resolver.store.build import build
from resolver.store.node import RRset
from resolver.sync.settings import Target, follow_of
from resolver.sync.update.message import response
from tests.support.books import ORIGIN
from tests.support.moving import BY, CUT, HOSTS, NAMED, PORT, World
from tests.support.registering import OWNER, RECORD, identifier

OLD, NEW = "zhejiang", "hangzhou"
FIRST, SECOND, THIRD = map(identifier, ("0001", "0002", "0003"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    of = World(tmp_path)
    of.begun(FIRST)
    yield of
    of.close()


def other(world: World, name: str) -> str:
    """Which node the row of the cut names."""
    with world.at[name].view() as seen:
        row = get_cut_filing(seen, CUT)
    assert row is not None
    return row.node


def moving(world: World) -> Moving:
    with world.at["root"].view() as seen:
        row = get_cut(seen, CUT)
    assert row is not None and row.moving is not None
    return row.moving


def until_taking(world: World) -> None:
    """The new node has a copy of all that there is."""
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    while world.state(NEW) is not FilingState.TAKING or world.serial(NEW) is None:
        world.step(OLD, "sum")
        world.transfers(NEW)
        world.works(NEW)


def require_at(world: World, name: str, *whole: object) -> None:
    assert world.holder() == name
    assert world.state(name) is FilingState.FILED
    for one in map(str, whole):
        assert world.is_registered(name, one)
        assert world.answers(name, one) == "here"
    assert list(world.unsound()) == []


def handover_of(world: World, name: str) -> Handover:
    return next(one for one in world.networks[name].duties if isinstance(one, Handover))


def test_what_is_late_of_one_move_does_not_undo_the_next(world: World) -> None:
    """The old node is about to go on as ever when the next move comes, and the new one about to
    give up; each has said meanwhile what the switch needs.
    """
    until_taking(world)
    key = "zhejiang-1."
    assert world.ask("root", KeepCut(CUT)).status.success
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    for name in (OLD, NEW):
        world.transfers(name)
    world.at[OLD].perform(handover_units.THAW, [key, CUT, ""])
    world.at[NEW].perform(handover_units.GIVE_UP, ["hangzhou-1.", CUT, OLD, ""])
    assert (world.state(OLD), world.state(NEW)) == (FilingState.MOVING, FilingState.TAKING)
    world.settle()
    require_at(world, NEW, FIRST)
    world.at[NEW].perform(handover_units.GIVE_UP, ["hangzhou-1.", CUT, OLD, ""])
    require_at(world, NEW, FIRST)


def test_a_new_node_that_has_the_cut_does_not_give_it_up(world: World) -> None:
    until_taking(world)
    world.errands(NEW)
    assert world.holder() == NEW
    world.transfers(NEW)
    world.at[NEW].perform(handover_units.GIVE_UP, ["hangzhou-1.", CUT, OLD, ""])
    assert world.state(NEW) is FilingState.TAKING
    world.settle()
    require_at(world, NEW, FIRST)


def test_an_old_node_whose_cut_is_gone_does_not_go_on_with_it(world: World) -> None:
    until_taking(world)
    world.errands(NEW)
    assert world.holder() == NEW
    world.transfers(OLD)
    world.at[OLD].perform(handover_units.THAW, ["zhejiang-1.", CUT, ""])
    assert world.state(OLD) is FilingState.MOVING
    world.settle()
    require_at(world, NEW, FIRST)


def test_another_node_is_named_once_the_cut_moves_there_instead(world: World) -> None:
    body = AddNode("ningbo", "region", ("33",), ("127.0.0.5:5300",))
    assert world.ask("root", body).status.success
    assert world.ask("root", MoveCut(CUT, "ningbo")).status.success
    world.step(OLD)
    assert other(world, OLD) == "ningbo"
    assert world.ask("root", KeepCut(CUT)).status.success
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.step(OLD)
    assert (world.state(OLD), other(world, OLD)) == (FilingState.MOVING, NEW)
    world.settle()
    require_at(world, NEW, FIRST)
    assert other(world, OLD) == NEW


def test_what_holds_a_move_up_no_more_is_said_no_more(world: World) -> None:
    assert world.ask(NEW, JudgeOwner(OWNER, Judgement.SUSPEND)).status.success
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    for _ in range(3):
        world.step(NEW)
    assert "not accredited" in moving(world).why
    assert world.ask(NEW, JudgeOwner(OWNER, Judgement.REINSTATE)).status.success
    world.step(NEW)
    assert moving(world) == Moving(moving(world).number, OLD, NEW)
    world.settle()
    require_at(world, NEW, FIRST)


def test_the_last_aggregate_that_goes_in_between_is_missed_in_words(world: World) -> None:
    assert world.ask(OLD, Assign(SECOND, RECORD)).status.success
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.step(OLD)
    world.transfers(NEW)
    world.works(NEW)  # it follows, and has nothing yet
    assert world.state(NEW) is FilingState.TAKING
    assert world.ask("root", RemoveNode("sum")).status.success
    world.step(NEW)
    assert moving(world).why == handover_units.NO_AGGREGATE
    assert world.ask("root", KeepCut(CUT)).status.success
    world.step(OLD, NEW)
    require_at(world, OLD, FIRST, SECOND)


def test_a_node_that_is_suspended_takes_the_cut_once_it_is_no_more(world: World) -> None:
    until_taking(world)
    assert world.ask("root", SuspendNode(NEW)).status.success
    for _ in range(3):
        world.step(NEW)
    assert world.holder() == OLD
    assert "413 NODE_SUSPENDED" in moving(world).why
    assert world.ask("root", RemoveNode(NEW)).status is Status.NODE_HAS_CUTS  # it would stay so
    assert world.ask("root", ReinstateNode(NEW)).status.success
    world.settle()
    require_at(world, NEW, FIRST)


def test_a_node_to_which_nothing_moves_any_more_is_removed(world: World) -> None:
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    decision = world.ask("root", RemoveNode(NEW))
    assert decision.status is Status.NODE_HAS_CUTS
    assert f"csid filing move {CUT} --cancel" in decision.detail
    assert world.ask("root", KeepCut(CUT)).status.success
    assert world.ask("root", RemoveNode(NEW)).status.success


@pytest.mark.parametrize("is_seen", [False, True])
def test_a_cut_that_nobody_has_any_more_is_filed_anew_where_it_was(
    world: World, is_seen: bool
) -> None:
    """Its zone is another one then, whatever the aggregate has seen of what was in between."""
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.settle()
    world.now += handover_steps.PART_SECONDS
    world.settle(2)
    assert world.state(OLD) is FilingState.MOVED
    refused = world.ask(OLD, RequestFiling(CUT))
    assert refused.status is Status.OUT_OF_SCOPE
    assert "is delegated to hangzhou.nodes" in refused.detail
    assert world.ask("root", WithdrawCut(CUT, NEW)).status.success
    for _ in range(2):
        world.step(*(["sum"] if is_seen else []), OLD, NEW)
    decision = world.ask(OLD, Assign(SECOND, RECORD))
    assert decision.status is Status.CUT_MOVES
    assert f"csid filing request {CUT}" in decision.detail
    assert world.ask(OLD, RequestFiling(CUT)).status.success
    world.step(OLD)
    world.settle(4)
    assert world.holder() == OLD
    assert world.state(OLD) is FilingState.FILED
    assert world.ask(OLD, Assign(SECOND, RECORD)).status.success
    world.settle(4)
    with world.at[OLD].view() as seen:
        row = get_assignment(seen, str(SECOND))
    assert row is not None
    assert row.state is State.ACTIVE
    assert world.nodes("sum") == world.nodes(OLD)
    assert list(world.unsound()) == []


@pytest.mark.parametrize("first", [OLD, NEW])
def test_a_cut_that_is_withdrawn_right_after_the_switch_is_taken_over_all_the_same(
    world: World, first: str
) -> None:
    until_taking(world)
    world.errands(NEW)
    assert world.holder() == NEW
    assert world.ask("root", WithdrawCut(CUT, NEW)).status.success
    for name in (first, "sum", OLD, NEW, "sum", OLD, NEW):
        world.step(name)
    assert world.state(NEW) is FilingState.REFUSED
    assert world.is_registered(NEW, str(FIRST)) and not world.is_registered(OLD, str(FIRST))
    assert list(world.unsound()) == []
    assert world.ask(NEW, RequestFiling(CUT)).status.success
    world.settle(4)
    require_at(world, NEW, FIRST)
    with world.at["root"].store.read() as read:
        assert moves.holder(read, NAMED, CUT) == NEW  # who may not have heard of it learns it still
        assert not moves.is_withdrawn(read, NAMED, CUT)


def test_a_cut_is_given_up_that_was_withdrawn_and_is_not_here(world: World) -> None:
    until_taking(world)
    world.errands(NEW)
    with world.at[NEW].store.write() as txn:
        txn.drop_zone(NAMED.target(CUT))
        txn.set_flags(NAMED.target(CUT), NOT_READY)  # it has yet to come
    assert world.ask("root", WithdrawCut(CUT, NEW)).status.success
    for _ in range(3):
        world.step("sum", NEW)
    assert world.state(NEW) is FilingState.MOVED


def test_a_clock_that_is_set_back_puts_nothing_off(world: World) -> None:
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.transfers(OLD)
    world.works(OLD)
    world.errands(OLD, lose=True)  # it rests
    world.now -= 86_400
    world.errands(OLD)
    assert moving(world).serial is not None


def test_one_that_cannot_go_on_is_told_and_tried_again(world: World) -> None:
    """The copy that was looked through is damaged before it is taken over."""
    until_taking(world)
    world.errands(NEW)
    below = NAMED.key(str(FIRST))[len(NAMED.key(CUT)) :]
    with world.at[NEW].store.write() as txn:
        update = txn.update(NAMED.target(CUT))
        whole = update.rrsets(below)
        update.set(below, {TXT: RRset(60, [b"\1x"])})
        update.finish()
    world.transfers(NEW)
    duty = handover_of(world, NEW)
    with pytest.raises(handover.HandoverError, match=f"{CUT}, which moves: {FIRST}.* no record"):
        while duty.work():
            pass
    assert world.state(NEW) is FilingState.TAKING
    assert duty.wake() is not None
    assert not duty.work()  # it rests
    with world.at[NEW].store.write() as txn:
        update = txn.update(NAMED.target(CUT))
        update.set(below, whole)
        update.finish()
    world.now += handover.RETRY_SECONDS
    world.settle()
    require_at(world, NEW, FIRST)


def test_what_no_registry_has_written_is_found_before_the_switch(world: World) -> None:
    """It could not be verified any more at the new node, which would have it for good."""
    origin, below = NAMED.target(CUT), NAMED.key(str(FIRST))[len(NAMED.key(CUT)) :]
    for name in (OLD, "sum"):
        with world.at[name].store.write() as txn:
            update = txn.update(origin)
            update.set(below, update.rrsets(below) | {TXT: RRset(60, [b"\1x"])})
            update.finish()
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    for _ in range(6):
        world.step(OLD, "sum", NEW)
    assert world.holder() == OLD
    assert moving(world).why == f"{FIRST} has other records than those of its registry"
    world.restart(NEW)
    handover_of(world, NEW).work()
    assert not handover_of(world, NEW).work()  # one that was looked through is not again


def test_a_copy_is_kept_up_to_date_and_goes_while_the_cut_moves_on(world: World) -> None:
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.settle()
    body = AddNode("ningbo", "region", ("33",), ("127.0.0.5:5300",))
    assert world.ask("root", body).status.success
    assert world.ask(NEW, Assign(SECOND, RECORD)).status.success
    assert world.ask("root", MoveCut(CUT, "ningbo")).status.success
    world.settle(4)
    assert world.state(OLD) is FilingState.LEAVING
    assert world.answers(OLD, str(SECOND)) == "here"
    world.now += handover_steps.PART_SECONDS
    world.step(OLD)
    assert world.state(OLD) is FilingState.MOVED


def root_comes(world: World, name: str) -> None:
    """The root zone alone is brought up to date."""
    world.transfer(name, names.key_of(ORIGIN), Target(HOSTS["root"], PORT, key_name(name, 1)))


def test_a_copy_that_was_good_for_one_move_is_not_for_the_next(world: World) -> None:
    until_taking(world)
    assert world.ask("root", KeepCut(CUT)).status.success
    world.step(OLD)
    assert world.ask(OLD, Assign(SECOND, RECORD)).status.success
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.step(OLD)
    assert moving(world).serial is not None
    root_comes(world, NEW)
    world.errands(NEW)
    assert world.holder() == OLD
    world.settle()
    require_at(world, NEW, FIRST, SECOND)


def test_no_less_is_taken_over_than_what_was_asked_for(world: World) -> None:
    until_taking(world)
    world.errands(NEW)
    assert world.holder() == NEW
    serial = moving(world).serial
    assert serial is not None
    with world.at[NEW].store.write() as txn:
        txn.update(NAMED.target(CUT)).finish(serial - 1, always=True)
    root_comes(world, NEW)
    world.works(NEW)
    assert world.state(NEW) is FilingState.TAKING
    world.settle()
    require_at(world, NEW, FIRST)


def test_an_expired_copy_is_taken_over_all_the_same(world: World) -> None:
    until_taking(world)
    world.errands(NEW)
    with world.at[NEW].store.write() as txn:
        txn.set_flags(NAMED.target(CUT), EXPIRED)
    root_comes(world, NEW)
    world.works(NEW)
    require_at(world, NEW, FIRST)


def test_an_answer_that_is_no_refusal_holds_nothing_up(world: World) -> None:
    until_taking(world)
    duty = handover_of(world, NEW)
    with world.at[NEW].store.read() as read:
        [errand] = duty.due(read, world.now)
        for rcode, count in ((SERVFAIL, 0), (REFUSED, 1)):
            duty.answered(errand, response(errand.message, rcode, "why", True), "", world.now)
            assert len(duty.due(read, world.now)) == count  # itself rests


def test_a_reason_that_changes_while_it_is_said_is_said_again(world: World) -> None:
    assert world.ask(NEW, JudgeOwner(OWNER, Judgement.SUSPEND)).status.success
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.transfers(NEW)
    world.works(NEW)
    duty = handover_of(world, NEW)
    with world.at[NEW].store.read() as read:
        [errand] = duty.due(read, world.now)
    answer = world.update(NEW, errand)
    assert "not accredited" in moving(world).why
    assert world.ask(NEW, SetScope(("11",))).status.success
    world.works(NEW)
    duty.answered(errand, answer, "", world.now)
    world.step(NEW)
    assert "this node assigns for 11" in moving(world).why


def test_a_copy_comes_from_where_the_aggregate_is_now(world: World) -> None:
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.settle()
    body = ChangeNode("sum", (("addresses", ("127.0.0.9:5300",)),))
    assert world.ask("root", body).status.success
    world.step(OLD)
    with world.at[OLD].store.read() as read:
        follow = follow_of(read, NAMED.key(CUT))
    assert follow is not None
    assert [one.host for one in follow.primaries] == ["127.0.0.9"]


def put_zone(world: World, name: str, path: str) -> None:
    """A node has a zone of its own there."""
    origin = NAMED.target(path)
    zone = first_zone(origin, {NAMED.target(f"nodes/{name}"): []})
    with world.at[name].store.write() as txn:
        txn.replace_zone(origin, list(build(origin, zone)))


@pytest.mark.parametrize(
    ("name", "path", "words"),
    [
        (OLD, f"{CUT}/ACV", "is not one zone of this node: it has "),
        (NEW, CUT, "is held here already; drop it first"),
        (NEW, f"{CUT}/ACV", "is held here already; drop it first"),
        (NEW, CUT.rpartition("/")[0], "it lies in the zone 6450."),
    ],
)
def test_zones_that_are_in_the_way_are_told(world: World, name: str, path: str, words: str) -> None:
    put_zone(world, name, path)
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.settle(4)
    assert world.holder() == OLD
    assert words in moving(world).why


def test_a_cut_does_not_move_away_from_the_locks_in_it(world: World) -> None:
    lock = AddLocks(FIRST, (LockKind.RETIRE,), False)
    assert world.ask(OLD, lock).status is Status.DONE
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.settle(4)
    assert world.holder() == OLD
    assert f"{FIRST} in {CUT} is locked" in moving(world).why
    lift = RemoveLocks(FIRST, (LockKind.RETIRE,), False)
    assert world.ask(OLD, lift).status is Status.DONE
    world.settle()
    require_at(world, NEW, FIRST)


def test_a_hold_moves_with_its_cut(world: World) -> None:
    world.ask(OLD, Advance(FIRST, Verb.SUSPEND))
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.settle()
    require_at(world, NEW, FIRST)
    with world.at[NEW].view() as seen:
        row = get_assignment(seen, str(FIRST))
    assert row is not None
    assert row.state is State.SUSPENDED


def test_a_copy_below_the_cut_is_in_the_way_too(world: World) -> None:
    target = Target(HOSTS["sum"], PORT, key_name(NEW, 1))
    below = NAMED.target(f"{CUT}/ACV")
    world.at[NEW].perform(following.FOLLOW, (BY, below, [target], True))
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.settle(4)
    assert world.holder() == OLD
    assert "drop it first" in moving(world).why


def test_nothing_is_taken_over_that_has_changed_since_it_was_looked_at(world: World) -> None:
    until_taking(world)
    world.errands(NEW)
    root_comes(world, NEW)
    serial = world.serial(NEW)
    assert serial is not None
    with pytest.raises(handover.HandoverError, match=f"has serial {serial} by now"):
        args = ["hangzhou-1.", CUT, serial - 1, 0, bytes(32), ""]
        world.at[NEW].perform(handover_units.OWN, args)
    assert world.state(NEW) is FilingState.TAKING


def test_a_copy_goes_only_where_the_cut_has_left(world: World) -> None:
    world.at[OLD].perform(handover_units.PART, ["zhejiang-1.", CUT, ""])
    world.settle(1)
    require_at(world, OLD, FIRST)
