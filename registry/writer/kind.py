"""The writer as one more kind of process of a server."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence

from resolver.server.kinds import Kind, Share
from resolver.server.sockets import Bound


class PairAsker:
    """Asks over one end of a pair of sockets, the other of which the process has.

    It is asked by the very loop that serves all others, whoever listens at the directory's path.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._open = False

    def ask(self) -> None:
        # Each time, as one that was read by a process that has died is never answered.
        with contextlib.suppress(OSError):
            self._sock.send(b"?")
            self._open = True

    def pending(self) -> bool:
        with contextlib.suppress(OSError):
            while self._sock.recv(64):
                self._open = False
        return self._open

    def close(self) -> None:
        self._sock.close()


def one_pair(_bound: Sequence[Bound]) -> Iterator[Share]:
    """One process, which has one end of a pair of sockets to be asked over."""
    ours, theirs = socket.socketpair()
    yield Share("", [theirs], PairAsker(ours))


# Resolving goes on without it, so it is started behind the others, and its failures end no server.
WRITER = Kind(
    "writer", "registry.writer.process", one_pair, counted=("requests", "commits"), vital=False
)
