"""Which generations are being built by a process that lives: locks on one file of the store.

Each generation is one octet of `builders.lock` that its builder keeps locked (fcntl(2) record
locks). The kernel lets go of the lock when the process ends, however it ends, so what a crash left
behind is told from what is still being written, whatever process ids mean on either side.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from csid.errors import StoreError
from resolver.store.access import open_shared

FILE: Final = "builders.lock"  # always empty; only its locks matter
_LAST_OFFSET: Final = 2**63 - 1  # that a file can have


class Claims:
    """The claims of this process on generations, and a look at those of others.

    A process that has the store open for writing has one of these: closing any descriptor of the
    file would let go of all its locks.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._fd = -1
        self._held: set[bytes] = set()  # a process does not get in its own locks' way

    def claim(self, generation: bytes) -> None:
        """Let nobody sweep a generation until it is released."""
        fcntl.lockf(self._file(), fcntl.LOCK_EX, 1, int.from_bytes(generation, "big"))
        self._held.add(generation)

    def release(self, generation: bytes) -> None:
        """Give up a claim."""
        self._held.discard(generation)
        fcntl.lockf(self._file(), fcntl.LOCK_UN, 1, int.from_bytes(generation, "big"))

    def is_claimed(self, generation: bytes) -> bool:
        """Whether a living process, this one included, is building a generation."""
        if generation in self._held:
            return True
        start = int.from_bytes(generation, "big")
        if start > _LAST_OFFSET:  # never given out: another tool wrote it
            return False
        try:
            fcntl.lockf(self._file(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, start)
        except OSError:
            return True
        fcntl.lockf(self._file(), fcntl.LOCK_UN, 1, start)
        return False

    def close(self) -> None:
        """Give up all claims."""
        self._held.clear()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _file(self) -> int:
        if self._fd < 0:
            try:
                self._fd = open_shared(self._path)
            except OSError as error:
                raise StoreError(
                    f"{self._path}: cannot be opened: {error.strerror}; run as the user that owns "
                    f"the data directory"
                ) from None
        return self._fd
