"""Octets on their way from one task that makes them to another that hands them out: some in memory,
what is more in a file without a name, which is gone with the process.

What is in memory comes before what is in the file. The file is written and read in threads, so that
no other task waits for the disk.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import trio

from csid.errors import CsidError


class SpoolError(CsidError):
    """There is no room for what a slow peer has not taken yet."""


class Room:
    """Octets on disk that all spools may have together."""

    def __init__(self, octets: int) -> None:
        self._most = octets
        self.taken = 0

    def take(self, octets: int) -> None:
        """Have so many octets more.

        Raises:
            SpoolError: there is no room for them.
        """
        if self.taken + octets > self._most:
            raise SpoolError(
                f"{self.taken:,} octets wait for slow peers, and no more than {self._most:,} may"
            )
        self.taken += octets

    def give(self, octets: int) -> None:
        """Give them back."""
        self.taken -= octets


class Spool:
    """Parts in their order, made by one task and taken by another.

    Args:
        folder: where the file is made once it is needed.
        memory: octets kept in memory.
        room: what the file's octets are taken from.
    """

    def __init__(self, folder: Path, memory: int, room: Room) -> None:
        self._folder = folder
        self._memory = memory
        self._room = room
        self._parts: deque[bytes] = deque()
        self._held = 0  # octets of these
        self._file: BinaryIO | None = None
        self._sizes: deque[int] = deque()  # of the parts in the file
        self._start = self._end = 0  # of what is in the file and not taken yet
        self._whole = False
        self._changed = trio.lowlevel.ParkingLot()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._room.give(self._end)

    def _has_room(self) -> bool:
        return not self._sizes and self._held < self._memory

    async def wait(self, seconds: float) -> float:
        """Wait until there is room in memory, at most so long; returns how long it was."""
        begun = trio.current_time()
        with trio.move_on_after(seconds):
            while not self._has_room():
                await self._changed.park()
        return trio.current_time() - begun

    async def put(self, part: bytes) -> None:
        """Take a part: into the file if there is no room in memory.

        Raises:
            SpoolError: there is none in the file either.
        """
        if self._has_room():
            self._parts.append(part)
            self._held += len(part)
        else:
            self._room.take(len(part))
            self._end += len(part)
            try:
                if self._file is None:
                    self._file = _nameless(self._folder)
                await trio.to_thread.run_sync(_write, self._file.fileno(), part, self._end)
            except OSError as error:
                raise SpoolError(
                    f"what a slow peer has not taken yet cannot be kept in {self._folder}: "
                    f"{error.strerror}; make room there, or set TMPDIR"
                ) from None
            self._sizes.append(len(part))
        self._changed.unpark_all()

    def end(self) -> None:
        """No part will follow."""
        self._whole = True
        self._changed.unpark_all()

    async def get(self) -> bytes:
        """The next part; empty behind the last one."""
        while not self._parts and not self._sizes and not self._whole:
            await self._changed.park()
        if self._parts:
            part = self._parts.popleft()
            self._held -= len(part)
        elif self._sizes:
            assert self._file is not None
            size = self._sizes[0]
            part = await trio.to_thread.run_sync(os.pread, self._file.fileno(), size, self._start)
            self._start += size
            self._sizes.popleft()
        else:
            part = b""
        self._changed.unpark_all()
        return part


def _nameless(folder: Path) -> BinaryIO:
    file: BinaryIO = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
    return file


def _write(fd: int, part: bytes, end: int) -> None:
    """Write a part so that it ends at an offset."""
    rest = memoryview(part)
    while rest:
        rest = rest[os.pwrite(fd, rest, end - len(rest)) :]
