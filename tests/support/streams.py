"""Peers of a TCP server in process: streams in memory, a clock that jumps when all wait."""

from __future__ import annotations

import contextlib
import signal
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import dns.message
import pytest
import trio
import trio.testing

from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.server.tcp import TcpServer
from tests.support.servers import PATIENCE

ANSWERER = Answerer(OptWriter(bytes(16), b""))


def run_jumping(main: Callable[[], Awaitable[None]], threshold: float = 0.0) -> None:
    """Run on a clock that jumps to the next deadline once all tasks have waited for `threshold`
    real seconds. A task that lets no other have a turn fails the test instead of hanging it.
    """

    def stop(*_: object) -> None:
        pytest.fail(f"some task has kept the others from their turn for {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=threshold))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Peer:
    """The far end of one connection."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream

    async def send(self, octets: bytes) -> None:
        """Send, as far as the server still listens."""
        with contextlib.suppress(trio.BrokenResourceError):
            await self.stream.send_all(octets)

    async def receive(self, octets: int) -> bytes:
        """Exactly so many octets."""
        got = b""
        while len(got) < octets:
            piece = await self.stream.receive_some(octets - len(got))
            if not piece:
                raise EOFError(f"connection ended after {len(got)} of {octets} octets")
            got += piece
        return got

    async def answer(self) -> dns.message.Message:
        """The next answer."""
        (length,) = struct.unpack(">H", await self.receive(2))
        return dns.message.from_wire(await self.receive(length))

    async def ask(self, number: int = 77) -> None:
        """Ask a question and get its answer."""
        await self.stream.send_all(query(number))
        assert (await self.answer()).id == number

    async def until_closed(self) -> float:
        """Take all that comes until the server ends the connection; on which second it did."""
        with contextlib.suppress(trio.BrokenResourceError):
            while await self.stream.receive_some(65_536):
                pass
        return trio.current_time()


@contextlib.asynccontextmanager
async def serving(
    server: TcpServer, *listeners: Any
) -> AsyncIterator[Callable[..., Awaitable[Peer]]]:
    """A server while the context lasts, and a function that connects to it: `await connect()`.

    Its arguments: the peer's `address`, and whether the server's sends block until the peer takes
    them (`lockstep`). The connection is admitted, and waits, when it returns.
    """
    async with trio.open_nursery() as nursery:

        async def connect(address: bytes = b"\x7f\0\0\1", lockstep: bool = False) -> Peer:
            queries, received = trio.testing.memory_stream_one_way_pair()
            answers: trio.abc.SendStream
            taken: trio.abc.ReceiveStream
            if lockstep:
                answers, taken = trio.testing.lockstep_stream_one_way_pair()
            else:
                answers, taken = trio.testing.memory_stream_one_way_pair()
            nursery.start_soon(server.converse, trio.StapledStream(answers, received), address)
            await trio.testing.wait_all_tasks_blocked()
            return Peer(trio.StapledStream(queries, taken))

        nursery.start_soon(server.serve, listeners, None)
        yield connect
        nursery.cancel_scope.cancel()


def assert_nothing_left(server: TcpServer) -> None:
    """All connections have ended, and none of the sums remembers them."""
    counters = server.counters()
    assert (counters["open"], counters["held"]) == (0, 0)
    assert server.connections.unreleased == 0
    assert not list(server.connections)


def query(number: int, name: str = "www.csid.internal.", rrtype: str = "A") -> bytes:
    """A query with the id `number`, framed."""
    message = dns.message.make_query(name, rrtype, id=number)
    return message.to_wire(prepend_length=True)
