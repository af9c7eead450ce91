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
        self.stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        self.pending: Pending[_Asker] = Pending()
        self.turn = trio.Lock()  # to send
        self.is_broken = False

    async def hear(self) -> None:
        """Give answers to those who await them, to the end of the connection."""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError, ValueError):
            while octets := await self.stream.receive_some(_READ_OCTETS):
                for asker, message in self.pending.receive(octets):
                    asker.answer = message
                    asker.is_over.set()
        await self.end()

    async def send(self, frame: bytes) -> bool:
        """Send a frame whole, whatever becomes of who asks; whether that could be done."""
        with trio.move_on_after(FORWARD_SECONDS) as scope:
            scope.shield = True
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                async with self.turn:
                    await self.stream.send_all(frame)
                return True
        await self.end()
        return False

    async def end(self) -> None:
        """Nobody awaits anything from it any more."""
        self.is_broken = True
        for asker in self.pending.give_up():
            asker.is_over.set()
        await trio.aclose_forcefully(self.stream)


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
        await link.end()  # whoever does not answer this one answers none
        return None

    def _linked(self) -> _Link | None:
        if self._link is None or self._link.is_broken:
            sock = connect(self._data)
            self._link = None if sock is None else _Link(sock)
            if self._link is not None:
                trio.lowlevel.spawn_system_task(self._link.hear)
        return self._link
