"""Tables imported by the tests as `csid import` does it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date

from registry.bulk.csv_stream import Fault
from registry.bulk.entries import Reading
from registry.bulk.importer import Import, Trial
from registry.bulk.sorting import SortedTable
from registry.desk import Desk
from registry.rules.requests import Actor
from registry.service import Registry
from registry.writer.threads import Writer
from tests.support.registering import ADMINISTRATOR

READING = Reading(date(2026, 1, 1))


def work_on(
    registry: Registry, actor: Actor = ADMINISTRATOR, keep: bool = True, ttl: int | None = None
) -> Import:
    """An import, or one that is only tried."""
    trial = Trial(registry.store, registry.stages.check)
    return Import(registry.perform if keep else trial.perform, actor, "first stock", ttl=ttl)


def desk_of(registry: Registry) -> Desk:
    """The desk of the writer in this process."""
    assert isinstance(registry.writer, Writer)
    return registry.writer._core.desk


def run_through(
    registry: Registry, work: Import, octets: bytes, reading: Reading = READING
) -> Iterator[list[Fault]]:
    """A table that is small, to its end."""
    file = io.BytesIO(octets)
    with SortedTable(file, reading, len(octets), registry.store.path) as table:
        yield from work.run(table)
