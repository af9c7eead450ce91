"""One process of a server: started with what it needs, heard, told to end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from resolver.server import counters, log_lines
from resolver.server.log_lines import MAX_LINE_OCTETS
from resolver.server.notices import HANDED_OVER, relay
from resolver.server.signals import ignore_meaningless

HELD_LINES: Final = 20  # of what a process says before it is ready
# In /proc/PID/stat behind the command's name (proc(5)): state, majflt.
_STATE_FIELD, _FAULTS_FIELD = 0, 9
_AT_THE_DISK: Final = b"D"
_MEANINGS: Final[dict[int, str]] = {  # of signals that say more to us than to an administrator
    signal.SIGBUS: " (data.mdb or lock.mdb was cut short under it, or its disk is full or fails)",
}
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)


class Process:
    """A process that is told its sockets and counters, says when it is ready, and may speak.

    Its stderr is a pipe to us, so that nothing it says can hold it up, and the reason why it could
    not start is known here. Until it is ready its lines are held; then they are passed on.

    Attributes:
        started: when, on the monotonic clock in seconds.
        ready: it has said that it answers.
        counters: what it has done (`resolver.server.counters`).

    Args:
        name: what it is to the administrator.
        argv: its command line, to which descriptors are added.
        fds: the descriptors it inherits.
        selector: whose entries' data are functions to be called when a descriptor is readable.

    Raises:
        OSError: the system has no room for it.
    """

    def __init__(
        self, name: str, argv: Sequence[str], fds: Sequence[int], selector: selectors.BaseSelector
    ) -> None:
        self._name = name
        self._selector = selector
        self.started = time.monotonic()
        self.ready = False
        self._unfinished = b""
        self._held: deque[bytes] = deque(maxlen=HELD_LINES)
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            self._ready_fd, told = _pipe(ours, theirs)
            self._log_fd, log = _pipe(ours, theirs)
            counters_fd, self.counters = counters.make()
            theirs.callback(os.close, counters_fd)
            try:
                self._popen = subprocess.Popen(
                    [*argv, "--ready-fd", str(told), "--counters-fd", str(counters_fd)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,  # stdout is for the line that says ready
                    stderr=log,
                    pass_fds=(*fds, told, counters_fd),
                    env=_environment(),
                    preexec_fn=_bound_to(os.getpid()),
                )
            except subprocess.SubprocessError as error:  # it could not be prepared
                raise OSError(str(error)) from None
            ours.pop_all()
        selector.register(self._ready_fd, selectors.EVENT_READ, self._hear_ready)
        selector.register(self._log_fd, selectors.EVENT_READ, self._hear_log)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def _hear_ready(self) -> None:
        """Take the word of readiness, or its absence if the process has died."""
        self.ready = bool(os.read(self._ready_fd, 1))
        self._ready_fd = self._close(self._ready_fd)
        if self.ready:
            while self._held:
                self._relay(self._held.popleft())

    def _hear_log(self) -> None:
        """Take what it said, or that it will say no more."""
        if octets := self._read():
            self._take(octets)
        elif octets is not None:
            self._log_fd = self._close(self._log_fd)

    def last_words(self) -> str:
        """What it said last before it ended, unless that was passed on, and pass on the rest."""
        while self._log_fd >= 0 and (octets := self._read()):
            self._take(octets)
        self._take(b"")
        last = self._held.pop() if self._held else b""
        while self._held:
            self._relay(self._held.popleft())
        return log_lines.read(last, self._name, 0.0).message.removeprefix("csid: ")

    def _read(self) -> bytes | None:
        """What it said; nothing if it has closed the pipe, None if there is nothing now."""
        try:
            return os.read(self._log_fd, 65_536)
        except BlockingIOError:
            return None

    def _take(self, octets: bytes) -> None:
        """Pass on, or hold, the lines that are whole; without octets, what is left as well."""
        *lines, rest = (self._unfinished + octets).split(b"\n")
        if not octets or len(rest) >= MAX_LINE_OCTETS:
            lines.append(rest)
            rest = b""
        self._unfinished = rest
        for line in filter(None, lines):
            if self.ready:
                self._relay(line)
            else:
                self._held.append(line)

    def _relay(self, line: bytes) -> None:
        relay(line, self._name)

    def ended(self) -> str | None:
        """How it ended, if it has."""
        if (code := self._popen.poll()) is None:
            return None
        if code < 0:
            return f"signal {-code}{_MEANINGS.get(-code, '')}"
        return f"exit code {code}"

    def send(self, number: int) -> None:
        """Send it a signal; nothing happens if it has ended."""
        self._popen.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it came."""
        try:
            self._popen.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    def done(self) -> tuple[object, ...]:
        """What it has done so far: its counters and the pages it waited for, and the time if it
        waits for the disk right now, which tell a process with a slow disk from one that hangs.
        """
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_bytes().rpartition(b")")[2].split()
            waits = time.monotonic() if stat[_STATE_FIELD] == _AT_THE_DISK else 0.0
            return (*self._moves(), stat[_FAULTS_FIELD], waits)
        except (OSError, IndexError):
            return (*self._moves(), b"", 0.0)

    def _moves(self) -> tuple[int, int]:
        """The counters that stand still when the process hangs, whatever part of it lives on."""
        return self.counters[counters.QUERIES], self.counters[counters.BATCHES]

    def close(self) -> None:
        """Give up what is kept for it here, after its end."""
        self._ready_fd = self._close(self._ready_fd)
        self._log_fd = self._close(self._log_fd)

    def _close(self, fd: int) -> int:
        if fd >= 0:
            self._selector.unregister(fd)
            os.close(fd)
        return -1


def command(module: str, options: Sequence[str], fds: Sequence[int]) -> list[str]:
    """The command line of a module that is given some descriptors."""
    # -P: what runs must not depend on the directory the server is started in.
    words = [sys.executable, "-P", "-m", module, *options]
    for fd in fds:
        words += ["--fd", str(fd)]
    return words


def _pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[int, int]:
    """A pipe whose ends are closed by two stacks; neither end ever makes one wait."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    ours.callback(os.close, reading)
    theirs.callback(os.close, writing)
    return reading, writing


def _environment() -> dict[str, str]:
    """The environment of children: they import from where this process does, and hand their notices
    over to it.
    """
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109
    return {**os.environ, "PYTHONPATH": path, HANDED_OVER: "1"}


_libc = ctypes.CDLL(None)


def _bound_to(parent: int) -> Callable[[], None]:
    """What a child does before its program begins: tie its life to that of its parent."""

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # Ctrl-C and a terminal that goes away are for the supervisor to handle.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        ignore_meaningless()
        if os.getppid() != parent:  # it died before it could be tied to
            os._exit(1)

    return prepare
