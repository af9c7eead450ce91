"""The sync process without its sockets and threads, by a clock that the test sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from csid import names
from registry.sync.batch import Batch, write
from registry.sync.hooks import Network
from registry.sync.syncing import Syncing
from resolver.store.apexes import EXPIRED, SERVED
from resolver.store.environment import Store
from resolver.sync import states
from resolver.sync.settings import FOLLOWS, Follow, Target, pack, where
from tests.support.books import SUFFIX
from tests.support.servers import make_data

APEX = names.key_of(names.from_text("a.test."))
OWN = names.key_of(names.from_text(SUFFIX))
START = 1_800_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(make_data(tmp_path / "data"), writable=True, sync=False) as store:
        yield store


class Clock:
    """Both clocks."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ahead = 0.0

    def unix(self) -> float:
        return START + self.now + self.ahead

    def steady(self) -> float:
        return self.now


def refuse(sync: Syncing) -> None:
    """Refuse all connections."""
    while actions := sync.actions():
        for action in actions:
            sync.lost(action.link, "Connection refused")  # type: ignore[union-attr]


def look(sync: Syncing, store: Store) -> None:
    """Look around, refuse all connections, and have written what comes of it."""
    sync.look()
    refuse(sync)
    if (batch := sync.batch()) is not None:
        write(store, batch)
        sync.wrote(batch)


def test_what_was_put_off_by_a_clock_that_was_ahead_is_done_once_it_is_set(store: Store) -> None:
    with store.write() as txn:
        txn.table(FOLLOWS).put(where(APEX), pack(Follow((Target("192.0.2.1", 53),))))
        states.begin(txn, APEX)
    clock = Clock()
    clock.ahead = 1e6
    sync = Syncing(store, Network(), Random(1), clock.unix, clock.steady)
    look(sync, store)

    def failures() -> int:
        with store.read() as read:
            state = states.state_of(read, APEX)
        assert state is not None
        return state.failures

    before = failures()
    assert before
    clock.now += 100
    clock.ahead = 0.0
    look(sync, store)
    assert failures() > before
    # So it is if the clock is set before it was written.
    for ahead in (1e6, 0.0):
        before = failures()
        clock.now += 100
        clock.ahead = ahead
        sync.look()
        refuse(sync)
    look(sync, store)
    clock.now += 1
    look(sync, store)
    assert failures() > before + 1
    sync.close()


def test_a_zone_that_is_this_nodes_own_by_now_does_not_expire(store: Store) -> None:
    with store.write() as txn:
        txn.table(FOLLOWS).put(where(OWN), pack(Follow((Target("192.0.2.1", 53),))))
        states.begin(txn, OWN)
    with store.read() as read:
        assert read.zone(names.wire_of_key(OWN)).flags == SERVED
        state = states.state_of(read, OWN)
    assert state is not None
    expired = Batch([states.Settled(OWN, state.due, state, EXPIRED)], [], None, {}, [], [])
    with store.write() as txn:  # as when a cut has moved here, which is looked for still
        txn.table(FOLLOWS).delete(where(OWN))
        states.end(txn, OWN)
    write(store, expired)
    with store.read() as read:
        assert read.zone(names.wire_of_key(OWN)).flags == SERVED
