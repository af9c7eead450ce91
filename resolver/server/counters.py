"""What a process of the server has done so far, in memory that its supervisor can read.

A process that is killed leaves its counters behind, and one that hangs shows it by counters that
stand still. Each is written by one process only, so no lock is needed.
"""

from __future__ import annotations

import mmap
import os
from typing import Final

QUERIES: Final = 0  # answered or left unanswered on purpose
BATCHES: Final = 1  # in which they were taken from the kernel
OCTETS: Final = 64  # one cache line

Counters = memoryview  # of unsigned 64-bit numbers, by the positions above


def make() -> tuple[int, Counters]:
    """New counters, all 0, and a descriptor by which another process can open them.

    Raises:
        OSError: the system has no room for them.
    """
    fd = os.memfd_create("csid-counters")
    try:
        os.ftruncate(fd, OCTETS)
        return fd, _view(fd)
    except OSError:
        os.close(fd)
        raise


def open_inherited(fd: int | None) -> Counters:
    """The counters behind a descriptor, which is closed; without one, some that nobody reads."""
    if fd is None:
        return memoryview(bytearray(OCTETS)).cast("Q")
    try:
        return _view(fd)
    finally:
        os.close(fd)


def _view(fd: int) -> Counters:
    return memoryview(mmap.mmap(fd, OCTETS)).cast("Q")
