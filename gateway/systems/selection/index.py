"""Which row an identifier has: a table of slots by digests, 12 octets a row instead of 200."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

KEY_OCTETS: Final = 16
_LEAST: Final = 1 << 10
_FREE: Final = 0


class Index:
    """An open table: linear probing, at most half full. Its key keeps others from choosing names
    that meet in it.

    Attributes:
        places: slot + 1, 0 where there is none.
        digests: of the identifier of each slot.
    """

    def __init__(self, named: Callable[[int], str], key: bytes = b"") -> None:
        """`named` tells the identifier of a slot."""
        self.named = named
        self.key = key or secrets.token_bytes(KEY_OCTETS)
        self.places: NDArray[np.uint32] = np.zeros(_LEAST, np.uint32)
        self.digests: NDArray[np.uint32] = np.zeros(0, np.uint32)
        self.count = 0

    def digest(self, identifier: str) -> int:
        """32 bits."""
        octets = blake2b(identifier.encode(), digest_size=4, key=self.key).digest()
        return int.from_bytes(octets, "little")

    def find(self, identifier: str, digest: int) -> int:
        """The slot of an identifier, -1 if it has none."""
        mask = len(self.places) - 1
        at = digest & mask
        while (place := int(self.places[at])) != _FREE:
            if self.digests[place - 1] == digest and self.named(place - 1) == identifier:
                return place - 1
            at = (at + 1) & mask
        return -1

    def add(self, slot: int, digest: int) -> None:
        """Note the slot of an identifier that has none yet."""
        self.digests[slot] = digest
        self.count += 1
        if self.count * 2 > len(self.places):
            old = self.places[self.places != _FREE]
            self.places = np.zeros(len(self.places) * 2, np.uint32)
            self.place(np.append(old - np.uint32(1), np.uint32(slot)))
            return
        mask = len(self.places) - 1
        at = digest & mask
        while self.places[at] != _FREE:
            at = (at + 1) & mask
        self.places[at] = slot + 1

    def place(self, slots: NDArray[np.uint32]) -> None:
        """Find places for many slots at once."""
        mask = np.uint32(len(self.places) - 1)
        at = self.digests[slots] & mask
        while len(slots):
            free = self.places[at] == _FREE
            self.places[at[free]] = slots[free] + np.uint32(1)  # of several the last one stays
            waits = self.places[at] != slots + np.uint32(1)
            slots, at = slots[waits], (at[waits] + np.uint32(1)) & mask

    def remove(self, slot: int) -> None:
        """Forget a slot; what has moved on for it moves back."""
        mask = len(self.places) - 1
        at = int(self.digests[slot]) & mask
        while self.places[at] != slot + 1:
            at = (at + 1) & mask
        self.count -= 1
        hole = at
        while True:
            at = (at + 1) & mask
            place = int(self.places[at])
            if place == _FREE:
                break
            home = int(self.digests[place - 1]) & mask
            if ((at - home) & mask) >= ((at - hole) & mask):
                self.places[hole] = place
                hole = at
        self.places[hole] = _FREE

    def renumber(self, slots: NDArray[np.int64], size: int) -> None:
        """Rows have moved: `slots` tells for each new slot which it was."""
        digests = np.zeros(size, np.uint32)
        digests[: len(slots)] = self.digests[slots]
        self.digests = digests
        self.count = len(slots)
        length = max(_LEAST, 1 << (2 * len(slots)).bit_length())
        self.places = np.zeros(length, np.uint32)
        self.place(np.arange(len(slots), dtype=np.uint32))
