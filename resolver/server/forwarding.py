"""UPDATEs handed on by a process that must not wait: a thread of its own asks the process that
writes, and sends the answers.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, NamedTuple

from csid.limits import FORWARD_SECONDS, MAX_FORWARDED
from resolver.server.forwarded import SOCKET, Pending, Who
from resolver.sync.front import Forward

_LOOK_SECONDS: Final = 1.0
_READ_OCTETS: Final = 65_536


class _Handed(NamedTuple, Generic[Who]):
    message: bytes
    address: bytes
    failure: bytes  # the answer if there is none
    who: Who


class Forwarder(Generic[Who]):
    """Hands UPDATEs on that came over UDP.

    Args:
        data: the data directory.
        send: sends an answer; called by the thread, must not wait, and what it raises as OSError
            is passed over.
    """

    def __init__(self, data: Path, send: Callable[[Who, bytes], object]) -> None:
        self._data = data
        self._send = send
        self._handed: deque[_Handed[Who]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._pending: Pending[_Handed[Who]] = Pending()
        self._sock: socket.socket | None = None
        self._out = bytearray()
        self._thread: threading.Thread | None = None

    def hand_over(self, forward: Forward, failure: bytes, who: Who) -> bool:
        """Hand one on; False if too many wait already.

        Args:
            failure: the answer if the writer gives none.
            who: for ``send``.
        """
        if len(self._handed) >= MAX_FORWARDED or self._pending.is_full:
            return False
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="forwarder", daemon=True)
            self._thread.start()
        self._handed.append(_Handed(forward.packet, forward.reply.address, failure, who))
        os.eventfd_write(self._wake, 1)
        return True

    def _run(self) -> None:
        while True:
            self._turn()

    def _turn(self) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._sock is not None:
            poll.register(self._sock, select.POLLIN | (select.POLLOUT if self._out else 0))
        poll.poll(_LOOK_SECONDS * 1e3 if self._pending else None)
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        self._take()
        try:
            self._exchange()
        except (OSError, ValueError):
            self._end()

    def _take(self) -> None:
        """What was handed over since."""
        while self._handed:
            one = self._handed.popleft()
            if self._sock is None:
                self._sock = connect(self._data)
            if self._sock is None:
                self._answer(one.who, one.failure)
            else:
                now = time.monotonic()
                self._out += self._pending.add(one, one.message, one.address, False, now)

    def _exchange(self) -> None:
        """Send and hear what can be without waiting.

        Raises:
            OSError, ValueError: the writer is gone, does not answer, or answers what is none.
        """
        if self._sock is None:
            return
        with contextlib.suppress(BlockingIOError):
            while self._out:
                del self._out[: self._sock.send(self._out)]
        with contextlib.suppress(BlockingIOError):
            while octets := self._sock.recv(_READ_OCTETS):
                for one, message in self._pending.receive(octets):
                    self._answer(one.who, message)
            raise ConnectionError
        oldest = self._pending.oldest()
        if oldest is not None and time.monotonic() - oldest > FORWARD_SECONDS:
            raise TimeoutError

    def _end(self) -> None:
        """The connection is of no more use."""
        if self._sock is not None:
            self._sock.close()
        self._sock = None
        self._out.clear()
        for one in self._pending.give_up():
            self._answer(one.who, one.failure)

    def _answer(self, who: Who, message: bytes) -> None:
        with contextlib.suppress(OSError):  # as datagrams may be lost
            self._send(who, message)


def connect(data: Path) -> socket.socket | None:
    """A connection to the process that writes a data directory, which never waits; None if there
    is none. The path may be longer than an address of a socket can be, so it is reached through a
    descriptor of the directory.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        folder = os.open(data, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            sock.connect(f"/proc/self/fd/{folder}/{SOCKET}")
        finally:
            os.close(folder)
    except OSError:
        sock.close()
        return None
    return sock
