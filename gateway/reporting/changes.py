"""What changes of statuses, for those who follow: a ring of the last ones, read by each at its own
pace. Nobody who is slow costs memory: he is told that he has missed something.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from csid import status
from csid.moments import iso
from csid.status import UNKNOWN, Told

RING: Final = 10_000  # changes that are kept
LATEST_MOST: Final = 262_144  # identifiers whose end of validity is waited for


class Change(NamedTuple):
    """A change: of an identifier in canonical form, and what is said of it, as JSON has it."""

    identifier: str
    said: dict[str, Any]


class Missed(Exception):
    """What was to follow is not kept any more."""


class _Latest(NamedTuple):
    taken: int
    until: int


class Changes:
    """The last changes. Those of the loop alone may touch it.

    Args:
        origin: of their numbers, which tells one process from another.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._ring: list[Change] = []
        self._first = 0  # number of the first one in the ring
        self._latest: OrderedDict[str, _Latest] = OrderedDict()
        self._ends: list[tuple[int, str]] = []
        self._came = asyncio.Event()

    @property
    def following(self) -> int:
        """The number that the next change gets."""
        return self._first + len(self._ring)

    def told(self, identifier: str, taken: int, until: int, what: Told) -> None:
        """A status has come; times in Unix milliseconds."""
        before = self._latest.get(identifier)
        if before is not None and before.taken > taken:
            return
        self._latest[identifier] = _Latest(taken, until)
        self._latest.move_to_end(identifier)
        if len(self._latest) > LATEST_MOST:
            self._latest.popitem(last=False)
        heapq.heappush(self._ends, (until, identifier))
        if len(self._ends) > 2 * LATEST_MOST:  # most of them are of statuses that were followed
            self._ends = [(one.until, name) for name, one in self._latest.items()]
            heapq.heapify(self._ends)
        said: dict[str, Any] = {
            "identifier": identifier,
            "status": status.word(what),
            "health": what.health,
            "load": what.load,
            "free": what.free,
            "by": what.by,
            "taken": iso(taken / 1_000, "milliseconds"),
            "until": iso(until / 1_000, "milliseconds"),
        }
        self._put(Change(identifier, said))

    def is_older(self, identifier: str, taken: int) -> bool:
        """Whether something newer is known than what was taken then."""
        before = self._latest.get(identifier)
        return before is not None and before.taken > taken

    def end(self, now: int) -> None:
        """Say what is unknown from now on (Unix milliseconds)."""
        while self._ends and self._ends[0][0] <= now:
            until, identifier = heapq.heappop(self._ends)
            latest = self._latest.get(identifier)
            if latest is not None and latest.until == until:
                del self._latest[identifier]
                said = {
                    "identifier": identifier,
                    "status": UNKNOWN,
                    "taken": iso(latest.taken / 1_000, "milliseconds"),
                    "until": iso(until / 1_000, "milliseconds"),
                }
                self._put(Change(identifier, said))

    def since(self, number: int, prefixes: Iterable[str]) -> tuple[list[tuple[int, Change]], int]:
        """The changes from a number on that lie at or below a prefix, and where to go on.

        Args:
            prefixes: whole segments; empty: all.

        Raises:
            Missed: some of them are not kept any more.
        """
        if number < self._first:
            raise Missed
        wanted = tuple(prefixes)
        begin = number - self._first
        found = [
            (number + place, one)
            for place, one in enumerate(self._ring[begin:])
            if not wanted or covers(wanted, one.identifier)
        ]
        return found, self.following

    async def wait(self, number: int, seconds: float) -> bool:
        """Wait for a change of this number; False if there was none in this time."""
        if self.following > number:
            return True
        try:
            await asyncio.wait_for(self._came.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _put(self, change: Change) -> None:
        self._ring.append(change)
        if len(self._ring) > 2 * RING:  # so that each is moved once
            gone = len(self._ring) - RING
            del self._ring[:gone]
            self._first += gone
        self._came.set()
        self._came = asyncio.Event()


def covers(prefixes: Iterable[str], identifier: str) -> bool:
    """Whether an identifier lies at or below one of some prefixes of whole segments."""
    return any(identifier == one or identifier.startswith(f"{one}/") for one in prefixes)
