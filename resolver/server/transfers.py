"""Transfers out of the TCP server: who gets one when, and how a zone gets to a peer that is slow.

A small one is made at once and sent as any answer is. For a larger one there is a bound to how many
go on at once, in all and to one peer; the others wait for their turn. It is made in parts, between
which other connections have their turns, and sent while it is made. Once the peer has been waited
for TRANSFER_PATIENCE_SECONDS, the rest goes into a file (`spool.py`), so that no peer keeps the
store at one moment, from which on the data file would grow with every change (LMDB).
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from csid.limits import (
    CHANGES_PART_OCTETS,
    MAX_FIRST_TRANSFERS,
    MAX_SPOOLED_OCTETS,
    MAX_TRANSFERS,
    MAX_TRANSFERS_PER_PEER,
    SMALL_TRANSFER_STEPS,
    TRANSFER_PART_OCTETS,
    TRANSFER_PATIENCE_SECONDS,
    TRANSFER_SECONDS,
    TRANSFER_STALL_SECONDS,
    TRANSFER_WAIT_SECONDS,
)
from resolver.server.connections import Connection, Connections
from resolver.server.spool import Room, Spool
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.sync.transfer import outgoing
from resolver.sync.transfer.outgoing import Request
from resolver.sync.tsig import Signer, room

_MEMORY_OCTETS = 2 * TRANSFER_PART_OCTETS  # of one transfer: a part being sent and the next one


class Transfers:
    """What is transferred by one server.

    Args:
        store: what is transferred from.
        connections: those of the server; a transfer puts off when its connection ends.
        most, most_per_peer: transfers at once that are not small.
        most_first: in all, for a peer to which there is none yet: peers that are slow must not
            take what others need.
        most_spooled: octets on disk for all of them.

    Attributes:
        begun: how many transfers there were; `octets`, that were sent for them.
    """

    def __init__(
        self,
        store: Store,
        connections: Connections,
        most: int = MAX_TRANSFERS,
        most_per_peer: int = MAX_TRANSFERS_PER_PEER,
        most_first: int = MAX_FIRST_TRANSFERS,
        most_spooled: int = MAX_SPOOLED_OCTETS,
    ) -> None:
        self._store = store
        self._connections = connections
        self._most = most
        self._most_per_peer = most_per_peer
        self._most_first = most_first
        self._room = Room(most_spooled)
        self._folder = Path(os.environ.get("TMPDIR") or store.path)
        self._running: Counter[bytes] = Counter()  # by peer
        self._ended = trio.lowlevel.ParkingLot()
        self.begun = self.octets = 0

    @property
    def spooled(self) -> int:
        """Octets on disk that wait for peers."""
        return self._room.taken

    async def send(
        self, connection: Connection, stream: trio.abc.SendStream, request: Request, kept: int
    ) -> None:
        """Send what answers a request. The connection holds `kept` octets of other queries.

        Raises:
            BrokenResourceError: the peer is gone.
            SpoolError: there is no room for what it does not take.
            ZoneError, LookupError, ValueError: as of `outgoing.messages`.
        """
        self.begun += 1
        seal = _sealer(request)
        with self._store.moment() as txn:
            small = self._small(request, txn)
        if small:
            self._connections.hold(connection, kept + len(small))
            await self._deliver(connection, stream, seal(small), trio.current_time())
            return
        connection.deadline = trio.current_time() + TRANSFER_WAIT_SECONDS
        async with self._turn(connection.peer):
            begun = trio.current_time()
            connection.deadline = begun + TRANSFER_STALL_SECONDS
            self._connections.hold(connection, kept + _MEMORY_OCTETS)
            with Spool(self._folder, TRANSFER_PART_OCTETS, self._room) as spool:
                try:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._make, request, spool)
                        while part := await spool.get():
                            await self._deliver(connection, stream, seal(part), begun)
                except ExceptionGroup as group:
                    raise _only(group) from None

    def _small(self, request: Request, txn: object) -> bytes:
        """All messages behind their lengths; nothing if they are no small transfer."""
        moment = self._store.reading(txn)
        if outgoing.steps_for(request, moment) > SMALL_TRANSFER_STEPS:
            return b""
        parts = _parts(request, moment)
        first = next(parts)
        return b"" if next(parts, b"") else first

    async def _make(self, request: Request, spool: Spool) -> None:
        """Make a transfer, from one moment of the store."""
        patience = TRANSFER_PATIENCE_SECONDS
        with self._store.moment() as txn:
            parts = _parts(request, self._store.reading(txn))
            # What has changed is gathered before there is a first message, and may take a while.
            part = await trio.to_thread.run_sync(next, parts, b"")
            while part:
                if patience > 0:
                    patience -= await spool.wait(patience)
                await spool.put(part)
                await trio.lowlevel.checkpoint()
                part = next(parts, b"")
        spool.end()

    async def _deliver(
        self, connection: Connection, stream: trio.abc.SendStream, part: bytes, begun: float
    ) -> None:
        stalled = trio.current_time() + TRANSFER_STALL_SECONDS
        connection.deadline = min(stalled, begun + TRANSFER_SECONDS)
        await stream.send_all(part)
        self.octets += len(part)

    @asynccontextmanager
    async def _turn(self, peer: bytes) -> AsyncIterator[None]:
        """Go on only while there are not too many."""
        running = self._running
        while running[peer] >= self._most_per_peer or running.total() >= (
            self._most if running[peer] else self._most_first
        ):
            await self._ended.park()
        running[peer] += 1
        try:
            yield
        finally:
            running[peer] -= 1
            running += Counter()  # forget whom nothing is sent to
            self._ended.unpark_all()


def _parts(request: Request, moment: ReadTransaction) -> Iterator[bytes]:
    """Messages behind their lengths, as many together as are made in one turn."""
    octets = TRANSFER_PART_OCTETS if request.serial is None else CHANGES_PART_OCTETS
    pieces: list[bytes] = []
    size = 0
    for message in outgoing.unsigned(request, moment):
        pieces += (len(message).to_bytes(2, "big"), message)
        size += len(message)
        if size >= octets:
            yield b"".join(pieces)
            pieces, size = [], 0
    if pieces:
        yield b"".join(pieces)


def _sealer(request: Request) -> Callable[[bytes], bytes]:
    """What signs messages behind their lengths, at the time when they are sent: the peer compares
    it with its own (RFC 8945 section 5.2.3).
    """
    if request.key is None:
        return lambda part: part
    signer, more = Signer(request.key, request.mac), room(request.key)

    def seal(part: bytes) -> bytes:
        now = int(time.time())
        view = memoryview(part)
        pieces: list[bytes | memoryview] = []
        at = 0
        while at < len(part):
            size = int.from_bytes(part[at : at + 2], "big")
            end = at + 2 + size
            pieces.append((size + more).to_bytes(2, "big"))
            pieces += signer.pieces(view[at + 2 : end], now)
            at = end
        return b"".join(pieces)

    return seal


def _only(group: ExceptionGroup[Exception]) -> Exception:
    """What has ended a transfer: one of its two tasks, upon which the other was cancelled."""
    error: Exception = group
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
