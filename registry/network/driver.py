"""What drives the engine (resolver/sync/engine.py) in a running node: connections, the store, the
time. One thread runs all of it but what waits for the disk: transfers and commits have threads.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from random import Random, SystemRandom
from typing import Final

import trio

from csid import names
from csid.errors import CsidError, StoreError
from registry.network import seen
from registry.network.batch import Batch, forget_peers, perform, write
from registry.network.catalogs import NodePolicy
from registry.network.hooks import Duty, Network, Work
from registry.network.transfers import StillFollowed, examine_of
from registry.network.walks import Followed, Notified
from resolver.server import bell
from resolver.server.counters import BATCHES, QUERIES, Counters
from resolver.server.links import Link
from resolver.server.notices import Repeated, tell
from resolver.server.watching import Watching
from resolver.store.apexes import EXPIRED
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.sync import feed
from resolver.sync.actions import Answered, Open, Present, Send, Shut, Transfer
from resolver.sync.engine import Engine
from resolver.sync.errors import TransferError
from resolver.sync.fetch import Fetch, Together
from resolver.sync.members import Consumer, go_on
from resolver.sync.settings import TARGETS
from resolver.sync.zonemd import DigestWatch

COMMIT_SECONDS: Final = 1.0  # between two commits of what looks came to
LOOK_SECONDS: Final = 2.0  # between two looks at the store without any reason
RETRY_SECONDS: Final = 5.0  # before what could not be written is tried again
FIRST_SECONDS: Final = 10.0  # for the first message of a transfer ...
NEXT_SECONDS: Final = 20.0  # ... and for each that follows
THREADS: Final = 8  # transfers whose messages are worked on at a time
TELLING_MOST: Final = 4_096  # zones whose changes are told at a time
FEED_AT_ONCE: Final = 500  # rows taken before others get their turn
# A commit is seen a moment after what it wrote: so it is looked for once more, and again.
AFTERLOOKS: Final = (0.001, 0.01, 0.1, 0.0)  # seconds


class Driver:
    """Drives the engine of one data directory, over a store that is open for writing."""

    def __init__(
        self, store: Store, network: Network, counters: Counters, random: Random | None = None
    ) -> None:
        self.engine = Engine(random or SystemRandom())
        self._store = store
        self._network = network
        self._counters = counters
        self._links: dict[int, Link] = {}
        self._fetches: dict[int, Fetch] = {}
        self._duties: dict[bytes, Duty] = {}  # by the name of an errand under way
        self._woken = trio.Event()
        self._settled = trio.Event()
        self._worked = trio.Event()  # there may be work that transfers have left
        self._worked.set()
        self._threads = trio.CapacityLimiter(THREADS)
        self._failures = Repeated(trio.current_time)
        self._nursery: trio.Nursery | None = None
        self._position = b""  # in the feed
        self._passed: bytes | None = None  # of the feed, as it was written
        self._followed = Followed()
        self._again: int | None = None  # when to ask duties though nothing has changed
        self._seen = 0  # the commit that was looked at last
        self._sleep = trio.CancelScope()
        policy = NodePolicy(store.settings().suffix)
        consumer = Consumer(_unix, policy)
        self._works: tuple[Work, ...] = (partial(go_on, store, _unix, policy), *network.works)
        self._watch = Together((StillFollowed(), DigestWatch(), consumer, network.watch))
        self._heard: set[bytes] = set()  # keys that messages were signed with
        self._watching = Watching(store.path / "data.mdb")
        self._offset = 0.0  # between the clocks
        with self._present() as present:
            self._notified = Notified(present)

    async def run(self) -> None:
        """Go on until cancelled.

        Raises:
            StoreError: the store can no longer be read.
            OSError: the data directory cannot be written.
        """
        if self._notified.is_missed:  # who is still away will be found to be
            await trio.to_thread.run_sync(forget_peers, self._store)
        rung = bell.listen(self._store.path)
        try:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(self._hear_bell, rung)
                self._nursery.start_soon(self._hear_writes)
                self._nursery.start_soon(self._write)
                self._nursery.start_soon(self._work)
                await self._go_on()
        finally:
            self._nursery = None
            rung.close()
            self._watching.close()
            for fetch in self._fetches.values():
                fetch.abandon()

    # -- what happens

    async def _go_on(self) -> None:
        while True:
            self._seen = self._store.last_commit()
            with self._present() as present:
                more = self._read_feed(present)
                self._ask_duties(present)
                self.engine.look(present)
                asking = self._followed.go_on(present, self.engine)
                wake = min(self.engine.wake(present), asking or float("inf"))
                if self._again is not None:
                    wake = min(wake, present.steady + max(0, self._again - present.unix))
                is_eager = bool(self._network.duties) or self._has_targets(present)
            self._watching.turn(is_eager)
            self._act()
            if more:
                await trio.lowlevel.checkpoint()
                continue
            wake = min(wake, trio.current_time() + LOOK_SECONDS)
            with trio.CancelScope(deadline=wake) as self._sleep:
                await self._woken.wait()
            self._woken = trio.Event()

    def _has_targets(self, present: Present) -> bool:
        return bool(present.moment.table(TARGETS).entries())

    @contextmanager
    def _present(self) -> Iterator[Present]:
        with self._store.read() as read:
            now, steady = time.time(), trio.current_time()
            if abs(now - steady - self._offset) > LOOK_SECONDS:
                self._offset = now - steady
                self.engine.clock_moved()
            yield Present(read, steady, int(now))

    async def _hear_bell(self, rung: socket.socket) -> None:
        while True:
            await trio.lowlevel.wait_readable(rung)
            with self._present() as present:
                try:
                    for _ in range(FEED_AT_ONCE):
                        heard = bell.rung(rung.recv(bell.MAX_OCTETS))
                        if isinstance(heard, bell.Heard):
                            self._heard.add(heard.key)
                        elif heard is not None and heard.address == bell.NOBODY:
                            self.engine.asked(present, heard.apex)
                            self._worked.set()
                        elif heard is not None:
                            self.engine.notice(present, *heard)
                except BlockingIOError:
                    pass
            if self._heard:
                assert self._nursery is not None
                self._nursery.start_soon(self._note_heard)
            self._act()
            self._woken.set()
            await trio.lowlevel.checkpoint()

    async def _note_heard(self) -> None:
        """Write which nodes have signed a message."""
        keys, self._heard = self._heard, set()
        now = int(time.time())
        with self._store.read() as read:
            nodes = seen.due(read, keys, now)
        if not nodes:
            return
        try:
            await trio.to_thread.run_sync(seen.note_all, self._store, nodes, now)
        except CsidError as error:
            self._failures.tell(f"sync: who was heard is not kept: {error}")

    async def _hear_writes(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._watching.fd)
            self._watching.drain()
            for pause in AFTERLOOKS:
                if self._store.last_commit() != self._seen:
                    self._woken.set()
                    break
                with trio.move_on_after(pause):
                    await trio.lowlevel.wait_readable(self._watching.fd)
                    break
            await trio.lowlevel.checkpoint()

    def _read_feed(self, present: Present) -> bool:
        """Take changes from the feed; whether there are more."""
        engine = self.engine
        if engine.telling.count >= TELLING_MOST:
            return False
        found = feed.changes(present.moment, self._position + b"\0")
        for count, change in enumerate(found, start=1):
            self._position = change.key
            engine.telling.changed(present, change.apex, change.key)
            if count == FEED_AT_ONCE:
                return True
        return self._notified.go_on(present, engine)

    def _ask_duties(self, present: Present) -> None:
        self._again = None
        for duty in self._network.duties:
            assert isinstance(present.moment, ReadTransaction)
            for errand in duty.due(present.moment, present.unix):
                if self.engine.send(present, errand):
                    self._duties[errand.name] = duty
            again = duty.wake()
            if again is not None:
                self._again = again if self._again is None else min(again, self._again)

    # -- what is to be done

    def _act(self) -> None:
        engine = self.engine
        assert self._nursery is not None
        while engine.actions:
            actions, engine.actions = engine.actions, []
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
        if engine.has_settled or self._passed_now() is not None:
            self._settled.set()

    def _transfer(self, action: Transfer) -> None:
        link = self._links[action.link]
        origin = names.wire_of_key(action.apex)
        with self._present() as present:
            try:
                fetch = Fetch(
                    self._store,
                    origin,
                    action.key,
                    present.unix,
                    action.full,
                    self._watch,
                    forced=action.forced,
                    examine=examine_of(present.moment, action.apex),
                )
            except CsidError as error:
                self._drop(link)
                self.engine.failed(present, link.number, str(error))
                return
        self._fetches[link.number] = fetch
        link.expect(trio.current_time() + FIRST_SECONDS)
        link.read = 0
        link.send(fetch.request)

    async def _answered(self, action: Answered) -> None:
        """Have written what follows from an answer."""
        errand = action.errand
        duty = self._duties.pop(errand.name)
        unit = duty.answered(errand, action.answer, action.reason, int(time.time()))
        while unit is not None:
            try:
                await trio.to_thread.run_sync(perform, self._store.path, unit)
                break
            except CsidError as error:
                self._failures.tell(f"sync: what a server has answered is not kept yet: {error}")
                await trio.sleep(RETRY_SECONDS)
        self.engine.errand_done(errand)
        self._woken.set()

    # -- what links tell

    def opened(self, link: Link, /) -> None:
        with self._present() as present:
            self.engine.opened(present, link.number)
        self._done()

    def lost(self, link: Link, reason: str, /) -> None:
        fetch = self._fetches.pop(link.number, None)
        self._links.pop(link.number, None)
        with self._present() as present:
            if fetch is None:
                self.engine.lost(present, link.number, reason)
            else:
                fetch.abandon()
                is_silent = not link.read
                is_hung = link.is_overdue
                self.engine.failed(
                    present,
                    link.number,
                    f"the transfer ended early: {reason}",
                    is_closed=is_silent and not is_hung,
                    is_hung=is_hung,
                    may_full=fetch.is_undecided and not (is_silent and is_hung),
                )
        self._done()

    async def received(self, link: Link, messages: list[bytes], /) -> None:
        fetch = self._fetches.get(link.number)
        if fetch is not None:
            await self._carry_on(link, fetch, messages)
            return
        with self._present() as present:
            for message in messages:
                self.engine.received(present, link.number, message)
        self._done()

    async def _carry_on(self, link: Link, fetch: Fetch, messages: list[bytes]) -> None:
        """Go on with a transfer, in a thread; what comes meanwhile waits in the kernel."""
        link.expect(float("inf"))
        reason = ""
        is_through = False
        try:
            is_through = await trio.to_thread.run_sync(
                _receive, fetch, messages, limiter=self._threads
            )
        except TransferError as error:
            reason = str(error)
        except Exception as error:  # whatever befalls one transfer, the others go on
            reason = f"{error!r:.200}"
            self._failures.tell(f"sync: a transfer failed: {reason}")
        if not reason and not is_through:
            link.expect(trio.current_time() + NEXT_SECONDS)
            return
        del self._fetches[link.number]
        with self._present() as present:
            if reason:
                self._drop(link)
                self.engine.failed(present, link.number, reason, may_full=fetch.retry_full)
            else:
                assert fetch.result is not None
                self.engine.transferred(present, link.number, fetch.result)
                self._worked.set()
        self._done()

    def _done(self) -> None:
        self._act()
        self._sleep.deadline = min(self._sleep.deadline, self.engine.next_alarm)

    def _drop(self, link: Link) -> None:
        self._links.pop(link.number, None)
        link.shut()

    async def _work(self) -> None:
        """Do the work that transfers leave, a piece at a time."""
        while True:
            await self._worked.wait()
            self._worked = trio.Event()
            for work in self._works:
                try:
                    while await trio.to_thread.run_sync(work):
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
            if not self.engine.is_urgent:
                self._settled = trio.Event()
                with trio.move_on_after(COMMIT_SECONDS):
                    while not self.engine.is_urgent:
                        await self._settled.wait()
                        self._settled = trio.Event()
            self._settled = trio.Event()
            engine = self.engine
            batch = Batch(
                engine.take_settled(),
                engine.telling.take_done_rows(),
                self._passed_now(),
                engine.telling.take_told(),
                engine.take_peers(),
            )
            if not any(batch):
                continue
            while True:
                try:
                    await trio.to_thread.run_sync(write, self._store, batch)
                    break
                except StoreError as error:
                    self._failures.tell(f"sync: what was found cannot be kept: {error}")
                    await trio.sleep(RETRY_SECONDS)
            engine.wrote_settled(True)
            self._passed = batch.passed or self._passed
            self._counters[QUERIES] += len(batch.settled)
            self._counters[BATCHES] += 1
            self._tell(batch)
            self._woken.set()

    def _passed_now(self) -> bytes | None:
        """What is to be written of the feed: that all zones were gone through."""
        passed = self._notified.passed
        return None if passed == self._passed else passed

    def _tell(self, batch: Batch) -> None:
        for apex, _, state, flag in batch.settled:
            if flag is None or state is None:
                continue
            origin = names.to_text(names.wire_of_key(apex))
            if flag == EXPIRED:
                tell(f"sync: {origin} has expired, and answers SERVFAIL: {state.error}")
            else:
                tell(f"sync: {origin} is served again, with serial {state.serial}")


def _unix() -> int:
    return int(time.time())


def _receive(fetch: Fetch, messages: list[bytes]) -> bool:
    """Give messages to a transfer; whether it is through."""
    now = _unix()
    return any(fetch.receive(message, now) for message in messages)
