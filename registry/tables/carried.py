"""Rows that a leaf about the node carries: what holds from then on, whatever led to it.

`after` of such a leaf is a msgpack array of [table, key, value] arrays, the value nil where the row
goes. What does not fit into one leaf is in several, of one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgpack

from registry.tables.changes import Row
from registry.tables.codec import TABLES

OCTETS_MAX: Final = 60_000  # of `after`; a leaf has at most 65,535
_ROW_HEAD: Final = 16  # that msgpack needs at most beside table, key and value
_pack: Final = msgpack.Packer().pack
_unpack: Final[Any] = msgpack.unpackb


def parts(rows: Iterable[Row]) -> Iterator[bytes]:
    """Rows as the `after` of leaves, of one at least."""
    part: list[Row] = []
    octets = 0
    for row in rows:
        table, key, value = row
        size = len(table) + len(key) + len(value or b"") + _ROW_HEAD
        if part and octets + size > OCTETS_MAX:
            yield _pack(part)
            part, octets = [], 0
        part.append(row)
        octets += size
    yield _pack(part)


def rows_of(after: bytes) -> list[Row]:
    """The rows that a leaf carries.

    Raises:
        ValueError: it carries none of the registry's.
    """
    rows = [(table, key, value) for table, key, value in _unpack(after, use_list=False)]
    for table, key, value in rows:
        known = table in TABLES and type(key) is bytes and type(value) in (bytes, type(None))
        if not known:
            raise ValueError(f"carries no row of the registry: {table!r}")
    return rows
