"""Whatever octet of what is worked out from other data is changed: it is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csid import names
from csid.protocol import TXT
from resolver.store.check import faults
from resolver.store.environment import Store
from resolver.store.node import RRset
from resolver.store.read import ReadTransaction
from resolver.store.write import WriteTransaction
from tests.support.servers import SUFFIX, make_data

ZONE = """\
$TTL 60
@     SOA ns1 host 7 1 1 1 60
      NS  ns1
ns1   A   192.0.2.1
cut   NS  ns.cut
ns.cut A 192.0.2.2
a.b.c TXT "x"
*.w   A   192.0.2.3
m     MX  1 x.w
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = make_data(tmp_path_factory.mktemp("check") / "data", ZONE)
    with Store.open(path, writable=True, sync=False) as opened:
        with opened.write() as txn:
            zone = txn.update(names.from_text(SUFFIX))
            zone.set(b"new\0", {TXT: RRset(60, [b"\1x"])})
            zone.finish()
        yield opened


def found(store: Store, txn: WriteTransaction) -> list[str]:
    """What is found in what a transaction sees."""
    read = ReadTransaction(txn._txn, store._databases, txn.snapshot)
    return list(faults(read))


def test_a_store_agrees_with_itself(store: Store) -> None:
    with store.read() as read:
        assert list(faults(read)) == []


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([b"pointers", b"journal", b"apexes"]), st.data())
def test_any_octet_changed_beside_the_tree_is_found(
    store: Store, name: bytes, data: st.DataObject
) -> None:
    with store.write(keep=False) as txn:
        table = txn.table(name)
        key, value = data.draw(st.sampled_from(list(table.scan(b""))))
        row = bytearray(key + value)
        at = data.draw(st.integers(0 if name != b"apexes" else len(key), len(row) - 1))
        row[at] ^= data.draw(st.integers(1, 255))
        table.delete(key)
        if data.draw(st.booleans()):
            table.put(bytes(row[: len(key)]), bytes(row[len(key) :]))
        assert found(store, txn) or (name == b"apexes" and table.entries() == 0)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("b.c", lambda blob: None),
        ("a.b.c", lambda blob: None),
        ("a.b.c", lambda blob: blob[:2]),
        ("a.b.c", lambda blob: blob[:-1]),
        ("a.b.c", lambda blob: b"\2" + blob[1:]),
        ("a.b.c", lambda blob: b"\0\2" + blob[2:]),
        ("ns.cut", lambda blob: b"\0\0" + blob[2:]),
        ("cut", lambda blob: blob[:-1] + b"\7"),  # an address that goes with it
        ("ns1", lambda blob: blob[:-1] + b"\7"),
        ("*.w", lambda blob: None),
        ("*.w", lambda blob: blob[:-1] + b"\7"),
        ("*.w", lambda blob: b""),
        ("x.cut", lambda blob: b"\0\0"),
        ("x.y", lambda blob: b"\0\0"),
    ],
)
def test_a_node_that_does_not_fit_the_others_is_found(
    store: Store, name: str, change: object
) -> None:
    key = names.key_of(names.from_text(name + "."))
    with store.write(keep=False) as txn:
        table = txn.table(b"tree")
        stored = txn.update(names.from_text(SUFFIX)).generation + key
        blob = change(table.get(stored))  # type: ignore[operator]
        if blob is None:
            table.delete(stored)
        else:
            table.put(stored, blob)
        assert found(store, txn)


def test_what_belongs_to_no_zone_is_found(store: Store) -> None:
    for name in (b"tree", b"pointers", b"journal"):
        with store.write(keep=False) as txn:
            txn.table(name).put(b"\1" * 8 + b"k", b"\0\0")
            assert found(store, txn) == [
                f"{name.decode()}: the row {'01' * 8}6b belongs to no zone"
            ]


def test_what_belongs_to_no_zone_is_swept_once_it_is_doomed(tmp_path: Path) -> None:
    with Store.open(make_data(tmp_path / "data", ZONE), writable=True, sync=False) as store:
        kept = list(rows(store))
        with store.building() as building, store.write() as txn:
            txn.put_nodes(names.from_text(SUFFIX), building, [(b"a\0", b"\0\0")])
            for table in (b"tree", b"pointers", b"journal"):
                for key in (b"\0\0\0", b"\7" * 8 + b"a\0", b"\xff" * 8 + b"z"):
                    txn.table(table).put(key, b"\0\0")
            assert txn.doom_strays() == 2, "that which is being built is none"
        store.sweep()
        assert list(rows(store)) == kept
        with store.read() as read:
            assert list(faults(read)) == []


def rows(store: Store) -> Iterator[tuple[bytes, bytes, bytes]]:
    with store.read() as read:
        for table in (b"apexes", b"tree", b"pointers", b"journal", b"doomed"):
            for key, value in read.table(table).scan(b""):
                yield table, key, value
