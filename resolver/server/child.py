"""One process of a server for as long as the server lives: started, replaced, followed by another.

At any time it is one running process or, while it waits for its turn to be started again, none; and
while it is to open the data directory anew, its successor beside it.
"""

from __future__ import annotations

import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from csid.errors import CsidError
from resolver.server import counters
from resolver.server.asking import Asker, Health
from resolver.server.counters import BATCHES, CELLS, QUERIES
from resolver.server.notices import tell
from resolver.server.process import Process
from resolver.server.sockets import dropped


class Timing(NamedTuple):
    """How long things may take; seconds unless it says otherwise."""

    look_seconds: float = 1.0  # between two looks at the processes and the data directory
    most_misses: int = 5  # looks in a row without an answer, after which a process is replaced
    start_seconds: float = 30.0  # for a process to become ready
    end_seconds: float = 1.0  # for a process to end by itself when all do
    steady_seconds: float = 5.0  # a process that lived this long is replaced at once ...
    first_delay: float = 0.2  # ... another after a delay that doubles each time
    max_delay: float = 30.0
    most_failures: int = 10  # in a row to become ready, after which the server ends
    drain_seconds: float = 7.0  # for a process that was followed: above tcp.DRAIN_SECONDS


class StartError(CsidError):
    """A process of the server does not become ready."""


class Child:
    """One process to be kept running and answering.

    Attributes:
        name: what it is to the administrator; `kind`, that of its kind.
        vital: without it there is no server.
        process: the one that serves, or is starting to.
        successor: the one that is to take its place once it is ready.
        due: when it is to be started, on the monotonic clock in seconds; None while it runs.

    Args:
        argv: gives its command line, which may be another one each time it is started.
    """

    def __init__(
        self,
        name: str,
        argv: Callable[[], Sequence[str]],
        sockets: Sequence[socket.socket],
        asker: Asker,
        timing: Timing,
        selector: selectors.BaseSelector,
        counted: tuple[str, str] = ("queries", "batches"),
        vital: bool = True,
        inherited: Sequence[int] = (),
        kind: str = "",
    ) -> None:
        self.name = name
        self.kind = kind or name
        self.vital = vital
        self._counts = counted
        self.process: Process | None = None
        self.successor: Process | None = None
        self.due: float | None = 0.0
        self._argv = argv
        self._sockets = sockets
        self._fds = [*(sock.fileno() for sock in sockets), *inherited]
        self._health = Health(asker)
        self._timing = timing
        self._selector = selector
        self._settled = False  # the server has started
        self._begun = 0.0
        self._delay = 0.0
        self._failures = 0
        self._starts = 0
        self._told_to_end: Process | None = None
        self._counted = [0] * CELLS  # by processes that are gone

    @property
    def ready(self) -> bool:
        """Whether it answers."""
        return self.process is not None and self.process.ready

    @property
    def awaited(self) -> bool:
        """Whether the server is not complete before this answers: one that is not vital may have
        failed.
        """
        return not self.ready and (self.vital or not self._delay)

    def settle(self) -> None:
        """The server has started: from now on an end is mended, not an error."""
        self._settled = True

    def start(self) -> None:
        """Start the process; if the system has no room for it, it is due again later."""
        self._begun = time.monotonic()
        try:
            self._take(self._new_process())
        except OSError as error:
            self._tell("process-not-started", f"{self.name} cannot be started now: {error}")
            self._postpone()

    def start_successor(self) -> None:
        """Start the process that is to follow the present one.

        Raises:
            OSError: the system has no room for it.
        """
        self.successor = self._new_process()

    def succeed(self) -> Process | None:
        """Let the successor be the process; returns the one before, which is to be ended."""
        before = self.process
        if before is not None:
            self._count(before)
        self._take(self.successor)
        return before

    def give_up_successor(self) -> Process | None:
        """Have no successor; returns the one there was, which is to be ended."""
        successor, self.successor = self.successor, None
        return successor

    def reap(self) -> None:
        """If the process has ended, say so and have it replaced.

        Raises:
            StartError: there is no use in that.
        """
        process = self.process
        if process is None or (how := end_of(process)) is None:
            return
        self._count(process)
        self._failures = 0 if process.ready else self._failures + 1
        given_up = not self._settled or self._failures >= self._timing.most_failures
        if self.vital and given_up:
            raise StartError(f"{self.name} could not start: {how}")
        self._tell("process-replaced", f"{self.name} ended by {how}; it is replaced")
        if self.successor is not None:
            self._take(self.successor)
        else:
            self.process = None
            self._postpone()

    def look(self) -> None:
        """See whether it answers; if not, end it, so that it is replaced."""
        for process in (self.process, self.successor):
            if process is None or process is self._told_to_end:
                continue
            if not process.ready:
                waited = time.monotonic() - process.started
                if waited < self._timing.start_seconds:
                    continue
                what = f"is not ready after {waited:.3g} s"
            elif process is self.process and self._settled:
                misses = self._health.look(process.done())
                if misses < self._timing.most_misses:
                    continue
                what = f"has not answered for {misses * self._timing.look_seconds:.3g} s"
            else:
                continue
            said = f"{self.name}, process {process.pid}, {what}; it is killed"
            self._tell("process-killed", said)
            self._told_to_end = process
            process.send(signal.SIGKILL)

    def report(self) -> str:
        """What it has done, in one line."""
        process = self.process
        state = f"process {process.pid}" if process is not None else "not running"
        up = time.monotonic() - process.started if process is not None else 0.0
        counted = [self._counted[at] for at in (QUERIES, BATCHES)]
        if process is not None:
            counted = [process.counters[at] + self._counted[at] for at in (QUERIES, BATCHES)]
        done = ", ".join(
            f"{what} {count}" for what, count in zip(self._counts, counted, strict=True)
        )
        return (
            f"{self.name}: {state}, up {up:.0f} s, restarts {max(0, self._starts - 1)}, {done}, "
            f"dropped by the kernel {sum(map(dropped, self._sockets))}"
        )

    def snapshot(self) -> dict[str, Any]:
        """What it has done, for `control.py`; times in seconds."""
        process = self.process
        cells = list(self._counted)
        if process is not None:
            cells = [count + before for count, before in zip(process.counters, cells, strict=True)]
        return {
            "name": self.name,
            "kind": self.kind,
            "vital": self.vital,
            "pid": process.pid if process is not None else None,
            "ready": self.ready,
            "up": time.monotonic() - process.started if process is not None else 0.0,
            "starts": self._starts,
            "dropped": sum(map(dropped, self._sockets)),
            "counted": self._counts,
            "counters": counters.told(cells),
        }

    def send(self, number: int) -> None:
        """Send the process a signal, if there is one."""
        if self.process is not None:
            self.process.send(number)

    def close(self) -> None:
        """Ask no more."""
        self._health.asker.close()

    def _tell(self, event: str, message: str) -> None:
        pid = self.process.pid if self.process is not None else 0
        tell(message, "error", event, name=self.name, pid=pid)

    def _new_process(self) -> Process:
        return Process(self.name, self._argv(), self._fds, self._selector)

    def _take(self, process: Process | None) -> None:
        self.process = process
        self.successor = None
        self.due = None
        self._starts += 1
        self._health.renew()

    def _count(self, process: Process) -> None:
        counters.add(self._counted, process.counters)

    def _postpone(self) -> None:
        """Set when to start it next: at once if it was steady, else ever later."""
        now = time.monotonic()
        if now - self._begun >= self._timing.steady_seconds:
            self._delay = 0.0
        self.due = now + self._delay
        self._delay = min(max(2 * self._delay, self._timing.first_delay), self._timing.max_delay)


def end_of(process: Process) -> str | None:
    """How a process ended and what it said last, if it has ended; it is then given up."""
    how = process.ended()
    if how is None:
        return None
    words = process.last_words()
    process.close()
    return f"{how}: {words}" if words else how
