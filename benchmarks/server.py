"""What the compared servers have in common: prepared once, started pinned to a core, ended."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from benchmarks import processes
from benchmarks.data import Data

CHECKOUT = Path(__file__).parent.parent
SERVER_CORE = 0
SYSTEM_PATH = ":/usr/sbin:/sbin"  # where servers are; seldom in a user's PATH
PATIENCE = 180.0  # seconds for a server to give its first answer
PROBE_INTERVAL = 0.002  # seconds between questions while it starts
GRACE = 5.0  # seconds to end by itself
PR_SET_PDEATHSIG = 1

_running: list[Peer] = []
_libc = ctypes.CDLL(None)


class PeerError(Exception):
    """A server could not be built, loaded or started; the message ends with its log."""


class Peer:
    """A server: `prepare` once, then `started` as a context for each measurement."""

    name: ClassVar[str]
    program: ClassVar[str]
    # A server that answers any packet in kind has no records to be asked for.
    serves_zone: ClassVar[bool] = True

    def __init__(self, data: Data, work: Path, port: int) -> None:
        self.data = data
        self.port = port
        self.folder = work / f"{self.name}-{data.folder.name}"
        self.label = self.name
        self.start_seconds = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def missing(cls) -> str | None:
        """Why this server cannot be run here, or nothing."""
        found = shutil.which(cls.program, path=os.environ.get("PATH", "") + SYSTEM_PATH)
        return None if found else f"{cls.program} is not installed"

    def prepare(self) -> None:
        """Write configuration and load data; what may be kept is kept from run to run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.files().items():
            (self.folder / name).write_text(text, encoding="utf-8")

    def files(self) -> dict[str, str]:
        """The configuration files by name."""
        return {}

    def command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        path = os.environ.get("PATH", "") + SYSTEM_PATH
        return {**os.environ, "PATH": path, "PYTHONPATH": str(CHECKOUT)}

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @contextlib.contextmanager
    def started(self) -> Iterator[Peer]:
        """The server, answering, alone on its core; ended on the way out whatever happens."""
        try:
            self.start()
            yield self
        finally:
            self.stop()

    def start(self) -> None:
        """Start it and wait for its first answer; sets `start_seconds`."""
        with self._probe() as probe:
            if self._answers(probe, 10 * PROBE_INTERVAL):
                raise PeerError(f"port {self.port} is taken: something answers there already")
        begin = time.monotonic()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(word) for word in self.command()],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a process group of its own, to be ended as one
                preexec_fn=_pin_and_bind_to_parent,
            )
        _running.append(self)
        with self._probe() as probe:
            while not self._answers(probe, PROBE_INTERVAL):
                if self._process.poll() is not None:
                    raise PeerError(f"{self.name} ended at start: {self._last_words()}")
                if time.monotonic() - begin > PATIENCE:
                    raise PeerError(f"{self.name} gave no answer in {PATIENCE:.0f} s")
        self.start_seconds = time.monotonic() - begin

    @property
    def pids(self) -> list[int]:
        """The serving processes as of now: a server may replace its children."""
        if self._process is None:
            raise PeerError(f"{self.name} is not running")
        return processes.family(self._process.pid)

    def stop(self) -> None:
        """End the server and its children, first kindly; no process of it stays behind."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(ProcessLookupError):  # no child was left behind
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process = None
        _running.remove(self)

    def _answers(self, probe: socket.socket, wait: float) -> bool:
        """Ask for an existing name; whether this or a former probe got a record within `wait`."""
        begin = time.monotonic()
        try:
            probe.settimeout(wait)
            probe.send(self.data.hosted)
            answer = probe.recv(4096)
        except TimeoutError:
            return False
        except ConnectionRefusedError:
            answer = b""
        records = int.from_bytes(answer[6:8], "big")
        if answer and answer[3] & 15 == 0 and (records > 0 or not self.serves_zone):
            return True
        time.sleep(max(0.0, begin + wait - time.monotonic()))
        return False

    def _probe(self) -> socket.socket:
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        probe.connect(("127.0.0.1", self.port))
        return probe

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-1500:].strip() or "it said nothing"

    def load_zone(self) -> processes.Cost:
        """What it costs to read the zone's text: of a server that reads it then, its start."""
        with self.started():
            pids = self.pids
            memory = sum(processes.memory(pid).proportional for pid in pids)
            return processes.Cost(self.start_seconds, processes.cpu_seconds(pids), memory)

    def run_tool(self, *words: str | Path) -> None:
        """Run a loading or compiling command to its end."""
        done = subprocess.run(
            [str(word) for word in words],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise PeerError(f"{words[0]} failed: {(done.stdout + done.stderr)[-1500:].strip()}")


def _pin_and_bind_to_parent() -> None:
    os.sched_setaffinity(0, {SERVER_CORE})
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@atexit.register
def _stop_all() -> None:
    for peer in list(_running):
        peer.stop()
