"""The TCP server in process when something fails: it ends what it must and serves the others."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from csid.errors import StoreError
from csid.limits import MAX_TCP_CONNECTIONS
from resolver.server import notices
from resolver.server.tcp import TcpServer
from resolver.server.tcp_process import first
from resolver.store.environment import Store
from tests.support.servers import make_data
from tests.support.streams import ANSWERER, Peer, assert_nothing_left, query, run_jumping, serving


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(make_data(tmp_path_factory.mktemp("tcp") / "data")) as opened:
        yield opened


@pytest.fixture
def server(store: Store) -> TcpServer:
    return TcpServer(store, ANSWERER, MAX_TCP_CONNECTIONS)


class Broken:
    """A store that cannot be read."""

    def moment(self) -> Any:
        raise OSError("the moment is gone\n" + "x" * 1_000)


def test_an_exception_ends_its_own_connection_and_is_told_once_a_second(
    store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    server = TcpServer(store, ANSWERER, 100)

    async def main() -> None:
        async with serving(server) as connect:
            asking = await connect()
            await asking.ask()
            server._store = Broken()  # type: ignore[assignment]
            for number in range(30):
                peer = await connect(bytes((192, 0, 2, number)))
                await peer.send(query(1))
                assert await peer.until_closed() == trio.current_time()
                await trio.sleep(0.1)
            server._store = store
            await asking.ask()
            assert server.counters()["failed"] == 30
            assert server.counters()["open"] == 1
        assert_nothing_left(server)

    run_jumping(main)
    lines = capfd.readouterr().err.splitlines()
    assert 3 <= len(lines) <= 4
    for line in lines:
        assert line.startswith("csid: TCP server: a connection was closed: OSError('the mom")
        assert len(line) < 300


def test_a_store_that_can_no_longer_be_read_ends_the_server(store: Store) -> None:
    """As it ends a UDP worker, so that another takes its place."""
    server = TcpServer(store, ANSWERER, 100)

    class Closed:
        def moment(self) -> Any:
            raise StoreError("the store is closed")

    async def main() -> None:
        async with serving(server) as connect:
            asking = await connect()
            server._store = Closed()  # type: ignore[assignment]
            await asking.send(query(1))
            await trio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        run_jumping(main)
    assert str(first(caught.value)) == "the store is closed"
    assert_nothing_left(server)


def test_an_exception_that_cannot_be_told_ends_nothing_else(
    server: TcpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving(server) as connect:
            asking, failing = await connect(), await connect()
            working, server._store = server._store, Broken()  # type: ignore[assignment]
            monkeypatch.setattr(notices, "STDERR", full.fileno())
            await failing.send(query(1))
            await failing.until_closed()
            server._store = working
            await asking.ask()

    with Path("/dev/full").open("w") as full:
        run_jumping(main)
    assert server.counters()["failed"] == 1


def test_cancelling_ends_all_connections_and_is_not_swallowed(server: TcpServer) -> None:
    async def main() -> None:
        with trio.move_on_after(3.0) as scope:
            async with serving(server) as connect:
                waiting, stalled = await connect(), await connect(lockstep=True)
                await stalled.send(query(1))
                await trio.sleep_forever()
        assert scope.cancelled_caught
        assert trio.current_time() == 3.0
        assert_nothing_left(server)
        assert await waiting.until_closed() == 3.0
        with pytest.raises(trio.BrokenResourceError):
            await stalled.stream.send_all(b"x")

    run_jumping(main)


def test_a_listener_that_fails_for_good_neither_spins_nor_ends_the_others(
    server: TcpServer, capfd: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        with socket.socket() as broken, socket.socket() as sound:
            broken.bind(("127.0.0.1", 0))  # it does not listen: accept fails with EINVAL
            sound.bind(("127.0.0.1", 0))
            sound.listen()
            async with serving(server, broken, sound):
                await trio.sleep(10.0)  # passes only while all wait
                async with await trio.open_tcp_stream(*sound.getsockname()) as stream:
                    await Peer(stream).ask()

    run_jumping(main, threshold=0.01)
    lines = capfd.readouterr().err.splitlines()
    assert 1 <= len(lines) <= 11
    assert "no connection can be accepted: [Errno 22]" in lines[0]
