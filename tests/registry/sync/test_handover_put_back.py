"""A cut that moves, and a node whose data is put back from an older copy meanwhile or since."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from csid import names
from registry.rules.participants import Judgement
from registry.rules.requests import Assign, JudgeOwner, KeepCut, MoveCut
from registry.rules.status import Status
from registry.sync.duties import handover
from registry.tables.enums import FilingState
from registry.tables.node_keys import key_name
from registry.tables.view import get_assignment, get_cut_filing
from registry.zones import founding
from registry.zones.serials import is_ahead
from resolver.sync.settings import Target
from tests.support.books import ORIGIN
from tests.support.moving import CUT, HOSTS, PORT, World
from tests.support.registering import OWNER, RECORD, identifier

OLD, NEW = "zhejiang", "hangzhou"
FIRST, SECOND, THIRD = map(identifier, ("0001", "0002", "0003"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    of = World(tmp_path)
    of.begun(FIRST)
    yield of
    of.close()


def state(world: World, name: str) -> FilingState | None:
    with world.at[name].view() as seen:
        row = get_cut_filing(seen, CUT)
    return None if row is None else row.state


def step(world: World, *names: str) -> None:
    world.now += 3
    for name in names:
        world.transfers(name)
        world.works(name)
        world.errands(name)


def moved(world: World) -> None:
    """The cut has moved, and goes on at the new node."""
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.settle()
    assert world.ask(NEW, Assign(SECOND, RECORD)).status.success
    world.settle(4)


def require_at_new(world: World, *whole: object) -> None:
    assert world.holder() == NEW
    assert state(world, NEW) is FilingState.FILED
    for one in map(str, whole):
        assert world.is_registered(NEW, one)
        assert not world.is_registered(OLD, one)
        assert world.answers(NEW, one) == "here"
    assert world.nodes("sum") == world.nodes(NEW)
    assert list(world.unsound()) == []


def test_a_new_node_from_before_the_move_takes_all_over_again(world: World) -> None:
    copy = world.copy(NEW)
    moved(world)
    before = world.serial("sum") or 0
    world.put_back(NEW, copy)
    world.settle()
    require_at_new(world, FIRST, SECOND)
    assert (world.serial(NEW) or 0) > before + 1  # past those that it may have lost
    assert world.ask(NEW, Assign(SECOND, RECORD)).status is Status.EXISTS
    assert world.ask(NEW, Assign(THIRD, RECORD)).status.success
    world.settle(4)
    require_at_new(world, FIRST, SECOND, THIRD)


@pytest.mark.parametrize("first", range(2**32 - 15, 2**32 - 9))
def test_its_serial_passes_the_end_without_being_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    monkeypatch.setattr(founding, "SERIAL", first)
    world = World(tmp_path)
    world.begun(FIRST)
    copy = world.copy(NEW)
    moved(world)
    before = world.serial("sum") or 0
    world.put_back(NEW, copy)
    world.settle()
    assert world.serial(NEW) and is_ahead(world.serial(NEW) or 0, before)
    world.close()


def test_a_new_node_from_the_middle_of_the_move_takes_what_it_has_given_since(world: World) -> None:
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    while state(world, NEW) is not FilingState.TAKING or world.serial(NEW) is None:
        step(world, OLD, "sum", NEW)
    copy = world.copy(NEW)
    world.settle()
    assert world.ask(NEW, Assign(SECOND, RECORD)).status.success
    world.settle(4)
    world.put_back(NEW, copy)
    world.transfer(NEW, names.key_of(ORIGIN), Target(HOSTS["root"], PORT, key_name(NEW, 1)))
    world.works(NEW)
    assert state(world, NEW) is FilingState.TAKING  # until it has seen what others have
    world.settle()
    require_at_new(world, FIRST, SECOND)


def test_it_gives_no_code_before_it_has_them_all(world: World) -> None:
    copy = world.copy(NEW)
    moved(world)
    world.put_back(NEW, copy)
    world.transfers(NEW)  # that the cut is its own it knows, and nothing else
    decision = world.ask(NEW, Assign(SECOND, RECORD))
    assert decision.status is Status.OUT_OF_SCOPE
    assert "put back from an older copy" in decision.detail
    world.works(NEW)
    decision = world.ask(NEW, Assign(SECOND, RECORD))
    assert decision.status is Status.CUT_MOVES
    assert "from node sum" in decision.detail


def test_what_keeps_it_from_that_is_said_and_it_is_tried_again(world: World) -> None:
    copy = world.copy(NEW)
    moved(world)
    world.put_back(NEW, copy)
    assert world.ask(NEW, JudgeOwner(OWNER, Judgement.SUSPEND)).status.success
    world.transfers(NEW)
    [work] = [one for one in world.networks[NEW].works if "Handover" in repr(one)]
    with pytest.raises(handover.HandoverError, match=f"{CUT}.*not accredited"):
        work()
    assert not work()  # it rests
    assert world.ask(NEW, JudgeOwner(OWNER, Judgement.REINSTATE)).status.success
    world.now += handover.RETRY_SECONDS
    world.settle()
    require_at_new(world, FIRST, SECOND)


def test_an_old_node_from_before_the_move_leaves_again(world: World) -> None:
    copy = world.copy(OLD)
    moved(world)
    world.put_back(OLD, copy)
    assert world.is_registered(OLD, str(FIRST))
    world.settle()
    assert state(world, OLD) is FilingState.LEAVING
    assert world.ask(OLD, Assign(THIRD, RECORD)).status is Status.CUT_MOVES
    assert world.nodes(OLD) == world.nodes(NEW)  # it answers from a copy that is up to date
    require_at_new(world, FIRST, SECOND)


def test_what_an_old_node_has_given_since_it_was_put_back_moves_with_the_rest(
    world: World,
) -> None:
    """It had said which serial was the last, and goes on from one before that."""
    copy = world.copy(OLD)
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    while state(world, OLD) is not FilingState.MOVING:
        step(world, OLD)
    step(world, OLD)
    world.put_back(OLD, copy)
    assert world.ask(OLD, Assign(SECOND, RECORD)).status.success  # it has not heard of the move
    world.settle()
    require_at_new(world, FIRST, SECOND)


def test_a_move_that_was_taken_back_is_none_to_catch_up_with(world: World) -> None:
    copy = world.copy(OLD)
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    step(world, OLD)
    assert world.ask("root", KeepCut(CUT)).status.success
    world.settle(4)
    world.put_back(OLD, copy)
    world.settle(4)
    assert state(world, OLD) is FilingState.FILED
    assert world.ask(OLD, Assign(SECOND, RECORD)).status.success
    with world.at[OLD].view() as seen:
        assert get_assignment(seen, str(FIRST)) is not None


def test_a_new_node_that_once_gave_the_cut_up_takes_all_over_again(world: World) -> None:
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    step(world, OLD, "sum")
    world.transfers(NEW)
    world.works(NEW)
    assert state(world, NEW) is FilingState.TAKING
    assert world.ask("root", KeepCut(CUT)).status.success
    world.settle(4)
    assert state(world, NEW) is FilingState.MOVED
    copy = world.copy(NEW)
    moved(world)
    world.put_back(NEW, copy)
    world.settle()
    require_at_new(world, FIRST, SECOND)


def test_a_clock_that_is_set_back_does_not_hide_what_is_missing(world: World) -> None:
    copy = world.copy(NEW)
    moved(world)
    world.put_back(NEW, copy)
    world.works(NEW)
    assert state(world, NEW) is None
    world.now -= 86_400
    world.transfers(NEW)
    world.works(NEW)
    assert state(world, NEW) is FilingState.TAKING
