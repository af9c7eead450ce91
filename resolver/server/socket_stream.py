"""A connected socket as a stream of trio's kind, without the checkpoint that trio's own has in
every call: where the kernel does not block, octets pass and no other task has a turn.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import termios
from typing import Final

import trio

from csid.limits import TCP_READ_OCTETS

_ARRIVAL_SECONDS: Final = 0.05  # between two looks whether what was sent has arrived


class SocketStream(trio.abc.HalfCloseableStream):
    """One connection. Whoever uses it lets others have their turns, and is alone in using it."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has come, at most so many octets; nothing once the peer has ended its side.

        Raises:
            BrokenResourceError: the peer is gone.
        """
        while True:
            try:
                return self._sock.recv(max_bytes or TCP_READ_OCTETS)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self._sock)
            except OSError as error:
                raise trio.BrokenResourceError from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Hand all of it to the kernel.

        Raises:
            BrokenResourceError: the peer is gone.
        """
        rest = data
        while True:
            try:
                sent = self._sock.send(rest)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                raise trio.BrokenResourceError from error
            if sent == len(rest):
                return
            rest = memoryview(rest)[sent:]
            await trio.lowlevel.wait_writable(self._sock)

    async def wait_send_all_might_not_block(self) -> None:
        """Until the kernel takes at least one octet."""
        await trio.lowlevel.wait_writable(self._sock)

    async def send_eof(self) -> None:
        """Send no more, and wait until the peer has ended its side, or its system has all of it.

        What still comes is read and forgotten: the kernel resets a connection that is closed over
        unread octets, and answers on their way are lost.

        Raises:
            BrokenResourceError: the peer is gone.
        """
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        while True:
            with trio.move_on_after(_ARRIVAL_SECONDS):
                while await self.receive_some():
                    await trio.lowlevel.checkpoint()
                return
            if not self._unacknowledged():
                return

    def _unacknowledged(self) -> int:
        """Octets that the peer's system has not got yet (SIOCOUTQ in tcp(7))."""
        (octets,) = struct.unpack("i", fcntl.ioctl(self._sock, termios.TIOCOUTQ, bytes(4)))
        return int(octets)

    async def aclose(self) -> None:
        """Close the socket, at once."""
        self._sock.close()
