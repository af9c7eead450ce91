"""Seeking in ordered tables: the neighbours of a key that may not be there.

Works on any transaction whose cursors behave like LMDB's; each cursor is opened when first needed.
"""

from __future__ import annotations

from typing import Any, Final

APEX_PREFIX: Final = b"\0"  # LMDB takes no empty key, and the root zone's canonical key is empty


class Below:
    """Looks up the last tree entry before a key that is not in the tree."""

    __slots__ = ("_item", "_last", "_prev", "_set_range", "_txn")

    def __init__(self, txn: Any) -> None:
        self._txn = txn
        self._set_range: Any = None

    def __call__(self, key: bytes) -> tuple[bytes, bytes]:
        if self._set_range is None:
            cursor = self._txn.cursor()
            self._set_range, self._prev = cursor.set_range, cursor.prev
            self._last, self._item = cursor.last, cursor.item
        if self._set_range(key):
            self._prev()
        else:
            self._last()
        item: tuple[bytes, bytes] = self._item()
        return item


class Floor:
    """Looks up the last apex at or before a key, and the one after it."""

    __slots__ = ("_apexes", "_cursor", "_txn")

    def __init__(self, txn: Any, apexes: Any) -> None:
        self._txn = txn
        self._apexes = apexes
        self._cursor: Any = None

    def __call__(self, key: bytes) -> tuple[bytes, bytes, bytes]:
        cursor = self._cursor
        if cursor is None:
            cursor = self._cursor = self._txn.cursor(self._apexes)
        wanted = APEX_PREFIX + key
        following = b""
        if cursor.set_range(wanted):
            apex = cursor.key()
            if apex == wanted:
                value = cursor.value()
                if cursor.next():
                    following = cursor.key()[1:]
                return key, value, following
            following = apex[1:]
            if not cursor.prev():
                return b"", b"", following
        elif not cursor.last():
            return b"", b"", b""
        return cursor.key()[1:], cursor.value(), following
