"""What waits for the node, on disk: bounded, in the order it came.

    statuses.mdb   passing (`resolver.tables`): number(8) -> status as it is sent; the newest of
                   each identifier alone. `posted`: what was posted last under which number.
    events.mdb     lasting: number(8) -> event. `known`: digest of source and id -> digest of the
                   event, order(8); `order`: order(8) -> key of `known`.

Where there is no room, the status goes that has waited longest; an event never: when events alone
fill the spool, what comes is refused. One process at a time has it, and one thread.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

from csid.errors import StoreError
from csid.status import Told
from gateway.reporting import upward
from gateway.reporting.statuses import Sent
from gateway.reporting.upward import UpwardError
from resolver.status.entry import pack
from resolver.status.numbers import digest
from resolver.tables import Tables

FOLDER: Final = "spool"  # in that of the gateway
OCTETS: Final = 256 << 20
POSTED_MOST: Final = 262_144  # identifiers whose last number is known
KNOWN_MOST: Final = 65_536  # events that are known when they come again
_ITEM_OCTETS: Final = 64  # that each takes besides its own
_ROOM: Final = 4
_LEAST_MAP: Final = 64 << 20


class Outcome(Enum):
    """What came of what was posted: the HTTP status that says so, and one of `upward.OUTCOMES`."""

    TAKEN = (202, upward.TAKEN)  # the node gets it
    KNOWN = (200, upward.KNOWN)
    SUPERSEDED = (200, upward.SUPERSEDED)
    DIFFERENT = (409, "different")
    FULL = (503, "full")


class Post(NamedTuple):
    """A status that was posted: of an identifier in canonical form, times in Unix milliseconds;
    ``number`` is the poster's, if it counts; ``given_at`` is `taken` as it was posted, or 0.
    """

    identifier: str
    taken: int
    until: int
    told: Told
    number: int | None
    given_at: int = 0


class Happened(NamedTuple):
    """An event that was posted: what tells it from all others, and its canonical form."""

    names: tuple[str, str]
    octets: bytes


class Waiting(NamedTuple):
    """What is to be sent next: numbers, and each in the form it is sent in."""

    statuses: list[tuple[int, bytes]]
    events: list[tuple[int, bytes]]


class Spool:
    """The spool.

    Args:
        folder: made if it is not there.
        octets: that all that waits has at most.
        clock: Unix microseconds; numbers begin there, so that they grow even where a spool is lost.

    Raises:
        StoreError: it cannot be used, or another process has it.
    """

    def __init__(
        self,
        folder: Path,
        octets: int = OCTETS,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:
        self.octets_max = octets
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _locked(folder)
        room = max(_ROOM * octets, _LEAST_MAP)
        statuses = ("statuses", "posted", "state")
        self._statuses = Tables(folder / "statuses.mdb", statuses, room, lasting=False)
        events = ("events", "known", "order", "state")
        self._events = Tables(folder / "events.mdb", events, room, lasting=True)
        self._clock = clock
        self._begin()

    def __len__(self) -> int:
        """How many statuses and events wait."""
        return len(self._newest) + self.events

    @property
    def octets(self) -> int:
        """Of all that waits."""
        return self._status_octets + self._event_octets

    def post(self, posts: Sequence[Post]) -> list[Outcome]:
        """Take statuses; what is TAKEN is there when this returns.

        Raises:
            StoreError: none was taken.
        """
        try:
            with self._statuses.writing() as txn:
                outcomes = [self._post(txn, one) for one in posts]
                following = self._following.to_bytes(8, "big")
                txn.put(b"next", following, db=self._statuses["state"])
        except BaseException:
            self._begin()
            raise
        return outcomes

    def happen(self, events: Sequence[Happened]) -> list[Outcome]:
        """Take events; what is TAKEN is on the disk when this returns.

        Raises:
            StoreError: none was taken.
        """
        try:
            with self._events.writing() as txn:
                outcomes = [self._happen(txn, one) for one in events]
                self._trim(txn)
                for name, value in (("next", self._next_event), ("order", self._next_order)):
                    octets = value.to_bytes(8, "big")
                    txn.put(name.encode(), octets, db=self._events["state"])
        except BaseException:
            self._begin()
            raise
        return outcomes

    def waiting(self, most: int, octets: int) -> Waiting:
        """What has waited longest, events first.

        Args:
            most: how many of both.
            octets: that they have at most, unless one alone has more.
        """
        found = Waiting([], [])
        for tables, name, rows in (
            (self._events, "events", found.events),
            (self._statuses, "statuses", found.statuses),
        ):
            with tables.reading() as txn:
                for key, value in txn.cursor(tables[name]):
                    octets -= len(value)
                    if most <= 0 or (octets < 0 and (found.events or found.statuses)):
                        return found
                    most -= 1
                    rows.append((int.from_bytes(key, "big"), bytes(value)))
        return found

    def settle(self, statuses: Iterable[int], events: Iterable[int]) -> None:
        """Forget what the node has, or does not want.

        Raises:
            StoreError: it waits on, and is sent again.
        """
        gone = set(statuses)
        try:
            with self._statuses.writing() as txn:
                for number in gone:
                    self._drop(txn, number)
            numbers = sorted(events)
            if numbers:
                with self._events.writing() as txn:
                    for number in numbers:
                        row = txn.pop(number.to_bytes(8, "big"), db=self._events["events"])
                        if row is not None:
                            self.events -= 1
                            self._event_octets -= _ITEM_OCTETS + len(row)
        except BaseException:
            self._begin()
            raise

    def close(self) -> None:
        """End the use; what waits goes on to wait."""
        self._statuses.close()
        self._events.close()
        os.close(self._lock)

    def _begin(self) -> None:
        """Take over what is there: of an earlier process, or before something failed."""
        now = self._clock()
        self._newest: dict[str, int] = {}  # number of the status of each identifier that waits
        self._names: dict[int, str] = {}
        self._status_octets = self._event_octets = self.events = 0
        damaged: list[int] = []
        with self._statuses.reading() as txn:
            for key, value in txn.cursor(self._statuses["statuses"]):
                number = int.from_bytes(key, "big")
                try:
                    name = upward.read_status(value).identifier
                except UpwardError:
                    damaged.append(number)
                    continue
                self._newest[name], self._names[number] = number, name
                self._status_octets += _ITEM_OCTETS + len(value)
            before = txn.get(b"next", db=self._statuses["state"])
            self._following = max(now, int.from_bytes(before or b"", "big"))
        with self._events.reading() as txn:
            for _, value in txn.cursor(self._events["events"]):
                self.events += 1
                self._event_octets += _ITEM_OCTETS + len(value)
            state = self._events["state"]
            before = txn.get(b"next", db=state)
            self._next_event = now if before is None else int.from_bytes(before, "big")
            self._next_order = int.from_bytes(txn.get(b"order", db=state) or b"", "big")
        if damaged:
            with self._statuses.writing() as txn:
                for number in damaged:
                    txn.delete(number.to_bytes(8, "big"), db=self._statuses["statuses"])

    def _post(self, txn: Any, post: Post) -> Outcome:
        key = its_digest = b""
        if post.number is not None:
            key = _key(post.identifier, post.told.by)
            its_digest = digest(post.given_at.to_bytes(8, "big") + pack(post.told))
            before = txn.get(key, db=self._statuses["posted"])
            if before is not None:
                last = int.from_bytes(before[:8], "big")
                if post.number < last:
                    return Outcome.SUPERSEDED
                if post.number == last:
                    return Outcome.KNOWN if before[8:] == its_digest else Outcome.DIFFERENT
        number = self._following
        sent = Sent(post.identifier, number, post.taken, post.until, post.told)
        row = upward.pack_status(sent)
        replaced = self._newest.get(post.identifier)
        if replaced is not None:
            self._drop(txn, replaced)
        size = _ITEM_OCTETS + len(row)
        if self._event_octets + size > self.octets_max:
            return Outcome.FULL
        self._make_room(txn, size)
        txn.put(number.to_bytes(8, "big"), row, db=self._statuses["statuses"], append=True)
        self._following += 1
        self._newest[post.identifier], self._names[number] = number, post.identifier
        self._status_octets += size
        if key:
            self._remember(txn, key, post.number, its_digest)
        return Outcome.TAKEN

    def _remember(self, txn: Any, key: bytes, number: int | None, its_digest: bytes) -> None:
        posted = self._statuses["posted"]
        if txn.stat(posted)["entries"] >= POSTED_MOST:
            txn.drop(posted, delete=False)
        txn.put(key, (number or 0).to_bytes(8, "big") + its_digest, db=posted)

    def _make_room(self, txn: Any, size: int) -> None:
        """Let the statuses go that have waited longest; dicts have them in this order."""
        while self._names and self.octets + size > self.octets_max:
            self._drop(txn, next(iter(self._names)))

    def _drop(self, txn: Any, number: int) -> None:
        row = txn.pop(number.to_bytes(8, "big"), db=self._statuses["statuses"])
        name = self._names.pop(number, None)
        if name is not None and self._newest.get(name) == number:
            del self._newest[name]
        if row is not None:
            self._status_octets -= _ITEM_OCTETS + len(row)

    def _happen(self, txn: Any, event: Happened) -> Outcome:
        key, its_digest = _key(*event.names), digest(event.octets)
        before = txn.get(key, db=self._events["known"])
        if before is not None:
            return Outcome.KNOWN if before[:8] == its_digest else Outcome.DIFFERENT
        size = _ITEM_OCTETS + len(event.octets)
        if self._event_octets + size > self.octets_max:
            return Outcome.FULL
        if self.octets + size > self.octets_max:
            with self._statuses.writing() as others:
                self._make_room(others, size)
        number = self._next_event.to_bytes(8, "big")
        txn.put(number, event.octets, db=self._events["events"], append=True)
        order = self._next_order.to_bytes(8, "big")
        txn.put(key, its_digest + order, db=self._events["known"])
        txn.put(order, key, db=self._events["order"], append=True)
        self._next_event += 1
        self._next_order += 1
        self.events += 1
        self._event_octets += size
        return Outcome.TAKEN

    def _trim(self, txn: Any) -> None:
        """Forget which events were known longest ago."""
        known, order = self._events["known"], self._events["order"]
        cursor = txn.cursor(order)
        while txn.stat(order)["entries"] > KNOWN_MOST and cursor.first():
            txn.delete(cursor.value(), db=known)
            cursor.delete()


def _key(*names: str) -> bytes:
    hashed = blake2b(digest_size=16)
    for name in names:
        octets = name.encode()
        hashed.update(len(octets).to_bytes(4, "big") + octets)
    return hashed.digest()


def _locked(folder: Path) -> int:
    """A lock that ends with the process."""
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise StoreError(f"{folder}: another process has this spool") from None
    return fd
