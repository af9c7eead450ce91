"""The TCP server in process, on a clock that jumps: what slow, silent, many or hostile peers get,
and that the others are served meanwhile.
"""

from __future__ import annotations

import contextlib
import gc
import socket
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csid.limits import MAX_TCP_CONNECTIONS, TCP_IDLE_SECONDS, TCP_READ_OCTETS, TCP_SEND_SECONDS
from resolver.server.framing import MAX_ANSWERS_OCTETS
from resolver.server.tcp import SWEEP_SECONDS, TcpServer
from resolver.store.environment import Store
from tests.support.servers import make_data
from tests.support.streams import (
    ANSWERER,
    Peer,
    assert_nothing_left,
    query,
    run_jumping,
    serving,
)

HALF = query(1)[:10]
LARGE = query(1, "many.csid.internal.", "TXT")  # 12 kB of answer
RESPONSE = bytes((*query(1)[:4], 0x80, *query(1)[5:]))  # QR is set: it deserves silence
LATE = 2 * SWEEP_SECONDS  # what a deadline may be late by

OTHERS = [bytes((192, 0, 2, number)) for number in range(250)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(make_data(tmp_path_factory.mktemp("tcp") / "data")) as opened:
        yield opened


@pytest.fixture
def server(store: Store) -> TcpServer:
    return TcpServer(store, ANSWERER, MAX_TCP_CONNECTIONS)


async def keep_sending(peer: Peer, piece: bytes, seconds: float) -> None:
    """Send a piece again and again, until the server has ended the connection."""
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                while True:
                    await peer.send(piece)
                    await trio.sleep(seconds)

            nursery.start_soon(send)
            await peer.until_closed()
            scope.cancel()


SLOW_SENDERS: dict[str, tuple[bytes, bytes]] = {  # what comes first, and then each second
    "silent": (b"", b""),
    "half a query": (HALF, b""),
    "a length and nothing behind it": (b"\xff\xff", b""),
    "a trickle of octets": (b"\xff\xff", b"x"),
    "responses": (RESPONSE, RESPONSE),
    "a query, then half of one": (query(1) + HALF, b""),
}


@pytest.mark.parametrize(("first", "then"), SLOW_SENDERS.values(), ids=SLOW_SENDERS.keys())
def test_only_whole_queries_put_the_end_off(server: TcpServer, first: bytes, then: bytes) -> None:
    async def main() -> None:
        async with serving(server) as connect:
            slow, asking = await connect(), await connect()

            async def ask() -> None:
                while True:
                    await asking.ask()
                    await trio.sleep(1.0)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                await slow.send(first)
                await keep_sending(slow, then, 1.0)
                nursery.cancel_scope.cancel()
            assert TCP_IDLE_SECONDS <= trio.current_time() <= TCP_IDLE_SECONDS + LATE
            await asking.ask()
            assert server.counters()["expired"] == 1
        assert_nothing_left(server)

    run_jumping(main)


def test_answers_not_taken_are_given_up_and_held_within_bounds(server: TcpServer) -> None:
    async def main() -> None:
        async with serving(server) as connect:
            peers = [await connect(lockstep=True) for _ in range(20)]
            for peer in peers:
                await peer.send(LARGE * 1_000)
            await trio.testing.wait_all_tasks_blocked()
            most = MAX_ANSWERS_OCTETS + TCP_READ_OCTETS + 65_537
            assert 0 < server.counters()["held"] <= len(peers) * most
            await (await connect()).ask()
            await trio.sleep(TCP_SEND_SECONDS - 1.0)
            assert server.counters()["open"] == len(peers) + 1
            await trio.sleep(1.0 + LATE)
            assert (server.counters()["open"], server.counters()["expired"]) == (1, len(peers))
            assert server.counters()["held"] == 0
        assert_nothing_left(server)

    run_jumping(main)


def test_answers_taken_in_a_trickle_are_given_up_too(server: TcpServer) -> None:
    async def main() -> None:
        async with serving(server) as connect:
            peer = await connect(lockstep=True)
            await peer.send(LARGE)
            while server.counters()["open"]:
                await peer.receive(1)
                await trio.sleep(0.5)
            assert TCP_SEND_SECONDS <= trio.current_time() <= TCP_SEND_SECONDS + LATE + 0.5

    run_jumping(main)


def test_a_peer_that_is_slow_but_takes_its_answers_in_time_is_served_to_the_end(
    server: TcpServer,
) -> None:
    async def main() -> None:
        async with serving(server) as connect:
            peer = await connect(lockstep=True)
            await peer.send(LARGE * 60)  # several sends, each in time
            for number in range(60):
                assert (await peer.answer()).id == 1
                if number % 10 == 9:
                    await trio.sleep(TCP_SEND_SECONDS - 1.0)
            assert trio.current_time() > 2 * TCP_IDLE_SECONDS

    run_jumping(main)


class Flood(trio.abc.HalfCloseableStream):
    """A stream that always has more queries at hand and takes whatever is sent, without a wait."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.reads = 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        self.reads += 1
        return self.octets

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        pass

    async def send_eof(self) -> None:
        pass

    async def wait_send_all_might_not_block(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class Stall(Flood):
    """A stream with queries at hand that never takes what is sent."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.sleep_forever()


@pytest.mark.parametrize("piece", [query(1), RESPONSE, LARGE, b"\0\x0c" + bytes(12)])
def test_a_flood_leaves_the_others_their_turns(server: TcpServer, piece: bytes) -> None:
    flood = Flood(piece * (TCP_READ_OCTETS // len(piece)))

    async def main() -> None:
        async with serving(server) as connect, trio.open_nursery() as nursery:
            other = await connect()
            nursery.start_soon(server.converse, flood, OTHERS[0])
            await trio.lowlevel.checkpoint()
            for _ in range(20):
                await other.ask()
            nursery.cancel_scope.cancel()
        # Ten turns each at the very most, and a turn is no more than is read at once.
        assert 0 < flood.reads <= 200
        assert_nothing_left(server)

    run_jumping(main)


def test_an_idle_connection_keeps_nothing_of_what_it_carried(server: TcpServer) -> None:
    count = 10
    queries = query(1) * (TCP_READ_OCTETS // len(query(1)))

    async def main() -> None:
        async with serving(server) as connect:
            peers = [await connect() for _ in range(count)]
            tracemalloc.start()
            try:
                for peer in peers:
                    await peer.send(queries)
                    with trio.move_on_after(0.1):
                        await peer.until_closed()
                gc.collect()
                assert server.counters()["queries"] == count * (len(queries) // len(query(1)))
                assert tracemalloc.get_traced_memory()[0] < count * 8_192
            finally:
                tracemalloc.stop()

    run_jumping(main)


def test_many_that_ask_for_much_in_one_moment_cost_no_more_than_few(store: Store) -> None:
    """What is shed is released when its task has its turn; until then not too much is added."""
    count, most = 200, 2_000_000  # 143 kB of answers each
    server = TcpServer(store, ANSWERER, MAX_TCP_CONNECTIONS, max_held=most)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            tracemalloc.start()
            try:
                for _ in range(count):
                    nursery.start_soon(server.converse, Stall(LARGE * 12), OTHERS[0])
                await trio.testing.wait_all_tasks_blocked()
                assert tracemalloc.get_traced_memory()[1] < 4 * most
            finally:
                tracemalloc.stop()
            assert server.counters()["shed"] > count // 2
            nursery.cancel_scope.cancel()
        assert_nothing_left(server)

    run_jumping(main)


def test_at_the_cap_who_has_the_most_connections_gives_them_up(store: Store) -> None:
    server = TcpServer(store, ANSWERER, 20)

    async def main() -> None:
        async with serving(server) as connect:
            others = [await connect(OTHERS[number]) for number in range(5)]
            for _ in range(200):
                await connect(b"\1\1\1\1")
            counters = server.counters()
            assert (counters["open"], counters["accepted"], counters["shed"]) == (20, 205, 185)
            for number, peer in enumerate(others):
                await peer.ask(number)
        assert_nothing_left(server)

    run_jumping(main)


def test_a_peer_past_its_share_is_refused_and_ends_nobody(store: Store) -> None:
    server = TcpServer(store, ANSWERER, 4, max_per_peer=2)

    async def main() -> None:
        async with serving(server) as connect:
            there = [await connect(OTHERS[number]) for number in (0, 0, 1, 2)]
            for _ in range(10):
                refused = await connect(OTHERS[0])
                assert await refused.until_closed() == trio.current_time()
            assert (server.counters()["refused"], server.counters()["shed"]) == (10, 0)
            for peer in there:
                await peer.ask()
            there[0].stream.send_stream.close()  # type: ignore[attr-defined]
            await there[0].until_closed()
            await (await connect(OTHERS[0])).ask()
        assert_nothing_left(server)

    run_jumping(main)


def test_what_is_shed_in_the_middle_of_a_send_stays_out_of_the_accounts(store: Store) -> None:
    """Each newcomer pushes out those before it, while they wait to send and hold yet more."""
    server = TcpServer(store, ANSWERER, MAX_TCP_CONNECTIONS, max_held=500_000)

    async def main() -> None:
        async with serving(server) as connect:
            modest = await connect(OTHERS[1])
            await modest.send(HALF)
            for _ in range(40):
                await (await connect(lockstep=True)).send(LARGE * 100)
                await trio.testing.wait_all_tasks_blocked()
                counters = server.counters()
                assert counters["held"] <= 500_000
                assert counters["open"] == counters["accepted"] - counters["shed"]
            assert server.counters()["shed"] > 30
            await modest.send(query(1)[10:])
            assert (await modest.answer()).id == 1
        assert_nothing_left(server)

    run_jumping(main)


async def half_send(sock: trio.SocketStream) -> None:
    await sock.send_all(b"\xff\xff" + bytes(60_000))
    await trio.sleep_forever()


async def stall(sock: trio.SocketStream) -> None:
    await sock.send_all(LARGE * 1_000)
    await trio.sleep_forever()


async def flood(sock: trio.SocketStream) -> None:
    while True:
        await sock.send_all(LARGE * 100)


async def babble(sock: trio.SocketStream) -> None:
    while True:
        await sock.send_all(RESPONSE * 4_000)
        await trio.sleep(5.0)


def test_256_connections_of_one_process_do_not_stop_the_server(store: Store) -> None:
    """Half sent, stalled and flooded all at once over real sockets, and opened again when shed."""
    server = TcpServer(store, ANSWERER, 200, max_held=4_000_000)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    port = listener.getsockname()[1]

    async def attack(how: Callable[[trio.SocketStream], Awaitable[None]]) -> None:
        for _ in range(4):
            with trio.socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
                await sock.connect(("127.0.0.1", port))
                with contextlib.suppress(trio.BrokenResourceError):
                    await how(trio.SocketStream(sock))

    async def ask() -> None:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await Peer(stream).ask()

    async def main() -> None:
        async with serving(server, listener):
            async with trio.open_nursery() as nursery:
                for _ in range(64):
                    for how in (half_send, stall, flood, babble):
                        nursery.start_soon(attack, how)
                await trio.sleep(3.0)
                await ask()
                counters = server.counters()
                assert counters["accepted"] > 256
                assert counters["shed"] >= 56
                assert counters["open"] <= 200
                assert 0 < counters["held"] <= 4_000_000
                nursery.cancel_scope.cancel()
            await trio.sleep(1.0)
            assert (server.counters()["open"], server.counters()["held"]) == (0, 0)
        assert_nothing_left(server)
        assert server.counters()["failed"] == 0

    with listener:
        run_jumping(main, threshold=0.05)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["connect", "half", "whole", "stall", "end", "wait"]),
        st.integers(0, 5),
    ),
    max_size=40,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTIONS)
def test_accounts_agree_with_the_connections_there_are(
    store: Store, actions: list[tuple[str, int]]
) -> None:
    server = TcpServer(store, ANSWERER, 4, max_per_peer=3, max_held=30_000)

    async def main() -> None:
        peers: list[Peer] = []
        async with serving(server) as connect:
            for action, number in actions:
                if action == "connect":
                    peers.append(await connect(OTHERS[number // 2], lockstep=True))
                elif action == "wait":
                    await trio.sleep(number)
                elif number < len(peers):
                    peer = peers[-1 - number]
                    if action == "end":
                        await peer.stream.aclose()
                    else:
                        octets = {"half": HALF, "whole": query(1), "stall": LARGE * 3}[action]
                        with contextlib.suppress(trio.ClosedResourceError):
                            await peer.send(octets)
                await trio.testing.wait_all_tasks_blocked()
                counted = list(server.connections)
                counters = server.counters()
                assert counters["open"] == len(counted) <= 4
                assert counters["held"] == sum(one.held for one in counted) <= 30_000
                assert counters["failed"] == 0
        assert_nothing_left(server)

    run_jumping(main)
