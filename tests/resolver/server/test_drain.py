"""A TCP server that is to end answers what it was asked: in process, and when it is followed."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import dns.message
import pytest
import trio

from csid.limits import MAX_TCP_CONNECTIONS
from resolver.server.child import Timing
from resolver.server.tcp import DRAIN_SECONDS, LAST_ANSWERS_SECONDS, TcpServer
from resolver.server.tcp_process import first
from resolver.store.environment import Store
from tests.support.servers import PATIENCE, alive, eventually, make_data
from tests.support.streams import ANSWERER, Peer, assert_nothing_left, query, run_jumping
from tests.support.supervised import supervised

LARGE = query(1, "many.csid.internal.", "TXT")  # 12 kB of answer
QUIET = 0.5  # seconds in which a connection that asks no more has ended


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("drain") / "data")


@pytest.fixture(scope="module")
def store(data: Path) -> Iterator[Store]:
    with Store.open(data) as opened:
        yield opened


def ending(store: Store, peer: Callable[[Peer], Awaitable[None]]) -> float:
    """Let one peer talk to a server, over a socket, that is told to end once the peer has waited;
    when it had ended, on the clock that began then.
    """
    server = TcpServer(store, ANSWERER, MAX_TCP_CONNECTIONS)
    ended: list[float] = []

    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)

        async def serve() -> None:
            await server.serve([listener], None)
            ended.append(trio.current_time())

        async def talk(address: tuple[str, int]) -> None:
            with trio.socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
                await sock.connect(address)
                await peer(Peer(trio.SocketStream(sock)))

        with listener:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve)
                nursery.start_soon(talk, listener.getsockname())
                await trio.sleep(1.0)
                server.end()
        assert server.counters()["failed"] == 0
        assert_nothing_left(server)

    run_jumping(main, threshold=0.005)
    return ended[0] - 1.0


async def assert_ended(peer: Peer) -> None:
    """The server has ended the connection, sending nothing more and resetting nothing."""
    assert await peer.stream.receive_some(1) == b""


def test_what_was_asked_is_answered_and_then_the_connection_ends(store: Store) -> None:
    async def peer(peer: Peer) -> None:
        await peer.send(b"".join(map(query, range(1_000))) + LARGE * 20)
        await trio.sleep(1.5)  # the answers are more than the buffers take
        for number in range(1_000):
            assert (await peer.answer()).id == number
        for _ in range(20):
            assert (await peer.answer()).answer
        await assert_ended(peer)

    assert ending(store, peer) <= 0.5 + QUIET


@pytest.mark.parametrize("asked", [b"", query(7)], ids=["nothing", "a query"])
def test_who_asks_nothing_more_keeps_nobody_waiting(store: Store, asked: bytes) -> None:
    async def peer(peer: Peer) -> None:
        await peer.send(asked)
        if asked:
            assert (await peer.answer()).id == 7
        await assert_ended(peer)

    assert ending(store, peer) <= QUIET


def test_a_query_that_had_begun_is_answered_when_it_is_whole(store: Store) -> None:
    async def peer(peer: Peer) -> None:
        await peer.send(query(7)[:9])
        await trio.sleep(2.0)
        await peer.send(query(7)[9:])
        assert (await peer.answer()).id == 7
        await assert_ended(peer)

    assert 1.0 <= ending(store, peer) <= 1.0 + QUIET


def test_who_asks_on_and_on_is_ended_behind_an_answer(store: Store) -> None:
    async def peer(peer: Peer) -> None:
        number = 0
        while True:
            await peer.send(query(number))
            try:
                assert (await peer.answer()).id == number
            except EOFError as error:
                assert "after 0 of 2" in str(error)
                return
            number += 1
            await trio.sleep(0.1)

    assert LAST_ANSWERS_SECONDS <= ending(store, peer) <= LAST_ANSWERS_SECONDS + QUIET


@pytest.mark.parametrize("asked", [query(7)[:9], LARGE * 500], ids=["half", "much"])
def test_who_stalls_is_waited_for_no_longer_than_it_may(store: Store, asked: bytes) -> None:
    async def peer(peer: Peer) -> None:
        await peer.send(asked)
        await trio.sleep(3 * DRAIN_SECONDS)

    assert DRAIN_SECONDS <= ending(store, peer) <= DRAIN_SECONDS + QUIET
    assert Timing().drain_seconds > DRAIN_SECONDS + QUIET


def answers(sock: socket.socket) -> list[dns.message.Message]:
    """All answers until the connection ends."""
    octets = b""
    while piece := sock.recv(65_536):
        octets += piece
    found = []
    while octets:
        (length,) = struct.unpack(">H", octets[:2])
        found.append(dns.message.from_wire(octets[2 : 2 + length]))
        octets = octets[2 + length :]
    return found


def test_opening_anew_leaves_no_query_on_an_open_connection_unanswered(data: Path) -> None:
    with supervised(data) as server:
        socks = []
        for _ in range(3):
            sock = socket.socket()
            sock.settimeout(PATIENCE)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
            sock.connect(("127.0.0.1", server.port))
            socks.append(sock)
        (pid,) = server.workers("resolver.server.tcp")
        for sock in socks[:2]:
            sock.sendall(LARGE * 100)  # more than is sent before somebody reads
        server.process.send_signal(signal.SIGHUP)
        eventually("all are new", lambda: "opened it anew" in server.log.read_text())
        for sock in socks[:2]:
            assert len(answers(sock)) == 100
        assert answers(socks[2]) == []
        eventually("the old one has ended", lambda: not alive(pid))
        assert "ended by" not in server.log.read_text()
        for sock in socks:
            sock.close()


def test_the_end_of_the_server_is_not_put_off_by_connections(data: Path) -> None:
    with supervised(data) as server, socket.socket() as stalled, socket.socket() as half:
        for sock, octets in ((stalled, LARGE * 500), (half, LARGE[:9])):
            sock.connect(("127.0.0.1", server.port))
            sock.sendall(octets)
        eventually("it has begun", lambda: select_readable(stalled))
        begin = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begin < 2.0
        assert server.log.read_text() == ""


def select_readable(sock: socket.socket) -> bool:
    return bool(sock.recv(1, socket.MSG_PEEK))


def test_what_ends_accepting_ends_the_server_with_the_reason(store: Store) -> None:
    """While old connections are served, nobody would see that new ones are not."""

    class Broken(socket.socket):
        def accept(self) -> tuple[socket.socket, object]:
            raise ValueError("accepting is broken")

    server = TcpServer(store, ANSWERER, MAX_TCP_CONNECTIONS)

    async def main() -> None:
        with Broken() as listener:
            await server.serve([listener], None)

    with pytest.raises(ExceptionGroup) as caught:
        run_jumping(main)
    assert repr(first(caught.value)) == "ValueError('accepting is broken')"


def test_it_ends_on_sigterm_at_any_moment_of_its_start(data: Path) -> None:
    with supervised(data) as server:
        for _ in range(3):
            (pid,) = server.workers("resolver.server.tcp")
            os.kill(pid, signal.SIGTERM)
            eventually("it has ended", partial(lambda pid: not alive(pid), pid))
            eventually("there is another", lambda: server.workers("resolver.server.tcp"))
