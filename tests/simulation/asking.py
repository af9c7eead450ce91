"""How people ask the nodes of a simulated network for something."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from csid.errors import CsidError, StoreError
from registry.rules.decision import Decision
from registry.rules.requests import Body, Request
from registry.rules.status import Status
from registry.tables import codec, log_entry
from registry.tables.transaction import TransactionView
from registry.zones.asked import Asked
from tests.simulation.ledger import Ledger
from tests.simulation.machine import Machine
from tests.simulation.world import World, hold
from tests.support.registering import ADMINISTRATOR

TRIES: Final = 4  # of a request of which nobody knows what became of it
PAUSE_SECONDS: Final = 8.0  # at most, between two of them
BY: Final = Asked(ADMINISTRATOR, "test")


Then = Callable[["Status | None"], None]


def _nothing(_status: Status | None) -> None:
    """Whoever asked does not care."""


class Asking:
    """Those who sit at the terminals of some nodes."""

    def __init__(self, world: World, machines: Mapping[str, Machine], ledger: Ledger) -> None:
        self._world = world
        self._random = world.random
        self._machines = machines
        self._ledger = ledger
        self._keys = 0

    def ask(self, name: str, body: Body, then: Then = _nothing) -> None:
        """One request, put again under its key later while nobody knows what became of it.

        Args:
            then: is told what the node has said to it in the end, DONE also of what was done
                already; and None each time that nobody knows.
        """
        self._keys += 1
        key = f"{type(self).__name__}-{self._keys}"
        self._try(name, Request(ADMINISTRATOR, body, "test", key), then, TRIES, None)

    def _try(
        self,
        name: str,
        request: Request,
        then: Then,
        tries: int,
        start: int | None,
    ) -> None:
        """Ask; ``start`` is how many leaves there were when it was first asked for."""
        machine = self._machines[name]
        found: list[Decision] = []

        def put() -> None:
            found.append(machine.writing.ask(request))

        if machine.is_up:
            size, is_done = _looked_up(machine, request, start)
            start = size if start is None else start
            self._at(machine, put)
            for decision in found:
                status = decision.status
                hold(not is_done or status is Status.REPLAYED, f"{request}: done, then {decision}")
                if status is not Status.UNCHANGED:
                    said = f"{request.body.kind} {decision.subject}: {status.name}"
                    self._world.say(name, said)
                then(Status.DONE if is_done else status)
                return
            then(None)
        if tries > 1:
            pause = self._random.random() * PAUSE_SECONDS
            self._world.after(pause, None, self._try, name, request, then, tries - 1, start)

    def unit(self, name: str, unit: str, *args: Any) -> bool:
        """Have a unit carried out that somebody asks for; whether it was."""
        machine = self._machines[name]

        def put() -> None:
            machine.writing.unit(unit, args)
            self._world.say(name, unit)

        return self._at(machine, put)

    def _at(self, machine: Machine, put: Callable[[], None]) -> bool:
        """Whether something could be done at a machine."""
        is_done = False

        def tried() -> None:
            nonlocal is_done
            try:
                put()
            except StoreError:
                return
            except CsidError as error:
                self._world.say(machine.name, f"{error}")
                return
            is_done = True

        if machine.is_up:
            self._world.now_in(machine.life, tried)
        return is_done


def _looked_up(machine: Machine, request: Request, start: int | None) -> tuple[int, bool]:
    """How many leaves the log of a machine has, and whether a request is among those behind some
    of them.
    """
    key = codec.replay_key(request.actor.name, request.key)
    with machine.store.read() as read:
        seen = TransactionView(read)
        size = seen.leaves()
        late = (seen.leaf(index) for index in range(size if start is None else start, size))
        return size, any(log_entry.decode(one).key.startswith(key) for one in late if one)
