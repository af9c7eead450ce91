"""One history of a network: what people ask and what goes wrong, by the chance of a seed, and what
must hold in the end.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from tests.simulation import supervision
from tests.simulation.bounds import narrow
from tests.simulation.faults import Faults
from tests.simulation.ledger import Ledger
from tests.simulation.machine import Machine
from tests.simulation.nation import Nation
from tests.simulation.outcome import faults
from tests.simulation.people import People
from tests.simulation.prepared import HOSTS, REGIONS, directories
from tests.simulation.supervision import Supervision
from tests.simulation.wires import Wires
from tests.simulation.world import Broken, World

STARTING_SECONDS: Final = 3.0
BUSY_SECONDS: Final = 60.0  # in which people ask and things go wrong
ASKED: Final = (15, 40)  # how often people ask: from, to
FAULTS: Final = (0, 16)
NATION_SHARE: Final = 0.3  # of what people ask, that is asked at the national node
SUPERVISED: Final = 3  # one of how many histories has holds
CLOSE_SHARE: Final = 0.7  # of what goes wrong, that does so soon after somebody has asked
CLOSE_SECONDS: Final = 1.0
# By which all must be well: longer than a zone is left alone after a failure (retry, 900 s), and
# less than it is when all is well (refresh, 3,600 s), so that no notice may be missed.
SETTLING_SECONDS: Final = 1_500.0
LOOK_SECONDS: Final = 20.0
_LOG_LINES: Final = 60  # that a failure shows


class Failure(AssertionError):
    """A history that did not end well."""


class History:
    """The history of one seed."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.world = world = World(seed)
        wires = Wires(world)
        self.machines = {
            name: Machine(world, wires, name, host, folder / name) for name, host in HOSTS.items()
        }
        self._ledger = Ledger(self.machines)
        for one in self.machines.values():
            one.committed = partial(self._ledger.committed, one)
        self._faults = Faults(world, wires, self.machines, self._ledger)
        self._people = People(world, self.machines, self._ledger)
        self._nation = Nation(world, self.machines, self._ledger)
        self._supervision = Supervision(world, self.machines, self._ledger)
        for name in REGIONS:
            self.machines[name].between = partial(self._people.assign, name)

    def run(self) -> None:
        """Let it all happen.

        Raises:
            Failure: something did not hold; the message says how to see it again.
        """
        try:
            with self.world.clocks(), narrow(self.world.random):
                self._go()
        except (Exception, Broken) as error:
            lines = "\n".join(self.world.log[-_LOG_LINES:])
            raise Failure(
                f"seed {self.seed}: {error!r:.2000}\n{lines}\n"
                f"again, with all of its log: CSID_SEED={self.seed} pytest tests/simulation"
            ) from error
        finally:
            for one in self.machines.values():
                one.kill()

    def _go(self) -> None:
        world, random = self.world, self.world.random
        for one in self.machines.values():
            world.after(random.random() * STARTING_SECONDS, None, self._faults.start, one)
        asked = [random.random() * BUSY_SECONDS for _ in range(random.randrange(*ASKED))]
        for at in asked:
            who = self._nation if world.chance(NATION_SHARE) else self._people
            world.after(at, None, who.do_something)
        if self.seed % SUPERVISED == 1:
            for _ in range(random.randrange(*supervision.ASKED)):
                at = random.random() * BUSY_SECONDS
                world.after(at, None, self._supervision.do_something)
        for _ in range(random.randrange(*FAULTS)):
            at = random.random() * BUSY_SECONDS
            if world.chance(CLOSE_SHARE):  # while what was asked for is under way
                at = random.choice(asked) + random.random() ** 2 * CLOSE_SECONDS
            world.after(min(at, BUSY_SECONDS), None, self._faults.happen)
        world.run(BUSY_SECONDS)
        self._faults.mend()
        while next(faults(self._ledger), None) is not None:
            late = world.now >= BUSY_SECONDS + SETTLING_SECONDS
            assert not late, "; ".join(faults(self._ledger))
            self._nation.mend()
            self._people.find_again()
            world.run(world.now + LOOK_SECONDS)
        world.say("all", "is well")


def run(seed: int) -> list[str]:
    """Run the history of a seed; its log.

    Raises:
        Failure: it does not end well.
    """
    with directories() as folder:
        history = History(seed, folder)
        history.run()
        return history.world.log
