"""Real servers for tests: `csid serve` on a free port, over a data directory of the test's own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from resolver.store.build import build
from resolver.store.environment import Store
from tests.support.memory import zone_data

CHECKOUT = Path(__file__).parents[2]
PATIENCE = 20.0  # seconds for anything a test waits for, on a busy machine

SUFFIX = "csid.internal."
ZONE = """\
$TTL 300
@    SOA   ns hostmaster 1 7200 900 1209600 60
     NS    ns
ns   A     192.0.2.53
www  A     192.0.2.1
     AAAA  2001:db8::1
many TXT   "{filler}"
""".format(filler='" "'.join(f"{number:03}" + "x" * 200 for number in range(60)))


def make_data(path: Path, text: str = ZONE, origin: str = SUFFIX) -> Path:
    """A data directory that holds one zone."""
    with Store.create(path, SUFFIX, "0.EXAMPLE") as store:
        put_zone(store, text, origin)
    return path


def put_zone(store: Store, text: str, origin: str = SUFFIX) -> None:
    """Let a zone be what the text says, from now on."""
    apex, data = zone_data(text, origin)
    with store.write() as txn:
        txn.replace_zone(apex, build(apex, data))


class Server:
    """A running `csid serve`."""

    def __init__(self, process: subprocess.Popen[str], ready: str, log: Path) -> None:
        self.process = process
        self.ready = ready
        self.log = log

    @property
    def port(self) -> int:
        """The port of the first address it listens on."""
        return int(self.ready.split(",")[0].split()[2].rpartition(":")[2])

    def workers(self, module: str) -> list[int]:
        """Process ids of its children that run `module`."""
        return [pid for pid in children(self.process.pid) if module in command_line(pid)]

    def stop(self) -> int:
        """End it as an administrator would; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def serving(
    data: Path, *options: str, listen: Sequence[str] = ("127.0.0.1:0",), workers: int = 1
) -> Iterator[Server]:
    """A server that has said `ready`; killed on the way out if it still runs."""
    words = ["serve", "--data", str(data), "--workers", str(workers), *options]
    for address in listen:
        words += ["--listen", address]
    with running(words, data.with_name(data.name + ".log")) as server:
        yield server


@contextlib.contextmanager
def resolving(
    folder: Path,
    *options: str,
    root: Sequence[str] = (),
    listen: Sequence[str] = ("127.0.0.1:0",),
    workers: int = 1,
) -> Iterator[Server]:
    """A gateway that has said `ready`; as `serving`."""
    words = ["gateway", "--data", str(folder), "--workers", str(workers), *options]
    for address in listen:
        words += ["--listen", address]
    for address in root:
        words += ["--root", address]
    with running(words, folder.with_name(folder.name + ".log")) as server:
        yield server


@contextlib.contextmanager
def running(words: Sequence[str], log: Path) -> Iterator[Server]:
    """A command that goes on, once it has said `ready`; its log is in a file."""
    with log.open("w") as stderr:
        process = start(words, stderr)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith("ready"), log.read_text()
        yield Server(process, ready.rstrip("\n"), log)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        process.communicate()


def start(
    words: Sequence[str], stderr: IO[str] | int, path: Path | None = None
) -> subprocess.Popen[str]:
    """Start a `csid` command, leader of a process group, with its output to be read.

    `path` is a folder whose modules go before all others.
    """
    folders = [*([path] if path else []), CHECKOUT]
    return subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
        process_group=0,
    )


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a `csid` command to its end."""
    process = start(words, subprocess.PIPE)
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def children(pid: int) -> list[int]:
    """Process ids of the direct children of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def command_line(pid: int) -> str:
    """The command line of a process, or nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):  # the latter while it is being read
        return ""


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent does not."""
    return command_line(pid) != ""


def eventually(what: str, holds: object, seconds: float = PATIENCE) -> None:
    """Wait until a condition, given as a function, holds."""
    assert callable(holds)
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)
