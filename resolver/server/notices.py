"""What a server has to say to its administrator: lines on stderr, which never hold it up.

Whoever reads them may be slow or gone. A line that stderr does not take now is dropped, for a
server that waits for its log has stopped serving.
"""

from __future__ import annotations

import math
import os
import select
import time
from collections.abc import Callable
from typing import Final

from resolver.server import log_lines
from resolver.server.log_lines import LEVELS, Notice, Render

STDERR: Final = 2
SUPERVISOR: Final = "supervisor"
# In the environment of a process whose supervisor reads its lines, and says them in its own form.
HANDED_OVER: Final = "CSID_NOTICES"
PAUSE_SECONDS: Final = 1.0  # between two lines about what strangers can bring about

_render: Render = log_lines.handed_over if os.environ.get(HANDED_OVER) else log_lines.plain
_least = 0  # of LEVELS
_say: Callable[[str], str] = str


class Repeated:
    """Tells of what may happen again and again, at most once in PAUSE_SECONDS.

    Args:
        clock: gives the time in seconds, from any beginning.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent_until = -math.inf
        self._untold = 0

    def tell(self, message: str, event: str = "notice", **values: str | int) -> None:
        """Write one line, or count it among those that the next one stands for."""
        now = self._clock()
        if now < self._silent_until:
            self._untold += 1
            return
        self._silent_until = now + PAUSE_SECONDS
        more = f" (and {self._untold} times more before)" if self._untold else ""
        self._untold = 0
        tell(message + more, "warning", event, **values)


def keep_standard_descriptors() -> None:
    """Open those of stdin, stdout and stderr that are closed, so that nothing else takes their
    place: a line for stderr would be written into the data, or sent to an asker.
    """
    for fd in range(STDERR + 1):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free


def tell(message: str, level: str = "warning", event: str = "notice", **values: str | int) -> None:
    """Write one line.

    Args:
        message: for people.
        level: one of `log_lines.LEVELS`.
        event: what it is about, one word, always the same.
        values: what scripts want of it; never a secret.
    """
    _write(Notice(time.time(), level, SUPERVISOR, event, message, values))


def relay(line: bytes, process: str) -> None:
    """Write what a process has said in one line."""
    _write(log_lines.read(line, process, time.time()))


def log_as(form: str, least: str, say: Callable[[str], str] = str) -> None:
    """Say all in a form, one of `log_lines.RENDERS`, but for what is below a level; ``say`` puts a
    message into the language of who reads it.
    """
    global _render, _least, _say
    _render, _least, _say = log_lines.RENDERS[form], LEVELS.index(least), say


def _write(notice: Notice) -> None:
    if LEVELS.index(notice.level) < _least:
        return
    line = log_lines.line_of(_render, notice._replace(message=_say(notice.message)))
    watch = select.poll()
    try:
        watch.register(STDERR, select.POLLOUT)
        if watch.poll(0):
            os.write(STDERR, line)
    except OSError:
        pass  # stderr is closed, or its reader is gone
