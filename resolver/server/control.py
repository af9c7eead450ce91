"""What a running server is doing, for whoever looks after it: its supervisor tells everyone who
connects, and closes.

    control.sock   a Unix stream socket in the data directory, with the mode of its files
    what is told   one msgpack map, then the end: see `Supervisor.snapshot`

Nothing is read from who connects, and nobody is waited for: what the kernel does not take at once
is not told. However many connect, what is told is put together KEPT_SECONDS apart at most.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgpack

from csid.errors import CsidError
from resolver.server.notices import Repeated, tell
from resolver.store.access import file_mode
from resolver.store.commits import path_in

SOCKET: Final = "control.sock"
VERSION: Final = 1  # of what is told; whoever reads passes over what it does not know
KEPT_SECONDS: Final = 0.1
BACKLOG: Final = 16
AT_ONCE: Final = 16  # are told before the supervisor goes on with its work
MOST_OCTETS: Final = 1 << 24  # that are read from a server
ANSWER_SECONDS: Final = 5  # for it

Snapshot = dict[str, Any]
_Number = tuple[int, int] | None  # device and number of a file; None: there is none


class ControlError(CsidError):
    """A server runs and does not tell."""


class Control:
    """The telling side.

    Args:
        selector: whose entries' data are functions to be called when a descriptor is readable.
        snapshot: what is to be told.
    """

    def __init__(self, selector: selectors.BaseSelector, snapshot: Callable[[], Snapshot]) -> None:
        self._selector = selector
        self._snapshot = snapshot
        self._sock: socket.socket | None = None
        self._told = b""
        self._made = -KEPT_SECONDS
        self._failures = Repeated()
        self._is_refused = False
        self._folder: _Number = None  # where it listens, or tried to
        self._file: _Number = None

    def open(self, data: Path) -> None:
        """Listen in a data directory, in place of who did so before; if it may not be written, that
        is said, and nobody is told anything.
        """
        self._let_go()
        self._folder = _number(data)
        try:
            self._sock = _listening(data)
        except OSError as error:
            if not self._is_refused:
                tell(
                    f"{data / SOCKET}: {error.strerror}; csid status will see less", event="control"
                )
            self._is_refused = True
            return
        self._file = _number(data / SOCKET)
        self._is_refused = False
        self._selector.register(self._sock, selectors.EVENT_READ, self._tell)

    def look(self, data: Path) -> None:
        """Listen anew if another directory stands there by now, or nobody listens in it any more;
        where a second server of the directory does, it stays.
        """
        if _number(data) != self._folder or _number(data / SOCKET) is None:
            self.open(data)

    def close(self, data: Path) -> None:
        """Tell nobody more."""
        if self._sock is not None and _number(data / SOCKET) == self._file:
            with contextlib.suppress(OSError):
                (data / SOCKET).unlink()
        self._let_go()

    def _let_go(self) -> None:
        if self._sock is not None:
            self._selector.unregister(self._sock)
            self._sock.close()
            self._sock = None

    def _tell(self) -> None:
        """Tell those who have connected."""
        assert self._sock is not None
        for _ in range(AT_ONCE):
            try:
                peer, _ = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:  # no descriptor is left: the next turn may have one
                self._failures.tell(f"{SOCKET}: {error.strerror}", "control")
                return
            with peer, contextlib.suppress(OSError):
                peer.setblocking(False)
                octets = self._current()
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * len(octets))
                peer.send(octets)

    def _current(self) -> bytes:
        now = time.monotonic()
        if now - self._made >= KEPT_SECONDS:
            self._told = msgpack.packb(self._snapshot())
            self._made = now
        return self._told


def ask(data: Path) -> Snapshot | None:
    """What the server of a data directory tells; None if none runs there.

    Raises:
        ControlError: one runs and cannot be asked: by this user, or at all.
    """
    try:
        folder = os.open(data, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None  # what there is to be said of it, the store says
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            for kind in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):  # of which connect heeds one
                sock.setsockopt(socket.SOL_SOCKET, kind, struct.pack("ll", ANSWER_SECONDS, 0))
            sock.connect(path_in(folder, SOCKET))
            octets = bytearray()
            while more := sock.recv(1 << 16):
                octets += more
                if len(octets) > MOST_OCTETS:
                    raise ValueError("more than can be")
        told = msgpack.unpackb(octets)
        if not isinstance(told, dict) or told.get("version") != VERSION:
            raise ValueError("told in another way than this version knows")
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except (OSError, ValueError, msgpack.UnpackException) as error:
        reason = getattr(error, "strerror", None) or error or "cut short"
        raise ControlError(f"{data / SOCKET}: a server runs and does not tell: {reason}") from None
    finally:
        os.close(folder)
    return told


def _number(path: Path) -> _Number:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _listening(data: Path) -> socket.socket:
    """Raises OSError: the directory cannot be written."""
    folder = os.open(data, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    before = os.umask(0o777 & ~file_mode(data))
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(SOCKET, dir_fd=folder)
        sock.bind(path_in(folder, SOCKET))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(before)
        os.close(folder)
    return sock
