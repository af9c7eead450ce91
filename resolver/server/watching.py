"""Noticing that other processes write the data directory: inotify(7) on its data file."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

_IN_MODIFY: Final = 0x2
_libc = ctypes.CDLL(None, use_errno=True)


class Watching:
    """Is readable once a file was written; only while it is asked to be, as each write wakes
    whoever waits for it.

    Raises:
        OSError: the system has no room for another.
    """

    def __init__(self, file: Path) -> None:
        self._file = os.fsencode(file)
        self._watch = -1
        self.fd = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def turn(self, on: bool) -> None:
        """Watch, or watch no more."""
        if on and self._watch < 0:
            self._watch = _checked(_libc.inotify_add_watch(self.fd, self._file, _IN_MODIFY))
        elif not on and self._watch >= 0:
            _libc.inotify_rm_watch(self.fd, self._watch)
            self._watch = -1

    def drain(self) -> None:
        """Take what has been told."""
        try:
            while os.read(self.fd, 65_536):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self.fd)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
