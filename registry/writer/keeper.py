"""What stands behind the writer's loop: the place to listen, the store, and the work done on it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from csid.errors import BusyError, StoreError
from registry import units
from registry.audit import AuditError
from registry.core import Core, keeper_of, login_of
from registry.expiring import Walk
from registry.network import configured
from registry.network.claims import claims
from registry.network.wanted import Configured
from registry.rules.acting import Acting, Known, Peer, trusted
from registry.rules.requests import Request
from registry.tables import transaction
from registry.writer import protocol
from registry.writer.address import UPDATES, Place
from registry.writer.commit import Outcomes, commit
from registry.writer.server import Server
from registry.zones import updates
from resolver.answer.source import NO_STAGES, Stages
from resolver.server.counters import Counters
from resolver.server.notices import tell
from resolver.store.environment import Store, identity

STANDBY_SECONDS: Final = 0.02  # between two attempts to take the place of another
PATIENCE_SECONDS: Final = 0.5  # for other processes to end what they write, before it looks around
RETRY_SECONDS: Final = 30.0  # between two attempts to open a directory that could not be opened
SWEEP_SECONDS: Final = 5.0  # between two looks for what is doomed
READERS_SECONDS: Final = 60.0  # between two looks for reader slots of processes that died


class Actors:
    """Who may ask, as the configuration says; here, that it says nothing.

    Attributes:
        group: whose members may connect, besides who owns the data directory.
    """

    group: int | None = None

    def known(self) -> Sequence[Known]:
        """Those that are configured; the same tuple until that changes."""
        return ()

    def look(self) -> None:
        """Called in each turn: see now and then whether the configuration has changed."""


NO_ACTORS: Final = Actors()


class Keeper:
    """Writes one data directory, once nobody else does.

    Args:
        data: the directory.
        counters: requests and commits are counted there.
        most: connections at a time.
        actors: who may ask.
        configured: what the configuration says of keys and zones, which is done once this one
            writes.
        stages: what plugins add.
    """

    def __init__(
        self,
        data: Path,
        counters: Counters,
        most: int,
        actors: Actors = NO_ACTORS,
        configured: Configured | None = None,
        stages: Stages = NO_STAGES,
    ) -> None:
        self._stages = stages
        self._configured = configured  # None: it is done
        self.server = Server(self, counters, most)
        self._data = data
        self._actors = actors
        self._place: Place | None = None
        self._store: Store | None = None
        self._core: Core | None = None
        self._due = 0.0  # when to look again for the place
        self._said = ""
        self._sweep_due = self._readers_due = 0.0
        self._walk = Walk()

    # -- the place

    def look(self) -> float:
        """Listen, if that can be done now; in how many seconds to look again."""
        self._actors.look()
        if self._store is None and (now := time.monotonic()) >= self._due:
            try:
                listens = self._begin()
            except BusyError:
                self._leave()
                self._due = now + PATIENCE_SECONDS
            except (OSError, StoreError) as error:
                self._leave()
                self._due = now + RETRY_SECONDS
                self._say(f"served without a writer, as it cannot be written: {error}")
            else:
                self._due = now + (RETRY_SECONDS if listens else STANDBY_SECONDS)
                self._configure()
        return RETRY_SECONDS if self._store is not None else self._due - time.monotonic()

    def _begin(self) -> bool:
        """Take the place and open the store; whether that could be done."""
        found = identity(self._data)
        if found is None:
            raise StoreError("there is no data directory")
        if self._place is None:
            self._place = Place(self._data)
        if not self._place.taken():
            holder = self._place.holder()
            if holder not in (0, os.getppid()):  # else the one that this one is to follow
                self._say(f"the writer of another server, process {holder}, writes it; ours waits")
            return False
        self._store = Store.open(self._data, writable=True, patience=PATIENCE_SECONDS)
        if identity(self._data) != found:
            raise StoreError("another directory was put in its place just now")
        self._sweep_due = self._readers_due = time.monotonic() + SWEEP_SECONDS
        listener = self._place.listen(group=self._actors.group)
        self.server.listen(listener, protocol.hello(found.data))
        self.server.listen_for_updates(self._place.listen(UPDATES))
        return True

    def _say(self, what: str) -> None:
        """Say it, unless that was said last."""
        if what != self._said:
            self._said = what
            tell(f"{self._data}: {what}", event="writer")

    def close(self) -> None:
        """Close the store, and let another take the place."""
        self._leave()

    def _leave(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = self._core = None
        if self._place is not None:
            self._place.leave()
            self._place = None

    # -- the work

    def commit(self, waiting: Sequence[Sequence[Request]]) -> list[Outcomes]:
        """As `registry.writer.commit.commit`."""
        return commit(self._opened(), waiting)

    def update(self, waiting: Sequence[updates.Arrived]) -> list[updates.Answer]:
        """As `registry.zones.updates.answers`."""
        return updates.answers(self._opened(), waiting, int(time.time()))

    def failed(self, waiting: Sequence[updates.Arrived], error: Exception) -> list[updates.Answer]:
        """As `registry.zones.updates.failed`."""
        assert self._store is not None
        return updates.failed(self._store, waiting, error, int(time.time()))

    def perform(self, by: Acting, name: str, args: Any) -> Any:
        """Carry out one unit for a process."""
        core = self._opened()
        core.by, core.process = by, self.server.process
        return units.perform(core, name, args)

    def acting(self, peer: Peer) -> Acting:
        """How a process acts that has connected."""
        return Acting(peer, keeper_of(self._data), self._actors.known, login_of)

    def _configure(self) -> None:
        """Have keys and zones be as they are configured, unless that is done; if others write for
        too long, it goes on at the next rest.
        """
        if self._configured is None or self._store is None:
            return
        try:
            do = partial(self.perform, trusted())
            for step, fault in configured.apply(self._store, do, self._configured):
                if fault:
                    said = f"{step.what}: as configured, but not done: {fault}"
                    tell(said, "error", "configuration")
                else:
                    tell(f"{step.what}: as configured", "info", "configuration")
            self._configured = None
        except BusyError:
            pass
        except StoreError as error:
            self._say(str(error))

    def rest(self) -> None:
        """Give up what nobody goes on with, remove what is doomed, free the reader slots of
        processes that died, and see to what has expired.
        """
        if self._store is None:
            return
        self._configure()
        now = time.monotonic()
        try:
            if now >= self._sweep_due:
                if self._core is not None:
                    self._core.zones.give_up_orphans()
                left = self._store.sweep_some(units.REMOVALS_PER_UNIT).left
                self._sweep_due = now + (0.0 if left else SWEEP_SECONDS)
            if now >= self._readers_due:
                self._readers_due = now + READERS_SECONDS
                self._store.check_readers()
            self._walk.go_on(self._opened())
        except BusyError:
            self._sweep_due = now + SWEEP_SECONDS
            self._walk.wait(SWEEP_SECONDS)
        except (AuditError, StoreError) as error:
            self._sweep_due = now + READERS_SECONDS
            self._walk.wait(READERS_SECONDS)
            self._say(str(error))

    def _opened(self) -> Core:
        """What to work on. A directory that has no tables of the registry gets them when they are
        first needed: on a full disk a node serves all the same.
        """
        assert self._store is not None  # who asks has connected to it
        if self._core is None:
            transaction.open_tables(self._store)
            self._core = Core(self._store, self._stages, claims=claims())
        return self._core
