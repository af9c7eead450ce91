"""The journal of a zone alone: what is noted, what is read back, and within which bounds."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Iterator

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.errors import StoreError
from csid.limits import JOURNAL_ENTRY_NAMES, JOURNAL_ENTRY_OCTETS
from resolver.store import journal as journals
from resolver.store.environment import Store
from resolver.store.journal import Journal, Nodes
from tests.support.servers import make_data

GENERATION = b"\0\0\0\0\0\0\0\x63"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = make_data(tmp_path_factory.mktemp("journal") / "data")
    with Store.open(path, writable=True, sync=False) as opened:
        yield opened


@pytest.fixture
def journal(store: Store) -> Iterator[Journal]:
    with store.write(keep=False) as txn:
        yield Journal(txn.table(b"journal"), GENERATION)


def put(store_journal: Journal, entry: bytes, number: int = 0) -> None:
    """An entry as it stands on the disk, the only one."""
    store_journal.record(1, 2, {b"k": None})
    store_journal._table.put(GENERATION + struct.pack(">Q", number), entry)


def deflated(body: bytes) -> bytes:
    return struct.pack(">IIB", 1, 2, 1) + zlib.compress(body, 1)


NODES = st.dictionaries(st.binary(max_size=9), st.one_of(st.none(), st.binary(min_size=2)))


@given(st.lists(NODES, min_size=1, max_size=5))
def test_the_oldest_node_of_each_name_is_given(store: Store, changes: list[Nodes]) -> None:
    with store.write(keep=False) as txn:
        journal = Journal(txn.table(b"journal"), GENERATION)
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
def test_a_damaged_entry_is_told_and_what_to_do(journal: Journal, entry: bytes) -> None:
    put(journal, entry)
    with pytest.raises(StoreError, match=r"journal is damaged .*load the zone again") as caught:
        journal.since(1)
    assert "\n" not in str(caught.value)
