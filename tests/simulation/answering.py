"""The processes of a node that answer, over streams and by datagrams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import msgpack

from csid.limits import FORWARD_SECONDS
from registry.zones.updates import Arrived
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.answer.resolve import TreeSource
from resolver.server.bell import Bell
from resolver.server.special import Special
from resolver.sync.front import Forward, Transfer
from resolver.sync.transfer import outgoing
from tests.simulation.wires import Connection

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

_OPT: Final = OptWriter(bytes(16))
_FULL_SHARE: Final = 0.01  # of rings at the bell, that are more than can be heard
_HEARD_SHARE: Final = 0.05  # of signed messages that are told of
_SLOW_SHARE: Final = 0.01  # of answers that take up to ...
_SLOW_SECONDS: Final = 3.0


class _Bell:
    """As `resolver.server.bell.Bell`, without its socket."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def ring(self, apex: bytes, serial: int | None, address: bytes) -> bool:
        if self._machine.wires.goes_wrong(_FULL_SHARE):
            return False
        self._ring(msgpack.packb(["notify", apex, serial, address]))
        return True

    def hear(self, key: bytes, now: int) -> None:
        if self._machine.world.chance(_HEARD_SHARE):
            self._ring(msgpack.packb(["heard", key, None, b""]))

    def _ring(self, datagram: bytes) -> None:
        machine = self._machine
        if machine.sync_life.is_alive:  # else nobody hears it
            machine.world.soon(machine.sync_life, machine.synchronising.rung, datagram)


class Answering:
    """Answers what comes to a machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._world = machine.world
        self._wires = machine.wires
        self._answerer = Answerer(_OPT)
        bell = cast(Bell, _Bell(machine))
        self._special = Special(machine.store, self._answerer, _OPT, bell)

    def thrown(self, one: Connection, message: bytes) -> None:
        """A datagram has come."""
        answer = self._answer(message, one.client.address, stream=False)
        if isinstance(answer, bytes):
            self._wires.send(one, False, answer)

    def serve(self, one: Connection) -> None:
        """Answer what is asked on a connection, one after the other."""
        if one.asked and not one.is_busy:
            one.is_busy = True
            longest = _SLOW_SECONDS if self._wires.goes_wrong(_SLOW_SHARE) else 0.001
            pause = self._world.random.random() * longest
            self._world.after(pause, self._machine.life, self._serve, one)

    def _answer(
        self, message: bytes, address: bytes, stream: bool
    ) -> bytes | Transfer | Forward | None:
        now, store = int(self._world.unix()), self._machine.store
        with store.moment() as txn:
            source = TreeSource(store.snapshot_in(txn), txn)
            answer = self._answerer.answer(message, source, now, address, stream)
        return self._special.take() if answer is None else answer

    def _serve(self, one: Connection) -> None:
        if not one.asked:
            one.is_busy = False
            return
        left = self._answer(one.asked.popleft(), one.client.address, stream=True)
        if isinstance(left, Forward):
            self._forward(one, left)
            return
        if isinstance(left, Transfer):
            seal, now = outgoing.sealer(left.request), int(self._world.unix())
            with self._machine.store.read() as read:
                messages = list(outgoing.unsigned(left.request, read))
            for message in messages:
                self._wires.send(one, False, seal(message, now))
        elif left is not None:
            self._wires.send(one, False, left)
        self._served(one)

    def _served(self, one: Connection) -> None:
        one.is_busy = False
        one.used = self._world.now
        self.serve(one)

    def _forward(self, one: Connection, forward: Forward) -> None:
        """Hand an UPDATE to the writer, and wait for its answer, but not for ever."""
        is_over = False

        def answer(message: bytes) -> None:
            nonlocal is_over
            if not is_over:
                is_over = True
                self._wires.send(one, False, message)
                self._served(one)

        def give_up() -> None:
            answer(self._special.unreachable(forward, int(self._world.unix())))

        arrived = Arrived(forward.packet, one.client.address, True)
        self._machine.writing.take(arrived, answer)
        self._world.after(FORWARD_SECONDS, self._machine.life, give_up)
