"""Commits told of as soon as they can be read: whoever writes a data directory rings, whoever waits
for changes there is woken once a commit, and after it.

    commits.sock   a Unix datagram socket, on which one process listens; another name, with
                   `.quiet` behind it, while it does not want to be woken

Nobody waits for it: what is told while nobody listens, or more than the kernel holds, is lost, and
who listens reads the store after each time it is woken, so that one word stands for many.
The path of the socket may be too long for an address (unix(7)), so it is reached through a
descriptor of the directory.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Final

from resolver.store.access import file_mode

SOCKET: Final = "commits.sock"
_QUIET: Final = f"{SOCKET}.quiet"
_WORD: Final = b"+"


class Commits:
    """The side that writes.

    Args:
        data: the data directory.

    Raises:
        OSError: there is no such directory.
    """

    def __init__(self, data: Path) -> None:
        self._folder = os.open(data, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._socket = _datagrams()
        self._address = path_in(self._folder, SOCKET)

    def tell(self) -> None:
        """There was a commit."""
        with contextlib.suppress(OSError):  # nobody listens, or was told often enough
            self._socket.sendto(_WORD, self._address)

    def close(self) -> None:
        """Tell of no more."""
        self._socket.close()
        os.close(self._folder)


class Listening:
    """The side that waits; only one process does in a directory: the last that began.

    Attributes:
        socket: readable once there was a commit, if it is to be told of.

    Raises:
        OSError: the directory cannot be written.
    """

    def __init__(self, data: Path) -> None:
        self._folder = os.open(data, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._is_on = False
        try:
            self.socket = bound(data, self._folder, _QUIET)
            with contextlib.suppress(FileNotFoundError):  # of a process that was killed
                os.unlink(SOCKET, dir_fd=self._folder)
        except OSError:
            os.close(self._folder)
            raise

    def turn(self, on: bool) -> bool:
        """Be told of commits from now on, or no more; whether there may have been some meanwhile,
        as one is told of them from now on.

        Raises:
            OSError: the directory cannot be written.
        """
        if on == self._is_on:
            return False
        names = (_QUIET, SOCKET) if on else (SOCKET, _QUIET)
        os.rename(*names, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._is_on = on
        return on

    def drain(self) -> None:
        """Take what has been told; what was committed until then can be read."""
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv(len(_WORD)):
                pass

    def close(self) -> None:
        """Listen no more."""
        self.socket.close()
        os.close(self._folder)


def bound(data: Path, folder: int, name: str) -> socket.socket:
    """A socket for datagrams in a data directory, not blocking, in place of one that was left over;
    those who may write the data may send to it.

    Args:
        folder: a descriptor of the directory.

    Raises:
        OSError: the directory cannot be written.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    sock = _datagrams()
    before = os.umask(0o777 & ~file_mode(data))
    try:
        sock.bind(path_in(folder, name))
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(before)
    return sock


def path_in(folder: int, name: str) -> str:
    """The path of a file of a directory, by a descriptor of that."""
    return f"/proc/self/fd/{folder}/{name}"


def _datagrams() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
