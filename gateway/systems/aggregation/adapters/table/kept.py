"""What is kept of a file from one poll to the next: what it says is not read anew while it is the
same, and grows old even if nobody says when it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Final

from gateway.systems.aggregation.adapters.table.gathering import NOTHING, Highest, Told

UNITS_MAX: Final = 100_000  # of a file that is not read anew; the poller takes no more of a source

Read = Callable[[bytes, Highest], Told]


class Kept:
    """What is kept of the file of a source."""

    def __init__(self) -> None:
        self._digest = b""
        self._seen = 0  # when it was seen first as it is now, Unix milliseconds
        self._ahead: int | None = None  # when it said it was written, and that was still to come
        self._options: Mapping[str, str] = {}
        self._told: Told | None = None
        self._highest: Highest = NOTHING

    def told(self, body: bytes, options: Mapping[str, str], read: Read, now: int) -> Told:
        """What a file says, read by `read` if it is another than before, or is read otherwise.

        Raises:
            ReadingError: as `read`.
        """
        digest = blake2b(body).digest()
        if digest != self._digest:
            self._digest, self._seen, self._ahead, self._told = digest, now, None, None
        if self._told is None or options != self._options:
            self._told = None  # before the other is made: either may be large
            told = read(body, self._highest)
            self._highest, self._options = told.highest, dict(options)
            if len(told.units) > UNITS_MAX:
                return told
            self._told = told
        return self._told

    def at(self, written: int | None, now: int) -> int:
        """When what it says was so, in Unix milliseconds: when it was written, or, if nobody says
        that or a wrong clock does, when it was seen first.

        Args:
            written: as it says.
        """
        if written is not None and written > now:
            self._ahead = written
        if written is None or written == self._ahead:
            return min(self._seen, now)
        return written
