"""The TCP server: all listeners, many connections (RFC 7766, RFC 7828).

A connection is a task in a scope; between two awaits it reads what is there, answers all of it from
one moment of the store, and sends it at once. Awaits come only where the kernel would block, or
where others are due their turn. The task alone closes its connection; whoever wants it gone cancels
its scope (`connections.py`).

Told to end, it accepts no more, for whoever follows it listens already, and ends each connection
behind the answers to what was asked on it.
"""

from __future__ import annotations

import errno
import math
import socket
import ssl
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import trio

from csid.errors import StoreError
from csid.limits import (
    FORWARD_SECONDS,
    MAX_TCP_CONNECTIONS_PER_PEER,
    TCP_IDLE_SECONDS,
    TCP_READ_OCTETS,
    TCP_SEND_SECONDS,
)
from resolver.answer.process import Answerer
from resolver.server import counters as places
from resolver.server.connections import Connection, Connections
from resolver.server.counters import BATCHES, PLAIN, QUERIES, TLS, Counters
from resolver.server.framing import Stream
from resolver.server.notices import Repeated
from resolver.server.socket_stream import SocketStream
from resolver.server.special import Special
from resolver.server.supervised import tell_ready
from resolver.server.tap import COLLECT_SECONDS, Tap
from resolver.server.tap_frames import DOT, TCP
from resolver.server.tcp_forwarding import Forwarding, nobody_writes
from resolver.server.tls_stream import TlsStream
from resolver.server.transfers import Transfers
from resolver.sync.front import Forward, Transfer

try:
    from resolver.server.cdatagrams import Tally
except ImportError:  # not compiled on this machine
    from resolver.server.counters import Tally

MAX_HELD_OCTETS: Final = 67_108_864  # of unfinished queries and untaken answers, all connections
TLS_OCTETS: Final = 65_536  # that a connection over TLS takes, about, while nothing is asked on it
SWEEP_SECONDS: Final = 1.0  # between two looks for connections past their deadline
# Deadlines are reckoned from the last look at the clock, which may be so long ago.
IDLE_SECONDS: Final = TCP_IDLE_SECONDS + SWEEP_SECONDS
SEND_SECONDS: Final = TCP_SEND_SECONDS + SWEEP_SECONDS
PATIENCE_SECONDS: Final = 0.1  # before accepting again when the system has nothing to give
ACCEPTS_A_TURN: Final = 16  # new connections before those there are get their turn
OCTETS_A_TURN: Final = 65_536  # from and to one connection before others get their turn
DRAIN_SECONDS: Final = 5.0  # for the connections to be ended, once the server is to end ...
LAST_ANSWERS_SECONDS: Final = 2.0  # ... after which those that ask on and on are ended as well
# A connection has been asked all that was sent before when it was quiet over so many looks: each
# of them comes after a turn of every connection that had octets to be read.
QUIET_LOOKS: Final = 5
DRAIN_LOOK_SECONDS: Final = 0.05

# Accepting fails for want of something that ending a connection gives back (accept(2)) ...
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# ... or since one peer or the way to it is gone again: the next may be there.
_PEER_GONE: Final = (
    errno.ECONNABORTED,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ENONET,
    errno.ENOPROTOOPT,
    errno.EPERM,
    errno.EPROTO,
    errno.ETIMEDOUT,
)


class TcpServer:
    """Serves connections from a store.

    Args:
        store: gives a moment of what is answered from, and its source; a `Store` where zones are
            transferred.
        answerer: makes the answers.
        max_connections: all that are held at once.
        max_per_peer: those of one peer.
        max_held: octets held for all of them.
        shared: by which the supervisor sees that it answers.
        special: looks after what the answerer leaves to be done, if anybody does.
        forward: hands UPDATEs on to the writer.
        tap: is told of queries and answers, if that is wanted.
    """

    def __init__(
        self,
        store: Any,
        answerer: Answerer,
        max_connections: int,
        max_per_peer: int = MAX_TCP_CONNECTIONS_PER_PEER,
        max_held: int = MAX_HELD_OCTETS,
        shared: Counters | None = None,
        special: Special | None = None,
        forward: Forwarding = nobody_writes,
        tap: Tap | None = None,
    ) -> None:
        self._tap = tap
        self._shared = shared or places.unread()
        self._tallies = Tally(self._shared, PLAIN), Tally(self._shared, TLS)
        self._store = store
        self._answerer = answerer
        self._answer = answerer.answer
        self._special = special
        self._forward = forward
        self.connections = Connections(max_connections, max_per_peer, max_held)
        self.transfers = Transfers(store, self.connections)
        self.queries = 0
        self.failed = 0
        self._now = 0.0  # when somebody last looked, at most SWEEP_SECONDS ago
        self._failures = Repeated(trio.current_time)
        self._accepting = trio.CancelScope()
        self._conversing = 0  # connections that are not closed yet, whether they count or not
        self._draining = False
        self._last_answers = False  # nothing more is read from a connection that got its answers
        self._closed = trio.lowlevel.ParkingLot()  # who waits for a connection to be closed

    def counters(self) -> dict[str, int]:
        """What has happened since the start, and what is held now, by name."""
        held = self.connections
        return {
            "accepted": held.accepted,
            "refused": held.refused,
            "shed": held.shed,
            "expired": held.expired,
            "failed": self.failed,
            "queries": self.queries,
            "transfers": self.transfers.begun,
            "transferred": self.transfers.octets,
            "spooled": self.transfers.spooled,
            "open": held.open,
            "held": held.held,
        }

    async def serve(
        self,
        listeners: Sequence[socket.socket],
        ready_fd: int | None,
        tls: tuple[Sequence[socket.socket], ssl.SSLContext] | None = None,
    ) -> None:
        """Serve until `end` is called; one octet on `ready_fd` says that connections are accepted.
        `tls` are further listeners, whose connections begin with a handshake.

        What ends a task that accepts ends the server, whatever its connections do: another may do
        better.

        Raises:
            ExceptionGroup: of what has ended a task.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sweep)
            if self._tap is not None:
                nursery.start_soon(self._flush, self._tap)
            with self._accepting:
                async with trio.open_nursery() as accepting:
                    for listener in listeners:
                        listener.setblocking(False)
                        accepting.start_soon(self._accept, listener, nursery)
                    secured, context = tls or ((), None)
                    for listener in secured:
                        listener.setblocking(False)
                        accepting.start_soon(self._accept, listener, nursery, context)
                    tell_ready(ready_fd)
                    await trio.sleep_forever()
            await self._drain()
            if self._tap is not None:
                self._tap.flush()
            nursery.cancel_scope.cancel()

    def end(self) -> None:
        """Accept no more, and have `serve` return once each connection has got its answers, at the
        latest after DRAIN_SECONDS.
        """
        self._accepting.cancel()

    async def converse(self, stream: trio.abc.HalfCloseableStream, address: bytes) -> None:
        """Serve one connection from its first query to its end, whichever side ends it.

        Args:
            stream: the connection; it is closed here.
            address: the peer's IP address, 4 or 16 octets.
        """
        self._now = trio.current_time()
        over_tls = isinstance(stream, TlsStream)
        own = TLS_OCTETS if over_tls else 0
        connection = Connection(address, self._now + IDLE_SECONDS, own, over_tls)
        self._conversing += 1
        try:
            async with stream:
                if self.connections.admit(connection):
                    with connection.scope:
                        await self._exchange(connection, stream)
                    if self._draining:
                        await stream.send_eof()
        except trio.BrokenResourceError:
            pass  # the peer is gone
        except StoreError:
            raise  # nobody can be served any more; another process may do better
        except Exception as error:  # whatever befalls one connection, the others are served on
            self.failed += 1
            self._complain(f"a connection was closed: {error!r:.200}", "connection-failed")
        finally:
            self._conversing -= 1
            self.connections.leave(connection)
            self._closed.unpark_all()

    async def _exchange(self, connection: Connection, stream: trio.abc.Stream) -> None:
        """Answer queries until there are no more, or the connection has to go.

        That the peer has taken its answers puts the deadline off, and nothing else does: a slow
        trickle of octets must not.
        """
        connections = self.connections
        queries = Stream()
        turn = 0
        while connection.counted and not queries.broken and not self._last_answers:
            octets = await stream.receive_some(TCP_READ_OCTETS)
            if not octets:
                return
            queries.receive(octets)
            turn += len(octets)
            octets = b""  # not to be kept, beside what is accounted for, while this task waits
            more = True
            while more:
                while connections.crowded():
                    await trio.lowlevel.checkpoint()
                answers, left = self._answers(connection, queries)
                kept = queries.held
                connections.hold(connection, len(answers) + kept)
                if answers:
                    turn += len(answers)
                    connection.deadline = self._now + SEND_SECONDS
                    await stream.send_all(answers)
                    answers = b""
                    connections.answered(connection, kept, self._now + IDLE_SECONDS)
                if left is not None:
                    await self._see_to(connection, stream, left, kept)
                    connections.answered(connection, kept, self._now + IDLE_SECONDS)
                more = queries.pending
                if more or turn >= OCTETS_A_TURN:
                    turn = 0
                    await trio.lowlevel.checkpoint()

    async def _see_to(
        self,
        connection: Connection,
        stream: trio.abc.Stream,
        left: Transfer | Forward,
        kept: int,
    ) -> None:
        """Send what answers a query that took more than looking up."""
        now = int(time.time())
        if isinstance(left, Forward):
            assert self._special is not None
            connection.deadline = self._now + FORWARD_SECONDS + SWEEP_SECONDS
            answer = await self._forward(left.packet, connection.address, connection.over_tls)
            self._answerer.over_tls = connection.over_tls
            answer = answer or self._special.unreachable(left, now)
            self._tallies[connection.over_tls].count(answer)
            await self._send(connection, stream, answer)
            return
        await self.transfers.send(connection, stream, left.request, kept)

    async def _send(self, connection: Connection, stream: trio.abc.Stream, message: bytes) -> None:
        connection.deadline = self._now + SEND_SECONDS
        await stream.send_all(len(message).to_bytes(2, "big") + message)
        await trio.lowlevel.checkpoint()

    def _answers(
        self, connection: Connection, queries: Stream
    ) -> tuple[bytes, Transfer | Forward | None]:
        """What the whole queries at hand get, all of them from the same moment of the store; and
        what is to be done before the others that are pending.
        """
        now, address, answer = int(time.time()), connection.address, self._answer
        count = self._tallies[connection.over_tls].count
        self._answerer.over_tls = connection.over_tls
        left: Transfer | Forward | None = None
        special = self._special
        asked: list[tuple[bytes, bytes | None]] | None = None if self._tap is None else []

        def one(query: bytes) -> bytes | None:
            nonlocal left
            made = answer(query, source, now, address, True)
            if made is None and special is not None:
                left = special.take()
                if left is not None:
                    queries.halt()
            if made is not None:
                count(made)
            if asked is not None:
                asked.append((query, made))
            return made

        with self._store.moment() as txn:
            source = self._store.source_in(txn)
            answers = queries.answers(one)
        self.queries += queries.taken
        self._shared[QUERIES] += queries.taken
        self._shared[BATCHES] += 1
        if self._tap is not None and asked:
            place = self._tap.somewhere(DOT if connection.over_tls else TCP)
            packets, replies = map(list, zip(*asked, strict=True))
            self._tap.tell(place, packets, [address] * len(asked), [0] * len(asked), replies)
        return answers, left

    async def _accept(
        self,
        listener: socket.socket,
        nursery: trio.Nursery,
        context: ssl.SSLContext | None = None,
    ) -> None:
        turn = 0
        while True:
            turn += 1
            try:
                sock, peer = listener.accept()
                address = socket.inet_pton(sock.family, peer[0].partition("%")[0])
                stream = SocketStream(sock) if context is None else TlsStream(sock, context)
                nursery.start_soon(self.converse, stream, address)
            except BlockingIOError:
                turn = 0
                await trio.lowlevel.wait_readable(listener)
            except OSError as error:
                if error.errno not in _PEER_GONE:
                    await self._recover(error)
            if turn >= ACCEPTS_A_TURN:
                turn = 0
                await trio.lowlevel.checkpoint()

    async def _recover(self, error: OSError) -> None:
        """Wait until accepting may succeed again, and see to it where that can be done."""
        shed = error.errno in _EXHAUSTED and self.connections.make_room()
        if not shed:
            self._complain(f"no connection can be accepted: {error}", "not-accepting")
        with trio.move_on_after(PATIENCE_SECONDS):
            if shed and error.errno == errno.EMFILE:
                # What one connection gives back is enough, where the limit is our own.
                await self._closed.park()
            else:
                await trio.sleep_forever()

    async def _sweep(self) -> None:
        """End what is past its deadline."""
        while True:
            await trio.sleep(SWEEP_SECONDS)
            self._now = trio.current_time()
            self.connections.expire(self._now)
            self._share()

    async def _flush(self, tap: Tap) -> None:
        """Have what was collected told."""
        while True:
            await trio.sleep(COLLECT_SECONDS)
            tap.flush()

    def _share(self) -> None:
        """Let the supervisor see what has happened."""
        held, shared = self.connections, self._shared
        shared[places.ACCEPTED] = held.accepted
        shared[places.REFUSED_PEERS] = held.refused
        shared[places.SHED] = held.shed
        shared[places.EXPIRED] = held.expired
        shared[places.FAILED] = self.failed
        shared[places.TRANSFERRED] = self.transfers.octets
        shared[places.OPEN] = held.open
        shared[places.HELD] = held.held
        shared[places.SPOOLED] = self.transfers.spooled

    async def _drain(self) -> None:
        """Have each connection end behind its answers: first those that ask no more, which is seen
        by looking, then those that go on, in the end all.
        """
        self._draining = True
        begun = trio.current_time()
        looks: deque[float] = deque(maxlen=QUIET_LOOKS)
        while self._conversing and self._now < begun + DRAIN_SECONDS:
            self._now = trio.current_time()
            self._last_answers = self._now >= begun + LAST_ANSWERS_SECONDS
            looks.append(self._now)
            if len(looks) == QUIET_LOOKS:
                self.connections.end_quiet(looks[0] + IDLE_SECONDS)
            await trio.sleep(DRAIN_LOOK_SECONDS)
        self.connections.expire(math.inf)
        self._share()

    def _complain(self, message: str, event: str) -> None:
        self._failures.tell(f"TCP server: {message}", event)
