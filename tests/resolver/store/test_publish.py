"""Whole zones: what replaces another, keeps its journal, and must be agreed to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from csid import names
from csid.errors import StoreError, ZoneError
from csid.protocol import MX, SOA, TXT, A
from resolver.store import node
from resolver.store.build import ZoneData, build
from resolver.store.environment import Store
from resolver.store.guard import Guard
from resolver.store.node import RRset
from resolver.store.read import ReadTransaction
from resolver.store.update import ZoneUpdate
from resolver.store.write import WriteTransaction
from tests.support import trees
from tests.support.memory import zone_data
from tests.support.servers import SUFFIX, make_data

ORIGIN = names.from_text(SUFFIX)
OLD = """\
$TTL 60
@    SOA ns host {serial} 1 1 1 60
     NS  ns
ns   A   192.0.2.1
gone.x TXT "x"
kept TXT "x"
m    MX 1 ns
"""
NEW = OLD.replace("gone.x", "come.y").replace("192.0.2.1", "192.0.2.2")
CHANGED = {b"gone\0", b"come\0", b"ns\0"}


def nodes(text: str, serial: int) -> list[tuple[bytes, bytes]]:
    return list(build(*zone_data(text.format(serial=serial), SUFFIX)))


def key(text: str) -> bytes:
    return b"".join(label.encode() + b"\0" for label in reversed(text.split(".")))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(make_data(tmp_path / "data", OLD.format(serial=7)), writable=True) as opened:
        yield opened


def since(store: Store, serial: int) -> dict[bytes, bytes] | None:
    with store.read() as read:
        journal = read.journal(read.zone(ORIGIN))
        assert journal.check() == []
        return journal.since(serial)


def change(store: Store, name: str, text: bytes) -> None:
    with store.write() as txn:
        zone = txn.update(ORIGIN)
        zone.set(key(name), {TXT: RRset(60, [text])})
        zone.finish()


def records(store: Store) -> dict[bytes, dict[int, RRset]]:
    with store.read() as read:
        found = {
            key: dict(node.rrsets_of(blob))
            for key, blob in read.nodes(read.zone(ORIGIN).generation)
        }
    found[b""].pop(SOA)
    return {key: rrsets for key, rrsets in found.items() if rrsets}


def went_back(store: Store, serial: int) -> dict[bytes, dict[int, RRset]]:
    """The records at a serial, as the journal has it."""
    held = since(store, serial)
    assert held is not None
    back = records(store) | {
        key: dict(node.rrsets_of(blob or b"\0\0")) for key, blob in held.items()
    }
    back[b""].pop(SOA, None)
    return {key: rrsets for key, rrsets in back.items() if rrsets}


def test_what_a_replacement_changed_is_one_step_of_the_journal(store: Store) -> None:
    change(store, "single", b"\1x")
    first = records(store)
    with store.write() as txn:
        txn.replace_zone(ORIGIN, nodes(NEW, 9))
    assert went_back(store, 8) == first
    held = since(store, 8)
    assert held is not None
    assert set(held) == {key("gone.x"), key("come.y"), key("ns"), key("single")}  # no more
    assert len(since(store, 7) or ()) == 4
    change(store, "single", b"\1y")
    assert went_back(store, 8) == first
    trees.check(store)


def test_the_same_zone_again_leaves_the_journal_alone(store: Store) -> None:
    change(store, "single", b"\1x")
    with store.read() as read:
        again = list(read.nodes(read.zone(ORIGIN).generation))
    with store.write() as txn:
        txn.replace_zone(ORIGIN, again)
    assert since(store, 7) == {key("single"): b""}


def test_another_zone_under_the_same_serial_is_answered_for_from_the_next_one_on(
    store: Store,
) -> None:
    with store.write() as txn:
        txn.replace_zone(ORIGIN, nodes(NEW, 7))
    change(store, "single", b"\1x")
    assert since(store, 7) is None
    change(store, "single", b"\1y")
    assert since(store, 8) is not None


def publish(store: Store, text: str, serial: int, meanwhile: list[str]) -> None:
    with store.building() as generation:
        with store.write() as txn:
            txn.put_nodes(ORIGIN, generation, nodes(text, serial))
        with store.read() as read:
            known = read.difference(read.zone(ORIGIN), generation)
        for name in meanwhile:
            change(store, name, b"\1z")
        with store.write() as txn:
            assert txn.publish(ORIGIN, generation, 0, known, serial=20) == 20


@pytest.mark.parametrize("meanwhile", [[], ["kept", "late", "gone.x", "come.y"]])
def test_a_difference_found_before_holds_for_what_was_changed_meanwhile(
    store: Store, meanwhile: list[str]
) -> None:
    first = records(store)
    publish(store, NEW, 8, meanwhile)
    assert trees.serial(store, SUFFIX) == 20
    assert went_back(store, 7) == first
    assert records(store) == {
        key: {t: r for t, r in dict(node.rrsets_of(blob)).items() if t != SOA}
        for key, blob in nodes(NEW, 8)
        if len(blob) > 2
    }
    trees.check(store)


def test_a_difference_to_a_zone_that_is_there_no_longer_is_worked_out_anew(store: Store) -> None:
    with store.building() as generation:
        with store.write() as txn:
            txn.put_nodes(ORIGIN, generation, nodes(NEW, 9))
        with store.read() as read:
            known = read.difference(read.zone(ORIGIN), generation)
        other = OLD.replace("kept", "other")
        with store.write() as txn:
            txn.replace_zone(ORIGIN, nodes(other, 8))
        first = records(store)
        with store.write() as txn:
            txn.publish(ORIGIN, generation, 0, known)
    assert went_back(store, 8) == first


@pytest.mark.parametrize("limit", ["JOURNAL_ENTRY_NAMES", "JOURNAL_ENTRY_OCTETS"])
def test_a_difference_too_large_begins_the_journal_anew(
    store: Store, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    change(store, "single", b"\1x")
    monkeypatch.setattr(f"resolver.store.difference.{limit}", 2)
    publish(store, NEW, 9, [])
    assert since(store, 7) is None and since(store, 8) is None
    change(store, "single", b"\1x")
    assert since(store, 20) == {key("single"): b""}


def test_a_zone_whose_tree_is_damaged_is_replaced(store: Store) -> None:
    with store.write() as txn:
        generation = txn.update(ORIGIN).generation
        txn.table(b"tree").put(generation, b"\1\0")
    with store.write() as txn, pytest.raises(StoreError, match="load it again"):
        txn.update(ORIGIN).finish()
    with store.write() as txn:
        txn.replace_zone(ORIGIN, nodes(NEW, 9))
    trees.check(store)


# -- who must agree


class Agreeing(Guard):
    """Carries a name over, or refuses; notes that it was asked."""

    def __init__(self, refusal: str = "") -> None:
        self.refusal = refusal
        self.asked: list[object] = []

    def begin(self, read: ReadTransaction, origin: bytes, data: ZoneData) -> object:
        return len(data)

    def settle(
        self, txn: WriteTransaction, origin: bytes, update: ZoneUpdate | None, begun: object
    ) -> None:
        serial = None if update is None else update.next_serial()
        self.asked.append((origin, serial, begun, txn.snapshot.zone_of(names.key_of(origin))))
        if update is not None:
            update.set(key("carried.over"), {TXT: RRset(60, [b"\1c"])})
            update.set(key("ns"), {A: RRset(60, [b"\xc0\0\2\3"])})
        txn.table(b"doomed").put(b"a leaf!!", b"")
        if self.refusal:
            raise ZoneError(names.to_text(origin), self.refusal)

    def told(self, origin: bytes) -> None: ...


def test_a_guard_settles_inside_the_transaction_what_is_published(store: Store) -> None:
    first = records(store)
    guard = Agreeing()
    with store.write() as txn:
        txn.replace_zone(ORIGIN, nodes(NEW, 9), 12, guard, "begun")
    ((origin, serial, begun, zone),) = guard.asked  # type: ignore[misc]
    assert (origin, serial, begun) == (ORIGIN, 12, "begun")
    assert zone is not None  # what is served until then
    assert trees.serial(store, SUFFIX) == 12
    now = records(store)
    assert now[key("carried.over")] == {TXT: RRset(60, [b"\1c"])}
    with store.read() as read:
        mail = dict(read.nodes(read.zone(ORIGIN).generation))[key("m")]
    assert node.extra_at(mail, node.find_entry(mail, MX)).endswith(b"\xc0\0\2\3")
    assert went_back(store, 7) == first
    trees.check(store)


def test_what_a_guard_refuses_is_undone_as_a_whole(store: Store) -> None:
    before = records(store)
    for drop in (False, True):
        with pytest.raises(ZoneError, match="not yours"), store.write() as txn:
            if drop:
                txn.drop_zone(ORIGIN, Agreeing("not yours"))
            else:
                txn.replace_zone(ORIGIN, nodes(NEW, 9), guard=Agreeing("not yours"))
    assert records(store) == before
    assert trees.leftovers(store) == 0
    assert trees.serial(store, SUFFIX) == 7


def test_a_zone_that_is_dropped_takes_its_journal_with_it(store: Store) -> None:
    change(store, "single", b"\1x")
    with store.write() as txn:
        txn.drop_zone(ORIGIN)
        txn.replace_zone(ORIGIN, nodes(NEW, 9))  # another zone, with a journal of its own
    change(store, "single", b"\1x")
    store.sweep()
    assert since(store, 7) is None
    assert since(store, 9) == {key("single"): b""}
    with store.write(keep=False) as txn:
        assert txn.table(b"journal").entries() == 2
        assert txn.table(b"pointers").entries() == 2
