"""The journal of a zone alone: what is noted, what is read back, and within which bounds."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from hashlib import blake2b

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csid.limits import JOURNAL_ENTRY_NAMES, JOURNAL_ENTRY_OCTETS
from resolver.store import journal as journals
from resolver.store.environment import Store
from resolver.store.journal import Journal, Nodes
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
