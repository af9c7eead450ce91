"""Transfers out of the TCP server, in process: slow, silent and many peers, a clock that jumps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import dns.message
import dns.rdatatype
import pytest
import trio

from csid import names
from csid.limits import (
    MAX_TCP_CONNECTIONS,
    TRANSFER_PART_OCTETS,
    TRANSFER_STALL_SECONDS,
    TRANSFER_WAIT_SECONDS,
)
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.server.bell import Bell
from resolver.server.special import Special
from resolver.server.tcp import DRAIN_SECONDS, SWEEP_SECONDS, TcpServer
from resolver.server.transfers import Transfers
from resolver.store.environment import Store
from resolver.store.node import RRset
from resolver.sync.settings import EVERYWHERE, RIGHTS, Rights, Subject, pack
from tests.support.servers import SUFFIX, make_data
from tests.support.streams import Peer, assert_nothing_left, query, run_jumping, serving

BIG = 400  # names, of 4 kB each
TEXT = "$TTL 60\n@ SOA ns host 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n" + "".join(
    f'n{number} TXT "{"x" * 250}" "{number}" ' + f'"{"y" * 250}" ' * 15 + "\n"
    for number in range(BIG)
)
AXFR = query(5, SUFFIX, "AXFR")
# Threads are waited for in real time, in which the clock must not jump on.
THRESHOLD = 0.05
LATE = 3 * SWEEP_SECONDS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(make_data(tmp_path / "data", TEXT), writable=True, sync=False) as opened:
        with opened.write() as txn:
            rights = Rights(transfer=(Subject(b"\x7f\0\0\0", 8),))
            txn.table(RIGHTS).put(EVERYWHERE, pack(rights))
        yield opened


@pytest.fixture
def server(store: Store) -> TcpServer:
    opt = OptWriter(bytes(16), b"")
    answerer = Answerer(opt)
    special = Special(store, answerer, opt, Bell(store.path))
    return TcpServer(store, answerer, MAX_TCP_CONNECTIONS, special=special)


def run(main: Callable[[], Awaitable[None]]) -> None:
    run_jumping(main, THRESHOLD)


def held_moments(store: Store) -> int:
    """How many transactions read one moment of the store now."""
    lines = store._environment.readers().splitlines()[1:]
    return sum(line.split()[-1] != "-" for line in lines)


async def take(peer: Peer) -> int:
    """Read a whole transfer; how many records it has."""
    records = soas = 0
    while soas < 2:
        answer = await peer.answer()
        records += sum(map(len, answer.answer))
        soas += sum(len(one) for one in answer.answer if one.rdtype == dns.rdatatype.SOA)
        await trio.lowlevel.checkpoint()
    return records


async def spooled_whole(server: TcpServer, store: Store) -> None:
    """Wait until a transfer is made, to its end."""
    with trio.fail_after(30):
        while not server.transfers.spooled or held_moments(store):
            await trio.sleep(0.05)


def test_a_slow_peer_keeps_no_moment_of_the_store_and_gets_all(
    server: TcpServer, store: Store
) -> None:
    async def main() -> None:
        async with serving(server) as connect:
            slow = await connect(lockstep=True)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(slow.send, AXFR + query(6))
                await spooled_whole(server, store)
                assert server.transfers.spooled > BIG * 4_000 - 4 * TRANSFER_PART_OCTETS
                with store.write() as txn:  # what comes later is not in it
                    zone = txn.update(names.from_text(SUFFIX))
                    zone.set(b"late\0", {16: RRset(60, [b"\1x"])})
                    zone.finish()
                other = await connect()
                await other.ask()
                assert await take(slow) == BIG + 4
                assert (await slow.answer()).id == 6
            assert server.transfers.spooled == 0
            assert not list(store.path.glob("tmp*"))

    run(main)
    assert_nothing_left(server)


def test_a_peer_that_takes_nothing_is_ended(server: TcpServer, store: Store) -> None:
    async def main() -> None:
        async with serving(server) as connect:
            silent = await connect(lockstep=True)
            begun = trio.current_time()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(silent.send, AXFR)
                await spooled_whole(server, store)
                while server.counters()["open"] or server.transfers.spooled:
                    await trio.sleep(0.5)
                assert trio.current_time() - begun <= TRANSFER_STALL_SECONDS + LATE
                nursery.cancel_scope.cancel()

    run(main)
    assert server.failed == 0
    assert_nothing_left(server)


def test_what_waits_for_slow_peers_is_bounded(server: TcpServer, store: Store) -> None:
    server.transfers = Transfers(store, server.connections, most_spooled=TRANSFER_PART_OCTETS)

    async def main() -> None:
        async with serving(server) as connect:
            slow = await connect(lockstep=True)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(slow.send, AXFR)
                with trio.fail_after(30):
                    while not server.failed:
                        await trio.sleep(0.1)
                nursery.cancel_scope.cancel()
            other = await connect()
            await other.send(AXFR)
            assert await take(other) == BIG + 4

    run(main)
    assert server.transfers.spooled == 0 and held_moments(store) == 0
    assert_nothing_left(server)


@pytest.mark.parametrize(
    "bounds", [{"most": 1}, {"most_per_peer": 1}, {"most": 1, "most_first": 1}], ids="+".join
)
def test_more_transfers_wait_for_their_turn_and_small_and_first_ones_do_not(
    server: TcpServer, store: Store, bounds: dict[str, int]
) -> None:
    server.transfers = Transfers(store, server.connections, **bounds)
    with store.write() as txn:
        zone = txn.update(names.from_text(SUFFIX))
        zone.set(b"late\0", {16: RRset(60, [b"\1x"])})
        zone.finish()
    asked = dns.message.make_query(SUFFIX, "IXFR", id=7)
    asked.authority.append(dns.rrset.from_text(SUFFIX, 0, "IN", "SOA", ". . 1 0 0 0 0"))
    changes = asked.to_wire(prepend_length=True)

    async def main() -> None:
        async with serving(server) as connect:
            first = await connect(lockstep=True)
            second, third = await connect(), await connect()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(first.send, AXFR)
                await spooled_whole(server, store)
                await second.send(AXFR)
                await third.send(changes)
                assert (await third.answer()).id == 7
                with trio.move_on_after(TRANSFER_WAIT_SECONDS / 4):
                    await second.receive(1)
                    pytest.fail("the second transfer has not waited")
                another = await connect(b"\x7f\0\0\2")
                await another.send(AXFR)
                if "most_first" not in bounds:
                    assert await take(another) == BIG + 5
                assert await take(first) == BIG + 5
                if "most_first" in bounds:
                    assert await take(another) == BIG + 5
                assert await take(second) == BIG + 5

    run(main)
    assert_nothing_left(server)


def test_a_server_that_ends_waits_a_while_for_who_takes_a_transfer(
    server: TcpServer, store: Store
) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            async with serving(server) as connect:
                slow = await connect(lockstep=True)
                nursery.start_soon(slow.send, AXFR)
                await spooled_whole(server, store)
                begun = trio.current_time()
                server.end()
                while server.counters()["open"] or server.transfers.spooled:
                    await trio.sleep(0.1)
                assert trio.current_time() - begun <= DRAIN_SECONDS + LATE
            nursery.cancel_scope.cancel()

    run(main)
    assert held_moments(store) == 0
    assert_nothing_left(server)


def test_a_peer_that_leaves_in_the_middle_leaves_nothing(server: TcpServer, store: Store) -> None:
    async def main() -> None:
        async with serving(server) as connect:
            for octets in (1, 100_000, 400_000):
                peer = await connect(lockstep=True)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(peer.send, AXFR)
                    await peer.receive(octets)
                    await peer.stream.aclose()
                with trio.fail_after(30):
                    while server.counters()["open"] or server.transfers.spooled:
                        await trio.sleep(0.05)

    run(main)
    assert server.failed == 0 and held_moments(store) == 0
    assert_nothing_left(server)
