"""Who writes: a lock that is waited for with a limit, where LMDB's own would be for ever.

Two octets of `writer.lock` are locked (fcntl(2) record locks, which a child does not inherit and
the kernel drops with the process): whoever wants to write takes the turn, then the write lock, then
gives the turn on. So a writer that comes back at once waits behind those that wait already. In one
process, threads take turns by a lock of their own first.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from pathlib import Path
from threading import Lock
from typing import Final

from csid.errors import BusyError, StoreError
from csid.limits import WRITE_WAIT_SECONDS
from resolver.store.access import open_shared

FILE: Final = "writer.lock"  # always empty; only its locks matter
_TURN: Final = 0
_WRITE: Final = 1
_FIRST_PAUSE: Final = 50e-6  # seconds
_LAST_PAUSE: Final = 5e-3
_PAUSE_SHARE: Final = 16  # of the time that was waited, so that waiting costs little
_FLOCK: Final = struct.Struct("hhqqi4x")  # struct flock: type, whence, start, length, pid


class WriteLock:
    """The right to write in a data directory, for one thread at a time.

    A process that has the store open has one of these: closing any descriptor of the file would
    let go of all its locks.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fd = -1
        self._thread = Lock()

    def acquire(self, seconds: float | None = None) -> None:
        """Take the right to write; others are waited for, by default WRITE_WAIT_SECONDS.

        Raises:
            BusyError: they had it all that time.
            StoreError: the file cannot be opened.
        """
        limit = WRITE_WAIT_SECONDS if seconds is None else seconds
        if not self._thread.acquire(blocking=False) and not self._thread.acquire(timeout=limit):
            raise self._busy(limit, os.getpid())
        try:
            fd = self._fd if self._fd >= 0 else self._open()
            if not _try(fd, _TURN, 2):  # both octets at once
                self._wait(fd, limit)
            fcntl.lockf(fd, fcntl.LOCK_UN, 1, _TURN)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Give the right to write back."""
        try:
            if self._fd >= 0:
                fcntl.lockf(self._fd, fcntl.LOCK_UN, 2, _TURN)
        finally:
            self._thread.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _wait(self, fd: int, limit: float) -> None:
        """Take the turn, then the write lock."""
        started = time.monotonic()
        for octet in (_TURN, _WRITE):
            while not _try(fd, octet, 1):
                waited = time.monotonic() - started
                if waited >= limit:
                    raise self._busy(limit, _holder(fd))
                time.sleep(min(max(waited / _PAUSE_SHARE, _FIRST_PAUSE), _LAST_PAUSE))

    def _busy(self, limit: float, pid: int) -> BusyError:
        who = "another process"
        if pid == os.getpid():
            who = "this process itself"
        elif pid > 0:
            who = f"process {pid}"
        return BusyError(
            f"{self._folder}: others have been writing for {limit:g} seconds, now {who}; nothing "
            f"was changed. Run this again once that is through, or end it if it hangs"
        )

    def _open(self) -> int:
        path = self._folder / FILE
        try:
            self._fd = open_shared(path)
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be opened: {error.strerror}; run as the user that owns the data "
                f"directory"
            ) from None
        return self._fd

    def close(self) -> None:
        """Give all up."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _try(fd: int, first: int, octets: int) -> bool:
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, octets, first)
    except OSError:
        return False
    return True


def _holder(fd: int) -> int:
    """The process that writes, or is the next to (fcntl(2), F_GETLK); 0 if it cannot be known."""
    for octet in (_WRITE, _TURN):
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, octet, 1, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, asked))
        if kind != fcntl.F_UNLCK:
            return int(pid)
    return 0
