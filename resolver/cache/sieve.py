"""Which entry goes when there is no room: SIEVE (Zhang et al., NSDI 2024).

Entries stand in a queue in the order they came. A hand goes from the oldest to the newest: what was
asked for since it came by last stays, and what was not goes. Whoever gives an entry away sets one
octet for it, and writes nothing else; so a hit costs no lock, and readers in other processes share
the octets.
"""

from __future__ import annotations

from array import array
from typing import Final

# In the octet of a slot:
ASKED: Final = 1  # it was asked for
AHEAD: Final = 2  # it is being found out anew, before it ends
_NONE: Final = -1


class Sieve:
    """The slots of a cache, in the order they were taken.

    Args:
        marks: one octet a slot; readers set ASKED there.
    """

    def __init__(self, marks: memoryview) -> None:
        self._marks = marks
        self._older = array("i", [_NONE]) * len(marks)
        self._newer = array("i", [_NONE]) * len(marks)
        self._taken = bytearray(len(marks))
        self._free = list(range(len(marks) - 1, -1, -1))
        self._newest = self._oldest = self._hand = _NONE

    def __len__(self) -> int:
        """How many are taken."""
        return len(self._marks) - len(self._free)

    @property
    def is_full(self) -> bool:
        """Whether one has to be `evict`ed before one is taken."""
        return not self._free

    def take(self) -> int:
        """Take a slot; it counts as not asked for.

        Raises:
            IndexError: none is free.
        """
        slot = self._free.pop()
        self._put(slot)
        return slot

    def restore(self, slot: int) -> bool:
        """Take a certain slot, for what was kept over a restart; False if it is taken or is none.

        Callable only before any `take`, and followed by `settle`.
        """
        if not 0 <= slot < len(self._marks) or self._taken[slot]:
            return False
        self._put(slot)
        return True

    def settle(self) -> None:
        """Have all slots that were not restored free."""
        self._free = [slot for slot in range(len(self._marks) - 1, -1, -1) if not self._taken[slot]]

    def evict(self) -> int:
        """Free the slot that is worth least, and say which.

        Raises:
            IndexError: none is taken.
        """
        slot = self._oldest if self._hand == _NONE else self._hand
        if slot == _NONE:
            raise IndexError("nothing is kept")
        marks = self._marks
        while marks[slot] & ASKED:
            marks[slot] = 0
            slot = self._newer[slot]
            if slot == _NONE:
                slot = self._oldest
        self._hand = self._newer[slot]
        self._leave(slot)
        return slot

    def free(self, slot: int) -> None:
        """Free a slot that is taken."""
        if self._hand == slot:
            self._hand = self._newer[slot]
        self._leave(slot)

    def _put(self, slot: int) -> None:
        self._marks[slot] = 0
        self._taken[slot] = 1
        self._older[slot] = self._newest
        self._newer[slot] = _NONE
        if self._newest == _NONE:
            self._oldest = slot
        else:
            self._newer[self._newest] = slot
        self._newest = slot

    def _leave(self, slot: int) -> None:
        older, newer = self._older[slot], self._newer[slot]
        if older == _NONE:
            self._oldest = newer
        else:
            self._newer[older] = newer
        if newer == _NONE:
            self._newest = older
        else:
            self._older[newer] = older
        self._taken[slot] = 0
        self._free.append(slot)
