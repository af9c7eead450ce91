"""UPDATEs handed on by the TCP server to the process that writes: who asks awaits the answer."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import trio

from csid.limits import FORWARD_SECONDS
from resolver.server.forwarded import Pending
from resolver.server.forwarding import connect
from resolver.server.socket_stream import SocketStream

# The writer's answer to an UPDATE from an IP address; None if it gives none.
Forwarding = Callable[[bytes, bytes, bool], Awaitable["bytes | None"]]

_READ_OCTETS: Final = 65_536


async def nobody_writes(_message: bytes, _address: bytes, _tls: bool) -> bytes | None:
    """Where no UPDATE can be carried out."""
    return None


class _Asker:
    """Who awaits an answer."""

    __slots__ = ("answer", "is_over")

    def __init__(self) -> None:
        self.answer: bytes | None = None
        self.is_over = trio.Event()


class _Link:
    """One connection to the writer, which many share."""

    def __init__(self, sock: socket.socket) -> None:
        self.pending: Pending[_Asker] = Pending()
        self.is_broken = False
        self._sock = sock
        self._stream = SocketStream(sock)
        self._turn = trio.Lock()  # to send

    async def hear(self) -> None:
        """Give answers to those who await them, to the end of the connection."""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError, ValueError):
            while octets := await self._stream.receive_some(_READ_OCTETS):
                for asker, message in self.pending.receive(octets):
                    asker.answer = message
                    asker.is_over.set()
        self.end()

    async def send(self, frame: bytes) -> bool:
        """Send a frame whole, whatever becomes of who asks; whether that could be done. Nobody else
        has a turn meanwhile, where the kernel takes it at once.
        """
        with trio.move_on_after(FORWARD_SECONDS) as scope:
            scope.shield = True
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                try:
                    self._turn.acquire_nowait()
                except trio.WouldBlock:
                    await self._turn.acquire()
                try:
                    await self._stream.send_all(frame)
                finally:
                    self._turn.release()
                return True
        self.end()
        return False

    def end(self) -> None:
        """Nobody awaits anything from it any more."""
        if self.is_broken:
            return
        self.is_broken = True
        for asker in self.pending.give_up():
            asker.is_over.set()
        trio.lowlevel.notify_closing(self._sock)
        self._sock.close()


class TcpForwarder:
    """Hands UPDATEs on that came over TCP.

    Args:
        data: the data directory.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._link: _Link | None = None

    async def forward(self, message: bytes, address: bytes, tls: bool) -> bytes | None:
        """As `Forwarding` says."""
        link = self._linked()
        if link is None or link.pending.is_full:
            return None
        asker = _Asker()
        frame = link.pending.add(asker, message, address, True, trio.current_time(), tls)
        with trio.move_on_after(FORWARD_SECONDS):
            if await link.send(frame):
                await asker.is_over.wait()
            return asker.answer
        link.end()  # whoever does not answer this one answers none
        return None

    def _linked(self) -> _Link | None:
        if self._link is None or self._link.is_broken:
            sock = connect(self._data)
            self._link = None if sock is None else _Link(sock)
            if self._link is not None:
                trio.lowlevel.spawn_system_task(self._link.hear)
        return self._link
