"""The process that asks others: `python -m resolver.server.recursive.process --data DIR ...`.

Its sockets, in the order of `--fd`: one over which its supervisor asks whether it answers, and then
those of the UDP workers, over which it answers who asked them. `--missed-fd` is where the workers
hand on what the cache does not know; `--pair-fd`, once for each, where other processes ask.

It alone writes the cache, and holds it until it ends: one that is to follow it waits for that. What
is under way then is lost, and asked again by who still wants to know.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from csid.errors import BusyError, CsidError
from resolver.cache.store import Cache
from resolver.client.sockets import Sockets
from resolver.recursion.table import begin
from resolver.server.counters import (
    ABSENT,
    CACHE_OCTETS,
    PLAIN,
    PRESENT,
    UNHEARD,
    Counters,
    open_inherited,
)
from resolver.server.notices import Repeated, tell
from resolver.server.recursive import options, packets
from resolver.server.recursive.asking import Asking, Far, Near
from resolver.server.recursive.folder import cache_in
from resolver.server.recursive.orders import Orders
from resolver.server.recursive.packets import PACKET_OCTETS, Answered
from resolver.server.supervised import answer, tell_ready

try:
    from resolver.server.cdatagrams import Tally, send_later
except ImportError:  # not compiled on this machine
    from resolver.server.datagrams import Tally, send_later

PACKETS_A_TURN: Final = 64  # taken from one socket before answers of servers are looked at
LOCK_SECONDS: Final = 20.0  # for who has the cache to end
LOCK_LOOK_SECONDS: Final = 0.02
GARBAGE: Final = 50_000  # objects; nearly all of them end without being looked for
_IGNORED: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGINT)  # the supervisor's to handle


class Process:
    """The sockets, and what is done when one of them is ready.

    Args:
        asking: what is asked of whom.
        cache: what is known.
        deadline: when it is to go on at the latest.
        has_more: whether it is to go on at once.
        upstream: sockets to other servers.
        udp: those of the workers, by inode.
        missed: what workers hand on.
        pairs: where other processes ask.
        asker: where the supervisor does.
        orders: what is to be forgotten.
    """

    def __init__(
        self,
        asking: Asking,
        cache: Cache,
        deadline: Callable[[], float | None],
        has_more: Callable[[], bool],
        upstream: Sockets,
        udp: dict[int, socket.socket],
        missed: socket.socket,
        pairs: list[socket.socket],
        asker: socket.socket,
        orders: Orders,
        counters: Counters,
    ) -> None:
        self._asking = asking
        self._cache = cache
        self._deadline = deadline
        self._has_more = has_more
        self._upstream = upstream
        self._udp = udp
        self._missed = missed
        self._pairs = pairs
        self._asker = asker
        self._orders = orders
        self._counters = counters
        self._tally = Tally(counters, PLAIN)
        self._failures = Repeated()
        self._ended = False
        self._epoll = select.epoll()
        self._wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda *_: self.end())
        self._ready: dict[int, Callable[[float, int], None]] = {
            self._wake: self._take_signals,
            asker.fileno(): self._answer_supervisor,
            upstream.fileno(): self._take_upstream,
            missed.fileno(): self._take_missed,
            orders.fileno(): self._take_orders,
        }
        for number, pair in enumerate(pairs):
            self._ready[pair.fileno()] = self._taking(number, pair)
        for file in self._ready:
            self._epoll.register(file, select.EPOLLIN)

    def end(self) -> None:
        """Let `run` return after this turn."""
        self._ended = True

    def run(self) -> None:
        """Ask and answer until SIGTERM."""
        while not self._ended:
            due = self._deadline()
            wait = -1.0 if due is None else max(0.0, due - time.monotonic())
            ready = self._epoll.poll(wait)
            now, unix = time.monotonic(), int(time.time())
            for file, _ in ready:
                try:
                    self._ready[file](now, unix)
                except (packets.PacketError, CsidError) as error:
                    self._failures.tell(f"from another process: {error}", "packet")
            self._settle(now, unix)
            counters = self._counters
            counters[PRESENT], counters[ABSENT], counters[CACHE_OCTETS] = self._cache.kept()

    def _settle(self, now: float, unix: int) -> None:
        """Answer what can be answered, and send what is to be asked."""
        while True:
            self._give(self._asking.settle(now, unix), unix)
            self._upstream.send(now)
            if not self._has_more():  # a server that cannot be reached at all is known at once
                return

    def _give(self, given: list[tuple[object, bytes]], unix: int) -> None:
        near: dict[int, list[Answered]] = {}
        for tag, entry in given:
            if isinstance(tag, Far):
                self._send(tag, entry, unix)
            elif isinstance(tag, Near):
                near.setdefault(tag.pair, []).append(Answered(tag.tag, entry))
        for number, answers in near.items():
            for packet in packets.answered(answers):
                try:
                    self._pairs[number].send(packet, socket.MSG_DONTWAIT)
                except OSError:
                    self._counters[UNHEARD] += 1

    def _send(self, far: Far, entry: bytes, unix: int) -> None:
        number, origin, message = self._asking.message(far, entry, unix)
        sock = self._udp.get(number)
        if sock is None:
            return
        with contextlib.suppress(OSError):  # as datagrams may be lost
            send_later(sock, origin, message)
            self._tally.count(message)

    # -- what is ready

    def _take_signals(self, _now: float, _unix: int) -> None:
        os.read(self._wake, 4_096)

    def _answer_supervisor(self, _now: float, _unix: int) -> None:
        answer(self._asker)

    def _take_orders(self, _now: float, _unix: int) -> None:
        self._orders.take()

    def _take_upstream(self, now: float, _unix: int) -> None:
        self._upstream.take(now)

    def _take_missed(self, now: float, unix: int) -> None:
        for packet in _packets(self._missed):
            self._asking.missed(*packets.read_missed(packet), now, unix)

    def _taking(self, number: int, pair: socket.socket) -> Callable[[float, int], None]:
        def take(now: float, unix: int) -> None:
            for packet in _packets(pair):
                self._asking.asked(number, packets.read_asked(packet), now, unix)

        return take


def _packets(sock: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(BlockingIOError):
        for _ in range(PACKETS_A_TURN):
            packet = sock.recv(PACKET_OCTETS)
            if not packet:
                return
            yield packet


def run(arguments: argparse.Namespace) -> None:
    """Ask and answer until SIGTERM.

    Raises:
        StoreError: the cache cannot be written.
    """
    counters = open_inherited(arguments.counters_fd)
    asker, *workers = (socket.socket(fileno=fd) for fd in arguments.fd)
    missed = socket.socket(fileno=arguments.missed_fd)
    pairs = [socket.socket(fileno=fd) for fd in arguments.pair_fd]
    for sock in (asker, missed, *pairs):
        sock.setblocking(False)
    tell_ready(arguments.ready_fd)  # before it has the cache, for whoever has it ends then
    answerer = options.answerer_of(arguments)
    with contextlib.closing(_cache(arguments.data, arguments.cache_octets)) as cache:
        table, session = begin(options.tops_of(arguments), os.urandom, cache.get)
        asking = Asking(cache, table, answerer, counters)
        process = Process(
            asking,
            cache,
            table.deadline,
            lambda: bool(session.finished),
            Sockets(session),
            {os.fstat(sock.fileno()).st_ino: sock for sock in workers},
            missed,
            pairs,
            asker,
            Orders(arguments.data, asking.forget),
            counters,
        )
        gc.freeze()  # what is there now stays
        gc.set_threshold(GARBAGE)
        process.run()


def _cache(folder: Path, octets: int) -> Cache:
    """The cache, once whoever has it has ended."""
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return Cache(cache_in(folder), octets)
        except BusyError:
            if time.monotonic() > end:
                raise
            time.sleep(LOCK_LOOK_SECONDS)


def main() -> int:
    """Ask and answer until SIGTERM."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    parser = options.parser("resolver.server.recursive.process", __doc__)
    parser.add_argument("--missed-fd", type=int, required=True, help="what workers hand on")
    parser.add_argument("--pair-fd", type=int, action="append", default=[], help="who asks")
    parser.add_argument("--cache-octets", type=int, required=True, help="that the cache has")
    try:
        run(parser.parse_args())
    except (CsidError, OSError) as error:
        tell(str(error), "error", "ended")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
