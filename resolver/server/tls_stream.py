"""A connection over TLS as a stream of the kind that the TCP server converses over."""

from __future__ import annotations

import socket
import ssl
from typing import Final

import trio

from resolver.server.socket_stream import SocketStream

FAREWELL_SECONDS: Final = 0.5  # for the peer to take the alert that says that nothing follows


class TlsStream(trio.abc.HalfCloseableStream):
    """One connection; the handshake comes with the first octets."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._transport = SocketStream(sock)
        self._stream = trio.SSLStream(self._transport, context, server_side=True)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has come, at most so many octets; nothing once the peer has ended its side.

        Raises:
            BrokenResourceError: the peer is gone, or speaks no TLS that we do.
        """
        octets = await self._stream.receive_some(max_bytes)
        return bytes(octets)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Hand all of it to the kernel.

        Raises:
            BrokenResourceError: the peer is gone.
        """
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Until the kernel takes at least one octet."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Say that no more will come, and wait until the peer has it."""
        with trio.move_on_after(FAREWELL_SECONDS):
            await self._stream.unwrap()
        await self._transport.send_eof()

    async def aclose(self) -> None:
        """Close the connection, with the alert that says so if the peer takes it soon."""
        with trio.move_on_after(FAREWELL_SECONDS):
            await self._stream.aclose()
        await self._transport.aclose()
