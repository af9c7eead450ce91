"""The TCP server of a recursive resolver: what the cache knows is answered at once, the rest as it
comes, in whatever order that is (RFC 7766 section 6.2.1.1).
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from csid import names
from csid.protocol import EDE_NO_AUTHORITY, SERVFAIL
from resolver.answer.process import Answerer
from resolver.answer.reply import Reply
from resolver.cache import entry as entries
from resolver.cache.store import Readable
from resolver.server.connections import Connection
from resolver.server.counters import MISSED, Counters
from resolver.server.framing import Stream
from resolver.server.recursive.missed import is_refused
from resolver.server.recursive.near import Near
from resolver.server.recursive.packets import GIVE_UP_SECONDS
from resolver.server.tcp import IDLE_SECONDS, SEND_SECONDS, TcpServer
from resolver.sync.front import Forward, Transfer

WAITING_MAX: Final = 100  # questions of one connection, above which no more are read from it


class _Conversation:
    """What one connection waits for."""

    def __init__(self, nursery: trio.Nursery, stream: trio.abc.Stream) -> None:
        self.nursery = nursery
        self.stream = stream
        self.sending = trio.Lock()
        self.waiting = 0
        self.fewer = trio.Event()


class _Shared(trio.abc.Stream):
    """A connection on which others send, too, and from which nothing is read while it waits for
    much.
    """

    def __init__(self, conversation: _Conversation) -> None:
        self._one = conversation

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        async with self._one.sending:
            await self._one.stream.send_all(data)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        while self._one.waiting >= WAITING_MAX:
            self._one.fewer = trio.Event()
            await self._one.fewer.wait()
        return await self._one.stream.receive_some(max_bytes)

    async def wait_send_all_might_not_block(self) -> None:
        await self._one.stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._one.stream.aclose()


class RecursiveTcpServer(TcpServer):
    """Serves connections from a cache, and has asked what that does not know.

    Args:
        folder: of the cache.
        near: asks.
        served: keys of the names at and below which others are asked.
    """

    def __init__(
        self,
        folder: Path,
        answerer: Answerer,
        max_connections: int,
        shared: Counters,
        near: Near,
        served: Sequence[bytes],
    ) -> None:
        self.cache = Readable(folder, self._missed, self._ahead)
        super().__init__(self.cache, answerer, max_connections, shared=shared)
        self._near = near
        self._served = tuple(served)
        self._left: list[Reply] = []
        self._conversations: dict[Connection, _Conversation] = {}

    async def serve(
        self,
        listeners: Sequence[socket.socket],
        ready_fd: int | None,
        tls: tuple[Sequence[socket.socket], ssl.SSLContext] | None = None,
    ) -> None:
        """See `TcpServer.serve`."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._near.hear)
            await super().serve(listeners, ready_fd, tls)
            nursery.cancel_scope.cancel()

    def end(self) -> None:
        """See `TcpServer.end`; what is not known soon is not found out any more."""
        self._near.leave()
        super().end()

    async def _exchange(self, connection: Connection, stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            conversation = _Conversation(nursery, stream)
            self._conversations[connection] = conversation
            try:
                await super()._exchange(connection, _Shared(conversation))
            except trio.BrokenResourceError:
                nursery.cancel_scope.cancel()  # nobody is there to be answered
            finally:
                del self._conversations[connection]

    def _answers(
        self, connection: Connection, queries: Stream
    ) -> tuple[bytes, Transfer | Forward | None]:
        found = super()._answers(connection, queries)
        left, self._left = self._left, []
        conversation = self._conversations[connection]
        conversation.waiting += len(left)
        self._shared[MISSED] += len(left)
        for reply in left:
            conversation.nursery.start_soon(self._answer_later, connection, conversation, reply)
        return found

    def _missed(self, reply: Reply) -> bool:
        if is_refused(reply, self._served):
            return True
        self._left.append(reply)
        return False

    def _ahead(self, reply: Reply) -> None:
        name = names.wire_of_key(reply.key)
        self._nursery.start_soon(self._near.ask, name, reply.qtype, True)

    async def _answer_later(
        self, connection: Connection, conversation: _Conversation, reply: Reply
    ) -> None:
        connection.deadline = self._now + GIVE_UP_SECONDS + SEND_SECONDS
        entry = await self._near.ask(names.wire_of_key(reply.key), reply.qtype)
        conversation.waiting -= 1
        conversation.fewer.set()
        octets = len(entry or b"")
        self._hold_more(connection, octets)
        async with conversation.sending:
            await self._send_later(connection, conversation.stream, reply, entry)
        self._hold_more(connection, -octets)
        kept = connection.held - connection.own
        self.connections.answered(connection, kept, self._now + IDLE_SECONDS)

    async def _send_later(
        self,
        connection: Connection,
        stream: trio.abc.Stream,
        reply: Reply,
        entry: bytes | None,
    ) -> None:
        now = int(time.time())
        if entry is None:
            reply.rcode, reply.ede = SERVFAIL, EDE_NO_AUTHORITY
        else:
            entries.fill(reply, entry, now)
        self._answerer.over_tls = connection.over_tls
        message = self._answerer.finish(reply, now)
        self._tallies[connection.over_tls].count(message)
        connection.deadline = self._now + SEND_SECONDS
        try:
            await stream.send_all(len(message).to_bytes(2) + message)
        except trio.BrokenResourceError:
            connection.scope.cancel()  # nobody is there to be answered

    def _hold_more(self, connection: Connection, octets: int) -> None:
        """Account for what is held besides what the queries at hand take."""
        others = connection.held - connection.own
        connection.own += octets
        self.connections.hold(connection, others)
