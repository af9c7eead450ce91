"""What follows at a node from holds in its copy of the root zone, whenever and in whatever order
they come, beside receipts, moves and its own people.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from csid import names
from csid.identifier import Identifier
from registry.network import hold_units
from registry.receiving import Receipt
from registry.rules.lifecycle import Verb
from registry.rules.requests import (
    Actor,
    AddNode,
    Advance,
    AskHold,
    Assign,
    Body,
    EndHold,
    FileCut,
    MoveFiling,
    Request,
    Role,
    SetHold,
    Update,
    facts_of,
)
from registry.rules.status import Status
from registry.service import Registry
from registry.sync.duties.hold_duty import HoldWatch, HoldWork
from registry.sync.hooks import Unit
from registry.tables import codec
from registry.tables.enums import FilingState, HoldState, State
from registry.tables.rows import AskedHold
from registry.tables.transaction import LOOKED, TransactionView
from registry.tables.view import get_asked_hold, get_assignment
from tests.registry.network.test_receipts import serial_at, take
from tests.support.aggregates import SUM, ZHEJIANG, Pair, pair
from tests.support.books import ORIGIN, SUFFIX, ask, status
from tests.support.joined import follow_root, joined, national
from tests.support.registering import OTHER, OWNER, RECORD, identifier

CUT = f"{OWNER}/6450/330106"


class Holder:
    """A node with a registry, and copies of the root zone that it is given."""

    def __init__(self, registry: Registry, folder: Path) -> None:
        self.registry = registry
        self.folder = folder
        self.work = HoldWork(registry.store, self.carry)
        self._versions = 0

    def carry(self, _path: Path, unit: Unit) -> None:
        *args, cursor = unit.args
        while cursor := self.registry.perform(unit.name, [*args, cursor]):
            self.between()

    def between(self) -> None:
        """What happens between two pieces."""

    def root(self, *targets: str) -> None:
        """A version of the root zone in which these are held."""
        self._versions += 1
        holds: list[Body] = [SetHold(one, "") for one in targets]
        steps = [ZHEJIANG, SUM, FileCut(CUT, "zhejiang"), *holds]
        nodes = root_of(self.folder / f"root-{self._versions}", steps)
        follow_root(self.registry, nodes)
        with self.registry.store.write() as txn:
            HoldWatch(SUFFIX).replaced(txn, names.key_of(ORIGIN))

    def follow(self, *targets: str) -> None:
        """The same, and all that follows."""
        self.root(*targets)
        for _ in range(100):
            if not self.work():
                return
        raise AssertionError("work without end")

    def state(self, one: Identifier) -> State:
        with self.registry.view() as seen:
            row = get_assignment(seen, str(one))
        assert row is not None
        return row.state

    def give(self, serial: str, status: int = Status.DONE.number) -> Identifier:
        """An identifier with its receipt."""
        one = identifier(serial)
        assert ask(self.registry, Assign(one, RECORD)).status is Status.DONE
        self.receive(one, status)
        return one

    def receive(self, one: Identifier, status: int = Status.DONE.number) -> None:
        given = Receipt(str(one), 1, status, serial_at(self.registry, one), "why")
        take(self.registry, given)


def root_of(path: Path, steps: list[Body], *by_nodes: SetHold) -> list[tuple[bytes, bytes]]:
    """The root zone of a national node that was asked this, at last by nodes."""
    nodes = national(path, steps)
    if not by_nodes:
        return nodes
    with Registry.open(path, writable=True, sync=False) as registry:
        for body in by_nodes:
            actor = Actor(body.node, Role.NODE, body.node)
            assert registry.submit(Request(actor, body, "why")).status is Status.DONE
        with registry.store.read() as read:
            return list(read.nodes(read.zone(ORIGIN).generation))


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Holder]:
    monkeypatch.setattr(hold_units, "STEPS_AT_ONCE", 2)
    with joined(tmp_path / "data") as registry:
        yield Holder(registry, tmp_path)
        assert registry.verify([]).faults == []
        with registry.store.read() as read:
            assert not list(read.table(LOOKED).scan(hold_units.ALL))


def test_what_is_active_is_suspended_and_becomes_active_again(node: Holder) -> None:
    given = [node.give(f"{n:04d}") for n in range(7)]
    assert ask(node.registry, Advance(given[3], Verb.SUSPEND)).status is Status.DONE
    node.follow(CUT)
    assert {node.state(one) for one in given} == {State.SUSPENDED}
    for body in (
        Advance(given[0], Verb.REINSTATE),
        Advance(given[3], Verb.REINSTATE),
        Advance(given[0], Verb.SUSPEND),
        Update(given[0], facts_of({"count": 9})),
        Assign(identifier("0100"), RECORD),
    ):
        decision = ask(node.registry, body)
        assert decision.status is Status.HELD and "the national node" in decision.detail, body
    node.follow()
    states = [node.state(one) for one in given]
    assert states == [State.SUSPENDED if n == 3 else State.ACTIVE for n in range(7)]
    assert ask(node.registry, Advance(given[3], Verb.REINSTATE)).status is Status.DONE


def test_a_hold_above_goes_on_when_one_below_is_released(node: Holder) -> None:
    one, other = node.give("0001"), node.give("0002")
    node.follow(CUT, str(one))
    node.follow(CUT)
    assert node.state(one) is node.state(other) is State.SUSPENDED
    node.follow(str(one))
    assert (node.state(one), node.state(other)) == (State.SUSPENDED, State.ACTIVE)
    node.follow()
    assert node.state(one) is State.ACTIVE


def test_it_is_begun_anew_where_the_hold_changes_meanwhile(
    node: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [node.give(f"{n:04d}") for n in range(7)]
    monkeypatch.setattr(hold_units, "COMMIT_SECONDS", -1.0)
    pieces = 0

    def between() -> None:
        nonlocal pieces
        pieces += 1
        if pieces == 3:
            node.root()  # it is released

    node.between = between  # type: ignore[method-assign]
    node.follow(CUT)
    assert pieces > 3
    assert {node.state(one) for one in given} == {State.ACTIVE}


def test_who_is_killed_between_two_pieces_goes_on(
    node: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [node.give(f"{n:04d}") for n in range(7)]
    monkeypatch.setattr(hold_units, "COMMIT_SECONDS", -1.0)

    class Killed(Exception):
        pass

    def between() -> None:
        raise Killed

    node.between = between  # type: ignore[method-assign]
    node.root(CUT)
    for _ in range(20):
        try:
            if not node.work():
                break
        except Killed:
            with node.registry.store.read() as read:
                assert read.table(LOOKED).entries()
    node.between = lambda: None  # type: ignore[method-assign]
    while node.work():
        pass
    assert {node.state(one) for one in given} == {State.SUSPENDED}


def test_a_receipt_that_comes_after_the_hold_makes_it_suspended(node: Holder) -> None:
    node.give("0001")
    late, plain = identifier("0002"), identifier("0003")
    for one in (late, plain):
        assert ask(node.registry, Assign(one, RECORD)).status is Status.DONE
    node.follow(str(late))
    node.receive(late)
    node.receive(plain)
    assert (node.state(late), node.state(plain)) == (State.SUSPENDED, State.ACTIVE)
    node.follow()
    assert node.state(late) is State.ACTIVE


def test_what_was_refused_by_a_hold_alone_is_filed_again(node: Holder) -> None:
    held, other = identifier("0001"), node.give("0002", 403)
    assert ask(node.registry, Assign(held, RECORD)).status is Status.DONE
    node.receive(held, Status.HELD.number)  # of which is nothing known here yet, or no more
    assert node.state(held) is State.FILING
    node.follow(CUT)
    node.receive(held, Status.HELD.number)
    assert node.state(held) is node.state(other) is State.REFUSED
    node.follow()
    assert (node.state(held), node.state(other)) == (State.FILING, State.REFUSED)


def test_nothing_is_changed_in_a_cut_that_moves_until_it_does_no_more(node: Holder) -> None:
    one = node.give("0001")
    actor = Actor("zhejiang-1.", Role.NODE)
    moving = MoveFiling(CUT, FilingState.MOVING, "beijing")
    registry = node.registry
    filed = Request(actor, moving, "")
    assert registry.submit(filed).status.success
    node.follow(CUT)
    assert node.state(one) is State.ACTIVE
    with registry.store.read() as read:
        assert list(read.table(LOOKED).scan(hold_units.ONE))
        assert TransactionView(read).get(codec.HOLDS, CUT.encode()) is not None
    stays = MoveFiling(CUT, FilingState.FILED, "")
    assert registry.submit(Request(actor, stays, "")).status.success
    while node.work():
        pass
    assert node.state(one) is State.SUSPENDED


# -- the region node that asks


def test_what_a_region_has_released_and_is_set_once_more_is_released_again(node: Holder) -> None:
    place = f"{OTHER}/6440/330106"
    registry = node.registry

    def asked() -> AskedHold:
        with registry.view() as seen:
            row = get_asked_hold(seen, place)
        assert row is not None
        return row

    def answered(state: HoldState) -> None:
        args = ["zhejiang-1.", place, int(state), asked().leaf, 0, "", ""]
        registry.perform(hold_units.ANSWER, args)

    grid = AddNode("grid", "industry", ("64",), ("127.0.0.5:5305",))
    filed = [ZHEJIANG, SUM, grid, FileCut(place, "grid")]
    free = root_of(node.folder / "free", filed)
    held = root_of(node.folder / "held", filed, SetHold(place, "zhejiang"))

    def shown(nodes: list[tuple[bytes, bytes]]) -> HoldState:
        follow_root(registry, nodes)
        with registry.store.write() as txn:
            HoldWatch(SUFFIX).replaced(txn, names.key_of(ORIGIN))
        while node.work():
            pass
        return asked().state

    assert ask(registry, AskHold(place)).status is Status.DONE
    answered(HoldState.SENT)
    assert shown(held) is HoldState.HELD
    assert shown(free) is HoldState.RELEASED and "released" in asked().why
    assert shown(held) is HoldState.RELEASING
    answered(HoldState.SENT)  # it may not be released
    assert shown(held) is HoldState.HELD
    assert ask(registry, EndHold(place)).status is Status.DONE
    answered(HoldState.RELEASED)
    assert shown(free) is HoldState.RELEASED


# -- the national node's examination


def test_no_receipt_is_given_for_what_is_held(tmp_path: Path) -> None:
    held, other = identifier("0001"), identifier("0002")
    with pair(tmp_path) as both:
        both.begin(CUT)
        filed = (ZHEJIANG, SUM, FileCut(CUT, "zhejiang"))
        both.register(tmp_path / "held", *filed, SetHold(str(held), ""))
        for one in (held, other):
            assert status(both.region, Assign(one, RECORD)) is Status.DONE
        both.transfer(CUT)
        both.send()
        said = both.filed(held)
        assert said is not None and said.status == Status.HELD.number
        assert "the national node" in said.reason
        said = both.filed(other)
        assert said is not None and said.status == Status.DONE.number
        # The node knows nothing of it, so it goes on waiting, and is looked at once more.
        assert _state(both, held) is State.FILING
        both.register(tmp_path / "free", *filed)
        later = int(time.time()) + 60
        both.due(later)
        both.due(later + 60)
        assert both.duty.is_overdue
        with both.aggregate.store.write() as txn:
            both.watch.look_again(txn, b"")
        both.send()
        assert _state(both, held) is State.ACTIVE


def _state(both: Pair, one: Identifier) -> State:
    with both.region.view() as seen:
        row = get_assignment(seen, str(one))
    assert row is not None
    return row.state
