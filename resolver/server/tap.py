"""dnstap: queries and answers told to another program while they happen, or kept in a file.

    unix:PATH   a Unix stream socket where a reader listens (fstrm_capture, dnstap-receiver, ...)
    file:PATH   frames are put behind what the file has; all processes of a server write to one

Telling never holds up answering: what a reader does not take is lost, and counted. One that is not
there is looked for again each second. Frames are those of `tap_frames.py`; the handshake is that of
fstrm: READY →, ← ACCEPT, START →, data →.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from resolver.server import tap_frames
from resolver.server.counters import UNTOLD, Counters
from resolver.server.notices import Repeated
from resolver.server.tap_frames import ACCEPT, FILE, READY, START, Place

try:
    from resolver.server.ctap import Pile
except ImportError:  # not compiled on this machine
    from resolver.server.tap_frames import Pile

MAX_HELD_OCTETS: Final = 1 << 20  # that a reader has not taken yet
SEND_BUFFER_OCTETS: Final = 1 << 22  # asked for; the kernel gives at most net.core.wmem_max
SEND_OCTETS: Final = 1 << 16  # collected, and sent at once
COLLECT_SECONDS: Final = 0.05  # for which less than that is collected
PAUSE_SECONDS: Final = 1.0  # between two looks for a reader
MAX_ACCEPT_OCTETS: Final = 1_024


class Told(NamedTuple):
    """What is told, and where.

    Attributes:
        to: `unix:PATH` or `file:PATH`.
        queries, answers: which of them.
        identity, version: who tells.
    """

    to: str
    queries: bool
    answers: bool
    identity: str
    version: str


def packed(told: Told) -> str:
    """As an option of a process has it, for `unpacked`."""
    return json.dumps(told)


def unpacked(text: str) -> Told:
    """What `packed` has made."""
    return Told(*json.loads(text))


class Tap:
    """Tells what one process answers on one kind of socket.

    Frames are collected, so that a reader is not woken for a few, until they are SEND_OCTETS or
    COLLECT_SECONDS old: `flush` is to be called that often while nothing is told.

    Args:
        told: what, and where.
        counters: messages that were lost are counted there.
    """

    def __init__(self, told: Told, counters: Counters) -> None:
        self._told = told
        self._counters = counters
        self._head = tap_frames.head_of(told.identity, told.version)
        self._sock: socket.socket | None = None
        self._file = -1
        self._is_started = False
        self._heard = bytearray()  # of the reader's ACCEPT
        self._pile = Pile()  # what it is to get
        self._due = 0.0  # when that is sent, however little it is
        self._next_attempt = 0.0
        self._failures = Repeated()

    def place(self, protocol: int, sock: socket.socket) -> Place:
        """What is said of each message that is answered on a socket."""
        host, port = sock.getsockname()[:2]
        address = socket.inet_pton(sock.family, host.partition("%")[0])
        return Place(self._head, protocol, address if any(address) else b"", port)

    def somewhere(self, protocol: int) -> Place:
        """The same, where it is not known on which socket."""
        return Place(self._head, protocol, b"", 0)

    def tell(
        self,
        place: Place,
        packets: list[bytes],
        addresses: list[bytes],
        ports: list[int],
        replies: list[bytes | None],
    ) -> None:
        """Tell of a batch; see `tap_frames.Pile.add`."""
        told, pile = self._told, self._pile
        now = time.monotonic()
        try:
            is_open = self._sock is not None or self._file >= 0 or self._open(now)
            if is_open and self._has_room():
                if not pile:
                    self._due = now + COLLECT_SECONDS
                pile.add(
                    place,
                    packets,
                    addresses,
                    ports,
                    replies,
                    time.time_ns(),
                    told.queries,
                    told.answers,
                )
                if len(pile) >= SEND_OCTETS or now >= self._due:
                    self._send()
                return
        except OSError as error:
            self._give_up(error)
        self._counters[UNTOLD] += self._number(replies)

    def flush(self) -> None:
        """Send what was collected."""
        try:
            if self._pile or (self._sock is not None and not self._is_started):
                self._send()
        except OSError as error:
            self._give_up(error)

    def _number(self, replies: Sequence[bytes | None]) -> int:
        answers = len(replies) - replies.count(None)
        return len(replies) * self._told.queries + answers * self._told.answers

    def _has_room(self) -> bool:
        """Whether a reader has left room for more, after another attempt to send.

        Raises:
            OSError: it is gone.
        """
        if len(self._pile) >= MAX_HELD_OCTETS:
            self._send()
        return len(self._pile) < MAX_HELD_OCTETS

    def _open(self, now: float) -> bool:
        if now < self._next_attempt:
            return False
        self._next_attempt = now + PAUSE_SECONDS
        scheme, path = self._told.to[:5], self._told.to[5:]
        if scheme == FILE:
            self._file = _begun(Path(path))
            return True
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._sock = sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_OCTETS)
        sock.connect(path)
        sock.send(tap_frames.control(READY))
        return True

    def _hear(self) -> None:
        """Take what the reader says; begin once it accepts.

        Raises:
            OSError: it is gone, or says something else.
        """
        assert self._sock is not None
        with contextlib.suppress(BlockingIOError):
            octets = self._sock.recv(MAX_ACCEPT_OCTETS)
            if not octets:
                raise ConnectionResetError(0, "the reader is gone")
            self._heard += octets
        if len(self._heard) >= 8:
            escape, size = struct.unpack_from(">II", self._heard)
            if escape or not 4 <= size <= MAX_ACCEPT_OCTETS:
                raise OSError(0, "the reader speaks no frame streams")
            if len(self._heard) >= 8 + size:
                if int.from_bytes(self._heard[8:12], "big") != ACCEPT:
                    raise OSError(0, "the reader does not accept")
                self._is_started = True
                self._sock.send(tap_frames.control(START))

    def _send(self) -> None:
        """Send what the reader takes now.

        Raises:
            OSError: it is gone.
        """
        if self._sock is None:
            self._pile.send(self._file)
            return
        if not self._is_started:
            self._hear()
        if self._is_started:
            self._pile.send(self._sock.fileno())

    def _give_up(self, error: OSError) -> None:
        self._counters[UNTOLD] += self._pile.clear()
        if self._sock is not None:
            self._sock.close()
        if self._file >= 0:
            os.close(self._file)
        self._sock, self._file, self._is_started = None, -1, False
        self._heard.clear()
        self._failures.tell(
            f"{self._told.to}: {error.strerror or error}; nothing is told there", "dnstap"
        )


def _begun(path: Path) -> int:
    """A file of frames to be put more behind; made with its beginning if there is none.

    Raises:
        OSError: it cannot be written.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
    with contextlib.suppress(FileNotFoundError):
        return os.open(path, flags)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    fd = os.open(new, flags | os.O_CREAT | os.O_EXCL, 0o640)
    try:
        os.write(fd, tap_frames.control(START))
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
    finally:
        os.close(fd)
        new.unlink()
    return os.open(path, flags)
