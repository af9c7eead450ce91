"""How much may be kept of a cluster."""

from __future__ import annotations

from typing import Final

from gateway.systems.aggregation.readings import ReadingError

OBJECTS_MAX: Final = 2_000_000
OCTETS_MAX: Final = 512 * 2**20
_ONE: Final = 500  # octets that an object takes besides what differs


class Room:
    """What is kept of all kinds together.

    Args:
        objects, octets: at most; octets are those of what is kept, and not of what was said.
    """

    def __init__(self, objects: int = OBJECTS_MAX, octets: int = OCTETS_MAX) -> None:
        self._most = objects, octets
        self.objects = self.octets = 0

    def take(self, octets: int) -> None:
        """Keep one more.

        Raises:
            ReadingError: there is no room left.
        """
        self.objects += 1
        self.octets += octets + _ONE
        if self.objects > self._most[0]:
            raise ReadingError(
                f"more than {self._most[0]:,} nodes, pods and devices; is this one cluster?"
            )
        if self.octets > self._most[1]:
            raise ReadingError(
                f"more than {self._most[1]:,} octets of nodes, pods and devices; is this one "
                "cluster?"
            )

    def leave(self, octets: int) -> None:
        """One that took so much is kept no more."""
        self.objects -= 1
        self.octets -= octets + _ONE
