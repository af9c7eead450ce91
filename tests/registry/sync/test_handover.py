"""A cut that moves between two nodes: nothing is lost, nothing is there twice, somebody answers at
each moment, whoever is killed or away and in whatever order things happen.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from csid.errors import ZoneError
from csid.identifier import Identifier
from registry.network import following, handover_units
from registry.rules.participants import Judgement
from registry.rules.requests import (
    Alias,
    Assign,
    JudgeOwner,
    KeepCut,
    MoveCut,
    Retire,
    Update,
)
from registry.rules.status import Status
from registry.sync.duties import handover_steps
from registry.tables.enums import FilingState, State
from registry.tables.view import count_live, get_assignment, get_cut, get_gone
from resolver.store.apexes import NOT_READY
from resolver.sync.settings import Target
from tests.support.books import ORIGIN
from tests.support.moving import BY, CUT, NAMED, NODES, World
from tests.support.registering import OWNER, RECORD, identifier

OLD, NEW = "zhejiang", "hangzhou"
SEEDS = range(40)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    of = World(tmp_path)
    of.begun(identifier("0001"))
    yield of
    of.close()


def names_of(*numbers: int) -> list[Identifier]:
    return [identifier(f"{number:04}") for number in numbers]


def require_moved(world: World, whole: list[Identifier]) -> None:
    """All is at the new node, once, and the copies are equal."""
    assert world.holder() == NEW
    assert world.state(NEW) is FilingState.FILED
    for one in map(str, whole):
        assert world.is_registered(NEW, one)
        assert not world.is_registered(OLD, one)
        assert world.answers(NEW, one) == "here"
    assert world.nodes("sum") == world.nodes(NEW)
    assert list(world.unsound()) == []


def test_all_that_was_registered_is_at_the_new_node_and_goes_on_there(world: World) -> None:
    old, new, ended, plain = names_of(2, 3, 4, 5)
    for one in (old, new, ended, plain):
        assert world.ask(OLD, Assign(one, RECORD, ttl=77 if one is plain else None)).status.success
    world.settle(4)
    assert world.ask(OLD, Alias(old, new)).status.success
    assert world.ask(OLD, Retire(ended, str(new))).status.success
    world.settle(3)
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.settle()
    require_moved(world, [identifier("0001"), old, new, ended, plain])
    with world.at[NEW].view() as seen:
        found = {one: get_assignment(seen, str(one)) for one in (old, new, ended, plain)}
        assert count_live(seen, OWNER) == 3
    with world.at[OLD].view() as seen:
        assert count_live(seen, OWNER) == 0
        assert get_gone(seen, str(plain)) is not None
    assert {one: row.state for one, row in found.items() if row} == {
        old: State.SUPERSEDED,
        new: State.ACTIVE,
        ended: State.RETIRED,
        plain: State.ACTIVE,
    }
    assert found[old] is not None
    assert found[old].target == str(new)
    assert found[ended] is not None
    assert found[ended].target == str(new)
    assert found[plain] is not None
    assert found[plain].ttl == 77
    assert world.ask(OLD, Assign(identifier("0006"), RECORD)).status is Status.CUT_MOVES
    assert world.ask(OLD, Update(plain, (("name", "x"),))).status is Status.CUT_MOVES
    assert world.ask(NEW, Assign(ended, RECORD)).status is Status.NEVER_AGAIN
    assert world.ask(NEW, Update(plain, (("name", "x"),))).status.success
    assert world.ask(NEW, Assign(identifier("0006"), RECORD)).status.success
    world.settle(4)
    require_moved(world, [plain, identifier("0006")])
    history = [change.leaf.kind for change in world.at[NEW].history(str(plain))]
    assert history == ["update", "take"]
    assert next(change.leaf.kind for change in world.at[OLD].history(str(plain))) == "leave"


def test_what_waits_for_its_receipt_gets_it_at_the_new_node(world: World) -> None:
    waiting = identifier("0002")
    assert world.ask(OLD, Assign(waiting, RECORD)).status.success
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.transfers(OLD)
    world.works(OLD)  # it changes nothing more, with one that waits
    assert world.state(OLD) is FilingState.MOVING
    world.settle()
    require_moved(world, [identifier("0001"), waiting])
    with world.at[NEW].view() as seen:
        row = get_assignment(seen, str(waiting))
    assert row is not None
    assert row.state is State.ACTIVE


def test_after_the_time_of_the_delegation_the_old_copy_goes_and_never_is_assigned_again(
    world: World,
) -> None:
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.settle()
    assert world.state(OLD) is FilingState.LEAVING
    assert world.answers(OLD, str(identifier("0001"))) == "here"
    world.now += handover_steps.PART_SECONDS
    world.settle(1)
    assert world.state(OLD) is FilingState.MOVED
    assert world.answers(OLD, str(identifier("0001"))) == "refers"
    assert world.ask(OLD, Assign(identifier("0001"), RECORD)).status is Status.CUT_MOVES
    assert list(world.unsound()) == []


@pytest.mark.parametrize("later", [0, handover_steps.PART_SECONDS])
def test_a_cut_that_moves_back_has_its_history(world: World, later: int) -> None:
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.settle()
    assert world.ask(NEW, Assign(identifier("0002"), RECORD)).status.success
    world.settle(4)
    world.now += later
    assert world.ask("root", MoveCut(CUT, OLD)).status.success
    world.settle(16)
    assert world.holder() == OLD
    assert world.state(OLD) is FilingState.FILED
    for one in names_of(1, 2):
        assert world.is_registered(OLD, str(one))
        assert not world.is_registered(NEW, str(one))
    kinds = [change.leaf.kind for change in world.at[OLD].history(str(identifier("0001")))]
    assert kinds[:2] == ["take", "leave"]
    assert list(world.unsound()) == []


def test_a_move_that_is_taken_back_leaves_all_as_it_was(world: World) -> None:
    before = world.nodes(OLD)
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    for name in (OLD, NEW, "sum"):
        world.transfers(name)
        world.works(name)
    world.errands(OLD)
    decision = world.ask(OLD, Assign(identifier("0002"), RECORD))
    assert decision.status is Status.CUT_MOVES
    assert "moves to node hangzhou" in decision.detail
    assert world.ask("root", KeepCut(CUT)).status.success
    world.settle(4)
    assert world.holder() == OLD
    assert world.state(OLD) is FilingState.FILED
    assert world.nodes(OLD) == before
    assert world.answers(NEW, str(identifier("0001"))) == "refers"
    assert world.ask(OLD, Assign(identifier("0002"), RECORD)).status.success
    world.settle(4)
    assert list(world.unsound()) == []
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.settle()
    require_moved(world, names_of(1, 2))


def test_what_waits_gets_its_receipt_though_the_move_was_taken_back(world: World) -> None:
    waiting = identifier("0002")
    assert world.ask(OLD, Assign(waiting, RECORD)).status.success
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.transfers(OLD)
    world.works(OLD)
    world.transfers("sum")
    world.works("sum")
    world.errands("sum")  # the receipt comes where nothing is changed
    with world.at[OLD].view() as seen:
        row = get_assignment(seen, str(waiting))
    assert row is not None
    assert row.state is State.FILING
    assert world.ask("root", KeepCut(CUT)).status.success
    world.settle()
    with world.at[OLD].view() as seen:
        row = get_assignment(seen, str(waiting))
    assert row is not None
    assert row.state is State.ACTIVE


def test_what_is_said_of_a_move_that_was_taken_back_does_nothing(world: World) -> None:
    """The serial of the first move is not that of the second, in which one name is more."""
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.transfers(OLD)
    world.works(OLD)
    world.late.clear()
    world.errands(OLD, deaf=True)
    [frozen] = world.late
    assert world.ask("root", KeepCut(CUT)).status.success
    world.settle(3)
    assert world.ask(OLD, Assign(identifier("0002"), RECORD)).status.success
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.deliver("root", frozen)
    with world.at["root"].view() as seen:
        row = get_cut(seen, CUT)
    assert row is not None
    assert row.moving is not None
    assert row.moving.serial is None
    world.settle()
    require_moved(world, names_of(1, 2))


def test_nobody_comes_between_a_cut_and_its_new_node(world: World) -> None:
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.transfers(OLD)
    world.works(OLD)
    origin = NAMED.target(CUT)
    with pytest.raises(ZoneError, match="迁出中 moving"):
        world.at[OLD].perform(following.UNFOLLOW, (BY, origin, False))
    with pytest.raises(ZoneError, match="迁出中 moving"):
        world.at[OLD].perform(following.FOLLOW, (BY, origin, [Target("127.0.0.9", 53)], True))


def test_a_node_that_does_not_know_the_owner_says_so_and_takes_it_later(world: World) -> None:
    assert world.ask(NEW, JudgeOwner(OWNER, Judgement.SUSPEND)).status.success
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.settle(6)
    assert world.holder() == OLD
    with world.at["root"].view() as seen:
        row = get_cut(seen, CUT)
    assert row is not None
    assert row.moving is not None
    assert "not accredited" in row.moving.why
    assert world.ask(NEW, JudgeOwner(OWNER, Judgement.REINSTATE)).status.success
    world.settle()
    require_moved(world, [identifier("0001")])


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_on_the_way(
    world: World, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover_units, "AT_ONCE", 2)
    monkeypatch.setattr(handover_units, "COMMIT_SECONDS", 0)
    dice = random.Random(seed)
    given = [identifier("0001")]
    number = 1
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    for _ in range(60):
        world.now += dice.randrange(3)
        name = dice.choice(NODES)
        match dice.randrange(10):
            case 0 | 1:
                world.transfers(name)
            case 2 | 3:
                world.left = dice.choice([None, None, 0, 1, 2, 3])
                world.works(name)
                world.left = None
            case 4 | 5:
                world.errands(name, lose=dice.random() < 0.2, deaf=dice.random() < 0.2)
            case 6 | 7:
                number += 1
                one = identifier(f"{number:04}")
                for node in dice.sample([OLD, NEW], 2):
                    if world.ask(node, Assign(one, RECORD)).status.success:
                        assert one not in given  # at one of the two alone
                        given.append(one)
            case 8:
                world.restart(name)
                if world.late:
                    world.deliver("root", dice.choice(world.late))
            case 9 if dice.random() < 0.3:
                world.ask("root", KeepCut(CUT))
                world.ask("root", MoveCut(CUT, NEW))
        holder = world.holder()
        for one in map(str, given):
            assert world.answers(holder, one) == "here"
        for node in (OLD, NEW):  # and who was led there, or asks there for all
            assert world.answers(node, str(given[0])) in ("here", "refers")
    world.settle()
    require_moved(world, given)


def test_without_a_copy_of_the_root_zone_nothing_is_given_up(world: World) -> None:
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    for _ in range(3):
        for name in (OLD, "sum", NEW):
            world.transfers(name)
            world.works(name)
            world.errands(name)
        if world.holder() == NEW:
            break
    assert world.holder() == NEW
    assert world.state(NEW) is FilingState.TAKING  # it has not seen that it has the cut
    with world.at[NEW].store.write() as txn:
        txn.drop_zone(ORIGIN)
        txn.set_flags(ORIGIN, NOT_READY)
    world.works(NEW)
    assert world.state(NEW) is FilingState.TAKING
    world.settle()
    require_moved(world, [identifier("0001")])


def test_the_serial_of_the_zone_goes_on(world: World) -> None:
    before = world.serial(OLD)
    assert before is not None
    assert world.ask("root", MoveCut(CUT, NEW)).status.success
    world.settle()
    assert world.serial(NEW) == before + 1
