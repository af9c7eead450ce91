"""Scratch tables: like those of a store, in small transactions, and gone afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from csid.errors import StoreError
from resolver.store import scratch as scratches
from resolver.store.environment import scratch


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_rows_are_there_over_many_small_transactions(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratches, "SCRATCH_WRITES", 10)
    with scratch([b"one", b"other"]) as work:
        assert [path.name[:5] for path in folder.iterdir()] == ["csid-"]
        one, other = work.table(b"one"), work.table(b"other")
        for number in range(2_500):
            one.put(b"%05d" % number, b"x")
        assert one.entries() == 2_500
        copied = 0
        for key, value in one.scan(b"0"):  # what is read may be written meanwhile
            other.put(key, value * 2)
            assert one.delete(key)
            copied += 1
        assert copied == 2_500
        assert (one.entries(), other.entries()) == (0, 2_500)
        assert other.get(b"00007") == b"xx"
        assert other.last(b"00") == (b"00999", b"xx")
        assert [key for key, _ in other.scan(b"00", b"00998")] == [b"00998", b"00999"]
        assert one.append([(b"a", b""), (b"b", b"")]) and not one.append([(b"a", b"")])
        one.put_many([(b"c", b"1"), (b"b", b"2")])
        assert list(one.scan(b"")) == [(b"a", b""), (b"b", b"2"), (b"c", b"1")]
    assert list(folder.iterdir()) == []


def test_large_rows_make_small_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratches, "SCRATCH_OCTETS", 100)
    with scratch([b"t"]) as work:
        table = work.table(b"t")
        before = work._txn
        table.put(b"k", bytes(100))
        assert work._txn is not before
        assert table.get(b"k") == bytes(100)


def test_it_is_gone_if_the_work_fails(folder: Path) -> None:
    with pytest.raises(KeyError), scratch([b"t"]) as work:
        work.table(b"t").put(b"k", b"v")
        raise KeyError
    assert list(folder.iterdir()) == []


def test_without_a_place_for_it_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
    with pytest.raises(StoreError, match="TMPDIR"), scratch([b"t"]):
        pass
