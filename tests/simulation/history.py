"""One history of a network: what people ask and what goes wrong, by the chance of a seed, and what
must hold in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Final

from csid.errors import StoreError
from csid.identifier import Identifier
from registry.rules.lifecycle import Verb
from registry.rules.requests import (
    Advance,
    ApproveCut,
    Assign,
    Body,
    Import,
    RejectCut,
    Request,
    RequestFiling,
    Retire,
    SetFiling,
    SuspendNode,
    ReinstateNode,
    Update,
)
from registry.rules.status import Status
from registry.tables import codec, view
from registry.tables.enums import CutState, FilingState, State
from registry.tables.transaction import TransactionView
from tests.simulation.ledger import Ledger
from tests.simulation.machine import Machine
from tests.simulation.prepared import HOSTS, REGIONS, directories
from tests.simulation.wires import Wires
from tests.simulation.world import Life, World
from tests.support.registering import ADMINISTRATOR, OTHER, OWNER, RECORD, identifier

BUSY_SECONDS: Final = 60.0  # in which people ask and things go wrong
SETTLING_SECONDS: Final = 1_500.0  # by which all must be well: longer than retry (900 s)
LOOK_SECONDS: Final = 20.0
_LOCATIONS: Final = ("330106", "330102", "310101", "110105")
_SERIALS: Final = [f"{n:04d}" for n in range(1, 7)]
_LOG_LINES: Final = 300  # that a failure shows


class Failure(AssertionError):
    """A history that did not end well."""


class History:
    """The history of one seed."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.world = World(seed)
        self.random: Random = self.world.random
        self.wires = Wires(self.world)
        self.machines = {
            name: Machine(self.world, self.wires, name, host, folder / name)
            for name, host in HOSTS.items()
        }
        self.ledger = Ledger(self.machines)
        for one in self.machines.values():
            one.committed = lambda one=one: self.ledger.committed(one)  # type: ignore[misc]
        self.world.died = self._died

    def run(self) -> None:
        """Let it all happen.

        Raises:
            Failure: something did not hold; the message says how to see it again.
        """
        try:
            with self.world.clocks():
                self._go()
        except Exception as error:
            lines = "\n".join(self.world.log[-_LOG_LINES:])
            raise Failure(
                f"seed {self.seed}: {error}\n{lines}\nagain, with all of its log: CSID_SEED={self.seed} "
                "pytest tests/simulation"
            ) from error
        finally:
            for one in self.machines.values():
                one.kill()

    def _go(self) -> None:
        world, random = self.world, self.random
        for one in self.machines.values():
            world.after(random.random() * 3, None, self._start, one)
        for _ in range(random.randrange(15, 40)):
            world.after(random.random() * BUSY_SECONDS, None, self._ask_something)
        for _ in range(random.randrange(0, 14)):
            world.after(random.random() * BUSY_SECONDS, None, random.choice(FAULTS), self)
        world.run(BUSY_SECONDS)
        self._mend()
        while faults := self.ledger.faults():
            assert world.now < BUSY_SECONDS + SETTLING_SECONDS, "; ".join(faults)
            world.run(world.now + LOOK_SECONDS)
            self._see_to_it()
        world.say("all", "is well")

    def _start(self, machine: Machine) -> None:
        if not machine.is_up:
            machine.start()

    def _died(self, life: Life) -> None:
        machine = self.machines[life.name.partition("/")[0]]
        if life is machine.sync_life and self.world.chance(0.5):
            machine.kill_sync()
            self.world.after(1.0, machine.life, machine.start_sync)
        else:
            machine.kill()
            self.world.after(self.random.random() * 20, None, self._start, machine)

    def _mend(self) -> None:
        """Nothing goes wrong from now on, and nobody is kept from anything."""
        world, wires = self.world, self.wires
        world.say("all", "is mended")
        wires.is_bad = False
        for pair in sorted(wires.parted, key=sorted):
            wires.heal(pair)
        for one in self.machines.values():
            one.is_full, one.doomed = False, None
            one.set_clock(self.random.choice((-1.0, 0.0, 1.0)))
            world.offset = one.offset
            self._start(one)
            one.start_sync()
        self._see_to_it()

    # -- what people ask

    def ask(self, name: str, body: Body, key: str = "") -> Status | None:
        """One request; None if nobody knows what became of it."""
        machine = self.machines[name]
        status: list[Status] = []

        def asks() -> None:
            try:
                [decision] = machine.ask([Request(ADMINISTRATOR, body, "", key)])
            except StoreError:
                return
            status.append(decision.status)
            if decision.status is not Status.UNCHANGED:
                self.world.say(name, f"{body.kind} {decision.subject}: {decision.status.name}")

        if machine.is_up:
            self.world.now_in(machine.life, asks)
        return status[0] if status else None

    def _ask_something(self) -> None:
        self.random.choices(*zip(*ASKED))[0](self)

    def _assign(self) -> None:
        name, wanted = self.random.choice(REGIONS), self._identifier()
        body = self.random.choice((Assign, Import))(wanted, RECORD)
        if self.ask(name, body) is Status.DONE:
            self.ledger.acknowledged.setdefault(str(wanted), set()).add(name)

    def _identifier(self) -> Identifier:
        random = self.random
        location = random.choices(_LOCATIONS, (5, 3, 2, 1))[0]
        return identifier(random.choice(_SERIALS), random.choice((OWNER, OTHER)), location)

    def _assign_many(self) -> None:
        """As an import does, several in one commit."""
        for _ in range(self.random.randrange(2, 8)):
            self._assign()

    def _known(self) -> tuple[str, Identifier] | None:
        known = [
            (name, one) for one, holders in self.ledger.acknowledged.items() for name in holders
        ]
        if not known:
            return None
        name, text = self.random.choice(sorted(known))
        return name, Identifier(*text.split("/"))

    def _change(self) -> None:
        if found := self._known():
            name, one = found
            bodies: list[Body] = [
                Update(one, (("count", self.random.randrange(1, 9)),)),
                Advance(one, self.random.choice((Verb.FILE, Verb.WITHDRAW, Verb.SUSPEND))),
                Retire(one),
            ]
            self.ask(name, self.random.choices(bodies, (4, 3, 2))[0])

    def _file_by_hand(self) -> None:
        self.ask("root", SetFiling(self.random.choice(("manual", "automatic"))))

    def _decide(self) -> None:
        for cut in self._waiting_cuts():
            self.ask("root", self.random.choice((ApproveCut, ApproveCut, RejectCut))(cut))

    def _waiting_cuts(self) -> list[str]:
        machine = self.machines["root"]
        if not machine.is_up:
            return []
        with machine.store.read() as read:
            rows = list(TransactionView(read).scan(codec.CUTS, b""))
        return [
            key.decode("ascii")
            for key, value in rows
            if codec.decode_cut(value).state is CutState.WAITING
        ]

    def _suspend(self) -> None:
        name = self.random.choice(REGIONS)
        self.ask("root", SuspendNode(name))
        self.world.after(self.random.random() * 30, None, self.ask, "root", ReinstateNode(name))

    def _see_to_it(self) -> None:
        """What people do about what is left: decide, reinstate, and file again what was refused as
        its node was suspended.
        """
        for name in REGIONS:
            self.ask("root", ReinstateNode(name))
        self._decide()
        for name in REGIONS:
            with self.machines[name].store.read() as read:
                refused = [
                    one
                    for one in self.ledger.acknowledged
                    if (row := view.get_assignment(TransactionView(read), one)) is not None
                    and row.state is State.RESERVED
                ]
            for one in refused:
                self.ask(name, Advance(Identifier(*one.split("/")), Verb.FILE))

    # -- what goes wrong

    def _anyone(self) -> Machine:
        return self.random.choice(list(self.machines.values()))

    def _kill(self) -> None:
        machine = self._anyone()
        machine.kill()
        self.world.after(self.random.random() * 20, None, self._start, machine)

    def _kill_sync(self) -> None:
        machine = self._anyone()
        machine.kill_sync()
        self.world.after(self.random.random() * 5, machine.life, machine.start_sync)

    def _doom(self) -> None:
        """Let a machine not survive one of its next commits."""
        self._anyone().doomed = self.random.randrange(12), self.world.chance(0.5)

    def _fill(self) -> None:
        machine = self._anyone()
        machine.is_full = True
        self.world.say(machine.name, "has a full disk")
        self.world.after(self.random.random() * 15, None, self._empty, machine)

    def _empty(self, machine: Machine) -> None:
        machine.is_full = False
        self.world.say(machine.name, "has room again")

    def _part(self) -> None:
        pair = frozenset(self.random.sample(sorted(HOSTS.values()), 2))
        self.world.say("all", f"parted: {', '.join(sorted(pair))}")
        self.wires.part(pair)
        self.world.after(self.random.random() * 25, None, self._heal, pair)

    def _heal(self, pair: frozenset[str]) -> None:
        if pair in self.wires.parted:
            self.wires.heal(pair)

    def _cut(self) -> None:
        """Let connections break."""
        for one in list(self.wires.open):
            if self.world.chance(0.5):
                self.wires.cut(one, "Connection reset by peer", self.world.chance(0.3))

    def _set_clock(self) -> None:
        machine = self._anyone()
        offset = self.random.choice((-1e5, -4e3, -200.0, -2.0, 0.0, 2.0, 200.0, 4e3, 1e5))
        self.world.say(machine.name, f"has its clock off by {offset:g} s")
        machine.set_clock(offset)
        self.world.after(self.random.random() * 20, None, machine.set_clock, 0.0)


FAULTS: Final = (
    History._kill,
    History._kill_sync,
    History._doom,
    History._fill,
    History._part,
    History._cut,
    History._set_clock,
)
ASKED: Final = (
    (History._assign, 6),
    (History._assign_many, 2),
    (History._change, 5),
    (History._file_by_hand, 1),
    (History._decide, 1),
    (History._suspend, 0.5),
)


def run(seed: int) -> list[str]:
    """Run the history of a seed; its log.

    Raises:
        Failure: it does not end well.
    """
    with directories() as folder:
        history = History(seed, folder)
        history.run()
        return history.world.log
