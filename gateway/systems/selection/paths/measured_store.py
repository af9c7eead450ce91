"""Where measurements of latency are: an environment of its own (`resolver.tables`), durable.

    measured   place 00 other place 00 who has measured -> msgpack of [median, p90, Unix ms, loss]
    changed    place -> number of the last change of what was measured from there

Each stands under both of its places, so that what is known of a place is one range. Of each pair
and whoever measures it the newest is kept; of several who measure the quickest counts (`latency`).
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from pathlib import Path
from typing import Any, Final

import msgpack

from gateway.systems.selection.paths.latency import AHEAD_MS, Measured, counts
from gateway.systems.selection.paths.measured import MeasurementError
from resolver.tables import Tables

FILE: Final = "latency.mdb"
ROWS_MAX: Final = 400_000  # two of each measurement
LOOK_MS: Final = 60_000  # between two looks through all of them, which take 0.6 s each
_MAP_OCTETS: Final = 1 << 30  # the file is sparse
_TABLE: Final = "measured"
_CHANGED: Final = "changed"


class Latencies:
    """Measurements, to read and to change; what `rtt_from` and `between` take.

    Args:
        folder: made if it is not there.

    Raises:
        StoreError: it cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._tables = Tables(folder / FILE, (_TABLE, _CHANGED), _MAP_OCTETS, lasting=True)
        self._looked = 0  # Unix ms: when all were looked through last, for what is too old

    def close(self) -> None:
        """End the use; what is there stays."""
        self._tables.close()

    def number(self) -> int:
        """The number of the last change, whoever has made it."""
        return self._tables.number()

    def changed(self, ends: Iterable[str]) -> tuple[int, ...]:
        """The numbers of the last changes of what was measured from each of some places."""
        with self._tables.reading() as txn:
            found = [txn.get(_key(end), default=b"", db=self._tables[_CHANGED]) for end in ends]
        return tuple(int.from_bytes(one, "big") for one in found)

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

    def put(self, some: Collection[Measured], now: int) -> int:
        """Take in measurements, all or none; returns of how many a newer one was there already.

        Args:
            now: Unix milliseconds. What is there from a clock that was ahead of it is not newer.

        Raises:
            MeasurementError: there are as many as there may be.
        """
        try:
            return self._put(some, now)
        except MeasurementError:
            if not self._let_go(now):
                raise
        return self._put(some, now)

    def _put(self, some: Collection[Measured], now: int) -> int:
        older = 0
        with self._tables.writing() as txn:
            for one in some:
                rows = _rows(one)
                row = txn.get(rows[0], db=self._tables[_TABLE])
                kept = _read(rows[0], row) if row else None
                if kept and one.taken < kept.taken <= now + AHEAD_MS:
                    older += 1
                    continue
                value = msgpack.packb([one.median, one.p90, one.taken, one.loss])
                for row in rows:
                    txn.put(row, value, db=self._tables[_TABLE])
                self._note(txn, one)
            if txn.stat(self._tables[_TABLE])["entries"] > ROWS_MAX:
                raise MeasurementError(
                    f"there are {ROWS_MAX // 2:,} measurements, the most there may be; "
                    "csid latency remove makes room"
                )
        return older

    def _let_go(self, now: int) -> bool:
        """Let go of what nobody believes any more; False if that was done a moment ago."""
        if 0 <= now - self._looked < LOOK_MS:
            return False
        with self._tables.writing() as txn:
            for key, value in list(txn.cursor(db=self._tables[_TABLE])):
                one = _read(key, value)
                if not counts(one, now):
                    txn.delete(key, db=self._tables[_TABLE])
                    self._note(txn, one)
        self._looked = now
        return True

    def remove(self, by: str, pair: tuple[str, str] | None = None) -> int:
        """Forget what was measured between two places, or everywhere, by one; between two places by
        all, where `by` is empty. Returns how many.
        """
        if not by and pair is None:
            return 0
        gone = 0
        with self._tables.writing() as txn:
            begin = b"" if pair is None else _key(*pair)
            found = [key for key, _ in self._below(txn, begin) if by in ("", _by(key))]
            for key in found:
                value = txn.get(key, db=self._tables[_TABLE])
                if value is None:  # the other row of one that is gone
                    continue
                one = _read(key, value)
                for row in _rows(one):
                    txn.delete(row, db=self._tables[_TABLE])
                self._note(txn, one)
                gone += 1
        return gone

    def _note(self, txn: Any, one: Measured) -> None:
        """Note that what was measured from two places has changed."""
        number = txn.id().to_bytes(8, "big")
        for end in (one.one, one.other):
            txn.put(_key(end), number, db=self._tables[_CHANGED])

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


def _by(key: bytes) -> str:
    return key.decode("ascii").split("\0")[2]


def _read(key: bytes, value: bytes) -> Measured:
    one, other, by = key.decode("ascii").split("\0")
    median, p90, taken, loss = msgpack.unpackb(value)
    return Measured(one, other, median, p90, taken, by, loss)
