"""Bulk import: a table of identifiers with their records, through the rules, into the registry.

The table is read and put in order first, if it is not so as it comes (`registry.bulk.sorting`).
Its rows are decided and committed in units (`registry.bulk.intake`), so that single requests come
in between. What was committed stays, whatever comes after; a table imported again says `unchanged`
for it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

from registry.bulk.csv_stream import Fault
from registry.bulk.entries import Unit
from registry.bulk.intake import NOTHING_STANDS, Done, Task, take
from registry.bulk.sorting import SortedTable
from registry.desk import Desk
from registry.rules.requests import Actor, Role
from registry.tables.rows import DEFAULT_TTL
from registry.tables.volume import TriedVolume
from resolver.answer.source import Check
from resolver.store.environment import Store

Perform = Callable[
    [str, Any], Any
]  # has a unit carried out, as `registry.service.Registry.perform`


@dataclass(slots=True)
class Tally:
    """What an import has done so far.

    Attributes:
        added: identifiers that were assigned.
        changed: identifiers that had another record or TTL before.
        unchanged: rows that say what the registry says already.
        bad: rows that were not taken.
        octets: of the table, read so far.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    bad: int = 0
    octets: int = 0

    @property
    def rows(self) -> int:
        """Rows dealt with."""
        return self.added + self.changed + self.unchanged + self.bad


class Import:
    """One run over one table.

    Args:
        perform: has units carried out.
        actor: who imports.
        reason: why; it is in the leaf of each change.
        year: of registration; 0 is now.
        ttl: seconds, of the names; None leaves it as it is.

    Attributes:
        tally: what has been done so far.
    """

    def __init__(
        self,
        perform: Perform,
        actor: Actor,
        reason: str = "",
        year: int = 0,
        ttl: int | None = None,
    ) -> None:
        self.tally = Tally()
        self._perform = perform
        self._actor = (actor.name, actor.role.value, actor.owner)
        self._reason = reason
        self._year = year
        self._ttl = ttl
        self._stands: tuple[str, int, bytes] = NOTHING_STANDS

    def run(self, table: SortedTable) -> Iterator[list[Fault]]:
        """Read the table and commit it; after each part that was read and each unit, gives the rows
        that were not taken, in the order of their lines.

        Raises:
            TableError: the table as a whole is wrong: nothing was done, unless the text says so.
            FeederError: a process that reads ended early.
            StoreError: the store is full or fails. What was committed before stays.
        """
        ttl = DEFAULT_TTL if self._ttl is None else self._ttl
        self._stands = NOTHING_STANDS
        with _uncollected():
            for found in chain(table.read(ttl), table.units(ttl)):
                if isinstance(found, Unit):
                    yield from self._take(found)
                else:
                    self.tally.octets = found.octets
                    self.tally.bad += len(found.faults)
                    yield found.faults

    def _take(self, unit: Unit) -> Iterator[list[Fault]]:
        through = 0
        while through < unit.rows:
            task = Task(
                self._actor,
                self._reason,
                self._year,
                self._ttl,
                self._stands,
                through,
                unit.octets,
            )
            done = Done(*self._perform("rows", tuple(task)))
            through, self._stands = done.through, done.stands
            yield self._counted(done)

    def _counted(self, done: Done) -> list[Fault]:
        tally = self.tally
        tally.added += done.added
        tally.changed += done.changed
        tally.unchanged += done.unchanged
        tally.bad += len(done.faults)
        return [Fault(*fault) for fault in done.faults]


class Trial:
    """A dry run: units are tried over what the store says, nothing is written, nobody waits.

    Each unit reads at a moment of its own; what those before it would have changed that matters to
    others (owners, counts) is laid over that.
    """

    def __init__(self, store: Store, check: tuple[Check, ...] = ()) -> None:
        """Over a store, which may be open for reading only."""
        self._store = store
        self._suffix = store.settings().suffix
        self._check = check
        self._before: TriedVolume | None = None

    def perform(self, _name: str, args: Any) -> Done:
        """Try the unit `rows`."""
        with self._store.read() as read:
            volume = TriedVolume(read, self._suffix, self._before)
            batch = Desk(self._suffix, self._check).begin(volume, int(time.time()))
            task = Task(*args)
            name, role, owner = task.actor
            done = take(batch, task, Actor(name, Role(role), owner), time.monotonic, [])
            batch.write()
        self._before = volume
        return done


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for cycles: none are made, and it takes a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
