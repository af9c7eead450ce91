"""What is selected from, as it was learnt, in the system's own tables: so that a restart asks
registries for what has changed alone.

    rows       identifier → number(8) source(2) record (schemas/record.md, msgpack)
    others     identifier 00 source(2) → number(8) record, of sources that have it, too
    changed    number(8) → identifier, of what has changed since the last snapshot of the columns
    sources    name of a source → its number(2), leaf(8) to go on from (NOWHERE: it is being read),
               digest(8) of the prefixes that it is read for
    state      `number` → the last number(8)

A number is given to each change; integers are big-endian. What a batch changes and how far its
source is read become true together. Of several sources that have an identifier the one that has
said it last counts; where that one lets it go, what the others still say does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

from resolver.tables import Tables

TABLES: Final = ("rows", "others", "changed", "sources", "state")
NOWHERE: Final = 2**64 - 1
PIECE: Final = 2_000  # rows of one transaction
_NUMBER: Final = b"number"
_HEAD: Final = 10
_LEAF: Final = slice(2, 10)  # of the row of a source; its digest follows


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

    def position(self, source: str, prefixes: Iterable[str] = ()) -> int | None:
        """The leaf that a source is to be read from; None: from its beginning, as it was not read
        whole yet, or was read for other prefixes.
        """
        with self._tables.reading() as txn:
            row = txn.get(source.encode(), db=self._tables["sources"])
        if row is None or row[_LEAF.stop :] != _digest(prefixes):
            return None
        leaf = int.from_bytes(row[_LEAF], "big")
        return None if leaf == NOWHERE else leaf

    def number(self) -> int:
        """The number of the last change."""
        with self._tables.reading() as txn:
            return self._last(txn)

    def begin(self, source: str, prefixes: Iterable[str] = ()) -> int:
        """A source is read from its beginning, for these prefixes; gives the number for
        `finish`.
        """
        with self._tables.writing() as txn:
            self._put_source(txn, source, NOWHERE, _digest(prefixes))
            return self._last(txn)

    def apply(
        self, source: str, changes: Iterable[Change], position: int | None = None
    ) -> list[Change]:
        """Take changes of a source in, with how far it is read then.

        Returns:
            what is another one from now on: of what a source lets go that others still have, what
            those say.
        """
        done = []
        with self._tables.writing() as txn:
            own = self._put_source(txn, source, position)
            number = self._last(txn)
            for one in changes:
                number += 1
                now = self._apply(txn, one, number, own)
                if now is not None:
                    done.append(now)
            txn.put(_NUMBER, number.to_bytes(8, "big"), db=self._tables["state"])
        return done

    def finish(self, source: str, begun: int, position: int) -> Iterator[list[Change]]:
        """A source was read whole: what it did not name any more goes, piece by piece.

        Args:
            begun: what `begin` gave.
            position: the leaf to go on from.
        """
        yield from self._leave(source, begun)
        with self._tables.writing() as txn:
            self._put_source(txn, source, position)

    def only(self, sources: Iterable[str]) -> Iterator[list[Change]]:
        """What all but these sources have said goes, and with it that they were read: they are not
        followed any more. Piece by piece; looks at rows only where there are such sources.
        """
        with self._tables.reading() as txn:
            known = [key.decode() for key, _ in txn.cursor(db=self._tables["sources"])]
        for source in sorted(set(known) - set(sources)):
            yield from self._leave(source, self.begin(source))
            with self._tables.writing() as txn:
                txn.delete(source.encode(), db=self._tables["sources"])

    def _leave(self, source: str, until: int) -> Iterator[list[Change]]:
        """Let go what a source has said up to a number, and not again since."""
        with self._tables.reading() as txn:
            own = txn.get(source.encode(), db=self._tables["sources"])[:2]
            old = [
                Change(key.decode("ascii"), None)
                for key, row in txn.cursor(db=self._tables["rows"])
                if row[8:_HEAD] == own and int.from_bytes(row[:8], "big") <= until
            ]
            old += [
                Change(key[:-3].decode("ascii"), None)
                for key, row in txn.cursor(db=self._tables["others"])
                if key[-2:] == own and int.from_bytes(row[:8], "big") <= until
            ]
        for at in range(0, len(old), PIECE):
            yield self.apply(source, old[at : at + PIECE])

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

    def _put_source(
        self, txn: Any, source: str, position: int | None, digest: bytes | None = None
    ) -> bytes:
        """Say how far a source is read, and for which prefixes, if that is given; its number."""
        table = self._tables["sources"]
        row = txn.get(source.encode(), db=table)
        if row is None:
            taken = {value[:2] for _, value in txn.cursor(db=table)}
            free = next(one for at in range(1 << 16) if (one := at.to_bytes(2, "big")) not in taken)
            row = free + NOWHERE.to_bytes(8, "big") + _digest(())
        if position is not None:
            row = row[:2] + position.to_bytes(8, "big") + row[_LEAF.stop :]
        if digest is not None:
            row = row[: _LEAF.stop] + digest
        txn.put(source.encode(), row, db=table)
        return bytes(row[:2])

    def _apply(self, txn: Any, one: Change, number: int, own: bytes) -> Change | None:
        """Make a change; what has become of it, None if that is as it was."""
        key, rows = one.identifier.encode("ascii"), self._tables["rows"]
        before = txn.get(key, db=rows)
        head = number.to_bytes(8, "big")
        # A row for each number, so that what was let go is seen.
        txn.put(head, key, db=self._tables["changed"], append=True)
        if one.record is not None and (before is None or before[8:_HEAD] == own):
            txn.put(key, head + own + one.record, db=rows)
            return None if before is not None and before[_HEAD:] == one.record else one
        if before is None:
            return None
        return self._apply_beside(txn, one, head + own, before)

    def _apply_beside(self, txn: Any, one: Change, head: bytes, before: bytes) -> Change | None:
        """The same where other sources may have the identifier, too: what lies beside its row."""
        key, others = one.identifier.encode("ascii"), self._tables["others"]
        own, holder = head[8:], before[8:_HEAD]
        if holder != own:
            txn.delete(key + b"\0" + own, db=others)
            if one.record is None:
                return None
            txn.put(key + b"\0" + holder, before[:8] + before[_HEAD:], db=others)
        after = self._take_other(txn, key) if one.record is None else head + one.record
        if after is None:
            txn.delete(key, db=self._tables["rows"])
            return one
        txn.put(key, after, db=self._tables["rows"])
        return None if before[_HEAD:] == after[_HEAD:] else Change(one.identifier, after[_HEAD:])

    def _take_other(self, txn: Any, key: bytes) -> bytes | None:
        """The row of an identifier that has none any more, of what others say: of the one who has
        said it last.
        """
        cursor, begin = txn.cursor(db=self._tables["others"]), key + b"\0"
        newest = b""
        if cursor.set_range(begin):
            for found, row in cursor:
                if found[:-2] != begin:
                    break
                newest = max(newest, row[:8] + found[-2:] + row[8:])
        if not newest:
            return None
        txn.delete(begin + newest[8:_HEAD], db=self._tables["others"])
        return newest


def _digest(prefixes: Iterable[str]) -> bytes:
    """What tells prefixes from others, whatever their order."""
    return hashlib.sha256("\n".join(sorted(set(prefixes))).encode()).digest()[:8]
