"""The process of a node that writes: requests of people, UPDATEs, units."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from csid.errors import CsidError, StoreError
from csid.limits import UPDATES_PER_COMMIT
from registry import units
from registry.core import Core
from registry.network.claims import claims
from registry.rules.decision import Decision
from registry.rules.requests import Request
from registry.sync.driver import RETRY_SECONDS
from registry.sync.hooks import Unit
from registry.writer.commit import commit
from registry.zones import updates
from tests.simulation.world import Life

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

_SLOW_SHARE: Final = 0.05  # of UPDATEs that wait so long ...
_SLOW_SECONDS: Final = 15.0  # ... that who has asked may have given up
_AWAY_SHARE: Final = 0.02  # of units for which a thread finds no writer
_BETWEEN_SHARE: Final = 0.3  # of their pieces behind which somebody asks for something


class Writing:
    """Writes what is the registry's in a data directory."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._world = machine.world
        self._core = Core(machine.store, claims=claims())
        self._updates: deque[tuple[updates.Arrived, Callable[[bytes], None]]] = deque()

    def ask(self, request: Request) -> Decision:
        """Have a request carried out.

        Raises:
            StoreError: nothing was done.
        """
        [[outcome]] = commit(self._core, [[request]])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def take(self, arrived: updates.Arrived, answer: Callable[[bytes], None]) -> None:
        """Have an UPDATE carried out, at some time."""
        self._updates.append((arrived, answer))
        longest = _SLOW_SECONDS if self._machine.wires.goes_wrong(_SLOW_SHARE) else 0.002
        pause = self._world.random.random() * longest
        self._world.after(pause, self._machine.life, self._update)

    def _update(self) -> None:
        """Carry out UPDATEs that wait, as `registry.writer.server` does."""
        taken = list(self._updates)[:UPDATES_PER_COMMIT]
        if not taken:
            return
        life, now = self._machine.life, int(self._world.unix())
        try:
            answers = updates.answers(self._core, [arrived for arrived, _ in taken], now)
        except StoreError as error:
            answers = updates.failed(
                self._core.store, [arrived for arrived, _ in taken], error, now
            )
        for answer in answers:
            _, tell = self._updates.popleft()
            if answer.said:
                self._world.say(self._machine.name, answer.said)
            self._world.soon(life, tell, answer.message)
        self._world.soon(life, self._update)

    def carry(self, unit: Unit) -> None:
        """Carry out a unit that a thread waits for; what else there is to write may come in between
        its pieces.

        Raises:
            CsidError: the unit says so, or the writer is not there.
        """
        if self._machine.wires.goes_wrong(_AWAY_SHARE):
            raise StoreError("the writer of this node is not there")
        *args, cursor = unit.args
        while cursor := self.unit(unit.name, [*args, cursor]):
            if self._world.chance(_BETWEEN_SHARE):
                self._machine.between()

    def unit(self, name: str, args: Any) -> Any:
        """Carry out a piece of a unit; what it returns."""
        return units.perform(self._core, name, args)

    def perform(self, unit: Unit, asker: Life, done: Callable[[], None]) -> None:
        """Carry out a unit, a piece at a time, while the process lives that asks for it."""
        self._world.soon(self._machine.life, self._piece, unit, unit.args[-1], asker, done)

    def _piece(self, unit: Unit, cursor: Any, asker: Life, done: Callable[[], None]) -> None:
        if not asker.is_alive:
            return
        pause = 0.001
        try:
            cursor = self.unit(unit.name, [*unit.args[:-1], cursor])
        except CsidError:
            cursor, pause = unit.args[-1], RETRY_SECONDS
        else:
            if not cursor:
                self._world.soon(asker, done)
                return
        life = self._machine.life
        self._world.after(pause, life, self._piece, unit, cursor, asker, done)
