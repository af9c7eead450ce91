"""The first leaf of a node: what its data directory is for, and the zones that it began with.

`after` of a leaf of kind `node.init` is a msgpack array of two: the settings of the directory, as
[name, octets] in order, of the secret one SHA-256 instead; and rows that hold from then on, as
[table, key, value]. What a directory says of itself is that of the last such leaf.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgpack

from csid import names
from registry.authority import judged
from registry.rules.requests import Actor
from registry.rules.status import Status
from registry.tables import codec
from registry.tables.changes import Row
from registry.tables.log_entry import EntryWriter
from registry.tables.naming import Names
from registry.tables.rows import NO_LEAF, ZoneRow
from registry.tables.transaction import TransactionView, append_leaves, open_tables, write_rows
from resolver.store.difference import serial_in
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction

KIND: Final = "node.init"
MARK: Final = b"\xa9" + KIND.encode("ascii")  # as msgpack has it, to find such leaves quickly
_pack: Final[Any] = msgpack.packb
_unpack: Final[Any] = msgpack.unpackb
_SECRET: Final = b"cookie-secret"
_PASSING: Final = (b"generation", b"schema")  # what changes as the directory is used

Setting = tuple[str, bytes]


class Beginning(NamedTuple):
    """What the first leaf says."""

    settings: tuple[Setting, ...]
    rows: tuple[Row, ...]


def begin(store: Store, actor: Actor, reason: str = "") -> int:
    """Write the first leaf of a new directory, whose zones are small; gives its index.

    Raises:
        StoreError: the store is full or fails.
    """
    open_tables(store)
    now = int(time.time())
    suffix = store.settings().suffix
    with store.read() as read:
        index = TransactionView(read).leaves()
        rows = list(_zones(read, suffix, index, now))
        after = _pack([settings_of(read), rows])
    writer = EntryWriter(
        actor.name, actor.role.value, actor.owner, KIND, now, reason, 0, actor.peer
    )
    leaf = writer.entry(suffix, after, NO_LEAF, "", Status.DONE.number)
    with store.write() as txn:
        view = TransactionView(txn)
        for table, key, value in rows:
            write_rows(view.table(table), [(key, value)])
        append_leaves(txn, [leaf], index + 1)
    return index


def settings_of(read: ReadTransaction) -> list[Setting]:
    """What a directory says of itself for ever."""
    return [
        (key.decode("ascii", "replace"), sha256(value).digest() if key == _SECRET else value)
        for key, value in read.table(b"meta").scan(b"")
        if key not in _PASSING
    ]


def _zones(read: ReadTransaction, suffix: str, leaf: int, now: int) -> Iterator[Row]:
    """The rows of the zones that are held and have names below the suffix."""
    view = TransactionView(read)
    for held in read.zones():
        judgement = judged(read, view, Names(suffix), held)
        if judgement is None:
            continue
        list(judgement)
        walk = judgement.walk
        serial = serial_in(read.table(b"tree").get(held.generation) or b"")
        row = ZoneRow(serial, walk.names, walk.digest, leaf, now, True)
        key = names.to_text(held.origin).encode("ascii")
        yield codec.ZONES, key, codec.encode(row)


def read_after(after: bytes) -> Beginning:
    """What such a leaf says.

    Raises:
        ValueError: it says something else.
    """
    settings, rows = _unpack(after, use_list=False)
    for table, key, value in rows:
        if table not in codec.TABLES or type(key) is not bytes or type(value) is not bytes:
            raise ValueError(f"no row of the registry: {table!r}")
    return Beginning(settings, rows)
