"""The journal of a zone alone: what is noted, what is read back, and within which bounds."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csid.limits import JOURNAL_ENTRY_NAMES, JOURNAL_ENTRY_OCTETS, JOURNAL_SECONDS
from resolver.store import journal as journals
from resolver.store import journal_rows as rows
from resolver.store.environment import Store
from resolver.store.journal import Journal, Nodes
from resolver.store.journal_rows import MOST_PACKED
from tests.support.servers import make_data

ID = b"\0\0\0\0\0\0\0\x63"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = make_data(tmp_path_factory.mktemp("journal") / "data")
    with Store.open(path, writable=True, sync=False) as opened:
        yield opened


@pytest.fixture
def journal(store: Store) -> Iterator[Journal]:
    with store.write(keep=False) as txn:
        yield Journal(txn.table(b"journal"), ID)


def put(store_journal: Journal, entry: bytes, number: int = 0) -> None:
    """An entry as it stands on the disk, the only one, its sum right."""
    store_journal.record(1, 2, {b"k": None})
    key = ID + struct.pack(">Q", number)
    store_journal._table.put(key, blake2b(key + entry, digest_size=8).digest() + entry)


def deflated(body: bytes) -> bytes:
    return struct.pack(">IIB", 1, 2, 1) + zlib.compress(body, 1)


NODES = st.dictionaries(st.binary(max_size=9), st.one_of(st.none(), st.binary(min_size=2)))


@given(st.lists(NODES, min_size=1, max_size=5))
def test_the_oldest_node_of_each_name_is_given(store: Store, changes: list[Nodes]) -> None:
    with store.write(keep=False) as txn:
        journal = Journal(txn.table(b"journal"), ID)
        for serial, nodes in enumerate(changes):
            journal.record(serial, serial + 1, nodes)
        for serial in range(len(changes)):
            oldest: dict[bytes, bytes] = {}
            for nodes in changes[serial:]:
                oldest = {key: blob or b"" for key, blob in nodes.items()} | oldest
            assert journal.since(serial) == oldest


def test_a_change_too_large_is_not_noted_and_the_next_one_is(journal: Journal) -> None:
    for serial, nodes in enumerate(
        (
            {b"k": b"x" * (JOURNAL_ENTRY_OCTETS - 1)},
            {b"k": b"x" * JOURNAL_ENTRY_OCTETS},
            {b"%d" % n: None for n in range(JOURNAL_ENTRY_NAMES)},
            {b"%d" % n: None for n in range(JOURNAL_ENTRY_NAMES + 1)},
            {b"k": b"after"},
        )
    ):
        journal.record(serial, serial + 1, nodes)
        is_noted = serial in (0, 2, 4)
        assert (journal.since(serial) is not None) is is_noted
        if serial:
            assert journal.since(serial - 1) is None
    assert journal.since(4) == {b"k": b"after"}


def test_a_difference_too_large_is_not_given(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "JOURNAL_READ_OCTETS", 2_000)
    for serial in range(9):
        journal.record(serial, serial + 1, {b"%d" % serial: b"x" * 300})
    assert len(journal.since(6) or ()) == 3
    assert journal.since(5) is None
    assert journal.since(0) is None


def test_an_entry_that_inflates_without_end_takes_little_memory(journal: Journal) -> None:
    packed = zlib.compressobj(1)
    entry = struct.pack(">IIB", 1, 2, 1) + b"".join(
        [
            packed.compress(b"\x92\xdc\x00\x01\xc4\x01k\x91\xc6\x3b\x9a\xca\x00"),
            *[packed.compress(bytes(10_000_000)) for _ in range(100)],
            packed.flush(),
        ]
    )
    put(journal, entry)
    tracemalloc.start()
    assert journal.since(1) is None  # as for any entry from before there were bounds
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * JOURNAL_ENTRY_OCTETS


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"\0" * 8,
        struct.pack(">IIB", 1, 2, 0),
        struct.pack(">IIB", 1, 2, 0) + b"\xc1",
        struct.pack(">IIB", 1, 2, 0) + b"\x07",
        struct.pack(">IIB", 1, 2, 0) + msgpack.packb([[b"k"], []]),
        struct.pack(">IIB", 1, 2, 0) + msgpack.packb([[b"k"], [b""]]) + b"x",
        struct.pack(">IIB", 1, 2, 1) + b"junk",
        deflated(msgpack.packb([[b"k"], [b"x" * 5_000]]))[:-9],
        deflated(b"\x92\xdd\xff\xff\xff\xff"),
    ],
)
def test_an_entry_that_cannot_be_read_ends_the_journal_and_is_told(
    journal: Journal, entry: bytes
) -> None:
    put(journal, entry)
    assert journal.since(1) is None
    (fault,) = journal.check()
    assert "journal of a zone is damaged" in fault and "\n" not in fault


@settings(max_examples=300)
@given(st.data())
def test_any_octet_that_is_changed_is_found_and_gives_no_wrong_difference(
    store: Store, data: st.DataObject
) -> None:
    with store.write(keep=False) as txn:
        table = txn.table(b"journal")
        journal = Journal(table, ID)
        changes: list[Nodes] = [{b"a": b"x" * 9, b"b": None}, {b"a": None}, {b"c": b"z" * 2_000}]
        for serial, nodes in enumerate(changes, start=5):
            journal.record(serial, serial + 1, nodes)
        right = {serial: journal.since(serial) for serial in range(4, 9)}
        assert journal.check() == []
        key, value = data.draw(st.sampled_from(list(table.scan(ID))))
        row = bytearray(key + value)
        at = data.draw(st.integers(0, len(row) - 1))
        row[at] ^= data.draw(st.integers(1, 255))
        table.delete(key)
        table.put(bytes(row[: len(key)]), bytes(row[len(key) :]))
        assert journal.check()
        for serial, held in right.items():
            assert journal.since(serial) in (held, None)
        journal.record(8, 9, {b"d": None})
        assert journal.since(8) in ({b"d": b""}, None)


def test_a_zone_with_a_damaged_state_goes_on(journal: Journal) -> None:
    journal.record(1, 2, {b"k": None})
    journal._table.put(ID, b"junk")
    journal.record(2, 3, {b"l": None})
    assert list(journal.steps()) == []  # which serials stood for two contents is lost
    journal.record(3, 4, {b"m": None})
    assert journal.since(3) == {b"m": b""}
    assert journal.check() == []


# -- packed together, four entries at a time

GROUP = 4


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "GROUP_ENTRIES", GROUP)
    monkeypatch.setattr(rows, "GROUP_ENTRIES", GROUP)


def rows_of(store_journal: Journal) -> int:
    """How many rows there are beside the state."""
    return len(list(store_journal._table.scan(ID))) - 1


SIZED = st.dictionaries(
    st.binary(max_size=9),
    st.one_of(st.none(), st.binary(min_size=2, max_size=9), st.just(b"x" * MOST_PACKED)),
    max_size=3,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SIZED, min_size=1, max_size=30), st.sets(st.integers(0, 29), max_size=2))
def test_packed_entries_lose_nothing(
    store: Store, small_groups: None, changes: list[Nodes], too_large: set[int]
) -> None:
    """Whatever is small or large, and wherever the journal begins anew."""
    with store.write(keep=False) as txn:
        journal = Journal(txn.table(b"journal"), ID)
        begun = 0
        for serial, nodes in enumerate(changes):
            journal.record(serial, serial + 1, None if serial in too_large else nodes)
            begun = serial + 1 if serial in too_large else begun
            assert journal.check() == []
        count = len(changes) - begun
        assert [step.before for step in journal.steps()] == [*range(begun, len(changes))][::-1]
        for serial in range(len(changes)):
            oldest: dict[bytes, bytes] = {}
            for nodes in changes[serial:]:
                oldest = {key: blob or b"" for key, blob in nodes.items()} | oldest
            assert journal.since(serial) == (oldest if serial >= begun else None)
        small = all(len(blob or b"") < 10 for nodes in changes for blob in nodes.values())
        if small and count >= 3 * GROUP:
            assert rows_of(journal) <= count // GROUP + 2 * GROUP


@pytest.mark.parametrize("limit", ["JOURNAL_ENTRIES", "JOURNAL_OCTETS"])
def test_a_journal_that_is_too_long_loses_the_oldest_groups(
    journal: Journal, small_groups: None, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    most = 20 if limit == "JOURNAL_ENTRIES" else 700
    monkeypatch.setattr(journals, limit, most)
    for serial in range(100):
        journal.record(serial, serial + 1, {b"%d" % serial: b"x" * 20})
        assert journal.check() == []
        state = journal._state()
        entries = state.following - state.first
        assert (entries if limit == "JOURNAL_ENTRIES" else state.octets) <= most
    kept = [step.before for step in journal.steps()]
    assert kept == [*range(99, 99 - len(kept), -1)] and len(kept) > GROUP
    assert journal.since(kept[-1] - 1) is None
    assert len(journal.since(kept[-1]) or ()) == len(kept)


def test_what_is_too_old_is_dropped_and_what_has_no_time_is_kept(
    journal: Journal, small_groups: None
) -> None:
    day = 86_400
    for serial in range(20):
        journal.record(serial, serial + 1, {b"%d" % serial: None}, (1 + serial) * day)
    assert len(list(journal.steps())) == 20
    journal.record(20, 21, {b"x": None}, 11 * day + JOURNAL_SECONDS)
    oldest = [*journal.steps()][-1]
    assert 7 <= oldest.before <= 10  # a group goes once its last entry is too old
    assert journal.check() == []
    journal.record(21, 22, {b"x": None}, 1_000 * day)
    assert [step.before for step in journal.steps()] == [21]
    journal.forget()
    for serial in range(6):
        journal.record(serial, serial + 1, {b"%d" % serial: None})
    journal.record(6, 7, {b"x": None}, 1_000 * day)
    assert len(journal.since(0) or ()) == 7


def test_a_journal_from_before_there_were_groups_is_read_and_goes_on(journal: Journal) -> None:
    for number, serial in enumerate(range(7, 10)):
        body = msgpack.packb([[b"%d" % serial], [b""]])
        entry = struct.pack(">IIB", serial, serial + 1, 0) + body
        key = ID + struct.pack(">Q", number)
        journal._table.put(key, blake2b(key + entry, digest_size=8).digest() + entry)
    octets = sum(len(row) for _, row in journal._table.scan(ID))
    state = struct.pack(">QQQBI", 0, 3, octets, 0, 0)
    journal._table.put(ID, blake2b(ID + state, digest_size=8).digest() + state)
    assert journal.check() == []
    journal.record(10, 11, {b"10": b"xx"}, 1_700_000_000)
    assert journal.check() == []
    assert journal.since(7) == {b"7": b"", b"8": b"", b"9": b"", b"10": b"xx"}


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_octet_of_a_group_that_is_changed_is_found(
    store: Store, small_groups: None, data: st.DataObject
) -> None:
    with store.write(keep=False) as txn:
        table = txn.table(b"journal")
        journal = Journal(table, ID)
        for serial in range(11):
            journal.record(serial, serial + 1, {b"%d" % (serial % 3): b"%d" % serial})
        right = {serial: journal.since(serial) for serial in range(12)}
        key, value = data.draw(st.sampled_from([row for row in table.scan(ID) if len(row[0]) > 16]))
        row = bytearray(key + value)
        at = data.draw(st.integers(8, len(row) - 1))
        row[at] ^= data.draw(st.integers(1, 255))
        table.delete(key)
        table.put(bytes(row[: len(key)]), bytes(row[len(key) :]))
        damaged = Journal(table, ID)
        assert damaged.check()
        for serial, held in right.items():
            assert damaged.since(serial) in (held, None)
        for serial in range(11, 40):
            damaged.record(serial, serial + 1, {b"d": None})
        assert damaged.since(39) == {b"d": b""}


def test_one_step_back_is_found_at_once_however_long_the_journal_is(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = 0
    read = Journal._at

    def counted(self: Journal, state: Any, number: int) -> bytes:
        nonlocal looked_at
        looked_at += 1
        return read(self, state, number)

    monkeypatch.setattr(Journal, "_at", counted)
    for serial in range(3_000):
        journal.record(serial, serial + 1, {b"%d" % serial: b"x" * 40})
    looked_at = 0
    assert journal.since(2_999) == {b"2999": b"x" * 40}
    assert looked_at <= 3
    assert journal.number_of(5) == 5 and looked_at <= 6
    journal.record(3_000, 700_000, {b"x": None})  # serials that leap are found by halving
    for serial in range(700_000, 704_000, 2):
        journal.record(serial, serial + 2, {b"x": None})
    looked_at = 0
    assert journal.number_of(2_000) == 2_000
    assert journal.number_of(701_001) is None
    assert looked_at <= 60


SERIALS = st.lists(st.integers(0, 12), min_size=1, max_size=12)


@given(SERIALS)
def test_whatever_becomes_of_the_serial_no_difference_begins_at_another_content(
    store: Store, serials: list[int]
) -> None:
    """Each commit is another content; whoever has a serial may have any of those under it."""
    with store.write(keep=False) as txn:
        journal = Journal(txn.table(b"journal"), ID)
        before = 6
        contents = [(before, b"0")]
        for number, serial in enumerate(serials, start=1):
            journal.record(before, serial, {b"k": contents[-1][1]})
            contents.append((serial, b"%d" % number))
            before = serial
        for serial in range(13):
            held = journal.since(serial)
            if held is not None:
                assert [text for one, text in contents if one == serial] == [held[b"k"]]


def test_a_journal_goes_on_once_the_serial_is_beyond_those_that_were_used(
    journal: Journal,
) -> None:
    for before, after in ((7, 8), (8, 5), (5, 8), (8, 9), (9, 10)):
        journal.record(before, after, {b"k": None})
    assert [step.before for step in journal.steps()] == [9]
    for before, after in ((10, 2**31 + 9), (2**31 + 9, 3), (3, 4)):  # round, as RFC 1982 has it
        journal.record(before, after, {b"k": None})
    assert [step.before for step in journal.steps()] == [3, 2**31 + 9]
