"""What is selected from, as it was learnt, in the system's own tables: so that a restart asks
registries for what has changed alone.

    rows       identifier → number(8) source(2) record (schemas/record.md, msgpack)
    changed    number(8) → identifier, of what has changed since the last snapshot of the columns
    sources    name of a source → its number(2), leaf(8) to go on from (NOWHERE: it is being read)
    state      `number` → the last number(8)

A number is given to each change; integers are big-endian. What a batch changes and how far its
source is read become true together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

from resolver.tables import Tables

TABLES: Final = ("rows", "changed", "sources", "state")
NOWHERE: Final = 2**64 - 1
PIECE: Final = 2_000  # rows of one transaction
_NUMBER: Final = b"number"
_HEAD: Final = 10


class Change(NamedTuple):
    """An identifier, and its record from now on; None: it is not selected from any more."""

    identifier: str
    record: bytes | None


class Rows:
    """The rows in some tables; one process writes them.

    Args:
        tables: with the names of TABLES.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def position(self, source: str) -> int | None:
        """The leaf that a source is to be read from; None: from its beginning."""
        with self._tables.reading() as txn:
            row = txn.get(source.encode(), db=self._tables["sources"])
        leaf = NOWHERE if row is None else int.from_bytes(row[2:], "big")
        return None if leaf == NOWHERE else leaf

    def number(self) -> int:
        """The number of the last change."""
        with self._tables.reading() as txn:
            return self._last(txn)

    def begin(self, source: str) -> int:
        """A source is read from its beginning; gives the number for `finish`."""
        with self._tables.writing() as txn:
            self._put_source(txn, source, NOWHERE)
            return self._last(txn)

    def apply(
        self, source: str, changes: Iterable[Change], position: int | None = None
    ) -> list[Change]:
        """Take changes of a source in, with how far it is read then.

        Returns:
            those that have changed something: the others were so already.
        """
        done = []
        with self._tables.writing() as txn:
            own = self._put_source(txn, source, position)
            number = self._last(txn)
            for one in changes:
                number += 1
                if self._apply(txn, one, number, own):
                    done.append(one)
            txn.put(_NUMBER, number.to_bytes(8, "big"), db=self._tables["state"])
        return done

    def finish(self, source: str, begun: int, position: int) -> Iterator[list[Change]]:
        """A source was read whole: what it did not name any more goes, piece by piece.

        Args:
            begun: what `begin` gave.
            position: the leaf to go on from.
        """
        with self._tables.reading() as txn:
            own = txn.get(source.encode(), db=self._tables["sources"])[:2]
            old = [
                Change(key.decode("ascii"), None)
                for key, row in txn.cursor(db=self._tables["rows"])
                if row[8:_HEAD] == own and int.from_bytes(row[:8], "big") <= begun
            ]
        for at in range(0, len(old), PIECE):
            yield self.apply(source, old[at : at + PIECE])
        with self._tables.writing() as txn:
            self._put_source(txn, source, position)

    def page(self, after: str, most: int) -> list[Change]:
        """The rows that follow an identifier, in the order of identifiers; one moment."""
        begin = after.encode("ascii")
        with self._tables.reading() as txn:
            cursor = txn.cursor(db=self._tables["rows"])
            if not cursor.set_range(begin + b"\0"):
                return []
            return [
                Change(key.decode("ascii"), bytes(row[_HEAD:])) for key, row in islice(cursor, most)
            ]

    def records(self, identifiers: Iterable[str]) -> list[bytes | None]:
        """The records of identifiers; None of what is not selected from. One moment."""
        table = self._tables["rows"]
        with self._tables.reading() as txn:
            rows = [txn.get(one.encode("ascii"), db=table) for one in identifiers]
        return [None if row is None else bytes(row[_HEAD:]) for row in rows]

    def since(self, number: int) -> list[Change] | None:
        """What has changed behind a number; None if that is not known any more."""
        with self._tables.reading() as txn:
            last = self._last(txn)
            if number == last:
                return []
            cursor = txn.cursor(db=self._tables["changed"])
            if number > last or not cursor.set_range((number + 1).to_bytes(8, "big")):
                return None
            # Each number has a row, so the next one is there, or some were let go.
            if int.from_bytes(cursor.key(), "big") != number + 1:
                return None
            names = dict.fromkeys(bytes(name) for _, name in cursor)
            rows = self._tables["rows"]
            return [
                Change(name.decode("ascii"), None if row is None else bytes(row[_HEAD:]))
                for name in names
                for row in (txn.get(name, db=rows),)
            ]

    def let_go(self, number: int) -> None:
        """A snapshot has all up to a number: what has changed until then need not be kept."""
        while True:
            with self._tables.writing() as txn:
                cursor = txn.cursor(db=self._tables["changed"])
                for _ in range(PIECE):
                    if not cursor.first() or int.from_bytes(cursor.key(), "big") > number:
                        return
                    cursor.delete()

    def _last(self, txn: Any) -> int:
        return int.from_bytes(txn.get(_NUMBER, b"", db=self._tables["state"]), "big")

    def _put_source(self, txn: Any, source: str, position: int | None) -> bytes:
        """Say how far a source is read, if that is given; its number."""
        table = self._tables["sources"]
        row = txn.get(source.encode(), db=table)
        if row is None:
            row = txn.stat(table)["entries"].to_bytes(2, "big") + NOWHERE.to_bytes(8, "big")
        if position is not None:
            row = row[:2] + position.to_bytes(8, "big")
        txn.put(source.encode(), row, db=table)
        return bytes(row[:2])

    def _apply(self, txn: Any, one: Change, number: int, own: bytes) -> bool:
        """Make a change; whether it is one. What another source has said is not taken away."""
        key, rows = one.identifier.encode("ascii"), self._tables["rows"]
        before = txn.get(key, db=rows)
        head = number.to_bytes(8, "big")
        # A row for each number, so that what was let go is seen.
        txn.put(head, key, db=self._tables["changed"], append=True)
        if one.record is None:
            if before is None or before[8:_HEAD] != own:
                return False
            txn.delete(key, db=rows)
            return True
        txn.put(key, head + own + one.record, db=rows)
        return before is None or before[_HEAD:] != one.record
