"""One moment of a store as a file of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from csid.errors import StoreError
from resolver.store.copying import copied
from resolver.store.environment import Store
from tests.support.servers import make_data


def meta(store: Store, key: bytes) -> bytes | None:
    with store.read() as read:
        return read.table(b"meta").get(key)


def test_a_copy_stays_what_it_was_while_the_store_goes_on(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    with Store.open(data, writable=True) as store, store.copied() as (copy, file):
        with store.write() as txn:
            txn.table(b"meta").put(b"later", b"1")
        assert meta(copy, b"later") is None
        assert meta(store, b"later") == b"1"
        assert copy.settings() == store.settings()
        assert os.fstat(file.fileno()).st_size % copy.page_octets == 0
        assert os.fstat(file.fileno()).st_nlink == 0  # it has no name
    assert {path.name for path in data.iterdir()} <= {
        "data.mdb",
        "lock.mdb",
        "writer.lock",
        "builders.lock",
    }


def test_a_copy_is_no_place_to_write_to(tmp_path: Path) -> None:
    with (
        Store.open(make_data(tmp_path / "data")) as store,
        store.copied() as (copy, _),
        pytest.raises(StoreError),
        copy.write(),
    ):
        raise AssertionError


def test_what_goes_wrong_while_copying_is_told(tmp_path: Path) -> None:
    def copy(descriptor: int) -> None:
        os.write(descriptor, b"half")
        raise StoreError("the file is damaged")

    with pytest.raises(StoreError, match="is damaged"), copied(tmp_path, copy):
        raise AssertionError
    with pytest.raises(StoreError, match="no copy of the data"), copied(tmp_path / "none", copy):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []
