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

STDERR: Final = 2
MAX_LINE_OCTETS: Final = 4_096  # PIPE_BUF: what a pipe that is writable takes whole (pipe(7))
PAUSE_SECONDS: Final = 1.0  # between two lines about what strangers can bring about


class Repeated:
    """Tells of what may happen again and again, at most once in PAUSE_SECONDS.

    Args:
        clock: gives the time in seconds, from any beginning.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent_until = -math.inf
        self._untold = 0

    def tell(self, message: str) -> None:
        """Write one line, or count it among those that the next one stands for."""
        now = self._clock()
        if now < self._silent_until:
            self._untold += 1
            return
        self._silent_until = now + PAUSE_SECONDS
        more = f" (and {self._untold} times more before)" if self._untold else ""
        self._untold = 0
        tell(message + more)


def keep_standard_descriptors() -> None:
    """Open those of stdin, stdout and stderr that are closed, so that nothing else takes their
    place: a line for stderr would be written into the data, or sent to an asker.
    """
    for fd in range(STDERR + 1):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free


def tell(message: str) -> None:
    """Write one line, marked as ours."""
    relay(f"csid: {message}".encode("utf-8", "backslashreplace"))


def relay(line: bytes) -> None:
    """Write one line as it is."""
    line = line.replace(b"\n", b" ")[: MAX_LINE_OCTETS - 1] + b"\n"
    watch = select.poll()
    try:
        watch.register(STDERR, select.POLLOUT)
        if watch.poll(0):
            os.write(STDERR, line)
    except OSError:
        pass  # stderr is closed, or its reader is gone
