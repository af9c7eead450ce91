"""Copies of a cut that its former node had: they are asked for until they are the right one's."""

from __future__ import annotations

from pathlib import Path

from csid import names
from registry.service import Registry
from registry.sync.duties import leftovers
from registry.sync.duties.leftovers import ASKED_MOST, FIRST_SECONDS, LeftoverDuty, LeftoverWatch
from registry.tables.naming import Names
from registry.tables.network import CATALOG
from registry.tables.transaction import LOOKED
from registry.zones import others
from registry.zones.first import first_zone
from resolver.store.build import build
from resolver.sync import states, timers
from resolver.sync.settings import FOLLOWS, Follow, pack, where
from tests.support.books import SUFFIX
from tests.support.joined import joined
from tests.support.registering import OWNER

NAMED = Names(SUFFIX)
CUT = f"{OWNER}/6450/330106"
APEX = NAMED.key(CUT)
NOW = 1_800_000_000
WATCH = LeftoverWatch(SUFFIX, lambda: NOW)


def comes(registry: Registry, node: str) -> None:
    """A whole zone comes that is served by a node; the catalog says that the cut is of east."""
    origin = names.wire_of_key(APEX)
    with registry.store.write() as txn:
        row = Follow((), NAMED.key(CATALOG), b"label", "east", NOW)
        txn.table(FOLLOWS).put(where(APEX), pack(row))
        states.begin(txn, APEX)
        nodes = build(origin, first_zone(origin, {others.name_of(NAMED, node): []}))
        txn.replace_zone(origin, list(nodes))
        WATCH.replaced(txn, APEX)
        held = states.state_of(txn, APEX)
        assert held is not None
        states.settle(txn, [states.Settled(APEX, held.due, states.StateRow(due=NOW + 9_999))])


def wakes(registry: Registry, now: int) -> tuple[int | None, bool]:
    """When a look is due next, and whether one is."""
    duty = LeftoverDuty()
    with registry.store.read() as read:
        assert duty.due(read, now) == []
    return duty.wake(), duty.is_time


def looks(registry: Registry, now: int) -> bool:
    with registry.store.write() as txn:
        return leftovers.look_on(txn, NAMED, now)


def is_asked_whole(registry: Registry) -> bool:
    with registry.store.read() as read:
        state = states.state_of(read, APEX)
        assert state is not None
        return timers.is_full(read, state.due, APEX)


def waits(registry: Registry) -> int:
    with registry.store.read() as read:
        return read.table(LOOKED).entries()


def test_a_copy_of_the_former_node_is_asked_for_until_it_is_the_right_one(tmp_path: Path) -> None:
    with joined(tmp_path / "node") as registry:
        comes(registry, "zhejiang")
        assert wakes(registry, NOW) == (NOW + FIRST_SECONDS, False)
        assert not looks(registry, NOW) and not is_asked_whole(registry)
        now = NOW + FIRST_SECONDS
        assert wakes(registry, now) == (now + leftovers.LOOK_SECONDS, True)
        assert looks(registry, now) and is_asked_whole(registry)
        assert wakes(registry, now) == (now + 2 * FIRST_SECONDS, False)
        comes(registry, "east")
        assert looks(registry, now + 2 * FIRST_SECONDS) and not is_asked_whole(registry)
        assert waits(registry) == 0 and wakes(registry, now) == (None, False)


def test_a_copy_of_its_node_is_left_alone_and_one_that_stays_is_asked_for_some_times(
    tmp_path: Path,
) -> None:
    with joined(tmp_path / "node") as registry:
        comes(registry, "east")
        assert waits(registry) == 0
        comes(registry, "zhejiang")
        now = NOW
        for count in range(ASKED_MOST):
            now += FIRST_SECONDS << count
            assert looks(registry, now)
            assert waits(registry) == 1
        assert looks(registry, now + (FIRST_SECONDS << ASKED_MOST))
        assert waits(registry) == 0


def test_a_clock_that_is_set_back_puts_no_look_off(tmp_path: Path) -> None:
    with joined(tmp_path / "node") as registry:
        comes(registry, "zhejiang")
        assert wakes(registry, NOW - 9_999)[1]
        assert looks(registry, NOW - 9_999) and is_asked_whole(registry)
