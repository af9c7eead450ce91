"""The supervisor: the parent of all processes of a server (`csid serve`).

It binds the sockets, starts one process per UDP socket and one for TCP, replaces what dies, and
ends everything when told to. It answers nothing itself. Children are fresh processes, never forks
that carry an LMDB environment; their sockets stay open here, so that a query that comes while one
is replaced waits for the next instead of being lost.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from csid.address import Address
from csid.errors import CsidError
from resolver.server.sockets import Bound, bind
from resolver.store.environment import Store

END_SECONDS: Final = 1.0  # for children to end by themselves
STEADY_SECONDS: Final = 5.0  # a child that lived this long is replaced at once ...
FIRST_DELAY_SECONDS: Final = 0.2  # ... another after a delay that doubles each time
MAX_DELAY_SECONDS: Final = 30.0
READER_CHECK_SECONDS: Final = 60.0  # between two looks for reader slots of processes that died

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


class StartError(CsidError):
    """A process of the server ended before it answered."""


class Child:
    """One process to be kept running.

    Attributes:
        name: what it is to the administrator.
        ready: it has said that it answers.
        due: when it is to be started, on the monotonic clock in seconds; None while it runs.
    """

    def __init__(self, name: str, command: Sequence[str], fds: Sequence[int]) -> None:
        self.name = name
        self.ready = False
        self.due: float | None = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self._command = command
        self._fds = fds
        self._started = 0.0
        self._delay = 0.0

    def start(self) -> int:
        """Start the process; returns the descriptor on which it will say that it is ready.

        Raises:
            OSError: the system has no room for it; it is due again later.
        """
        self._started = time.monotonic()
        ready_fd, told = os.pipe()
        try:
            self.process = subprocess.Popen(
                [*self._command, "--ready-fd", str(told)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # stdout is for the line that says ready
                pass_fds=(*self._fds, told),
                env=_environment(),
                preexec_fn=_bound_to(os.getpid()),
            )
        except OSError:
            os.close(ready_fd)
            self._postpone()
            raise
        finally:
            os.close(told)
        self.ready = False
        self.due = None
        return ready_fd

    def hear(self, ready_fd: int) -> None:
        """Take the word of readiness, or its absence if the process has died."""
        self.ready = bool(os.read(ready_fd, 1))
        os.close(ready_fd)

    def ended(self) -> str | None:
        """How the process ended, if it just has; it is then due again."""
        if self.process is None or (code := self.process.poll()) is None:
            return None
        self.process = None
        self._postpone()
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def _postpone(self) -> None:
        """Set when to start it next: at once if it was steady, else ever later."""
        now = time.monotonic()
        if now - self._started >= STEADY_SECONDS:
            self._delay = 0.0
        self.due = now + self._delay
        self._delay = min(max(2 * self._delay, FIRST_DELAY_SECONDS), MAX_DELAY_SECONDS)


class Supervisor:
    """The processes of one server.

    Args:
        data: the data directory.
        bound: the sockets, one entry per listen address.
        nsid: the name the server gives when asked (RFC 5001).
    """

    def __init__(self, data: Path, bound: Sequence[Bound], nsid: str) -> None:
        options = ["--data", str(data.resolve()), *(["--nsid", nsid] if nsid else [])]
        self._children = [
            Child(f"UDP worker {number} of {one.address}", *_command("worker", options, [fd]))
            for one in bound
            for number, fd in enumerate((sock.fileno() for sock in one.udp), start=1)
        ]
        listeners = [one.tcp.fileno() for one in bound]
        self._children.append(Child("TCP server", *_command("tcp", options, listeners)))
        self._by_ready_fd: dict[int, Child] = {}
        self._poll = select.poll()
        self._ending = False

    def run(self, store: Store, ready: Callable[[], None]) -> None:
        """Keep the processes running until SIGTERM or SIGINT; `ready` is called once, when all of
        them answer.

        Raises:
            StartError: a process died before that.
        """
        with _wake_on(self._signalled) as wake_fd:
            self._poll.register(wake_fd, select.POLLIN)
            try:
                self._keep(store, ready, wake_fd)
            finally:
                self._end()

    def _keep(self, store: Store, ready: Callable[[], None], wake_fd: int) -> None:
        started = False
        readers_due = 0.0
        while not self._ending:
            now = time.monotonic()
            for child in self._children:
                if child.due is not None and child.due <= now:
                    self._start(child)
            if now >= readers_due:
                with _told():  # the children do not depend on it
                    store.check_readers()
                readers_due = now + READER_CHECK_SECONDS
            self._wait(wake_fd, readers_due)
            for child in self._children:
                if how := child.ended():
                    if not started:
                        raise StartError(f"{child.name} could not start: {how}; see above for why")
                    _tell(f"{child.name} ended by {how}; it is replaced")
            if not started and all(child.ready for child in self._children):
                started = True
                ready()

    def _start(self, child: Child) -> None:
        try:
            fd = child.start()
        except OSError as error:
            _tell(f"{child.name} cannot be started now: {error}")
            return
        self._by_ready_fd[fd] = child
        self._poll.register(fd, select.POLLIN)

    def _wait(self, wake_fd: int, readers_due: float) -> None:
        """Until a signal, a word of readiness, or the next thing is due."""
        dues = [child.due for child in self._children if child.due is not None]
        seconds = max(0.0, min([readers_due, *dues]) - time.monotonic())
        for fd, _ in self._poll.poll(int(seconds * 1000) + 1):
            if fd == wake_fd:
                os.read(wake_fd, 4096)
            else:
                self._poll.unregister(fd)
                self._by_ready_fd.pop(fd).hear(fd)

    def _signalled(self, number: int) -> None:
        if number != signal.SIGCHLD:
            self._ending = True

    def _end(self) -> None:
        """End all processes: kindly, and after END_SECONDS without asking."""
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            process.terminate()
        end = time.monotonic() + END_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def serve(
    data: Path,
    addresses: Sequence[Address],
    workers: int,
    nsid: str,
    ready: Callable[[Sequence[Address]], None],
) -> None:
    """Serve a data directory until SIGTERM or SIGINT.

    Args:
        addresses: where to listen, UDP and TCP alike.
        workers: UDP processes per address.
        nsid: the name the server gives when asked (RFC 5001); empty for none.
        ready: called once all processes answer, with the addresses as they were bound.

    Raises:
        CsidError: the data directory or an address cannot be used, or a process did not start.
    """
    with Store.open(data) as store, contextlib.ExitStack() as opened:
        bound = []
        for address in addresses:
            bound.append(bind(address, workers))
            opened.callback(bound[-1].close)
        supervisor = Supervisor(data, bound, nsid)
        supervisor.run(store, lambda: ready([one.address for one in bound]))


def _command(
    module: str, options: Sequence[str], fds: Sequence[int]
) -> tuple[list[str], Sequence[int]]:
    """The command line of a module of this package, and the descriptors it is given."""
    # -P: what runs must not depend on the directory the server is started in.
    words = [sys.executable, "-P", "-m", f"resolver.server.{module}", *options]
    for fd in fds:
        words += ["--fd", str(fd)]
    return words, fds


def _environment() -> dict[str, str]:
    """The environment of children: they import from where this process does."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109
    return {**os.environ, "PYTHONPATH": path}


_libc = ctypes.CDLL(None)


def _bound_to(parent: int) -> Callable[[], None]:
    """What a child does before its program begins: tie its life to that of its parent."""

    def prepare() -> None:
        if sys.platform == "linux":
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor to handle
        if os.getppid() != parent:  # it died before it could be tied to
            os._exit(1)

    return prepare


@contextlib.contextmanager
def _wake_on(handle: Callable[[int], None]) -> Iterator[int]:
    """Have signals handled, and a descriptor readable whenever one came."""
    wake_fd, told = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = {number: signal.signal(number, lambda n, _: handle(n)) for number in _SIGNALS}
    previous_fd = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    try:
        yield wake_fd
    finally:
        signal.set_wakeup_fd(previous_fd)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(told)
        os.close(wake_fd)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say what went wrong and go on."""
    try:
        yield
    except CsidError as error:
        _tell(str(error))


def _tell(message: str) -> None:
    print(f"csid: {message}", file=sys.stderr, flush=True)
