"""The event numbers of reports that were taken, each with the digest of what came under it, so that
what is sent again is known, and another report under the same number is found out.

    row = source 00 slot(2) -> block(8) digest(8) x 64

A block has 64 numbers that follow each other; the last 256 blocks of a source are kept, as numbers
only grow. A digest of zeros: nothing came under this number.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from hashlib import blake2b
from typing import Final

DIGEST_OCTETS: Final = 8
BLOCK_NUMBERS: Final = 64
BLOCKS: Final = 256  # 16,384 numbers
NUMBER_MAX: Final = 2**53 - 1  # what JSON carries whole (RFC 8259 section 6)
_NOTHING: Final = bytes(DIGEST_OCTETS)
_ROW_OCTETS: Final = 8 + BLOCK_NUMBERS * DIGEST_OCTETS


class Seen(Enum):
    """What is known of a number."""

    NEW = "new"
    SAME = "same"  # it was taken, and the same under it
    OTHER = "other"  # another report was taken under it
    FORGOTTEN = "forgotten"  # it is too far behind the newest to be known


def digest(octets: bytes) -> bytes:
    """The digest of a report in its canonical form; never zeros."""
    found = blake2b(octets, digest_size=DIGEST_OCTETS).digest()
    return found if found != _NOTHING else b"\1" * DIGEST_OCTETS


class Numbers:
    """The numbers of one source, in one transaction.

    Args:
        source: its name, without 00.
        get: gives the row of a key, or None.
    """

    def __init__(self, source: bytes, get: Callable[[bytes], bytes | None]) -> None:
        self._source = source + b"\0"
        self._get = get
        self._rows: dict[int, bytearray] = {}  # by slot
        # The row at hand, as numbers mostly follow each other.
        self._block = self._slot = -1
        self._row = bytearray()
        self._changed: set[int] = set()

    def take(self, number: int, its_digest: bytes) -> Seen:
        """What is known of a number; one that is NEW is known from now on."""
        block, place = divmod(number, BLOCK_NUMBERS)
        if block != self._block:
            age = self._turn_to(block)
            if age < 0:
                return Seen.FORGOTTEN
            if age:
                self._row[:] = block.to_bytes(8, "big") + bytes(_ROW_OCTETS - 8)
            self._block = block
        at = 8 + place * DIGEST_OCTETS
        kept = self._row[at : at + DIGEST_OCTETS]
        if kept == _NOTHING:
            self._row[at : at + DIGEST_OCTETS] = its_digest
            self._changed.add(self._slot)
            return Seen.NEW
        return Seen.SAME if kept == its_digest else Seen.OTHER

    def rows(self) -> list[tuple[bytes, bytes]]:
        """What is to be written."""
        return [(self._key(slot), bytes(self._rows[slot])) for slot in sorted(self._changed)]

    def _turn_to(self, block: int) -> int:
        """Have the row that a block belongs into; by how many blocks it is newer than what the row
        has.
        """
        self._block, self._slot = -1, block % BLOCKS
        row = self._rows.get(self._slot)
        if row is None:
            row = bytearray(self._get(self._key(self._slot)) or b"")
            if len(row) != _ROW_OCTETS:  # none, or damaged
                row = bytearray(block.to_bytes(8, "big") + bytes(_ROW_OCTETS - 8))
            self._rows[self._slot] = row
        self._row = row
        return block - int.from_bytes(row[:8], "big")

    def _key(self, slot: int) -> bytes:
        return self._source + slot.to_bytes(2, "big")
