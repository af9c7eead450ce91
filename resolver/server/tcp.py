"""The TCP server: one process, all listeners, many connections (RFC 7766, RFC 7828).

    python -m resolver.server.tcp --data DIR --fd N [--fd N ...] [--nsid TEXT] [--ready-fd M]

Started by the supervisor, which binds the sockets. A connection is a task; between two awaits it
reads what is there, answers all of it from one moment of the store, and sends it at once. Awaits
come only where the kernel would block, or where others are due their turn.

Memory is bounded by closing, never by hoping: at the cap on connections the one longest without a
query makes room for the new one, and past the cap on octets held the one that holds longest goes.
"""

from __future__ import annotations

import argparse
import errno
import os
import resource
import socket
import sys
import time
from collections import Counter, OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from csid.errors import CsidError
from csid.limits import (
    MAX_TCP_CONNECTIONS,
    MAX_TCP_CONNECTIONS_PER_PEER,
    TCP_IDLE_SECONDS,
    TCP_READ_OCTETS,
    TCP_SEND_SECONDS,
)
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.server.counters import BATCHES, Counters, open_inherited
from resolver.server.framing import Stream
from resolver.server.notices import tell
from resolver.store.environment import Store

MAX_HELD_OCTETS: Final = 67_108_864  # of unfinished queries and untaken answers, all connections
FILES_RESERVED: Final = 64  # descriptors for everything that is no connection
SWEEP_SECONDS: Final = 1.0  # between two looks for connections past their deadline
PATIENCE_SECONDS: Final = 0.1  # before accepting again when the system has nothing to give
ACCEPTS_A_TURN: Final = 64  # new connections before those there are get their turn
OCTETS_A_TURN: Final = 65_536  # of answers to one connection before others get their turn

# Accepting fails for want of something that ending a connection gives back (accept(2)).
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Connection:
    """One connection, its unfinished query, and until when it may go on like this.

    Attributes:
        address: the peer's IP address, 4 or 16 octets.
        deadline: when it is closed, on the monotonic clock in seconds. Whole queries put it off,
            and nothing else does: a slow trickle of octets must not.
        held: octets kept for it, of a query not yet whole or of answers not yet taken.
    """

    __slots__ = ("address", "deadline", "held", "sock", "stream")

    def __init__(self, sock: socket.socket, address: bytes, now: float) -> None:
        self.sock = sock
        self.address = address
        self.stream = Stream()
        self.deadline = now + TCP_IDLE_SECONDS
        self.held = 0


class TcpServer:
    """Serves connections from a store.

    Args:
        store: the data to answer from.
        answerer: makes the answers.
        max_connections: all that are held at once.
        counters: by which the supervisor sees that it answers.
    """

    def __init__(
        self, store: Store, answerer: Answerer, max_connections: int, counters: Counters
    ) -> None:
        self._counters = counters
        self._store = store
        self._answer = answerer.answer
        self._max_connections = max_connections
        # By their last query, the longest ago first.
        self._connections: OrderedDict[Connection, None] = OrderedDict()
        # Those that hold octets, the longest holder first, and how many they hold in all.
        self._holders: OrderedDict[Connection, None] = OrderedDict()
        self._held = 0
        self._peers: Counter[bytes] = Counter()

    async def serve(self, listeners: Sequence[socket.socket], ready_fd: int | None) -> None:
        """Serve until cancelled; one octet on `ready_fd` says that connections are accepted."""
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                listener.setblocking(False)
                nursery.start_soon(self._accept, listener, nursery)
            nursery.start_soon(self._sweep)
            if ready_fd is not None:
                os.write(ready_fd, b"\n")
                os.close(ready_fd)

    async def _accept(self, listener: socket.socket, nursery: trio.Nursery) -> None:
        turn = 0
        while True:
            turn += 1
            try:
                sock, peer = listener.accept()
            except BlockingIOError:
                turn = 0
                await trio.lowlevel.wait_readable(listener)
            except OSError as error:
                # Anything else is the fault of one peer that is gone again (accept(2)).
                if error.errno in _EXHAUSTED:
                    # What one connection gives back is enough where the limit is our own.
                    enough = error.errno == errno.EMFILE and bool(self._connections)
                    self._shed(self._connections)
                    await trio.sleep(0 if enough else PATIENCE_SECONDS)
            else:
                self._admit(sock, peer[0], nursery)
            if turn >= ACCEPTS_A_TURN:
                turn = 0
                await trio.lowlevel.checkpoint()

    def _admit(self, sock: socket.socket, peer: str, nursery: trio.Nursery) -> None:
        if len(self._connections) >= self._max_connections:
            self._shed(self._connections)
        address = socket.inet_pton(sock.family, peer.partition("%")[0])
        if self._peers[address] >= MAX_TCP_CONNECTIONS_PER_PEER:
            sock.close()
            return
        sock.setblocking(False)
        connection = Connection(sock, address, time.monotonic())
        self._connections[connection] = None
        self._peers[address] += 1
        nursery.start_soon(self._converse, connection)

    async def _converse(self, connection: Connection) -> None:
        """One connection from its first query to its end, whichever side ends it."""
        try:
            await self._exchange(connection)
        except (OSError, trio.ClosedResourceError):
            pass  # the peer is gone, or we closed it under way
        except Exception as error:  # whatever befalls one connection, the others are served on
            print(f"csid tcp: a connection was closed: {error!r}", file=sys.stderr, flush=True)
        finally:
            self._close(connection)

    async def _exchange(self, connection: Connection) -> None:
        sock, stream = connection.sock, connection.stream
        turn = 0
        while not stream.broken:
            try:
                octets = sock.recv(TCP_READ_OCTETS)
            except BlockingIOError:
                turn = 0
                await trio.lowlevel.wait_readable(sock)
                continue
            if not octets:
                return
            stream.receive(octets)
            turn += len(octets)
            while True:
                answers = self._answers(connection)
                if answers:
                    turn += len(answers)
                    await self._send(connection, answers)
                if turn >= OCTETS_A_TURN:
                    turn = 0
                    await trio.lowlevel.checkpoint()
                if not stream.pending:
                    break
            self._hold(connection, stream.held)

    def _answers(self, connection: Connection) -> bytes:
        """What the whole queries at hand get; all of them from the same moment of the store."""
        now, address, answer = int(time.time()), connection.address, self._answer
        with self._store.moment() as txn:
            snapshot = self._store.snapshot_in(txn)
            answers = connection.stream.answers(
                lambda query: answer(query, snapshot, now, address, True)
            )
        self._counters[BATCHES] += 1
        return answers

    async def _send(self, connection: Connection, answers: bytes) -> None:
        sock = connection.sock
        try:
            sent = sock.send(answers)
        except BlockingIOError:
            sent = 0
        if sent < len(answers):
            connection.deadline = time.monotonic() + TCP_SEND_SECONDS
            await self._send_slowly(connection, memoryview(answers)[sent:])
        connection.deadline = time.monotonic() + TCP_IDLE_SECONDS
        self._connections.move_to_end(connection)

    async def _send_slowly(self, connection: Connection, answers: memoryview) -> None:
        """Send to a peer that takes less at a time than it asked for."""
        while answers:
            self._hold(connection, len(answers) + connection.stream.held)
            await trio.lowlevel.wait_writable(connection.sock)
            answers = answers[connection.sock.send(answers) :]

    def _hold(self, connection: Connection, octets: int) -> None:
        """Account for what a connection holds now, and let others go if it is too much in all.

        Raises:
            ClosedResourceError: the connection itself was the one to go.
        """
        if octets == connection.held:
            return
        self._held += octets - connection.held
        connection.held = octets
        if octets:
            self._holders[connection] = None
            while self._held > MAX_HELD_OCTETS:
                self._shed(self._holders)
            if connection not in self._connections:
                raise trio.ClosedResourceError
        else:
            del self._holders[connection]

    def _shed(self, connections: OrderedDict[Connection, None]) -> None:
        """Close the first of some connections to make room."""
        if connections:
            self._close(next(iter(connections)))

    def _close(self, connection: Connection) -> None:
        """Close a connection for good; its task, if it is not the caller, ends by that."""
        if connection not in self._connections:
            return
        self._hold(connection, 0)
        del self._connections[connection]
        self._peers[connection.address] -= 1
        if not self._peers[connection.address]:
            del self._peers[connection.address]
        trio.lowlevel.notify_closing(connection.sock)
        connection.sock.close()

    async def _sweep(self) -> None:
        """Close what is past its deadline."""
        while True:
            await trio.sleep(SWEEP_SECONDS)
            now = time.monotonic()
            for connection in [one for one in self._connections if one.deadline <= now]:
                self._close(connection)


def raise_file_limit() -> int:
    """Allow this process all the open files it may have; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return MAX_TCP_CONNECTIONS + FILES_RESERVED if hard == resource.RLIM_INFINITY else hard


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve TCP on inherited sockets until ended by a signal."""
    parser = argparse.ArgumentParser(
        prog="resolver.server.tcp", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="the data directory")
    parser.add_argument("--fd", type=int, action="append", required=True, help="a listening socket")
    parser.add_argument("--nsid", default="", help="the name this server gives when asked")
    parser.add_argument("--ready-fd", type=int, help="takes one octet when the server answers")
    parser.add_argument("--counters-fd", type=int, help="memory of resolver.server.counters")
    options = parser.parse_args(arguments)
    connections = min(MAX_TCP_CONNECTIONS, max(1, raise_file_limit() - FILES_RESERVED))
    try:
        counters = open_inherited(options.counters_fd)
        with Store.open(options.data) as store:
            opt = OptWriter(store.settings().cookie_secret, options.nsid.encode())
            server = TcpServer(store, Answerer(opt), connections, counters)
            trio.run(
                server.serve, [socket.socket(fileno=fd) for fd in options.fd], options.ready_fd
            )
    except (CsidError, OSError) as error:
        tell(str(error))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
