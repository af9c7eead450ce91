"""Tables beside the tree: what whoever writes the tree keeps in the same transaction.

The store knows neither their rows nor their meaning, only that each is a mapping in key order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final


class Table:
    """One sub-database inside a transaction."""

    __slots__ = ("_database", "_get", "_txn")

    def __init__(self, txn: Any, database: Any) -> None:
        self._txn = txn
        self._database = database
        self._get = txn.get

    def get(self, key: bytes, /) -> bytes | None:
        """The value at a key, None where there is none."""
        value: bytes | None = self._get(key, db=self._database)
        return value

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The rows whose keys begin with `prefix` and are not below `start`, in key order."""
        cursor = self._txn.cursor(self._database)
        first = max(prefix, start)
        if not (cursor.set_range(first) if first else cursor.first()):
            return
        for key, value in cursor:
            if not key.startswith(prefix):
                return
            yield key, value

    def first(self, prefix: bytes, start: bytes) -> tuple[bytes, bytes] | None:
        """The first row at or after `start` whose key begins with `prefix`."""
        cursor = self._txn.cursor(self._database)
        if not cursor.set_range(start):
            return None
        row: tuple[bytes, bytes] = cursor.item()
        return row if row[0].startswith(prefix) else None

    def last(self, prefix: bytes) -> tuple[bytes, bytes] | None:
        """The row with the greatest key that begins with `prefix` (whose last octet is not 255)."""
        cursor = self._txn.cursor(self._database)
        beyond = prefix[:-1] + bytes((prefix[-1] + 1,)) if prefix else b""
        if not (cursor.prev() if beyond and cursor.set_range(beyond) else cursor.last()):
            return None
        row: tuple[bytes, bytes] = cursor.item()
        return row if row[0].startswith(prefix) else None

    def put(self, key: bytes, value: bytes) -> None:
        """Write a row in place of the one that was there."""
        self._txn.put(key, value, db=self._database)

    def adder(self) -> Callable[[bytes, bytes], bool]:
        """What writes a row (key, value) unless there is one; it returns whether there was none."""
        return adder(self._txn, self._database)

    def put_many(self, rows: Iterable[tuple[bytes, bytes]], /) -> None:
        """Write rows in place of those that were there; quickest in key order."""
        self._txn.cursor(self._database).putmulti(rows)

    def append(self, rows: Sequence[tuple[bytes, bytes]]) -> bool:
        """Write rows in key order behind all there are, so that they fill their pages; returns
        False if one of them does not belong there.
        """
        _, added = self._txn.cursor(self._database).putmulti(rows, append=True)
        return bool(added == len(rows))

    def delete(self, key: bytes) -> bool:
        """Take a row away; returns whether it was there."""
        gone: bool = self._txn.delete(key, db=self._database)
        return gone

    def entries(self) -> int:
        """How many rows there are."""
        return int(self._txn.stat(self._database)["entries"])


def adder(txn: Any, database: Any) -> Callable[[bytes, bytes], bool]:
    """What writes a row (key, value) of a sub-database unless there is one; it returns whether
    there was none.

    Rows that come in order behind all there are fill their pages. (A page that is split elsewhere
    keeps a row less than it has room for, a tenth of it where rows are large.)
    """
    put = partial(txn.put, overwrite=False, db=database)
    is_behind = True  # as far as is known; nothing is lost where it is not so

    def add(key: bytes, value: bytes) -> bool:
        nonlocal is_behind
        if is_behind:
            if put(key, value, append=True):
                return True
            is_behind = False
        added: bool = put(key, value)
        return added

    return add


class _Empty(Table):
    """A table that was never made, for reading."""

    __slots__ = ()

    def __init__(self) -> None:
        pass

    def get(self, key: bytes, /) -> bytes | None:
        return None

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        return iter(())

    def first(self, prefix: bytes, start: bytes) -> tuple[bytes, bytes] | None:
        return None

    def last(self, prefix: bytes) -> tuple[bytes, bytes] | None:
        return None

    def entries(self) -> int:
        return 0


EMPTY: Final = _Empty()
