"""Where the writer of a node is found: a Unix socket in the data directory, and the lock of it.

Whoever holds the lock listens; the kernel lets go of it when that process ends, however it ends. So
a socket that is left over from a killed one is told from one that somebody listens on. Paths of a
directory may be longer than an address of a socket can be (107 octets, unix(7)), so the socket is
reached through a descriptor of the directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import struct
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from registry.rules.acting import Peer
from resolver.server import forwarded
from resolver.store.access import file_mode, open_shared

SOCKET: Final = "writer.sock"
UPDATES: Final = forwarded.SOCKET
LOCK: Final = "listener.lock"  # holds the number of the process whose child has the lock
BACKLOG: Final = 1_024  # connections that the kernel completes before they are accepted
_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid (unix(7), SO_PEERCRED)
_PEER_GROUPS: Final = 59  # SO_PEERGROUPS (asm-generic/socket.h), which Python has no name for
_GROUPS_OCTETS: Final = 1_024  # 256 groups: the most that Python takes
_SECONDS: Final = struct.Struct("ll")  # and microseconds, of SO_RCVTIMEO and SO_SNDTIMEO


class Place:
    """The right to listen in a data directory, held or waited for by this process.

    Raises:
        OSError: the directory cannot be written.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._has = False
        self._lock = open_shared(data / LOCK)
        self._folder = os.open(data, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def taken(self) -> bool:
        """Take the place, if nobody has it."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._has = True
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getppid()).encode(), 0)
        return True

    def holder(self) -> int:
        """The process whose child has the place; 0 if that cannot be told."""
        text = os.pread(self._lock, 20, 0)
        return int(text) if text.isdigit() else 0

    def listen(self, name: str = SOCKET, group: int | None = None) -> socket.socket:
        """Listen, at SOCKET or UPDATES; for the one who has the place.

        Args:
            group: whose members may connect besides, for which they may pass through the directory.

        Raises:
            OSError: the directory cannot be written, or the group is none of ours to let in.
        """
        self._remove(name)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = os.umask(0o777 & ~file_mode(self._data))
        try:
            sock.bind(_path(self._folder, name))
        except OSError:
            sock.close()
            raise
        finally:
            os.umask(before)
        try:
            if group is not None:
                self._let_in(name, group)
        except OSError:
            sock.close()
            raise
        sock.listen(BACKLOG)
        return sock

    def _let_in(self, name: str, group: int) -> None:
        """Let a group connect. A directory with the set-group-ID bit has a group of its own."""
        folder, sock = (Path(_path(self._folder, one)) for one in (".", name))
        mode = folder.stat().st_mode
        if not mode & stat.S_ISGID:
            os.chown(folder, -1, group)
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXGRP)
        os.chown(sock, -1, group)
        sock.chmod(0o660)

    def leave(self) -> None:
        """Give the place up, or wait for it no longer; what listens is to be closed before."""
        if self._has:
            with contextlib.suppress(OSError):
                self._remove(SOCKET)
                self._remove(UPDATES)
        os.close(self._folder)
        os.close(self._lock)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._folder)


def connect(data: Path, seconds: float) -> socket.socket | None:
    """A connection to whoever listens in a data directory, None if nobody does whom we may ask.
    Sending and receiving give up after a time.

    Raises:
        TimeoutError: there is somebody who takes no connection.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    limit = _SECONDS.pack(int(seconds), int(seconds % 1 * 1e6))
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        with _folder(data) as folder:
            sock.connect(_path(folder, SOCKET))
    except BlockingIOError:
        sock.close()
        raise TimeoutError from None
    except OSError:
        sock.close()
        return None
    return sock


def peer_of(sock: socket.socket) -> Peer:
    """Who is at the other end, as it was when it connected. Processes of the node are those of the
    same user that this one's parent has started, as it has this one.
    """
    process, user, group = _credentials_of(sock)
    groups = array("I")
    with contextlib.suppress(OSError):  # of somebody with more, none count but the first
        groups.frombytes(sock.getsockopt(socket.SOL_SOCKET, _PEER_GROUPS, _GROUPS_OCTETS))
    is_node = user == os.geteuid() and process > 0 and _parent_of(process) == os.getppid()
    return Peer(user, group, frozenset(groups), is_node)


def _parent_of(process: int) -> int:
    """The parent of a process; 0 if it is gone."""
    try:
        status = Path(f"/proc/{process}/stat").read_text("ascii", "replace")
    except OSError:
        return 0
    return int(status.rpartition(")")[2].split()[1])


def process_of(sock: socket.socket) -> int:
    """The process at the other end; 0 if it is none that this one can see."""
    return _credentials_of(sock)[0]


def _credentials_of(sock: socket.socket) -> tuple[int, int, int]:
    octets = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, group = _CREDENTIALS.unpack(octets)
    return process, user, group


@contextlib.contextmanager
def _folder(data: Path) -> Iterator[int]:
    folder = os.open(data, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)


def _path(folder: int, name: str) -> str:
    return f"/proc/self/fd/{folder}/{name}"
