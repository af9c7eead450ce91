"""A machine of the simulated network: a data directory, and the processes of a node on it, with all
that really decides; only what carries octets and commits is the simulation's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Final, cast

from csid.errors import StoreError
from registry import units
from registry.tables import transaction
from resolver.store.environment import Store
from resolver.store.write import WriteTransaction
from tests.simulation.answering import Answering
from tests.simulation.synchronising import Synchronising
from tests.simulation.wires import Wires
from tests.simulation.world import Killed, Life, World
from tests.simulation.writing import Writing

SWEEP_SECONDS: Final = 20.0
INOTIFY_SECONDS: Final = 0.001  # after which a commit is seen


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


class Machine:
    """One machine and its node.

    Attributes:
        life: of the processes that answer and write; `sync_life` of the one that syncs.
        offset: of its clock, seconds.
        was_ahead: it was ahead at some time, so that what it holds may have expired.
        committed: is called after each commit.
        between: somebody asks for something, between two pieces of a unit.
        is_full: its disk.
        doomed: of how many commits from now it does not survive the next, and whether that one
            comes about.
    """

    store: Disk
    answering: Answering
    writing: Writing
    synchronising: Synchronising

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
        self.was_ahead = False
        self.is_full = False
        self.doomed: tuple[int, bool] | None = None
        self._copy = b""
        self.committed: Callable[[], None] = lambda: None
        self.between: Callable[[], None] = lambda: None
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
        self.life = self._begun(self.name)
        transaction.open_tables(self.store)
        self.answering = Answering(self)
        self.writing = Writing(self)
        self.world.after(SWEEP_SECONDS, self.life, self._sweep)
        self.world.say(self.name, "starts")
        self.committed()
        self.start_sync()

    def start_sync(self) -> None:
        """Start the process that syncs."""
        if self.is_up and not self.sync_life.is_alive:
            self.sync_life = self._begun(f"{self.name}/sync")
            self.synchronising = Synchronising(self)

    def _begun(self, name: str) -> Life:
        life = Life(name)
        life.offset = self.world.offset = self.offset
        return life

    def kill(self) -> None:
        """kill -9 of all of it."""
        self.kill_sync()
        if self.is_up:
            self.world.say(self.name, "is killed")
            self.life.is_alive = False
            self.wires.gone(self.life)
            self.store.close()

    def kill_sync(self) -> None:
        """kill -9 of the process that syncs."""
        if self.sync_life.is_alive:
            self.world.say(self.name, "sync is killed")
            self.sync_life.is_alive = False
            self.wires.gone(self.sync_life)
            self.world.is_dying = True  # nothing more is written
            self.synchronising.end()  # as the kernel takes back what it holds
            self.world.is_dying = False

    # -- copies

    def copy(self) -> None:
        """Take a copy of its data."""
        self._copy = (self.path / "data.mdb").read_bytes()

    def put_back(self) -> None:
        """Have the copy in place of what it has, and end."""
        self.kill()
        (self.path / "lock.mdb").unlink()
        (self.path / "data.mdb").write_bytes(self._copy)
        self.world.say(self.name, "has an older copy put back")

    def set_clock(self, offset: float) -> None:
        """Set the clock that people set, so many seconds from the right time."""
        self.offset = self.life.offset = self.sync_life.offset = offset
        self.was_ahead |= offset > 0

    # -- the disk

    def begins_to_write(self) -> None:
        """Raises StoreError if there is no room, Killed if the process ends already."""
        if self.world.is_dying:
            raise Killed
        if self.is_full:
            raise StoreError(f"{self.name}: no room on the disk")

    def is_to_commit(self) -> None:
        """Raises Killed if the commit is not to come about."""
        if self.doomed is not None:
            count, comes_about = self.doomed
            self.doomed = (count - 1, comes_about)
            if count <= 0 and not comes_about:
                self._die()

    def has_committed(self) -> None:
        """Have it seen; raises Killed if nobody is to learn of it."""
        self.committed()
        if self.sync_life.is_alive:
            self.synchronising.sees_a_commit(INOTIFY_SECONDS)
        if self.doomed is not None and self.doomed[0] < 0 and self.doomed[1]:
            self._die()

    def _die(self) -> None:
        self.world.is_dying = True
        raise Killed

    def _sweep(self) -> None:
        with suppress(StoreError):
            self.store.sweep_some(units.REMOVALS_PER_UNIT)
        self.world.after(SWEEP_SECONDS, self.life, self._sweep)
