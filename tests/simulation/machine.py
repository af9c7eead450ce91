"""A machine of the simulated network: a data directory, and the three processes of a node on it,
with all that really decides; only what carries octets and commits is the simulation's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any, Final, cast

import msgpack

from csid.errors import CsidError, StoreError
from csid.limits import FORWARD_SECONDS, UPDATES_PER_COMMIT
from registry import units
from registry.core import Core
from registry.network import seen
from registry.network.batch import Batch, write
from registry.network.claims import claims
from registry.network.driver import (
    COMMIT_SECONDS,
    FIRST_SECONDS,
    LOOK_SECONDS,
    NEXT_SECONDS,
    RETRY_SECONDS,
)
from registry.network.hooks import Unit, network_of
from registry.network.roles import ROLES
from registry.network.syncing import Syncing
from registry.rules.decision import Decision
from registry.rules.requests import Request
from registry.tables import transaction
from registry.writer.commit import commit
from registry.zones import updates
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.answer.resolve import TreeSource
from resolver.server.bell import Bell
from resolver.server.special import Special
from resolver.store.environment import Store
from resolver.store.write import WriteTransaction
from resolver.sync import outgoing
from resolver.sync.actions import Answered, Open, Send, Shut, Transfer
from resolver.sync.errors import TransferError
from resolver.sync.fetch import Fetch
from resolver.sync.front import Forward
from resolver.sync.front import Transfer as Granted
from tests.simulation.wires import Connection, Wires
from tests.simulation.world import Killed, Life, World

SWEEP_SECONDS: Final = 5.0
_OPT: Final = OptWriter(bytes(16))
Answer = Callable[[bytes], None]


class Disk(Store):
    """A store whose disk may be full, and whose process may be killed around a commit."""

    machine: Machine

    @contextmanager
    def write(self, keep: bool = True, watched: bool = True) -> Iterator[WriteTransaction]:
        machine = self.machine
        machine.begins_to_write()
        with super().write(keep, watched) as txn:
            yield txn
            machine.is_to_commit()
        machine.has_committed()


class _Bell:
    """As `resolver.server.bell.Bell`, without its socket."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def ring(self, apex: bytes, serial: int | None, address: bytes) -> bool:
        world = self._machine.world
        if self._machine.wires.is_bad and world.chance(0.01):
            return False
        self._machine.ring(msgpack.packb(["notify", apex, serial, address]))
        return True

    def hear(self, key: bytes, now: int) -> None:
        if self._machine.world.chance(0.05):
            self._machine.ring(msgpack.packb(["heard", key, None, b""]))


class Machine:
    """One machine and its node.

    Attributes:
        life: of the processes that answer and write; `sync_life` of the one that syncs.
        committed: is called after each commit.
        is_full: its disk.
        doomed: of how many commits it does not survive the last, and whether that comes about.
    """

    def __init__(self, world: World, wires: Wires, name: str, host: str, path: Path) -> None:
        self.world = world
        self.wires = wires
        self.name = name
        self.host = host
        self.address = ip_address(host).packed
        self.path = path
        self.life = Life(name)
        self.sync_life = Life(f"{name}/sync")
        self.life.is_alive = self.sync_life.is_alive = False
        self.offset = 0.0
        self.is_full = False
        self.doomed: tuple[int, bool] | None = None
        self.committed: Callable[[], None] = lambda: None
        wires.machines[host] = self

    @property
    def is_up(self) -> bool:
        return self.life.is_alive

    # -- starting and ending

    def start(self) -> None:
        """Start all processes of the node."""
        self.store = cast(Disk, Disk.open(self.path, writable=True, sync=False))
        self.store.machine = self
        self.doomed = None
        self.life = self._life(self.name)
        transaction.open_tables(self.store)
        self.core = Core(self.store, claims=claims())
        self.store.watch = None  # it looks after copies that are put back, and keeps files for it
        self.answerer = Answerer(_OPT)
        self.special = Special(self.store, self.answerer, _OPT, cast(Bell, _Bell(self)))
        self.updates: deque[tuple[updates.Arrived, Answer]] = deque()
        self.world.after(SWEEP_SECONDS, self.life, self._sweep)
        self.world.say(self.name, "starts")
        self.committed()
        self.start_sync()

    def _life(self, name: str) -> Life:
        life = Life(name)
        life.offset = self.offset
        self.world.offset = self.offset
        return life

    def start_sync(self) -> None:
        """Start the process that syncs."""
        if not self.is_up or self.sync_life.is_alive:
            return
        world, life = self.world, self._life(f"{self.name}/sync")
        self.sync_life = life
        self.links: dict[int, Connection] = {}
        self._is_writing = False
        self._batch_at = self._look_at = float("inf")
        self.sync = Syncing(
            self.store,
            network_of(self.store, ROLES),
            Random(world.random.random()),
            world.unix,
            lambda: world.now,
        )
        world.soon(life, self._work)
        self._look_by(world.now)

    def kill(self) -> None:
        """kill -9 of all of it."""
        self.kill_sync()
        if self.is_up:
            self.world.say(self.name, "is killed")
            self.life.is_alive = False
            self.wires.gone(self.life)
            self.store.close()

    def kill_sync(self) -> None:
        """kill -9 of the process that syncs; a claim it has on what it builds goes with it."""
        if self.sync_life.is_alive:
            self.world.say(self.name, "sync is killed")
            self.sync_life.is_alive = False
            self.wires.gone(self.sync_life)
            self.links.clear()
            self.world.is_dying = True  # nothing more is written
            self.sync.close()  # as the kernel takes back what it holds
            self.world.is_dying = False

    def set_clock(self, offset: float) -> None:
        """Set the clock that people set, so many seconds from the right time."""
        self.offset = self.life.offset = self.sync_life.offset = offset

    # -- the disk

    def begins_to_write(self) -> None:
        """Raises StoreError if there is no room, Killed if the process ends already."""
        if self.world.is_dying:
            raise Killed
        if self.is_full:
            raise StoreError(f"{self.path}: no room on the disk")

    def is_to_commit(self) -> None:
        """Raises Killed, or StoreError, if the commit is not to come about."""
        if self.doomed is None:
            return
        count, comes_about = self.doomed
        self.doomed = (count - 1, comes_about)
        if count <= 0 and not comes_about:
            self.world.is_dying = True
            raise Killed

    def has_committed(self) -> None:
        """Have it seen; raises Killed if nobody is to learn of it."""
        self.committed()
        if self.sync_life.is_alive:
            late = self.wires.is_bad and self.world.chance(0.02)  # inotify tells of most
            self._look_by(self.world.now + (LOOK_SECONDS if late else 0.001))
        if self.doomed is not None and self.doomed[0] < 0 and self.doomed[1]:
            self.world.is_dying = True
            raise Killed

    def _sweep(self) -> None:
        try:
            self.store.sweep_some(units.REMOVALS_PER_UNIT)
        except StoreError:
            pass
        self.world.after(SWEEP_SECONDS, self.life, self._sweep)

    # -- the process that answers

    def thrown(self, one: Connection, message: bytes) -> None:
        """A datagram has come."""
        answer = self._answer(message, one.client.address, stream=False)
        if isinstance(answer, bytes):
            self.wires.send(one, False, answer)

    def _answer(
        self, message: bytes, address: bytes, stream: bool
    ) -> bytes | outgoing.Request | Forward | None:
        now = int(self.world.unix())
        with self.store.moment() as txn:
            source = TreeSource(self.store.snapshot_in(txn), txn)
            answer = self.answerer.answer(message, source, now, address, stream)
        if answer is not None:
            return answer
        left = self.special.take()
        return left.request if isinstance(left, Granted) else left

    def serve(self, one: Connection) -> None:
        """Answer what is asked on a connection, one after the other."""
        if one.is_busy or not one.asked:
            return
        one.is_busy = True
        slow = 3.0 if self.wires.is_bad and self.world.chance(0.01) else 0.001
        self.world.after(self.world.random.random() * slow, self.life, self._serve, one)

    def _serve(self, one: Connection) -> None:
        if not one.asked:
            one.is_busy = False
            return
        left = self._answer(one.asked.popleft(), one.client.address, stream=True)
        if isinstance(left, Forward):
            self._forward(one, left)
            return
        if isinstance(left, outgoing.Request):
            seal, now = outgoing.sealer(left), int(self.world.unix())
            with self.store.read() as read:
                messages = list(outgoing.unsigned(left, read))
            for message in messages:
                self.wires.send(one, False, seal(message, now))
        elif left is not None:
            self.wires.send(one, False, left)
        self._served(one)

    def _served(self, one: Connection) -> None:
        one.is_busy = False
        one.used = self.world.now
        self.serve(one)

    def _forward(self, one: Connection, forward: Forward) -> None:
        """Hand an UPDATE to the writer, and wait for its answer, but not for ever."""
        is_over = False

        def answer(message: bytes) -> None:
            nonlocal is_over
            if not is_over:
                is_over = True
                self.wires.send(one, False, message)
                self._served(one)

        def give_up() -> None:
            answer(self.special.unreachable(forward, int(self.world.unix())))

        self.updates.append((updates.Arrived(forward.packet, one.client.address, True), answer))
        slow = 15.0 if self.wires.is_bad and self.world.chance(0.02) else 0.002
        self.world.after(self.world.random.random() * slow, self.life, self._update)
        self.world.after(FORWARD_SECONDS, self.life, give_up)

    # -- the process that writes

    def _update(self) -> None:
        """Carry out UPDATEs that wait, as `registry.writer.server` does."""
        taken = list(self.updates)[:UPDATES_PER_COMMIT]
        if not taken:
            return
        try:
            answers = updates.answers(
                self.core, [arrived for arrived, _ in taken], int(self.world.unix())
            )
        except StoreError as error:
            answers = [updates.failed(arrived, error) for arrived, _ in taken]
        for answer in answers:
            _, tell = self.updates.popleft()
            if answer.said:
                self.world.say(self.name, answer.said)
            self.world.soon(self.life, tell, answer.message)
        self.world.soon(self.life, self._update)

    def ask(self, requests: Sequence[Request]) -> list[Decision]:
        """Have requests carried out.

        Raises:
            StoreError: nothing was done.
        """
        [outcomes] = commit(self.core, [requests])
        for one in outcomes:
            if isinstance(one, Exception):
                raise one
        return cast(list[Decision], outcomes)

    # -- the process that syncs

    def ring(self, datagram: bytes) -> None:
        """Ring the bell, if anybody hears it."""
        if self.sync_life.is_alive:
            self.world.soon(self.sync_life, self._rung, datagram)

    def _rung(self, datagram: bytes) -> None:
        self.sync.rung([datagram])
        if nodes := self.sync.take_heard():
            now = int(self.world.unix())
            self.world.soon(self.sync_life, self._note, nodes, now)
        self._act()
        self._look_by(self.world.now)

    def _note(self, nodes: list[str], now: int) -> None:
        try:
            seen.note_all(self.store, nodes, now)
        except StoreError:
            pass

    def _look_by(self, at: float) -> None:
        """Look around at some time, if that is not done earlier."""
        if at < self._look_at:
            self._look_at = at
            self.world.after(at - self.world.now, self.sync_life, self._look, at)

    def _look(self, at: float) -> None:
        if at != self._look_at:
            return
        self._look_at = float("inf")
        looked = self.sync.look()
        self._act()
        self._look_by(self.world.now if looked.more else max(looked.wake, self.world.now))

    def _act(self) -> None:
        while actions := self.sync.actions():
            for action in actions:
                if isinstance(action, Open):
                    self.links[action.link] = self.wires.connect(self, action)
                elif isinstance(action, Send):
                    if action.link in self.links:
                        self.wires.send(self.links[action.link], True, action.message)
                elif isinstance(action, Transfer):
                    self._transfer(action)
                elif isinstance(action, Shut):
                    self._drop(action.link)
                else:
                    self.world.soon(self.sync_life, self._answered, action)
        if self.sync.has_news and not self._is_writing:
            pause = 0.0 if self.sync.engine.is_urgent else COMMIT_SECONDS
            if self.world.now + pause < self._batch_at:
                self._batch_at = self.world.now + pause
                self.world.after(pause, self.sync_life, self._batch, self._batch_at)

    def _done(self) -> None:
        self._act()
        self._look_by(max(self.sync.engine.next_alarm, self.world.now))

    def _drop(self, number: int) -> None:
        one = self.links.pop(number, None)
        if one is not None:
            self.wires.shut(one)

    def opened(self, one: Connection) -> None:
        if not one.is_over:
            self.sync.opened(one.number)
            self._done()

    def lost(self, one: Connection, reason: str, is_hung: bool = False) -> None:
        self.links.pop(one.number, None)
        self.sync.lost(one.number, reason, not one.read, is_hung)
        self._done()

    def received(self, one: Connection, message: bytes) -> None:
        """A message has come."""
        if one.number not in self.links:
            return
        one.read += len(message)
        one.held.append(message)
        if not one.is_held:
            self._receive(one)

    def _receive(self, one: Connection) -> None:
        messages = list(one.held)
        one.held.clear()
        fetch = self.sync.fetch(one.number)
        if fetch is None:
            self.sync.received(one.number, messages)
            self._done()
            return
        one.is_held = True
        one.expected = float("inf")
        self.world.soon(self.sync_life, self._take_in, one, fetch, messages)

    def _take_in(self, one: Connection, fetch: Fetch, messages: list[bytes]) -> None:
        """Go on with a transfer, as a thread would."""
        failed: Exception | None = None
        is_through = False
        try:
            is_through = self.sync.take_in(fetch, messages)
        except TransferError as error:
            failed = error
        self.world.soon(self.sync_life, self._taken_in, one, fetch, is_through, failed)

    def _taken_in(
        self, one: Connection, fetch: Fetch, is_through: bool, failed: Exception | None
    ) -> None:
        one.is_held = False
        if self.sync.fetch(one.number) is not fetch:
            return  # the connection ended meanwhile
        if failed is None and not is_through:
            self._expect(one, NEXT_SECONDS)
        else:
            if failed is not None:
                self.world.say(self.name, f"transfer: {failed}")
                self._drop(one.number)
            elif fetch.result is not None and fetch.result.kind != "CURRENT":
                self.world.say(self.name, f"{fetch.result.kind} to {fetch.result.serial}")
            if self.sync.through(one.number, failed):
                self.world.soon(self.sync_life, self._work)
            self._done()
        if one.held and one.number in self.links:
            self._receive(one)

    def _transfer(self, action: Transfer) -> None:
        request = self.sync.transfer(action)
        if request is None:
            self._drop(action.link)
            return
        one = self.links[action.link]
        one.read = 0
        self._expect(one, FIRST_SECONDS)
        self.wires.send(one, True, request)

    def _expect(self, one: Connection, seconds: float) -> None:
        one.expected = self.world.now + seconds
        self.world.after(seconds, self.sync_life, self._overdue, one, one.expected)

    def _overdue(self, one: Connection, expected: float) -> None:
        if one.expected == expected and one.number in self.links:
            if self.sync.fetch(one.number) is not None:
                self.wires.shut(one)
                self.lost(one, "has sent nothing for too long", is_hung=True)

    def _answered(self, action: Answered) -> None:
        unit = self.sync.answered(action)
        name = action.errand.name.decode()
        self.world.say(self.name, f"{name} answered {action.answer[3:4].hex() or action.reason}")
        if unit is None:
            self._written(action)
        else:
            perform = (self._perform, action, unit, unit.args[-1], self.sync_life)
            self.world.soon(self.life, *perform)

    def _perform(self, action: Answered, unit: Unit, cursor: Any, asker: Life) -> None:
        """Let the writer carry out a unit, a piece at a time, while the process lives that asks."""
        if not asker.is_alive:
            return
        pause = 0.001
        try:
            cursor = units.perform(self.core, unit.name, [*unit.args[:-1], cursor])
        except CsidError:
            cursor, pause = unit.args[-1], RETRY_SECONDS
        else:
            if not cursor:
                self.world.soon(asker, self._written, action)
                return
        self.world.after(pause, self.life, self._perform, action, unit, cursor, asker)

    def _written(self, action: Answered) -> None:
        self.sync.written(action)
        self._look_by(self.world.now)

    def _work(self) -> None:
        try:
            more = self.sync.work()
        except CsidError:
            self.world.after(RETRY_SECONDS, self.sync_life, self._work)
            return
        if more:
            self.world.soon(self.sync_life, self._work)

    def _batch(self, at: float) -> None:
        if at != self._batch_at:
            return
        self._batch_at = float("inf")
        batch = self.sync.batch()
        if batch is not None:
            self._is_writing = True
            self.world.soon(self.sync_life, self._write, batch)

    def _write(self, batch: Batch) -> None:
        try:
            write(self.store, batch)
        except StoreError:
            self.world.after(RETRY_SECONDS, self.sync_life, self._write, batch)
            return
        self.sync.wrote(batch)
        self._is_writing = False
        self._act()
        self._look_by(self.world.now)
