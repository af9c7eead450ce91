"""Processes that are killed soon after a number of things they did, and not after a time: how fast
the machine is at the moment does not matter.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import BinaryIO, Final, NamedTuple

LONGEST: Final = (
    0.02  # seconds that a process runs on behind the last thing waited for: some writes
)
PATIENCE: Final = 60  # seconds for it to end

_FORKING = multiprocessing.get_context("forkserver")  # all imported, processes start at once
_FORKING.set_forkserver_preload(["tests.support.books", "resolver.zonefile.load"])

Say = Callable[[str], object]  # a line, at once


class Started(NamedTuple):
    """A process, and what it says."""

    process: ForkServerProcess
    said: BinaryIO


def start(work: Callable[..., None], *given: object) -> Started:
    """Run `work(say, *given)`, a function of a module, in a process of its own."""
    reader, writer = _FORKING.Pipe(duplex=False)
    here = dict(os.environ)  # the server that forks has that of the first test which used it
    process = _FORKING.Process(target=_run, args=(work, writer, here, *given))
    process.start()
    writer.close()
    with reader:
        return Started(process, os.fdopen(os.dup(reader.fileno()), "rb"))


def _run(
    work: Callable[..., None], writer: Connection, environment: dict[str, str], *given: object
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    work(lambda line: os.write(writer.fileno(), f"{line}\n".encode()), *given)


def all_said(started: Started, before: bytes = b"") -> list[str]:
    """What a process says up to its end, in whole lines."""
    with started.said:
        said = before + started.said.read()
    started.process.join(PATIENCE)
    return said[: said.rfind(b"\n") + 1].decode().splitlines()


def killed_after(started: Started, lines: int, seconds: float) -> list[str]:
    """Kill a process so long after it has said so many lines; what it said up to its end."""
    said = b"".join(started.said.readline() for _ in range(lines))
    time.sleep(seconds)
    started.process.kill()
    whole = all_said(started, said)
    assert len(whole) >= lines, "it ended by itself"
    return whole


def finished(started: Started) -> list[str]:
    """What a process says that is left to come to its end, which must be a good one."""
    said = all_said(started)
    assert started.process.exitcode == 0
    return said


def moments(kills: int, lines: int) -> list[tuple[int, float]]:
    """When to kill a process that says so many lines: behind how many of them, one number in each
    of `kills` equal parts, and how long behind.
    """
    source = random.Random(1)
    behind = [int(lines * (part + source.random()) / kills) for part in range(kills)]
    return [(lines, source.random() * LONGEST) for lines in behind]
