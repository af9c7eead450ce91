"""Systems that run in this process: begun, their tasks kept going, ended."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.systems.contract import TABLES_OCTETS, Place, System, Task
from resolver.server.notices import tell
from resolver.tables import Tables

FIRST_WAIT: Final = 1.0  # seconds before a task that failed is begun again; then ever longer
MOST_WAIT: Final = 60.0
CALM_SECONDS: Final = 300.0  # that it runs on after which one that failed is called well
HOUR_SECONDS: Final = 3_600.0  # in which one that fails again and again is told of all the time
END_SECONDS: Final = 5.0  # for tasks that are told to end
LOOK_SECONDS: Final = 0.2  # between two looks whether another process has a system still
_TABLES: Final = "tables.mdb"
_LOCK: Final = "lock"


class Configured(NamedTuple):
    """A system and what its section says."""

    system: System
    settings: Any


class Kept:
    """A task that is kept going.

    Attributes:
        why: it failed last.
    """

    def __init__(self, system: str, task: Task, state: Any) -> None:
        self.name = f"{system}.{task.name}"
        self.why = ""
        self._begun = time.monotonic()
        self._in_a_row = 0  # failures, each of which came soon after it was begun
        self._failed: deque[tuple[float, float]] = deque()  # of the last hour: when, after how long
        self._task = task
        self._state = state

    @property
    def failures(self) -> int:
        """How often it has failed within the last hour."""
        return len(self._of_last_hour())

    @property
    def fails(self) -> bool:
        """It has failed, and has not run on for long enough to be called well; or it runs well for
        a while each time, and fails again and again.
        """
        failed = self._of_last_hour()
        if not failed:
            return False
        relapses = sum(lasted > CALM_SECONDS for _, lasted in failed)
        calm_since = max(failed[-1][0], self._begun)  # it waits before it is begun again
        return relapses > 1 or time.monotonic() - calm_since <= CALM_SECONDS

    async def run(self) -> None:
        """Run until cancelled; a task that returns has done what there was."""
        while True:
            self._begun = time.monotonic()
            try:
                await self._task.run(self._state)
                return
            except (Exception, SystemExit) as error:  # its fault must not end the others
                self._note_failure()
                self.why = f"{type(error).__name__}: {error}"[:500]
                tell(f"{self.name}: {self.why}; begun again soon", "error", "task")
            await asyncio.sleep(min(MOST_WAIT, FIRST_WAIT * 2 ** min(self._in_a_row - 1, 10)))

    def _note_failure(self) -> None:
        now = time.monotonic()
        lasted = now - self._begun
        self._in_a_row = 1 if lasted > CALM_SECONDS else self._in_a_row + 1
        self._failed.append((now, lasted))

    def _of_last_hour(self) -> deque[tuple[float, float]]:
        while self._failed and time.monotonic() - self._failed[0][0] > HOUR_SECONDS:
            self._failed.popleft()
        return self._failed


class Running:
    """Systems that run.

    Args:
        configured: which.
        data: the folder, in which each has one.

    Attributes:
        states: what runs, by the names of the systems.
        kept: the tasks.

    Raises:
        CsidError: one cannot begin.
    """

    def __init__(self, configured: Sequence[Configured], data: Path) -> None:
        self.systems = [one.system for one in configured]
        self.states: dict[str, Any] = {}
        self.kept: list[Kept] = []
        self._opened = contextlib.ExitStack()
        self._locks: dict[str, Lock] = {}
        self._taken: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        try:
            for system, settings in configured:
                place = self._opened.enter_context(opened(system, settings, data))
                self._locks[system.name] = lock = Lock(place.folder)
                self._opened.callback(lock.close)
                self.states[system.name] = system.begin(place)
        except BaseException:
            self._opened.close()
            raise

    def start(self) -> None:
        """Begin the tasks, in the loop that runs: those of a system once no other process has it,
        such as the one that this one is to follow.
        """
        for system in self.systems:
            kept = [Kept(system.name, one, self.states[system.name]) for one in system.tasks]
            self.kept += kept
            if kept:
                self._tasks.append(asyncio.create_task(self._keep(system.name, kept)))

    def waiting(self) -> list[str]:
        """The systems whose tasks wait for another process, which has them still."""
        return [one.name for one in self.systems if one.tasks and one.name not in self._taken]

    async def _keep(self, name: str, kept: list[Kept]) -> None:
        said = False
        while not self._locks[name].take():
            if not said:
                tell(f"{name}: another process has it; its tasks begin later", "info", "waiting")
                said = True
            await asyncio.sleep(LOOK_SECONDS)
        self._taken.add(name)
        async with asyncio.TaskGroup() as group:
            for one in kept:
                group.create_task(one.run(), name=one.name)

    async def close(self) -> None:
        """End the tasks, then the systems."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_SECONDS)
        for name, state in self.states.items():
            close = getattr(state, "close", None)
            if close is not None:
                try:
                    await close()
                except (Exception, SystemExit) as error:
                    tell(f"{name}: while it ended: {error!r}", "error", "ended")
        self._opened.close()


class Lock:
    """Who has a system's folder: one process at a time, until it ends."""

    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> bool:
        """Take it; False if another process has it."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Let it go."""
        os.close(self._fd)


def is_begun(system: System, data: Path) -> bool:
    """Whether a system has tables in a folder."""
    return (data / system.name / _TABLES).exists()


@contextlib.contextmanager
def opened(system: System, settings: Any, data: Path) -> Iterator[Place]:
    """The place of a system, for a process or for a command.

    Raises:
        StoreError: the folder cannot be used.
    """
    folder = data / system.name
    tables = Tables(folder / _TABLES, system.tables, TABLES_OCTETS, lasting=True)
    try:
        yield Place(settings, folder, tables, lambda: time.time_ns() // 1_000_000, tell)
    finally:
        tables.close()
