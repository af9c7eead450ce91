"""What goes wrong in a simulated network, by chance, each for a while."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from csid.errors import StoreError
from registry import resume
from tests.simulation.asking import BY
from tests.simulation.ledger import SUM, Ledger
from tests.simulation.machine import Machine
from tests.simulation.prepared import REGIONS
from tests.simulation.wires import Wires
from tests.simulation.world import Life, World

_OFFSETS: Final = (-1e5, -4e3, -200.0, -2.0, 2.0, 200.0, 4e3, 1e5, 2e6)  # seconds
_DOOMED_COMMITS: Final = 12
_UNLUCKY_SHARE: Final = 0.4
DOWN_SECONDS: Final = 20.0  # at most
_SYNC_DOWN_SECONDS: Final = 5.0
_FULL_SECONDS: Final = 15.0
_PARTED_SECONDS: Final = 25.0
_WRONG_SECONDS: Final = 20.0  # of a clock
_COPY_SECONDS: Final = 30.0  # at most, that a copy is old when it is put back


class Faults:
    """Lets things go wrong."""

    def __init__(
        self, world: World, wires: Wires, machines: Mapping[str, Machine], ledger: Ledger
    ) -> None:
        self._world = world
        self._random = world.random
        self._wires = wires
        self._machines = machines
        self._ledger = ledger
        self._unlucky = world.random.choice(list(machines.values()))
        world.died = self._died

    def happen(self) -> None:
        """Let anything go wrong."""
        self._random.choice(_ALL)(self)

    def _anyone(self) -> Machine:
        """A machine: mostly the one with which most goes wrong."""
        if self._world.chance(_UNLUCKY_SHARE):
            return self._unlucky
        return self._random.choice(list(self._machines.values()))

    def _later(self, seconds: float) -> float:
        return self._random.random() * seconds

    def start(self, machine: Machine) -> None:
        """Start a machine, unless it runs."""
        if not machine.is_up:
            machine.start()

    def _died(self, life: Life) -> None:
        machine = self._machines[life.name.partition("/")[0]]
        if life is machine.sync_life and self._world.chance(0.5):
            machine.kill_sync()
            self._world.after(1.0, machine.life, machine.start_sync)
        else:
            self._kill(machine)

    def _kill(self, machine: Machine | None = None) -> None:
        machine = machine or self._anyone()
        machine.kill()
        self._world.after(self._later(DOWN_SECONDS), None, self.start, machine)

    def _kill_sync(self) -> None:
        machine = self._anyone()
        machine.kill_sync()
        self._world.after(self._later(_SYNC_DOWN_SECONDS), machine.life, machine.start_sync)

    def _doom(self) -> None:
        """Let a machine not survive one of its next commits."""
        doomed = self._random.randrange(_DOOMED_COMMITS), self._world.chance(0.5)
        self._anyone().doomed = doomed

    def _fill(self) -> None:
        machine = self._anyone()
        machine.is_full = True
        self._world.say(machine.name, "has a full disk")
        self._world.after(self._later(_FULL_SECONDS), None, self._empty, machine)

    def _empty(self, machine: Machine) -> None:
        machine.is_full = False
        self._world.say(machine.name, "has room again")

    def _part(self) -> None:
        one = self._anyone().host
        other = self._random.choice([host for host in sorted(self._wires.machines) if host != one])
        pair = frozenset((one, other))
        self._world.say("all", f"parted: {', '.join(sorted(pair))}")
        self._wires.part(pair)
        self._world.after(self._later(_PARTED_SECONDS), None, self._wires.heal, pair)

    def _cut(self) -> None:
        """Let connections break, some without a word."""
        for one in list(self._wires.open):
            if self._world.chance(0.5):
                self._wires.cut(one, "Connection reset by peer", self._world.chance(0.3))

    def _set_clock(self) -> None:
        machine, offset = self._anyone(), self._random.choice(_OFFSETS)
        self._world.say(machine.name, f"has its clock off by {offset:g} s")
        machine.set_clock(offset)
        self._world.after(self._later(_WRONG_SECONDS), None, machine.set_clock, 0.0)

    def _put_back(self) -> None:
        """Let a node have an older copy of its data, in a while; not if cuts move, as what has come
        to it or left it since, it knows nothing of.
        """
        machine = self._machines[self._random.choice((*REGIONS, "grid", SUM))]
        if machine.is_up and not self._ledger.has_moves:
            machine.copy()
            pause = self._later(_COPY_SECONDS)
            self._world.after(pause, None, self._have_older, machine)

    def _have_older(self, machine: Machine) -> None:
        if self._ledger.has_moves:
            return
        self._ledger.put_back(machine)
        self._world.after(self._later(_FULL_SECONDS), None, self._go_on, machine)

    def _go_on(self, machine: Machine) -> None:
        """Somebody says that a node may go on from the copy that it has."""

        def go_on() -> None:
            with suppress(StoreError):
                machine.writing.unit(resume.GO_ON, (BY.told(), 0, b""))

        if machine.is_up:
            self._world.now_in(machine.life, go_on)

    def mend(self) -> None:
        """Nothing goes wrong from now on, and all run."""
        world, wires = self._world, self._wires
        world.say("all", "is mended")
        wires.is_bad = False
        for pair in sorted(wires.parted, key=sorted):
            wires.heal(pair)
        for one in self._machines.values():
            one.is_full, one.doomed = False, None
            one.set_clock(self._random.choice((-1.0, 0.0, 1.0)))
            self.start(one)
            one.start_sync()
            self._go_on(one)


_ALL: Final = (
    Faults._kill,
    Faults._kill_sync,
    Faults._doom,
    Faults._fill,
    Faults._part,
    Faults._cut,
    Faults._set_clock,
    Faults._put_back,
)
