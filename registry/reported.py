"""Events that gateways have reported to this node, in an environment of their own
(`resolver.tables`), durable and bounded; and when each gateway was seen last.

    events    sequence(8) -> msgpack of [gateway, number, when it came in Unix milliseconds, JSON]
    numbers   which reports were taken (`resolver.status.numbers`), noted with the event
    seen      name of a gateway -> msgpack of [Unix milliseconds, statuses taken, events taken]
    state     `next` -> sequence of the next event; `octets` -> of all events

Where there is no room, the oldest events go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgpack

from resolver.status.numbers import Numbers, Seen, digest
from resolver.tables import Followed, Tables

FOLDER: Final = "reports"  # in the directory of the node
OCTETS: Final = 1 << 30
_FILE: Final = "reports.mdb"
_ROOM: Final = 3
_LEAST_MAP: Final = 64 << 20
_EVENT_OCTETS: Final = 16  # that each takes besides its own


class Kept(NamedTuple):
    """An event that is kept: its sequence, who reported it under which number, when it came in Unix
    milliseconds, and its JSON.
    """

    sequence: int
    gateway: str
    number: int
    came: int
    event: bytes


class LastSeen(NamedTuple):
    """When a gateway was seen last, in Unix milliseconds; how much was taken of it so far."""

    at: int
    statuses: int
    events: int


class Reported:
    """What was reported.

    Args:
        folder: made if it is not there.
        octets: that events have at most, in all.

    Raises:
        StoreError: it cannot be used.
    """

    def __init__(self, folder: Path, octets: int = OCTETS) -> None:
        self.octets_max = octets
        names = ("events", "numbers", "seen", "state")
        self._tables = Tables(folder / _FILE, names, max(_ROOM * octets, _LEAST_MAP), lasting=True)

    def take(self, gateway: str, events: Sequence[tuple[int, bytes]], now: int) -> list[Seen]:
        """Take the events of one gateway: each number with its event, all of them or none.

        Args:
            events: numbers, and events in their canonical form.
            now: Unix milliseconds.

        Returns:
            For each what was known of its number before; those that were NEW are there now.

        Raises:
            StoreError: nothing was taken.
        """
        with self._tables.writing() as txn:
            numbers = Numbers(
                gateway.encode("ascii"), lambda key: txn.get(key, db=self._tables["numbers"])
            )
            state = self._tables["state"]
            following = _number(txn.get(b"next", db=state))
            octets = _number(txn.get(b"octets", db=state))
            found = []
            for number, event in events:
                its_digest = digest(event)
                seen = numbers.take(number, its_digest)
                found.append(seen)
                if seen is Seen.NEW:
                    row = msgpack.packb([gateway, number, now, event])
                    key = following.to_bytes(8, "big")
                    txn.put(key, row, db=self._tables["events"], append=True)
                    following += 1
                    octets += _EVENT_OCTETS + len(row)
            for key, row in numbers.rows():
                txn.put(key, row, db=self._tables["numbers"])
            octets = self._shrink(txn, octets)
            txn.put(b"next", following.to_bytes(8, "big"), db=state)
            txn.put(b"octets", octets.to_bytes(8, "big"), db=state)
        return found

    def saw(self, gateway: str, now: int, statuses: int, events: int) -> None:
        """Note that a gateway was seen, and how much more was taken of it.

        Raises:
            StoreError: it was not noted.
        """
        key = gateway.encode("ascii")
        with self._tables.writing() as txn:
            before = _seen(txn.get(key, db=self._tables["seen"])) or LastSeen(0, 0, 0)
            after = LastSeen(now, before.statuses + statuses, before.events + events)
            txn.put(key, msgpack.packb(after), db=self._tables["seen"])

    def page(self, begin: int, most: int) -> list[Kept]:
        """Events in the order they came, from a sequence on."""
        found: list[Kept] = []
        with self._tables.reading() as txn:
            cursor = txn.cursor(self._tables["events"])
            there = cursor.set_range(begin.to_bytes(8, "big"))
            while there and len(found) < most:
                gateway, number, came, event = msgpack.unpackb(cursor.value())
                sequence = int.from_bytes(cursor.key(), "big")
                found.append(Kept(sequence, gateway, number, came, event))
                there = cursor.next()
        return found

    def close(self) -> None:
        """End the use."""
        self._tables.close()

    def _shrink(self, txn: Any, octets: int) -> int:
        cursor = txn.cursor(self._tables["events"])
        while octets > self.octets_max and cursor.first():
            octets -= _EVENT_OCTETS + len(cursor.value())
            cursor.delete()
        return octets


def last_seen(folder: Path, gateways: Sequence[str]) -> Iterator[LastSeen | None]:
    """When each of some gateways was seen last, as a command reads it.

    Raises:
        StoreError: it cannot be read.
    """
    followed = Followed(folder / _FILE, "seen")
    try:
        followed.look()
        for gateway in gateways:
            yield _seen(followed.get(gateway.encode("ascii")))
    finally:
        followed.close()


def _seen(row: bytes | None) -> LastSeen | None:
    if row is not None:
        with suppress(ValueError, TypeError):
            return LastSeen(*msgpack.unpackb(row))
    return None


def _number(row: bytes | None) -> int:
    return int.from_bytes(row or b"", "big")
