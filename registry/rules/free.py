"""Which serial of a place, a capability class and a width is free, found in bounded work.

Identifiers are in the order of their serials, so those of a width are walked row by row; a long run
of taken ones is leapt over instead, for walking it would keep everybody else waiting.
"""

from __future__ import annotations

from typing import Final

from csid.identifier import make
from registry.rules import serials
from registry.tables import codec
from registry.tables.view import View

NEAR: Final = 16  # serials behind a taken one that are tried one by one
ROWS: Final = 20_000  # identifiers walked for one decision, some milliseconds


class Serials:
    """The serials of one width at a place, in a capability class; as numbers."""

    def __init__(self, seen: View, place: str, capability: str, width: int) -> None:
        """``place`` is owner/industry/location/type."""
        self._seen = seen
        self._segments = (*place.split("/"), capability)
        self._prefix = f"{place}/{capability}-".encode("ascii")
        self._width = width

    def is_free(self, number: int) -> bool:
        """Whether the identifier with that serial was never assigned."""
        owner, industry, location, kind, capability = self._segments
        serial = serials.text(number, self._width)
        name = str(make(owner, industry, location, kind, capability, serial))
        return self._seen.get(codec.ASSIGNMENTS, name.encode("ascii")) is None

    def next_free(self, first: int, last: int) -> int | None:
        """The first that is free of ``first`` to ``last``; more than ROWS identifiers on, one
        behind a run of taken ones. None: there is none, or none that can be found in such work.
        """
        if first > last or self.is_free(first):
            return first if first <= last else None
        number, is_known = self._walk(first)
        if number > last:
            return None
        return number if is_known or self.is_free(number) else self._leap(number, last)

    def near(self, taken: int) -> int | None:
        """One that is free behind one that is taken: of the next NEAR the first, further on one
        behind a run of taken ones. None as `next_free`.
        """
        last = 36**self._width - 1
        behind = min(taken + NEAR, last)
        for number in range(taken + 1, behind + 1):
            if self.is_free(number):
                return number
        found = self._leap(behind, last)
        return found if found is not None else self.next_free(behind + 1, last)

    def _walk(self, number: int) -> tuple[int, bool]:
        """The first from ``number`` on that no row has; False with it if only those before it are
        known to be taken, as too many rows stand there.
        """
        start = self._prefix + serials.text(number, self._width).encode("ascii")
        rows = self._seen.scan(codec.ASSIGNMENTS, self._prefix, start)
        for looked, (key, _) in enumerate(rows):
            if looked == ROWS:
                return number, False
            serial = key[len(self._prefix) :].partition(b"-")[0]
            if len(serial) == self._width:  # those of other widths stand between them
                if int(serial, 36) > number:
                    break
                number += 1
        return number, True

    def _leap(self, taken: int, last: int) -> int | None:
        """One that is free, behind a taken one: ahead in growing steps, then back to where the run
        ends that it stands behind.
        """
        free, step = taken, 1
        while not self.is_free(free := min(free + step, last)):
            if free == last:
                return None
            taken, step = free, 2 * step
        while free - taken > 1:
            between = (taken + free) // 2
            if self.is_free(between):
                free = between
            else:
                taken = between
        return free
