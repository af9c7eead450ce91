"""The content of a backup on its way to a file and back: deflated in pieces by several threads,
which any gzip reads (RFC 1952: one member after the other).
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, Final

from registry.backup.errors import BackupError

PIECE_OCTETS: Final = 4 << 20  # deflated at a time
_GZIP: Final = 31  # window bits
_LEVEL: Final = 1


def packed(records: Iterable[bytes]) -> Iterator[bytes]:
    """Records, deflated."""
    threads = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[bytes]] = deque()
        for piece in _pieces(records):
            waiting.append(pool.submit(_deflated, piece))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _pieces(records: Iterable[bytes]) -> Iterator[bytes]:
    """Always one, be it empty, so that what is cut off is told from what was never there."""
    held: list[bytes] = []
    octets = 0
    for record in records:
        held.append(record)
        octets += len(record)
        if octets >= PIECE_OCTETS:
            yield b"".join(held)
            held, octets = [], 0
    yield b"".join(held)


def _deflated(piece: bytes) -> bytes:
    return zlib.compress(piece, _LEVEL, _GZIP)


class Unpacked:
    """What was packed, to be read again; a context manager.

    Args:
        file: where it stands, from where it is read now up to its end.
        name: of the backup, for errors.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = gzip.GzipFile(fileobj=file, mode="rb")
        self._name = name

    def read(self, octets: int) -> bytes:
        """So many octets, no fewer.

        Raises:
            BackupError: it is cut off, or was altered.
        """
        found = self._some(octets)
        if len(found) != octets:
            raise BackupError(f"{self._name}: is cut off; take another copy of it, or another one")
        return found

    def end(self) -> None:
        """Make sure that nothing follows.

        Raises:
            BackupError: something does.
        """
        if self._some(1):
            raise BackupError(f"{self._name}: goes on behind its end: it was altered")

    def _some(self, octets: int) -> bytes:
        try:
            return self._file.read(octets)
        except (EOFError, OSError, zlib.error) as error:
            raise BackupError(
                f"{self._name}: is cut off or was altered ({error}); take another copy of it, or "
                "another backup"
            ) from None
