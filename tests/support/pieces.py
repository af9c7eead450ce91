"""A file that is made up as it is read, so that it may be larger than memory should be."""

from __future__ import annotations

import io
from collections.abc import Iterable


class Pieces(io.RawIOBase):
    """The pieces of octets, one behind the other."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._left = self._left or next(self._pieces, b"")
        piece = self._left[: len(buffer)]
        self._left = self._left[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)
