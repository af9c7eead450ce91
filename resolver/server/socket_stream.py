"""A connected socket as a stream of trio's kind, without the checkpoint that trio's own has in
every call: where the kernel does not block, octets pass and no other task has a turn.
"""

from __future__ import annotations

import socket

import trio

from csid.limits import TCP_READ_OCTETS


class SocketStream(trio.abc.Stream):
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

    async def aclose(self) -> None:
        """Close the socket, at once."""
        self._sock.close()
