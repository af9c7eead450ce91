"""A cut that was withdrawn from one node and is filed by another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.rules.lifecycle import Verb
from registry.rules.requests import Advance, Assign, RequestFiling, WithdrawCut
from registry.service import Registry
from registry.tables.enums import State
from registry.tables.transaction import TransactionView
from registry.tables.view import get_assignment
from resolver.sync.settings import follow_of
from tests.support.moving import CUT, NAMED, World
from tests.support.registering import RECORD, identifier

ONE, TWO, THREE = (identifier(f"000{n}") for n in (1, 2, 3))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def state_of(registry: Registry, one: object) -> State | None:
    with registry.store.read() as read:
        row = get_assignment(TransactionView(read), str(one))
    return None if row is None else row.state


@pytest.mark.parametrize("is_seen", [True, False])
def test_no_code_is_given_twice_whoever_has_the_cut(world: World, is_seen: bool) -> None:
    world.begun(ONE)
    old, new = world.at["zhejiang"], world.at["hangzhou"]
    assert state_of(old, ONE) is State.ACTIVE
    assert world.ask("root", WithdrawCut(CUT, "zhejiang")).status.success
    for _ in range(2):  # unless it is seen, the two come to the aggregate in one version
        world.step(*(["sum"] if is_seen else []), "hangzhou")
    with world.at["sum"].store.read() as read:
        assert (follow_of(read, NAMED.key(CUT)) is None) is is_seen
    for one in (ONE, TWO):
        assert world.ask("hangzhou", Assign(one, RECORD)).status.success
    world.step("hangzhou")
    world.settle(8)
    assert world.holder() == "hangzhou"
    assert (state_of(new, ONE), state_of(new, TWO)) == (State.REFUSED, State.ACTIVE)
    assert state_of(old, ONE) is State.ACTIVE  # in its books, though nobody is led there
    assert world.ask("hangzhou", Advance(ONE, Verb.FILE)).status.success
    world.settle(4)
    assert state_of(new, ONE) is State.REFUSED
    assert world.ask("root", WithdrawCut(CUT, "hangzhou")).status.success
    world.settle(4)
    assert world.ask("zhejiang", RequestFiling(CUT)).status.success
    world.settle(8)
    assert world.holder() == "zhejiang"
    for one in (TWO, THREE):
        assert world.ask("zhejiang", Assign(one, RECORD)).status.success
    world.settle(4)
    assert [state_of(old, one) for one in (ONE, TWO, THREE)] == [
        State.ACTIVE,
        State.REFUSED,
        State.ACTIVE,
    ]
    assert list(world.unsound()) == []
