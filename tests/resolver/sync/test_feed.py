"""The feed of changes: who has to be told of what, whoever is killed, and however few read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from csid import names
from csid.limits import MAX_NAME_KEY_OCTETS
from resolver.store.environment import Store
from resolver.sync import feed, states, timers
from resolver.sync.settings import EVERYWHERE, TARGETS, Target, pack, where
from tests.support.engines import zone_text
from tests.support.servers import make_data, put_zone

APEX = names.key_of(names.from_text("a.test."))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(make_data(tmp_path / "data"), writable=True) as opened:
        yield opened


def tell(store: Store, at: bytes) -> None:
    with store.write() as txn:
        txn.table(TARGETS).put(at, pack([Target("192.0.2.1", 53)]))


def rows(store: Store) -> list[tuple[bytes, int]]:
    with store.read() as read:
        return [(one.apex, one.serial) for one in feed.changes(read)]


@pytest.mark.parametrize("at", [where(APEX), EVERYWHERE])
def test_each_way_to_change_a_zone_leaves_a_row(store: Store, at: bytes) -> None:
    tell(store, at)
    put_zone(store, zone_text(1), "a.test.")
    put_zone(store, zone_text(5), "a.test.")
    with store.write() as txn:
        update = txn.update(names.from_text("a.test."))
        update.remove(b"absent\0")
        assert update.finish() == 5  # nothing has changed
    with store.write() as txn:
        update = txn.update(names.from_text("a.test."))
        update.finish(always=True)
    assert rows(store) == [(APEX, 1), (APEX, 5), (APEX, 6)]


def test_what_is_undone_leaves_none(store: Store) -> None:
    tell(store, where(APEX))
    put_zone(store, zone_text(1), "a.test.")
    with store.write(keep=False) as txn:
        txn.update(names.from_text("a.test.")).finish(always=True)
    assert rows(store) == [(APEX, 1)]


def test_a_zone_that_is_told_to_nobody_by_its_own_row_leaves_none(store: Store) -> None:
    put_zone(store, zone_text(1), "a.test.")
    assert not rows(store)


def test_rows_that_nobody_reads_are_bounded_and_that_is_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "ROWS_MAX", 10)
    tell(store, EVERYWHERE)
    for number in range(30):
        put_zone(store, zone_text(1), f"z{number:02}.test.")
    kept = rows(store)
    assert len(kept) <= 10
    assert kept[-1][0] == names.key_of(names.from_text("z29.test."))
    with store.read() as read:
        passed = feed.overrun(read)
    assert passed is not None
    put_zone(store, zone_text(1), "z30.test.")  # while all zones are gone through
    with store.write() as txn:
        feed.remove(txn, [], passed)
    with store.read() as read:
        assert feed.overrun(read) not in (None, passed)


def test_a_transaction_that_changes_more_than_is_kept_is_bounded_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "ROWS_MAX", 10)
    tell(store, EVERYWHERE)
    for number in range(30):
        put_zone(store, zone_text(1), f"z{number:02}.test.")
    with store.write() as txn:
        feed.remove(txn, [one.key for one in feed.changes(txn)])
        for number in range(30):
            txn.update(names.from_text(f"z{number:02}.test.")).finish(always=True)
    assert len(rows(store)) <= 10


def test_the_longest_name_has_its_rows(store: Store) -> None:
    apex = names.key_of(b"".join(b"\x3f" + octet * 63 for octet in (b"\0", b"\1", b"\0")) + b"\0")
    apex += (b"a" * (MAX_NAME_KEY_OCTETS - len(apex) - 1)) + b"\0"
    assert len(apex) == MAX_NAME_KEY_OCTETS
    tell(store, EVERYWHERE)
    with store.write() as txn:
        feed.note(txn._txn, txn._databases, apex, 1)
        states.begin(txn, apex)
    assert rows(store) == [(apex, 1)]
    with store.read() as read:
        assert [row[2] for row in timers.rows(read)] == [apex]
