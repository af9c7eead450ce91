"""A whole log: tiles on disk and as files, and that verification finds every change of the past."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.audit import (
    AuditError,
    Checkpoint,
    Fault,
    Log,
    MemoryStore,
    Report,
    SigningKey,
    open_checkpoint,
    verify,
)
from registry.audit.merkle import TREE_HASHES
from registry.audit.note import Note
from registry.audit.static import StaticStore, publish
from registry.audit.store import STATE_KEY, encode_state, leaf_key, stored_leaves, tile_key
from registry.audit.tiles import (
    MAX_LEAF,
    decode_bundle,
    encode_bundle,
    tile_path,
    tile_range,
    tile_width,
)

TREE = TREE_HASHES["sha256"]
KEY = SigningKey.generate("example.cn/csid")
SIZE = 70_000  # the example of C2SP tlog-tiles


def leaf(index: int) -> bytes:
    return b"change %d" % index


def grown(size: int) -> MemoryStore:
    store = MemoryStore()
    Log(store).append(leaf(index) for index in range(size))
    return store


def copy(store: MemoryStore) -> MemoryStore:
    return MemoryStore(store)


def flip(value: bytes, at: int) -> bytes:
    at %= len(value)
    return value[:at] + bytes((value[at] ^ 0x40,)) + value[at + 1 :]


@pytest.fixture(scope="module")
def big() -> MemoryStore:
    return grown(SIZE)


@pytest.fixture(scope="module")
def heads(big: MemoryStore) -> list[Checkpoint]:
    """Checkpoints at some sizes, inside and at the ends of tiles."""
    log = Log(big)
    return [Checkpoint(KEY.name, size, log.root(size)) for size in (SIZE, 65_536, 300, 69_900)]


def test_the_tiles_of_the_specifications_example(big: MemoryStore) -> None:
    widths: dict[int, list[int]] = {}
    for key, value in big.items():
        if key.startswith(b"t"):
            widths.setdefault(key[1], []).append(len(value) // 32)
    assert {level: (w.count(256), sum(n for n in w if n < 256)) for level, w in widths.items()} == {
        0: (273, 112),
        1: (1, 17),
        2: (0, 1),
    }


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 273, 112, "tile/0/273.p/112"),
        (1, 1_234_067, 256, "tile/1/x001/x234/067"),
        (63, 1_000, 1, "tile/63/x001/000.p/1"),
        ("entries", 999_999, 255, "tile/entries/x999/999.p/255"),
    ],
)
def test_paths_of_static_tiles(level: int | str, index: int, width: int, path: str) -> None:
    assert tile_path(level, index, width) == path


@given(st.integers(0, 3), st.integers(0, 2**24))
def test_widths_of_a_level_add_up_to_its_hashes(level: int, size: int) -> None:
    count = size >> (8 * level)
    full, rest = divmod(count, 256)
    assert tile_width(level, full, size) == rest
    assert tile_width(level, full + 1, size) == 0
    assert full == 0 or tile_width(level, full - 1, size) == 256
    assert tile_range(level, full, 0, rest)[1] <= size


def test_a_full_tile_without_a_partial_one_beside_it() -> None:
    store = grown(256)
    assert sorted(key for key in store if key[:1] == b"t") == [tile_key(0, 0), tile_key(1, 0)]
    assert store[tile_key(1, 0)] == TREE.perfect(store[tile_key(0, 0)]) == Log(store).root()


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_entry_bundles_read_as_written(leaves: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(leaves)) == leaves


@given(st.binary(max_size=600))
def test_any_bytes_as_bundle_are_leaves_or_an_error_of_ours(content: bytes) -> None:
    try:
        leaves = decode_bundle(content)
    except AuditError:
        return
    assert encode_bundle(leaves) == content


def test_a_bundle_has_no_more_leaves_than_a_tile() -> None:
    with pytest.raises(AuditError, match="more than 256"):
        decode_bundle(bytes(2 * 257))


def test_a_leaf_has_a_bound() -> None:
    log = Log(MemoryStore())
    log.append([bytes(MAX_LEAF)])
    with pytest.raises(AuditError, match="leaf 2 has 65536 bytes"):
        log.append([b"", bytes(MAX_LEAF + 1)])
    assert log.size == 1


class CountingStore(MemoryStore):
    """A store that notes which keys are read and written."""

    def __init__(self, content: MemoryStore) -> None:
        super().__init__(content)
        self.read: list[bytes] = []
        self.written: list[bytes] = []

    def get(self, key: bytes, default: bytes | None = None) -> bytes | None:  # type: ignore[override]
        self.read.append(key)
        return super().get(key, default)

    def put_many(self, items) -> None:  # type: ignore[no-untyped-def]
        items = list(items)
        self.written += [key for key, _ in items]
        self.update(items)


def test_appending_touches_the_right_edge_alone(big: MemoryStore) -> None:
    store = CountingStore(big)
    Log(store).append(leaf(SIZE + index) for index in range(300))
    edge = [tile_key(0, 273), tile_key(1, 1), tile_key(2, 0)]
    assert store.read == [STATE_KEY, *edge]
    tiles = sorted(key for key in store.written if key[:1] == b"t")
    assert tiles == [tile_key(0, 273), tile_key(0, 274), tile_key(1, 1), tile_key(2, 0)]
    assert store.written.count(STATE_KEY) == 1


def test_a_proof_reads_tiles_alone_and_few(big: MemoryStore) -> None:
    store = CountingStore(big)
    Log(store).inclusion(12_345)
    assert {key[:1] for key in store.read} == {b"s", b"t"}
    assert len(store.read) <= 1 + 6  # state; on each of 3 levels the own tile and the last one


# In a transaction


class LmdbStore:
    """A log in one sub-database, inside a transaction that is not its own."""

    def __init__(self, transaction: lmdb.Transaction, database: object) -> None:
        self._transaction = transaction
        self._database = database

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._transaction.get(key, db=self._database)
        return value

    def put_many(self, items) -> None:  # type: ignore[no-untyped-def]
        self._transaction.cursor(self._database).putmulti(items)


def test_a_log_in_lmdb_goes_with_its_transaction(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), max_dbs=1, map_size=1 << 24) as environment:
        database = environment.open_db(b"audit")
        with environment.begin(write=True) as transaction:
            Log(LmdbStore(transaction, database)).append(leaf(index) for index in range(600))
        transaction = environment.begin(write=True)
        Log(LmdbStore(transaction, database)).append([b"never was"])
        transaction.abort()
        with environment.begin() as transaction:
            store = LmdbStore(transaction, database)
            assert Log(store).root() == Log(grown(600)).root()
            assert verify(store).sound


# Verification


def test_a_sound_log_is_found_sound(big: MemoryStore, heads: list[Checkpoint]) -> None:
    report = verify(big, stored_leaves(big), heads)
    assert report == Report(SIZE, Log(big).root(), ())
    assert report.sound


@given(st.integers(0, 800))
@settings(max_examples=25)
def test_a_sound_log_of_any_size_is_found_sound(size: int) -> None:
    store = grown(size)
    report = verify(store, checkpoints=[Checkpoint(KEY.name, size, Log(store).root())])
    assert report == Report(size, Log(store).root(), ())


def test_an_empty_log_is_sound() -> None:
    assert verify(MemoryStore(), []) == Report(0, TREE.empty(), ())


def _faults(store: MemoryStore, heads: list[Checkpoint]) -> list[tuple[int, int]]:
    return [(fault.start, fault.end) for fault in verify(store, checkpoints=heads).faults]


@pytest.mark.parametrize("index", [0, 255, 256, 12_345, 65_535, 65_536, 69_999])
def test_a_changed_leaf_is_found_at_its_index_and_nowhere_else(
    big: MemoryStore, heads: list[Checkpoint], index: int
) -> None:
    store = copy(big)
    store[leaf_key(index)] = b"changed"
    assert _faults(store, heads) == [(index, index + 1)]


@pytest.mark.parametrize(
    ("level", "tile", "entry", "leaves"),
    [
        (0, 0, 0, (0, 1)),
        (0, 7, 9, (1801, 1802)),
        (0, 273, 111, (69_999, 70_000)),
        (1, 0, 255, (65_280, 65_536)),
        (1, 1, 16, (69_632, 69_888)),
        (2, 0, 0, (0, 65_536)),
    ],
)
def test_a_changed_hash_in_a_tile_is_found_at_the_leaves_below_it(
    big: MemoryStore,
    heads: list[Checkpoint],
    level: int,
    tile: int,
    entry: int,
    leaves: tuple[int, int],
) -> None:
    store = copy(big)
    store[tile_key(level, tile)] = flip(store[tile_key(level, tile)], entry * 32 + 5)
    assert _faults(store, heads) == [leaves]


def test_two_changes_are_both_found(big: MemoryStore, heads: list[Checkpoint]) -> None:
    store = copy(big)
    store[leaf_key(300)] = b"changed"
    store[leaf_key(66_000)] = b"changed too"
    store[tile_key(1, 0)] = flip(store[tile_key(1, 0)], 0)
    assert _faults(store, heads) == [(0, 256), (300, 301), (66_000, 66_001)]


def test_a_leaf_changed_together_with_its_tile_is_found_by_the_tile_above(
    big: MemoryStore, heads: list[Checkpoint]
) -> None:
    store = copy(big)
    store[leaf_key(300)] = b"changed"
    tile = store[tile_key(0, 1)]
    store[tile_key(0, 1)] = tile[: 44 * 32] + TREE.leaf(b"changed") + tile[45 * 32 :]
    assert _faults(store, heads) == [(256, 512)]


def test_a_log_written_anew_is_found_by_the_checkpoints(heads: list[Checkpoint]) -> None:
    store = MemoryStore()
    Log(store).append(leaf(index) if index != 50_000 else b"changed" for index in range(SIZE))
    report = verify(store, checkpoints=heads)
    assert [(fault.start, fault.end) for fault in report.faults] == [
        (300, 65_536),
        (300, 69_900),
        (300, 70_000),
    ]
    assert verify(store).sound, "leaves and tiles agree: only a checkpoint tells"


@pytest.mark.parametrize("size", [0, 1, 69_999, 70_001, 70_144, 2**40, 2**63 - 1])
def test_a_changed_size_is_found(big: MemoryStore, heads: list[Checkpoint], size: int) -> None:
    store = copy(big)
    store[STATE_KEY] = encode_state(size, TREE)
    faults = verify(store, checkpoints=heads).faults
    assert faults
    assert faults[0].start == min(size, SIZE)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (b"", "too short"),
        (b"\x02" + bytes(8) + b"sha256", "version 2"),
        (b"\x01" + bytes([255] * 8) + b"sha256", "more than any log"),
        (b"\x01" + bytes(8) + b"md5", "not known"),
        (b"\x01" + bytes(8) + b"\xff", "not known"),
    ],
)
def test_a_damaged_state_is_refused(state: bytes, reason: str) -> None:
    store = MemoryStore({STATE_KEY: state})
    for use in (verify, lambda store: Log(store).append([b""]), lambda store: Log(store).root()):
        with pytest.raises(AuditError, match=reason):
            use(store)


DELETIONS: list[tuple[str, Callable[[MemoryStore], object], int]] = [
    ("the state", lambda store: store.pop(STATE_KEY), 0),
    ("a leaf", lambda store: store.pop(leaf_key(400)), 400),
    ("the last leaf", lambda store: store.pop(leaf_key(599)), 599),
    ("a full tile", lambda store: store.pop(tile_key(0, 1)), 256),
    ("the partial tile", lambda store: store.pop(tile_key(0, 2)), 512),
    ("the upper tile", lambda store: store.pop(tile_key(1, 0)), 0),
]


@pytest.mark.parametrize(("what", "delete", "first"), DELETIONS)
def test_a_deletion_is_found(
    what: str, delete: Callable[[MemoryStore], object], first: int
) -> None:
    store = grown(600)
    delete(store)
    faults = verify(store).faults
    assert faults, what
    assert faults[0].start == first


ADDITIONS = [
    (leaf_key(600), b"smuggled in", "beyond the end"),
    (tile_key(0, 3), bytes(32), "tile/0/003 lies beyond"),
    (tile_key(1, 1), bytes(32), "tile/1/001 lies beyond"),
    (tile_key(2, 0), bytes(32), "tile/2/000 lies beyond"),
]


@pytest.mark.parametrize(("key", "value", "reason"), ADDITIONS)
def test_an_addition_is_found(key: bytes, value: bytes, reason: str) -> None:
    store = grown(600)
    store[key] = value
    (fault,) = verify(store).faults
    assert fault.start == 600
    assert reason in fault.reason


@given(st.data())
@settings(max_examples=150)
def test_any_change_of_any_value_is_found(data: st.DataObject) -> None:
    sound = grown(600)
    head = Checkpoint(KEY.name, 600, Log(sound).root())
    store = copy(sound)
    key = data.draw(st.sampled_from(sorted(store)))
    value = store[key]
    store[key] = data.draw(
        st.sampled_from(
            [value[:-1], value + b"\0", flip(value, data.draw(st.integers(0, len(value) - 1)))]
        )
    )
    try:
        report = verify(store, checkpoints=[head])
    except AuditError:
        assert key == STATE_KEY
        return
    assert not report.sound
    if key[:1] == b"l":
        index = int.from_bytes(key[1:])
        assert [(fault.start, fault.end) for fault in report.faults] == [(index, index + 1)]


def test_a_report_stays_short_and_keeps_the_first() -> None:
    store = grown(2_000)
    report = verify(store, (b"wrong" for _ in range(2_000)))
    assert len(report.faults) == 100
    assert report.faults[0].start == 0


def test_a_fault_reads_as_a_sentence() -> None:
    assert str(Fault(5, 6, "missing")) == "leaf 5: missing"
    assert str(Fault(5, 9, "missing")) == "leaves 5 to 8: missing"


# Static files


def test_an_exported_log_is_what_a_tlog_client_expects(tmp_path: Path) -> None:
    store = grown(600)
    note = Log(store).checkpoint(KEY)
    Log(store).append([b"after the checkpoint"])
    assert publish(lambda: nullcontext(store), [note], [KEY.verifier], tmp_path) == 3 + 1 + 3 + 4
    files = sorted(
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()
    )
    assert files == [
        "checkpoint",
        "checkpoints/600",
        "checkpoints/list",
        "keys",
        "tile/0/000",
        "tile/0/001",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002.p/88",
    ]
    bundle = decode_bundle((tmp_path / "tile/entries/002.p/88").read_bytes())
    assert bundle == [leaf(index) for index in range(512, 600)]
    assert (tmp_path / "tile/0/002.p/88").read_bytes() == TREE.leaves(bundle)
    text = (tmp_path / "checkpoint").read_text(encoding="utf-8")
    assert open_checkpoint(text, KEY.verifier).root == Log(store).root(600)


def test_a_folder_grows_by_what_is_new_and_keeps_few_partial_tiles(tmp_path: Path) -> None:
    store = MemoryStore()
    notes: list[str] = []
    log = Log(store)
    for size in (0, 1, 5, 255, 256, 257, 300, 300, 511, 512, 600, 1_100):
        log.append(leaf(index) for index in range(log.size, size))
        if not notes or Checkpoint.parse(Note.parse(notes[-1]).text).size < size:
            notes.append(log.checkpoint(KEY))
        publish(lambda: nullcontext(store), notes, [KEY.verifier], tmp_path)
        found = Log(StaticStore(tmp_path))
        assert (found.size, found.root()) == (size, log.root())
        assert [*found.leaves(0, size)] == [*log.leaves(0, size)]
        for note in notes:
            point = open_checkpoint(note, KEY.verifier)
            assert found.root(point.size) == point.root
            assert (tmp_path / "checkpoints" / str(point.size)).read_text() == note
        partial = [path for path in tmp_path.rglob("*") if path.is_file() and ".p/" in str(path)]
        assert len(partial) <= 2 * 3, "the last two of leaves, bundles and the level above"


def test_a_folder_of_another_or_of_a_longer_log_is_left_alone(tmp_path: Path) -> None:
    store = grown(300)
    note = Log(store).checkpoint(KEY)
    publish(lambda: nullcontext(store), [note], [KEY.verifier], tmp_path)
    other = MemoryStore()
    Log(other).append([b"other"] * 400)
    shorter = grown(299)
    for one in (other, shorter):
        with pytest.raises(AuditError, match="nothing is published"):
            publish(
                lambda: nullcontext(one),  # noqa: B023
                [Log(one).checkpoint(KEY)],
                [KEY.verifier],
                tmp_path,
            )
    assert (tmp_path / "checkpoint").read_text() == note
