"""What changes of statuses, for those who follow: a ring of the last ones, read by each at its own
pace. Nobody who is slow costs memory: he is told that he has missed something.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from csid import status
from csid.moments import iso
from csid.status import UNKNOWN, Told
from gateway.waking import Waking

RING: Final = 10_000  # changes that are kept
LOOKED_AT: Final = 500  # changes, before others have their turn
LATEST_MOST: Final = 262_144  # identifiers whose end of validity is waited for


class Change(NamedTuple):
    """A change: of an identifier in canonical form; times in Unix milliseconds. Nothing was told
    where the validity of what was told before has ended.
    """

    identifier: str
    taken: int
    until: int
    told: Told | None

    @property
    def said(self) -> dict[str, Any]:
        """What is said of it, as JSON has it; made for those who follow, whom there may be none."""
        told = self.told
        found: dict[str, Any] = {
            "identifier": self.identifier,
            "status": UNKNOWN if told is None else status.word(told),
            "taken": iso(self.taken / 1_000, "milliseconds"),
            "until": iso(self.until / 1_000, "milliseconds"),
        }
        if told is not None:
            found |= {"health": told.health, "load": told.load, "free": told.free, "by": told.by}
        return found


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
        self._came = Waking()

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
        self._put(Change(identifier, taken, until, what))

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
                self._put(Change(identifier, latest.taken, until, None))

    def since(self, number: int, prefixes: Iterable[str]) -> tuple[list[tuple[int, Change]], int]:
        """The changes that lie at or below a prefix, of the next ones from a number on, and where
        to go on.

        Args:
            prefixes: whole segments; empty: all.

        Raises:
            Missed: some of them are not kept any more.
        """
        if number < self._first:
            raise Missed
        wanted = tuple(prefixes)
        begin = number - self._first
        looked_at = self._ring[begin : begin + LOOKED_AT]
        found = [
            (number + place, one)
            for place, one in enumerate(looked_at)
            if not wanted or covers(wanted, one.identifier)
        ]
        return found, number + len(looked_at)

    async def wait(self, number: int, seconds: float) -> bool:
        """Wait for a change of this number; False if there was none in this time."""
        if self.following > number:
            return True
        return await self._came.wait(seconds)

    def _put(self, change: Change) -> None:
        self._ring.append(change)
        if len(self._ring) > 2 * RING:  # so that each is moved once
            gone = len(self._ring) - RING
            del self._ring[:gone]
            self._first += gone
        self._came.wake()


def covers(prefixes: Iterable[str], identifier: str) -> bool:
    """Whether an identifier lies at or below one of some prefixes of whole segments."""
    return any(identifier == one or identifier.startswith(f"{one}/") for one in prefixes)
