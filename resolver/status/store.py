"""Where statuses are: an environment of its own (`resolver.tables`), outside journals and
transfers, thrown away after an end of the machine.

    newest    canonical key of the name -> entry (`resolver.status.entry`)
    numbers   which reports were taken (`resolver.status.numbers`)
    state     `octets` -> of all keys and entries of `newest`; `hand` -> where room is made next

The octets are bounded: where there is no room, what is past its validity goes first, then what was
taken longest ago among those that are looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from csid.errors import StoreError
from csid.limits import MAX_KEY_OCTETS
from csid.status import Status
from resolver.status import entry as entries
from resolver.status.numbers import Numbers, Seen, digest
from resolver.tables import Followed, Tables

FOLDER: Final = "status"  # in the directory of the node
OCTETS: Final = 256 << 20
LOOKED_AT: Final = 16  # entries, for one that has to go
_FILE: Final = "status.mdb"
_NEWEST: Final = "newest"
_ROOM: Final = 4  # pages that are half full, and those of a moment that is still read
_LEAST_MAP: Final = 64 << 20  # numbers are in it, too
_LOOK_SECONDS: Final = 1.0  # between two looks for the files


class Report(NamedTuple):
    """A status that was reported: of the name with this canonical key, times in Unix milliseconds,
    `told` packed by `resolver.status.entry`.
    """

    key: bytes
    number: int
    taken: int
    until: int
    told: bytes


class Outcome(Enum):
    """What came of a report."""

    TAKEN = "taken"
    KNOWN = "known"  # the same was taken under this number before
    SUPERSEDED = "superseded"  # a newer one is there
    OTHER = "other"  # under this number another report was taken; nothing was done


class Statuses:
    """The statuses, to write to.

    Args:
        folder: made if it is not there.
        octets: that keys and entries have at most, in all.

    Raises:
        StoreError: it cannot be used.
    """

    def __init__(self, folder: Path, octets: int = OCTETS) -> None:
        self.octets_max = octets
        names = (_NEWEST, "numbers", "state")
        self._tables = Tables(folder / _FILE, names, max(_ROOM * octets, _LEAST_MAP), False)

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """A transaction; readers see all that it has taken at once.

        Raises:
            StoreError: nothing was taken.
        """
        with self._tables.writing() as txn:
            writing = Writing(txn, self._tables, self.octets_max)
            yield writing
            writing.settle()

    def find(self, key: bytes) -> bytes | None:
        """The entry of a name."""
        with self._tables.reading() as txn:
            found: bytes | None = txn.get(key, db=self._tables[_NEWEST])
            return found

    def kept(self) -> tuple[int, int]:
        """How many there are, and the octets of keys and entries."""
        with self._tables.reading() as txn:
            count: int = txn.stat(self._tables[_NEWEST])["entries"]
            return count, _number(txn.get(b"octets", db=self._tables["state"]))

    def close(self) -> None:
        """End the use; what is there stays."""
        self._tables.close()


class Writing:
    """What is taken in one transaction."""

    def __init__(self, txn: Any, tables: Tables, octets_max: int) -> None:
        self._txn = txn
        self._tables = tables
        newest = tables[_NEWEST]
        self._get: Callable[[bytes], bytes | None] = partial(txn.get, db=newest)
        self._put = partial(txn.put, db=newest)
        self._octets_max = octets_max
        self._octets = _number(txn.get(b"octets", db=tables["state"]))

    def take(self, source: str, reports: Sequence[Report], now: int) -> list[Outcome]:
        """Take the reports of one source, in their order.

        Args:
            source: who reports, as `csid.status.Source` has it.
            now: Unix milliseconds.
        """
        name = source.encode("ascii")
        table = self._tables["numbers"]
        numbers = Numbers(name, lambda key: self._txn.get(key, db=table))
        outcomes = [self._take(name, numbers, report, now) for report in reports]
        for key, row in numbers.rows():
            self._txn.put(key, row, db=table)
        return outcomes

    def settle(self) -> None:
        """Make room, and note how much is there."""
        self._shrink()
        self._txn.put(b"octets", self._octets.to_bytes(8, "big"), db=self._tables["state"])

    def _take(self, source: bytes, numbers: Numbers, report: Report, now: int) -> Outcome:
        key, number, taken, until, told = report
        entry = entries.encode(taken, until, number, source, told)
        seen = numbers.take(number, digest(entry + key))
        if seen is Seen.SAME:
            return Outcome.KNOWN
        if seen is Seen.OTHER:
            return Outcome.OTHER
        before = self._get(key)
        if before is not None and _is_newer(before, source, number, taken):
            return Outcome.SUPERSEDED
        self._put(key, entry)
        self._octets += len(entry) + (len(key) if before is None else -len(before))
        return Outcome.TAKEN

    def _shrink(self) -> None:
        """Make room. Where it goes on is kept, so that each is looked at in its turn."""
        if self._octets <= self._octets_max:
            return
        state, now = self._tables["state"], time.time_ns() // 1_000_000
        hand = self._txn.get(b"hand", db=state) or b"\0"
        while self._octets > self._octets_max:
            looked = self._behind(hand)
            if not looked:
                break
            hand = looked[-1][0]
            gone = [one for one in looked if entries.until(one[1]) <= now]
            for key, entry in gone or [min(looked, key=_age)]:
                self._txn.delete(key, db=self._tables[_NEWEST])
                self._octets -= len(key) + len(entry)
        self._txn.put(b"hand", hand, db=state)

    def _behind(self, hand: bytes) -> list[tuple[bytes, bytes]]:
        """The next entries behind a key, round and round."""
        found: list[tuple[bytes, bytes]] = []
        cursor = self._txn.cursor(self._tables[_NEWEST])
        there = cursor.set_range(hand + b"\0") or cursor.first()
        while there and len(found) < LOOKED_AT:
            found.append((bytes(cursor.key()), bytes(cursor.value())))
            there = cursor.next()
        return found


class Readable:
    """The statuses, to read from.

    Args:
        folder: it need not be there yet.
        clock: seconds from any beginning.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._followed = Followed(folder / _FILE, _NEWEST)
        self._clock = clock
        self._look_at = 0.0

    def find(self, key: bytes) -> Status | None:
        """The status of a name; None if there is none.

        Raises:
            StoreError: it cannot be read.
        """
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            self._followed.look()
        entry = self._followed.get(key) if 0 < len(key) <= MAX_KEY_OCTETS else None
        if entry is None:
            return None
        try:
            return entries.decode(entry)
        except ValueError as error:
            raise StoreError(f"the status store: {error}") from None

    def close(self) -> None:
        """End the use."""
        self._followed.close()


def _is_newer(before: bytes, source: bytes, number: int, taken: int) -> bool:
    """Whether what is there is newer than a report: by number if both are of one source."""
    try:
        its_taken, its_number, its_source = entries.head(before)
    except ValueError:
        return False
    return its_number > number if its_source == source else its_taken > taken


def _age(one: tuple[bytes, bytes]) -> int:
    try:
        return entries.head(one[1])[0]
    except ValueError:
        return 0


def _number(row: bytes | None) -> int:
    return int.from_bytes(row or b"", "big")
