"""Commands that are killed right before a change of a file, counted: each moment that a power cut
could choose, one after the other.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import Final

from tests.support.commands import run

_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES: Final = frozenset({"os.link", "os.rename", "os.remove", "os.rmdir", "os.mkdir"})
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(["tests.support.commands"])


def cut_off(number: int, folder: Path, *words: object) -> bool:
    """Run one command, killed before its change of a file below a folder with that number, from 0;
    whether it was.
    """
    surroundings = dict(os.environ)  # the fork server has those it was started in
    process = _FORKING.Process(
        target=_run, args=(number, str(folder), surroundings, *map(str, words))
    )
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


def _run(number: int, folder: str, surroundings: dict[str, str], *words: str) -> None:
    os.environ.update(surroundings)
    left = number

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal left
        writes = event == "open" and isinstance(args[2], int) and args[2] & _WRITING
        if (writes or event in _CHANGES) and str(args[0]).startswith(folder):
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(hook)
    sys.exit(run(*words).code)
