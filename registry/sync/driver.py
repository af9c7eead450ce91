"""The sync process of a running node around what decides (`registry.sync.syncing`): connections,
the bell, the disk, the time. One thread runs all of it but what waits for the disk: transfers and
commits have threads.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from random import Random, SystemRandom
from typing import Final

import trio

from csid import names
from csid.errors import CsidError, StoreError
from registry.network import seen
from registry.sync.batch import Batch, perform, write
from registry.sync.hooks import Network
from registry.sync.syncing import Syncing
from resolver.server import bell
from resolver.server.counters import BATCHES, QUERIES, Counters
from resolver.server.links import Link
from resolver.server.notices import Repeated, tell
from resolver.store.apexes import EXPIRED
from resolver.store.commits import Listening
from resolver.store.environment import Store
from resolver.sync.actions import Answered, Open, Send, Shut, Transfer
from resolver.sync.transfer.errors import TransferError
from resolver.sync.transfer.fetch import Fetch

COMMIT_SECONDS: Final = 1.0  # between two commits of what looks came to
LOOK_SECONDS: Final = 2.0  # between two looks at the store without any reason
RETRY_SECONDS: Final = 5.0  # before what could not be written is tried again
FIRST_SECONDS: Final = 10.0  # for the first message of a transfer ...
NEXT_SECONDS: Final = 20.0  # ... and for each that follows
MOST_SECONDS: Final = 7_200.0  # for all of them
THREADS: Final = 8  # transfers whose messages are worked on at a time
RUNG_AT_ONCE: Final = 500  # datagrams taken before others get their turn


class Driver:
    """Drives the sync process of one data directory, over a store that is open for writing."""

    def __init__(
        self, store: Store, network: Network, counters: Counters, random: Random | None = None
    ) -> None:
        self.sync = Syncing(
            store, network, random or SystemRandom(), lambda: time.time(), trio.current_time
        )
        self._store = store
        self._counters = counters
        self._links: dict[int, Link] = {}
        self._ends: dict[int, float] = {}  # by when a transfer has to be through, at the latest
        self._woken = trio.Event()
        self._settled = trio.Event()
        self._worked = trio.Event()  # there may be work that transfers have left
        self._worked.set()
        self._threads = trio.CapacityLimiter(THREADS)
        self._failures = Repeated(trio.current_time)
        self._nursery: trio.Nursery | None = None
        self._sleep = trio.CancelScope()
        self._commits = Listening(store.path)

    async def run(self) -> None:
        """Go on until cancelled.

        Raises:
            StoreError: the store can no longer be read.
            OSError: the data directory cannot be written.
        """
        rung = bell.listen(self._store.path)
        try:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(self._hear_bell, rung)
                self._nursery.start_soon(self._hear_commits)
                self._nursery.start_soon(self._write)
                self._nursery.start_soon(self._work)
                await self._go_on()
        finally:
            self._nursery = None
            rung.close()
            self._commits.close()
            self.sync.close()

    # -- what happens

    async def _go_on(self) -> None:
        while True:
            looked = self.sync.look()
            is_news = self._commits.turn(looked.is_eager)
            if looked.is_time:
                self._worked.set()
            self._act()
            if looked.more or is_news:  # commits until now were not told of
                await trio.lowlevel.checkpoint()
                continue
            wake = min(looked.wake, trio.current_time() + LOOK_SECONDS)
            with trio.CancelScope(deadline=wake) as self._sleep:
                await self._woken.wait()
            self._woken = trio.Event()

    async def _hear_bell(self, rung: socket.socket) -> None:
        while True:
            await trio.lowlevel.wait_readable(rung)
            datagrams: list[bytes] = []
            with suppress(BlockingIOError):
                while len(datagrams) < RUNG_AT_ONCE:
                    datagrams.append(rung.recv(bell.MAX_OCTETS))
            if self.sync.rung(datagrams):
                self._worked.set()
                self._woken.set()
            if nodes := self.sync.take_heard():
                assert self._nursery is not None
                self._nursery.start_soon(self._note_heard, nodes)
            self._done()
            await trio.lowlevel.checkpoint()

    async def _note_heard(self, nodes: list[str]) -> None:
        """Write which nodes have signed a message."""
        try:
            await trio.to_thread.run_sync(seen.note_all, self._store, nodes, int(time.time()))
        except CsidError as error:
            self._failures.tell(f"sync: who was heard is not kept: {error}")

    async def _hear_commits(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._commits.socket)
            self._commits.drain()
            self.sync.committed()
            self._done()
            self._woken.set()
            await trio.lowlevel.checkpoint()

    # -- what is to be done

    def _act(self) -> None:
        assert self._nursery is not None
        while actions := self.sync.actions():
            for action in actions:
                if isinstance(action, Send):
                    link = self._links.get(action.link)
                    if link is not None:
                        link.send(action.message)
                elif isinstance(action, Transfer):
                    self._transfer(action)
                elif isinstance(action, Open):
                    link = Link(action.link, action.where, action.datagram, self)
                    self._links[action.link] = link
                    self._nursery.start_soon(link.run)
                elif isinstance(action, Shut):
                    link = self._links.pop(action.link, None)
                    if link is not None:
                        link.shut()
                else:
                    self._nursery.start_soon(self._answered, action)
        if self.sync.has_news:
            self._settled.set()

    def _transfer(self, action: Transfer) -> None:
        link = self._links[action.link]
        request = self.sync.transfer(action)
        if request is None:
            self._drop(link)
            return
        self._ends[link.number] = trio.current_time() + MOST_SECONDS
        link.expect(trio.current_time() + FIRST_SECONDS)
        link.read = 0
        link.send(request)

    async def _answered(self, action: Answered) -> None:
        """Have written what follows from an answer."""
        unit = self.sync.answered(action)
        while unit is not None:
            try:
                await trio.to_thread.run_sync(perform, self._store.path, unit)
                break
            except CsidError as error:
                self._failures.tell(f"sync: what a server has answered is not kept yet: {error}")
                await trio.sleep(RETRY_SECONDS)
        self.sync.written(action)
        self._woken.set()

    # -- what links tell

    def opened(self, link: Link, /) -> None:
        self.sync.opened(link.number)
        self._done()

    def lost(self, link: Link, reason: str, /) -> None:
        self._links.pop(link.number, None)
        self._ends.pop(link.number, None)
        self.sync.lost(link.number, reason, not link.read, link.is_overdue)
        self._done()

    async def received(self, link: Link, messages: list[bytes], /) -> None:
        fetch = self.sync.fetch(link.number)
        if fetch is not None:
            await self._carry_on(link, fetch, messages)
            return
        self.sync.received(link.number, messages)
        self._done()

    async def _carry_on(self, link: Link, fetch: Fetch, messages: list[bytes]) -> None:
        """Go on with a transfer, in a thread; what comes meanwhile waits in the kernel."""
        link.expect(float("inf"))
        failed: Exception | None = None
        try:
            is_through = await trio.to_thread.run_sync(
                self.sync.take_in, fetch, messages, limiter=self._threads
            )
        except Exception as error:  # whatever befalls one transfer, the others go on
            failed = error
            if not isinstance(error, TransferError):
                self._failures.tell(f"sync: a transfer failed: {error!r:.200}")
        if failed is None and not is_through:
            link.expect(min(trio.current_time() + NEXT_SECONDS, self._ends[link.number]))
            return
        self._ends.pop(link.number, None)
        if failed is not None:
            self._drop(link)
        if self.sync.through(link.number, failed):
            self._worked.set()
        self._done()

    def _done(self) -> None:
        self._act()
        self._sleep.deadline = min(self._sleep.deadline, self.sync.engine.next_alarm)

    def _drop(self, link: Link) -> None:
        self._links.pop(link.number, None)
        link.shut()

    async def _work(self) -> None:
        """Do the work that transfers leave, a piece at a time."""
        while True:
            await self._worked.wait()
            self._worked = trio.Event()
            try:
                while await trio.to_thread.run_sync(self.sync.work):
                    self._woken.set()
            except CsidError as error:
                self._failures.tell(f"sync: what a transfer has left is not done yet: {error}")
                await trio.sleep(RETRY_SECONDS)
                self._worked.set()

    # -- what is written

    async def _write(self) -> None:
        """Write what looks came to, once in a while; at once what others wait for."""
        while True:
            await self._settled.wait()
            if not self.sync.engine.looking.outcomes.are_urgent:
                self._settled = trio.Event()
                with trio.move_on_after(COMMIT_SECONDS):
                    while not self.sync.engine.looking.outcomes.are_urgent:
                        await self._settled.wait()
                        self._settled = trio.Event()
            self._settled = trio.Event()
            batch = self.sync.batch()
            if batch is None:
                continue
            while True:
                try:
                    await trio.to_thread.run_sync(write, self._store, batch)
                    break
                except StoreError as error:
                    self._failures.tell(f"sync: what was found cannot be kept: {error}")
                    await trio.sleep(RETRY_SECONDS)
            self.sync.wrote(batch)
            self._counters[QUERIES] += len(batch.settled)
            self._counters[BATCHES] += 1
            self._tell(batch)
            self._woken.set()

    def _tell(self, batch: Batch) -> None:
        for apex, _, state, flag in batch.settled:
            if flag is None or state is None:
                continue
            origin = names.to_text(names.wire_of_key(apex))
            if flag == EXPIRED:
                tell(f"sync: {origin} has expired, and answers SERVFAIL: {state.error}")
            else:
                tell(f"sync: {origin} is served again, with serial {state.serial}")
