"""The process of a node that syncs: `registry.sync.syncing` in the place of
`registry.sync.driver`'s sockets, threads and clocks.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from csid.errors import CsidError, StoreError
from registry.network import seen
from registry.sync.batch import Batch, write
from registry.sync.driver import (
    COMMIT_SECONDS,
    FIRST_SECONDS,
    LOOK_SECONDS,
    NEXT_SECONDS,
    RETRY_SECONDS,
)
from registry.sync.duties import handover, hold_duty
from registry.sync.hooks import Network, Unit, network_of
from registry.sync.roles import ROLES
from registry.sync.syncing import Syncing
from resolver.store.environment import Store
from resolver.sync.actions import Answered, Open, Send, Shut, Transfer
from resolver.sync.transfer.errors import TransferError
from resolver.sync.transfer.fetch import Fetch
from tests.simulation.wires import Connection

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

_UNSEEN_SHARE: Final = 0.02  # of commits that are not seen at once
_NEVER: Final = float("inf")


class Synchronising:
    """Runs the sync process of a machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._world = world = machine.world
        self._wires = machine.wires
        self._life = machine.sync_life
        self._links: dict[int, Connection] = {}
        self._is_writing = False
        self._batch_at = self._look_at = _NEVER
        store = machine.store
        chance = Random(world.random.random())
        carried = {handover.adds: self._moves, hold_duty.adds: self._holds}
        roles = [carried.get(adds, adds) for adds in ROLES]
        network = network_of(store, roles)
        self._sync = Syncing(store, network, chance, world.unix, lambda: world.now)
        world.soon(self._life, self._work)
        self._look_by(world.now)

    def _moves(self, store: Store) -> Network:
        """What moves of cuts add, whose units the writer of this machine carries out."""

        def carry(_path: Path, unit: Unit) -> None:
            self._machine.writing.carry(unit)

        return handover.adds(store, carry, self._world.unix)

    def _holds(self, store: Store) -> Network:
        """What holds add, the same way."""
        return hold_duty.adds(store, lambda _path, unit: self._machine.writing.carry(unit))

    def end(self) -> None:
        """The process is gone."""
        self._links.clear()
        self._sync.close()

    # -- what happens on the machine

    def sees_a_commit(self, seconds: float) -> None:
        """Somebody has committed, which is mostly seen so soon."""
        is_unseen = self._wires.goes_wrong(_UNSEEN_SHARE)
        self._look_by(self._world.now + (LOOK_SECONDS if is_unseen else seconds))

    def rung(self, datagram: bytes) -> None:
        """The bell was rung."""
        if self._sync.rung([datagram]):
            self._world.soon(self._life, self._work)
            self._look_by(self._world.now)
        if nodes := self._sync.take_heard():
            self._world.soon(self._life, self._note, nodes, int(self._world.unix()))
        self._done()

    def _note(self, nodes: list[str], now: int) -> None:
        with suppress(StoreError):
            seen.note_all(self._machine.store, nodes, now)

    def _look_by(self, at: float) -> None:
        """Look around at some time, if that is not done earlier."""
        if at < self._look_at:
            self._look_at = at
            self._world.after(at - self._world.now, self._life, self._look, at)

    def _look(self, at: float) -> None:
        if at == self._look_at:  # else another one is due
            self._look_at = _NEVER
            looked = self._sync.look()
            if looked.is_time:
                self._world.soon(self._life, self._work)
            self._act()
            now = self._world.now
            self._look_by(now if looked.more else max(looked.wake, now))

    # -- what is to be done

    def _act(self) -> None:
        while actions := self._sync.actions():
            for action in actions:
                if isinstance(action, Open):
                    self._links[action.link] = self._wires.connect(self._machine, action)
                elif isinstance(action, Send):
                    if action.link in self._links:
                        self._wires.send(self._links[action.link], True, action.message)
                elif isinstance(action, Transfer):
                    self._transfer(action)
                elif isinstance(action, Shut):
                    self._drop(action.link)
                else:
                    self._world.soon(self._life, self._answered, action)
        if self._sync.has_news and not self._is_writing:
            at = self._world.now + (
                0.0 if self._sync.engine.looking.outcomes.are_urgent else COMMIT_SECONDS
            )
            if at < self._batch_at:
                self._batch_at = at
                self._world.after(at - self._world.now, self._life, self._batch, at)

    def _done(self) -> None:
        self._act()
        self._look_by(max(self._sync.engine.next_alarm, self._world.now))

    def _drop(self, number: int) -> None:
        one = self._links.pop(number, None)
        if one is not None:
            self._wires.shut(one)

    def _answered(self, action: Answered) -> None:
        unit = self._sync.answered(action)
        name, said = action.errand.name.decode(), action.answer[3:4].hex() or action.reason
        self._world.say(self._machine.name, f"{name} answered {said}")
        if unit is None:
            self._written(action)
        else:
            self._machine.writing.perform(unit, self._life, partial(self._written, action))

    def _written(self, action: Answered) -> None:
        self._sync.written(action)
        self._look_by(self._world.now)

    def _work(self) -> None:
        try:
            if self._sync.work():
                self._world.soon(self._life, self._work)
        except CsidError:
            self._world.after(RETRY_SECONDS, self._life, self._work)

    # -- connections

    def opened(self, one: Connection) -> None:
        """A connection is there."""
        if not one.is_over:
            self._sync.opened(one.number)
            self._done()

    def lost(self, one: Connection, reason: str, is_hung: bool = False) -> None:
        """A connection has ended, or has not come about."""
        self._links.pop(one.number, None)
        self._sync.lost(one.number, reason, not one.read, is_hung)
        self._done()

    def received(self, one: Connection, message: bytes) -> None:
        """A message has come."""
        if one.number in self._links:
            one.read += len(message)
            one.held.append(message)
            if not one.is_held:
                self._receive(one)

    def _receive(self, one: Connection) -> None:
        messages = list(one.held)
        one.held.clear()
        fetch = self._sync.fetch(one.number)
        if fetch is None:
            self._sync.received(one.number, messages)
            self._done()
        else:
            one.is_held = True
            one.expected = _NEVER
            self._world.soon(self._life, self._take_in, one, fetch, messages)

    # -- transfers

    def _transfer(self, action: Transfer) -> None:
        request = self._sync.transfer(action)
        if request is None:
            self._drop(action.link)
            return
        one = self._links[action.link]
        one.read = 0
        self._expect(one, FIRST_SECONDS)
        self._wires.send(one, True, request)

    def _take_in(self, one: Connection, fetch: Fetch, messages: list[bytes]) -> None:
        """Go on with a transfer, as a thread would."""
        failed: Exception | None = None
        is_through = False
        try:
            is_through = self._sync.take_in(fetch, messages)
        except TransferError as error:
            failed = error
        self._world.soon(self._life, self._taken_in, one, fetch, is_through, failed)

    def _taken_in(
        self, one: Connection, fetch: Fetch, is_through: bool, failed: Exception | None
    ) -> None:
        one.is_held = False
        if self._sync.fetch(one.number) is not fetch:
            return  # the connection ended meanwhile
        if failed is None and not is_through:
            self._expect(one, NEXT_SECONDS)
        else:
            self._ended(one, fetch, failed)
        if one.held and one.number in self._links:
            self._receive(one)

    def _ended(self, one: Connection, fetch: Fetch, failed: Exception | None) -> None:
        if failed is not None:
            # Another run has another folder and, in it, nodes of other names.
            said = str(failed).partition(str(self._machine.store.path))
            self._world.say(self._machine.name, f"transfer: {said[0] or 'nothing is written here'}")
            self._drop(one.number)
        elif fetch.result is not None and fetch.result.kind != "CURRENT":
            self._world.say(self._machine.name, f"{fetch.result.kind} to {fetch.result.serial}")
        if self._sync.through(one.number, failed):
            self._world.soon(self._life, self._work)
        self._done()

    def _expect(self, one: Connection, seconds: float) -> None:
        one.expected = self._world.now + seconds
        self._world.after(seconds, self._life, self._overdue, one, one.expected)

    def _overdue(self, one: Connection, expected: float) -> None:
        is_transfer = self._sync.fetch(one.number) is not None
        if one.expected == expected and one.number in self._links and is_transfer:
            self._wires.shut(one)
            self.lost(one, "has sent nothing for too long", is_hung=True)

    # -- what is written

    def _batch(self, at: float) -> None:
        if at != self._batch_at:
            return
        self._batch_at = _NEVER
        batch = self._sync.batch()
        if batch is not None:
            self._is_writing = True
            self._world.soon(self._life, self._write, batch)

    def _write(self, batch: Batch) -> None:
        try:
            write(self._machine.store, batch)
        except StoreError:
            self._world.after(RETRY_SECONDS, self._life, self._write, batch)
            return
        self._sync.wrote(batch)
        self._is_writing = False
        self._act()
        self._look_by(self._world.now)
