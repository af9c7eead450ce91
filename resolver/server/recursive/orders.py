"""What a running resolver is told to forget, over a socket in its folder.

orders.sock    SOCK_SEQPACKET, for its owner alone
asked          the name in wire form, lower case, at and below which all is to be forgotten
answered       how many entries of the cache that were, 8 octets
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from csid.errors import StoreError
from csid.limits import MAX_NAME_OCTETS
from resolver.store.commits import path_in

SOCKET: Final = "orders.sock"
ANSWER_SECONDS: Final = 10.0
_HEAR_SECONDS: Final = 0.05  # for who has connected, which nobody else does meanwhile
_OCTETS: Final = 8
_WAITING_MAX: Final = 16


class Orders:
    """The side that forgets.

    Args:
        folder: of the resolver.
        forget: forgets what is at and below a name, and gives how much that was.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, forget: Callable[[bytes], int]) -> None:
        self._forget = forget
        self._sock = socket.socket(
            socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        before = os.umask(0o177)
        fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(SOCKET, dir_fd=fd)
            self._sock.bind(path_in(fd, SOCKET))
            self._sock.listen(_WAITING_MAX)
        finally:
            os.close(fd)
            os.umask(before)

    def fileno(self) -> int:
        """Readable when somebody has something to say."""
        return self._sock.fileno()

    def take(self) -> None:
        """Hear one, carry it out, and answer; who says nothing at once is not waited for long."""
        with contextlib.suppress(OSError):
            peer, _ = self._sock.accept()
            with peer:
                peer.settimeout(_HEAR_SECONDS)
                name = peer.recv(MAX_NAME_OCTETS + 1)
                if name:
                    peer.send(self._forget(name).to_bytes(_OCTETS))


def forget(folder: Path, name: bytes) -> int | None:
    """Have a running resolver forget what is at and below a name; how many entries that were, None
    if none runs.

    Raises:
        StoreError: one runs and does not answer, or may not be asked.
    """
    try:
        fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
                sock.settimeout(ANSWER_SECONDS)
                sock.connect(path_in(fd, SOCKET))
                sock.send(name)
                answer = sock.recv(_OCTETS)
        finally:
            os.close(fd)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except OSError as error:
        raise StoreError(f"{folder / SOCKET}: {error.strerror or error}") from None
    if len(answer) != _OCTETS:
        raise StoreError(f"{folder / SOCKET}: the gateway ended before it answered; try again")
    return int.from_bytes(answer)
