"""What a process owes the supervisor that has started it: to say when it is ready, to answer."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Final

_READY: Final = b"+"
_ASKED_OCTETS: Final = 64


def tell_ready(fd: int | None) -> None:
    """Say that this process answers; nothing where it was not started by a supervisor.

    Args:
        fd: of `--ready-fd`, which is closed.
    """
    if fd is not None:
        os.write(fd, _READY)
        os.close(fd)


def answer(asker: socket.socket) -> None:
    """Answer over the end of a pair that the process has (`resolver.server.asking.PairAsker`).

    Args:
        asker: it does not block.
    """
    with contextlib.suppress(OSError):
        asker.send(asker.recv(_ASKED_OCTETS)[:1])
