"""Where measurements of latency are: an environment of its own (`resolver.tables`), durable.

    measured   place 00 other place 00 who has measured -> msgpack of [median, p90, Unix ms, loss]

Each stands under both of its places, so that what is known of a place is one range. Of each pair
and whoever measures it the newest is kept; of several who measure the quickest counts (`latency`).
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from pathlib import Path
from typing import Any, Final

import msgpack

from gateway.systems.selection.paths.latency import Measured
from gateway.systems.selection.paths.measured import MeasurementError
from resolver.tables import Tables

FILE: Final = "latency.mdb"
ROWS_MAX: Final = 400_000  # two of each measurement
KEPT_MS: Final = 30 * 86_400_000  # after which one that makes room is let go
_MAP_OCTETS: Final = 1 << 30  # the file is sparse
_TABLE: Final = "measured"


class Latencies:
    """Measurements, to read and to change; what `rtt_from` and `between` take.

    Args:
        folder: made if it is not there.

    Raises:
        StoreError: it cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._tables = Tables(folder / FILE, (_TABLE,), _MAP_OCTETS, lasting=True)

    def close(self) -> None:
        """End the use; what is there stays."""
        self._tables.close()

    def number(self) -> int:
        """The number of the last change, whoever has made it."""
        return self._tables.number()

    def of(self, end: str) -> list[tuple[str, Measured]]:
        """What was measured from a place: to which, and what."""
        with self._tables.reading() as txn:
            found = [_read(key, value) for key, value in self._below(txn, _key(end))]
        return [(one.other, one) for one in found]

    def between(self, one: str, other: str) -> list[Measured]:
        """What was measured between two places, by each who has."""
        with self._tables.reading() as txn:
            return [_read(key, value) for key, value in self._below(txn, _key(one, other))]

    def all(
        self, after: Iterable[str] = (), of: Collection[str] = ("",)
    ) -> Generator[Measured, None, None]:
        """All of them as they were at one moment, each once, in the order of places and who has
        measured. The moment is held until the last was taken, or it is closed.

        Args:
            after: those behind (place, other place, who).
            of: of these places, each then the first one; otherwise of all.
        """
        begin = _key(*after) + b"\0" if after else b""
        with self._tables.reading() as txn:
            for end in sorted(of):
                for key, value in self._below(txn, _key(end) if end else b"", begin):
                    one = _read(key, value)
                    if one.one <= one.other or (end and one.other not in of):
                        yield one

    def put(self, some: Iterable[Measured]) -> int:
        """Take in measurements, all or none; returns of how many a newer one was there already.

        Raises:
            MeasurementError: there are as many as there may be.
        """
        older = 0
        with self._tables.writing() as txn:
            for one in some:
                rows = _rows(one)
                kept = txn.get(rows[0], db=self._tables[_TABLE])
                if kept and _read(rows[0], kept).taken > one.taken:
                    older += 1
                    continue
                if not kept:
                    self._make_room(txn, one.taken)
                value = msgpack.packb([one.median, one.p90, one.taken, one.loss])
                for row in rows:
                    txn.put(row, value, db=self._tables[_TABLE])
        return older

    def remove(self, one: str, other: str, by: str = "") -> int:
        """Forget what was measured between two places, by one or by all; returns how many."""
        with self._tables.writing() as txn:
            found = [_read(key, value) for key, value in self._below(txn, _key(one, other))]
            gone = [told for told in found if by in ("", told.by)]
            for told in gone:
                for row in _rows(told):
                    txn.delete(row, db=self._tables[_TABLE])
        return len(gone)

    def _make_room(self, txn: Any, now: int) -> None:
        table = self._tables[_TABLE]
        if txn.stat(table)["entries"] + 2 <= ROWS_MAX:
            return
        old = [
            key for key, value in txn.cursor(db=table) if _read(key, value).taken < now - KEPT_MS
        ]
        for key in old:
            txn.delete(key, db=table)
        if not old:
            raise MeasurementError(
                f"there are {ROWS_MAX // 2:,} measurements, the most there may be; "
                "csid latency remove makes room"
            )

    def _below(
        self, txn: Any, begin: bytes, after: bytes = b""
    ) -> Generator[tuple[bytes, bytes], None, None]:
        """The rows of a place, or of a pair; all without; those behind a key."""
        prefix = begin and begin + b"\0"
        rows = txn.cursor(db=self._tables[_TABLE])
        if rows.set_range(max(prefix, after)):
            for key, value in rows:
                if not key.startswith(prefix):
                    return
                yield key, value


def _key(*words: str) -> bytes:
    return b"\0".join(word.encode("ascii", "replace")[:64] for word in words)


def _rows(one: Measured) -> tuple[bytes, ...]:
    """Under which it stands."""
    there, back = _key(one.one, one.other, one.by), _key(one.other, one.one, one.by)
    return (there,) if there == back else (there, back)


def _read(key: bytes, value: bytes) -> Measured:
    one, other, by = key.decode("ascii").split("\0")
    median, p90, taken, loss = msgpack.unpackb(value)
    return Measured(one, other, median, p90, taken, by, loss)
