"""Which identifiers a table has given already, and on which lines, in bounded memory.

A hash table with open addressing: 16 octets for each place, at most three quarters of them taken.
Up to MEMORY_OCTETS it lies in memory, a larger one in a file without a name, which the kernel keeps
in its page cache as far as there is room, and which is gone with the process however that ends.

Of a key a hash of 64 bits is kept, of its node one of 26. That of a key decides alone whether it
was given before: among 10^8 rows the chance is 3 in 10^4 that one of them is refused, or passed
over, for another that hashes like it. Python's hashes are keyed anew in each process, so nobody
can bring this about.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from csid.errors import StoreError
from registry.bulk.entries import Entry

MEMORY_OCTETS: Final = 32 << 20  # 1.5 million identifiers
_FIRST_PLACES: Final = 1 << 12
_WORD: Final = 8  # octets
_NODE_BITS: Final = 26  # of a mark's 63; the others are the line
_NODE: Final = 2**_NODE_BITS - 1


def mark_of(line: int, node: bytes) -> int:
    """What is kept of a row: never 0, since lines begin with 1."""
    return line << _NODE_BITS | hash(node) & _NODE


def line_of(mark: int) -> int:
    """The line of a mark."""
    return mark >> _NODE_BITS


def same_node(mark: int, node: bytes) -> bool:
    """Whether a mark is of a row with this node."""
    return not (mark ^ hash(node)) & _NODE


class Marks:
    """The marks of the identifiers given so far.

    Args:
        folder: on a disk with room, for what is too large for memory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken = 0
        self._begin(_FIRST_PLACES)

    def among(self, entries: Iterable[Entry]) -> dict[bytes, int]:
        """The marks of those keys that were given before."""
        words, last = self._words, self._last
        found = {}
        for key, _, _ in entries:
            word = hash(key) or 1
            at = word & last
            while there := words[at]:
                if there == word:
                    found[key] = self._marks[at]
                    break
                at = at + 1 & last
        return found

    def add(self, entries: Sequence[Entry]) -> None:
        """Take in rows whose keys have no mark yet, and are all different.

        Raises:
            StoreError: the disk is full.
        """
        self._taken += len(entries)
        if self._taken > self._most:
            self._grow()
        words, marks, last = self._words, self._marks, self._last
        for key, line, node in entries:
            word = hash(key) or 1
            at = word & last
            while words[at]:
                at = at + 1 & last
            words[at] = word
            marks[at] = line << _NODE_BITS | hash(node) & _NODE

    def _grow(self) -> None:
        """A table with room for those that are taken, and all that is in this one."""
        words, marks = self._words, self._marks
        self._begin(1 << (self._taken * 4 // 3).bit_length())
        fresh, fresh_marks, last = self._words, self._marks, self._last
        for old, word in enumerate(words):
            if word:
                at = word & last
                while fresh[at]:
                    at = at + 1 & last
                fresh[at] = word
                fresh_marks[at] = marks[old]

    def _begin(self, places: int) -> None:
        """An empty table of so many places, a power of two."""
        memory = memoryview(self._room(places * 2 * _WORD)).cast("q")
        self._words, self._marks = memory[:places], memory[places:]
        self._last = places - 1
        self._most = places // 4 * 3

    def _room(self, octets: int) -> mmap.mmap:
        if octets <= MEMORY_OCTETS:
            return mmap.mmap(-1, octets)
        try:
            with TemporaryFile(dir=self._folder) as file:
                os.posix_fallocate(file.fileno(), 0, octets)  # else a full disk would be a SIGBUS
                return mmap.mmap(file.fileno(), octets)
        except OSError as error:
            raise StoreError(
                f"{self._folder}: no room for the {octets >> 20:,} MiB that tell which identifiers "
                f"the table has given: {error.strerror}; import it in parts"
            ) from None
