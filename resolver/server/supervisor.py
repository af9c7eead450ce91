"""The supervisor: the parent of all processes of a server (`csid serve`).

It binds the sockets, starts the processes that KINDS lists and those that its caller adds, and
keeps them answering: what dies is replaced, and so is what lives and does not answer
(`resolver.server.asking`). It answers nothing itself, and opens nothing of the data, for who maps a
file that is cut short dies. Children are fresh processes, never forks that carry an LMDB
environment; their sockets stay open here, so that a query that comes while one is replaced waits
for the next and is not lost.

    SIGTERM, SIGINT  end everything
    SIGHUP           open the data directory anew, and read configuration and certificates again:
                     each process is followed by a new one, which answers before the old one ends
    SIGUSR1          say on stderr what each process has done; passed on to the processes

No other signal has a meaning, and none of them ends the server.

The data directory is looked after by what stands at its path. If another one stands there (a
restored copy, a symbolic link that was turned), the processes open it as after SIGHUP; until it can
be opened, the old one is served on. If it is gone, what is open is served on, as name servers do
whose zone files are gone; a process that dies then can be replaced once the directory is back.

The server ends by itself only if it serves nobody or cannot heal: a process that does not become
ready, at start at once, later after `Timing.most_failures` times in a row, ends it with the reason.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from csid.address import Address
from csid.errors import CsidError
from resolver.server import control
from resolver.server.child import Child, StartError, Timing, end_of
from resolver.server.credentials import Credentials
from resolver.server.directory import Directory, Looked
from resolver.server.kinds import KINDS, Kind, Settings, Told, children_of
from resolver.server.notices import keep_standard_descriptors, tell
from resolver.server.process import Process
from resolver.server.service_manager import ServiceManager
from resolver.server.signals import MEANINGLESS
from resolver.server.sockets import Bound, bind, bind_tls

_ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT})
_HANDLED: Final = (*_ENDING, signal.SIGCHLD, signal.SIGHUP, signal.SIGUSR1)
_DEFAULT_TIMING: Final = Timing()


class Supervisor:
    """The processes of one server.

    Args:
        directory: the data directory.
        bound: the sockets, one entry per listen address; nobody reads from them yet.
        timing: how long things may take.
        kinds: of process.
        credentials: what is shown over TLS; read again with SIGHUP.
        software: the version of the program, for whoever asks.
        settings: what the processes are told.
        reread: gives the settings anew when SIGHUP asks for it; raises CsidError if it cannot.
        manager: whom to tell how far the server is.
    """

    def __init__(
        self,
        directory: Looked,
        bound: Sequence[Bound],
        settings: Settings,
        timing: Timing,
        kinds: Sequence[Kind] = KINDS,
        credentials: Credentials | None = None,
        software: str = "",
        reread: Callable[[], Settings] | None = None,
        manager: ServiceManager | None = None,
    ) -> None:
        self._software = software
        self._told = Told(settings)
        self._reread = reread or (lambda: settings)
        self._manager = manager or ServiceManager()
        self._directory = directory
        self._timing = timing
        self._selector = selectors.DefaultSelector()
        self._credentials = credentials
        fds = () if credentials is None else credentials.fds
        self._children = children_of(
            bound, directory.path, self._told, timing, self._selector, kinds, fds
        )
        self._signals: set[int] = set()
        self._started = False
        self._begun = time.monotonic()
        self._started_at = time.time()
        self._addresses = bound
        self._control = control.Control(self._selector, self.snapshot)
        self._reopening: deque[Child] = deque()  # those still to be followed by a new process
        self._reopening_since = 0.0
        self._next_attempt = 0.0  # to open a directory that could not be opened
        self._leaving: dict[Process, float] = {}  # told to end, and until when

    def run(self, ready: Callable[[], None]) -> None:
        """Keep the processes running until SIGTERM or SIGINT; `ready` is called once, when all of
        them answer.

        Raises:
            StartError: a process does not become ready, or none is left.
        """
        with _signals(self._signals.add) as wake_fd:
            self._selector.register(wake_fd, selectors.EVENT_READ, lambda: os.read(wake_fd, 4_096))
            try:
                self._control.open(self._directory.path)
                self._keep(ready)
            finally:
                self._end()

    def _keep(self, ready: Callable[[], None]) -> None:
        look_due = time.monotonic() + self._timing.look_seconds
        while not self._signals & _ENDING:
            self._obey()
            now = time.monotonic()
            if now >= look_due:
                self._look()
                look_due = now + self._timing.look_seconds
            self._manager.alive(now)
            for child in self._due(now):
                child.start()
            self._reopen()
            self._wait(min(look_due, self._manager.due))
            for child in self._children:
                child.reap()
            self._leave()
            if not self._started and not any(child.awaited for child in self._children):
                self._started = True
                for child in self._children:
                    child.settle()
                self._directory.opened()
                ready()
                self._manager.ready(self._status())

    def _obey(self) -> None:
        """Do what signals have asked for."""
        # Each is forgotten before it is obeyed, for it may come again meanwhile.
        self._signals.discard(signal.SIGCHLD)
        if signal.SIGHUP in self._signals and self._started:
            self._signals.discard(signal.SIGHUP)
            tell(f"SIGHUP: opening {self._directory.path} anew", "info", "reopening")
            self._manager.reloading()
            self._refresh()
            self._begin_reopening()
        if signal.SIGUSR1 in self._signals:
            self._signals.discard(signal.SIGUSR1)
            for child in self._children:
                tell(child.report(), "info", "report")
                child.send(signal.SIGUSR1)

    def snapshot(self) -> control.Snapshot:
        """What the server is doing, for `control.py`; `started` is in seconds since 1970."""
        return {
            "version": control.VERSION,
            "software": self._software,
            "pid": os.getpid(),
            "started": self._started_at,
            "up": time.monotonic() - self._begun,
            "ready": self._started,
            "listen": [[str(one.address), one.tls] for one in self._addresses],
            "directory_gone": self._directory.gone,
            "processes": [child.snapshot() for child in self._children],
        }

    def _refresh(self) -> None:
        """Read again what the processes that are to be started are told, and show over TLS."""
        try:
            self._told.anew(self._reread())
        except CsidError as error:
            tell(f"{error}; what was read before holds on", "error", "configuration")
        if self._credentials is not None:
            try:
                self._credentials.refresh()
            except CsidError as error:
                tell(f"{error}; what was read before is shown on", "error", "credentials")

    def _status(self) -> str:
        """How the server is, in one line."""
        answering = sum(child.ready for child in self._children)
        gone = ", which is gone" if self._directory.gone else ""
        return (
            f"{answering} of {len(self._children)} processes answer; data "
            f"{self._directory.path}{gone}"
        )

    def _look(self) -> None:
        """See whether the processes answer, and what stands at the path of the data directory."""
        waited = time.monotonic() - self._begun
        for child in self._children:
            child.look()
            late = child.vital and waited >= self._timing.start_seconds
            if late and not self._started and not child.process:
                raise StartError(f"{child.name} could not be started within {waited:.3g} s")
        path = self._directory.path
        another = self._directory.look()
        if self._started:
            self._manager.status(self._status())
        if not self._directory.gone:
            self._control.look(path)
        if self._directory.gone and not any(child.process for child in self._children):
            raise StartError(
                f"{path}: the data directory is gone, and so are all processes that had it open"
            )
        if not another or self._reopening or not self._started:
            return
        if time.monotonic() >= self._next_attempt or self._directory.is_new():
            said = f"{path}: another data directory has taken its place; opening it"
            tell(said, "info", "reopening")
            self._begin_reopening()

    def _begin_reopening(self) -> None:
        for child in self._children:
            self._dismiss(child.give_up_successor(), self._timing.end_seconds)
        self._directory.opening()
        self._reopening = deque(self._children)
        self._reopening_since = time.monotonic()

    def _reopen(self) -> None:
        """Go on letting each process be followed by a new one, one after the other."""
        while self._reopening:
            child = self._reopening[0]
            if child.process is None or child.process.started < self._reopening_since:
                if not self._has_followed(child):
                    return
            elif not child.ready:  # it died meanwhile and is being replaced
                return
            self._reopening.popleft()
            if not self._reopening:
                said = f"{self._directory.path}: all processes have opened it anew"
                tell(said, "info", "reopened")
                self._directory.opened()
                self._told.settle()
                self._manager.reloaded(self._status())

    def _has_followed(self, child: Child) -> bool:
        """Whether a child's successor has just taken its place."""
        if child.process is None:
            return False
        try:
            if child.successor is None:
                child.start_successor()
                return False
            if child.successor.ready:
                self._dismiss(child.succeed(), self._timing.drain_seconds)
                return True
            reason = end_of(child.successor)
        except OSError as error:
            reason = str(error)
        if reason is not None:
            tell(
                f"{self._directory.path}: cannot be opened anew: {reason}; what is open is served "
                f"on",
                "error",
                "not-reopened",
            )
            child.give_up_successor()
            self._reopening.clear()
            self._told.undo()
            self._manager.reloaded(f"not opened anew; {self._status()}")
            self._next_attempt = time.monotonic() + self._timing.max_delay
        return False

    def _due(self, now: float) -> list[Child]:
        """The children to be started now; without a data directory there is no use in it."""
        if self._directory.gone:
            return []
        due = [child for child in self._children if child.due is not None and child.due <= now]
        if all(child.ready for child in self._children if child.vital):
            return due
        return [child for child in due if child.vital or self._started]

    def _wait(self, until: float) -> None:
        """Until a signal, a word of a process, or the next thing is due."""
        dues = [until, *self._leaving.values()]
        if not self._directory.gone:
            dues += [
                child.due
                for child in self._children
                if child.due is not None and (child.vital or self._started)
            ]
        for key, _ in self._selector.select(max(0.0, min(dues) - time.monotonic())):
            key.data()

    def _dismiss(self, process: Process | None, seconds: float) -> None:
        """Tell a process to end within a time."""
        if process is not None:
            process.send(signal.SIGTERM)
            self._leaving[process] = time.monotonic() + seconds

    def _leave(self) -> None:
        """Forget the processes that ended as they were told, and kill those that did not."""
        now = time.monotonic()
        for process, until in list(self._leaving.items()):
            if end_of(process) is not None:
                del self._leaving[process]
            elif until <= now:
                process.send(signal.SIGKILL)
                self._leaving[process] = now + self._timing.end_seconds

    def _end(self) -> None:
        """End all processes: kindly, and after a while without asking."""
        self._manager.stopping()
        for child in self._children:
            self._dismiss(child.process, self._timing.end_seconds)
            self._dismiss(child.give_up_successor(), self._timing.end_seconds)
            child.close()
        self._control.close(self._directory.path)
        end = time.monotonic() + self._timing.end_seconds
        for process in self._leaving:
            if not process.wait(end - time.monotonic()):
                process.send(signal.SIGKILL)
        for process in self._leaving:
            process.wait(self._timing.end_seconds)  # one that waits for a dead disk never ends
            process.close()
        self._selector.close()


def serve(
    data: Path,
    addresses: Sequence[Address],
    workers: int,
    settings: Settings,
    ready: Callable[[Sequence[Address]], None],
    timing: Timing = _DEFAULT_TIMING,
    kinds: Sequence[Kind] = KINDS,
    tls: tuple[Sequence[Address], Credentials] | None = None,
    software: str = "",
    reread: Callable[[], Settings] | None = None,
    manager: ServiceManager | None = None,
    all_bound: Callable[[], None] = lambda: None,
    looked_after: Callable[[Path], Looked] = Directory,
) -> None:
    """Serve a data directory until SIGTERM or SIGINT.

    Args:
        addresses: where to listen, UDP and TCP alike.
        workers: UDP processes per address.
        settings: what the processes are told.
        ready: called once all processes answer, with the addresses as they were bound, those for
            TLS behind the others.
        timing: how long things may take.
        kinds: of process.
        tls: where to listen for TLS, and what is shown there.
        software: the version of the program, for whoever asks (`resolver.server.control`).
        reread: gives the settings anew when SIGHUP asks for it; raises CsidError if it cannot.
        manager: whom to tell how far the server is.
        all_bound: called when all sockets are there, before the data are opened by anybody; gives
            up what rights that took.
        looked_after: the directory, as it is looked after.

    Raises:
        CsidError: the data directory or an address cannot be used, or a process did not start.
    """
    keep_standard_descriptors()
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    with contextlib.ExitStack() as opened:
        # A symbolic link in the path may be turned later, so it is not resolved here.
        directory = looked_after(data.absolute())
        bound = []
        for address in addresses:
            bound.append(bind(address, workers))
            opened.callback(bound[-1].close)
        for address in tls[0] if tls else ():
            bound.append(bind_tls(address))
            opened.callback(bound[-1].close)
        credentials = tls[1] if tls else None
        all_bound()
        supervisor = Supervisor(
            directory, bound, settings, timing, kinds, credentials, software, reread, manager
        )
        supervisor.run(lambda: ready([one.address for one in bound]))


@contextlib.contextmanager
def _signals(take: Callable[[int], None]) -> Iterator[int]:
    """Have signals taken, those without a meaning ignored, and a descriptor readable whenever one
    came.
    """
    wake_fd, told = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in MEANINGLESS}
    for number in _HANDLED:
        handler = signal.signal(number, lambda n, _: take(n))
        before.setdefault(number, handler)
    previous_fd = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    try:
        yield wake_fd
    finally:
        signal.set_wakeup_fd(previous_fd)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(told)
        os.close(wake_fd)
