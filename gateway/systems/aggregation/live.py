"""What sources have said last of what they have, kept so that it can be shown, by whichever process
is asked.

    live    source -> pools by their keys: `picture.Seen`
    said    source -> Said: its units, one by one
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from csid import status
from csid.status import Health, Told
from gateway.systems.aggregation import picture, pooling, readings
from gateway.systems.aggregation.difference import KEY_MAX
from gateway.systems.aggregation.known import Known, Settings
from gateway.systems.aggregation.picture import Row, Seen
from gateway.systems.aggregation.pooling import amount
from gateway.systems.aggregation.readings import Reading
from gateway.systems.aggregation.tables import Book
from gateway.systems.aggregation.telling import valid_seconds
from resolver.tables import Tables

LIVE, SAID = NAMES = ("live", "said")
WHY_MAX: Final = 200  # characters of why less of a unit can be had
_pack: Final = msgspec.msgpack.Encoder().encode
_pools_of: Final = msgspec.msgpack.Decoder(dict[str, Seen]).decode


class SaidUnit(msgspec.Struct, frozen=True, array_like=True):
    """A unit as its source has said it; `pool` is empty where it is in none."""

    key: str
    name: str
    pool: str
    chip: str
    group: str
    health: Health
    why: str
    total: dict[str, float]
    free: dict[str, float]


class Said(msgspec.Struct, frozen=True, array_like=True):
    """What a source has said: from when until when that holds (Unix milliseconds); all of it."""

    taken: int
    until: int
    whole: bool
    units: list[SaidUnit]


class Live:
    """What is kept of it.

    Args:
        tables: with NAMES.
        book: what is known.
        region: whose it is.
    """

    def __init__(self, tables: Tables, book: Book, region: str) -> None:
        self._tables = tables
        self._book = book
        self._region = region

    def keep(
        self, source: Settings, reading: Reading, statuses: Mapping[str, Told], now: int
    ) -> None:
        """Keep what was said; of pools, what is believed: those that have a status.

        Args:
            statuses: by identifier.
            now: Unix milliseconds.
        """
        known = self._book.known(source.name)
        taken = min(reading.taken, now)
        until = taken + 1_000 * valid_seconds(source)
        # As a difference has them: of one key the first, by its whole key, by which pages go on.
        named = {one.key: one for one in reversed(reading.units) if 0 < len(one.key) <= KEY_MAX}
        pools = self._seen(source, known, named, statuses, (taken, until))
        units = [_said(one, known) for one in named.values()]
        with self._tables.writing() as txn:
            name = source.name.encode()
            txn.put(name, _pack(pools), db=self._tables[LIVE])
            said = Said(taken, until, reading.whole, units)
            txn.put(name, _pack(said), db=self._tables[SAID])

    def _seen(
        self,
        source: Settings,
        known: Known,
        named: Mapping[str, readings.Unit],
        statuses: Mapping[str, Told],
        times: tuple[int, int],
    ) -> dict[str, Seen]:
        found = {key: one for key, one in self._pools(source.name).items() if key in known.pools}
        members: dict[str, dict[str, Any]] = {}
        for key, unit in known.units.items():
            members.setdefault(unit.pool, {})[key] = unit
        for key, pool in known.pools.items():
            told = statuses.get(pool.identifier)
            if told is not None:
                amounts = picture.amounts_of(members.get(key, {}), named)
                found[key] = Seen(*times, status.word(told), amounts)
            elif not members.get(key):  # it has no units any more
                found[key] = Seen(*times, status.DOWN, {})
        return found

    def rows(self, now: int) -> list[Row]:
        """All pools of all sources, as they are counted at a time (Unix milliseconds)."""
        found = []
        for source in self._book.sources():
            seen = self._pools(source.name)
            for key, pool in self._book.pools(source.name).items():
                found.append(picture.row_of(source, pool, seen.get(key), self._region, now))
        return found

    def said(self, name: str) -> Said | None:
        """What a source has said last; None if nothing is kept."""
        with self._tables.reading() as txn:
            row = txn.get(name.encode(), db=self._tables[SAID])
            return None if row is None else msgspec.msgpack.decode(row, type=Said)

    def forget(self) -> None:
        """Forget what sources have said that were removed."""
        with self._tables.writing() as txn:
            for table in (LIVE, SAID):
                names = list(txn.cursor(self._tables[table]).iternext(values=False))
                for name in names:
                    if txn.get(name, db=self._tables["sources"]) is None:
                        txn.delete(name, db=self._tables[table])

    def _pools(self, name: str) -> dict[str, Seen]:
        with self._tables.reading() as txn:
            row = txn.get(name.encode(), db=self._tables[LIVE])
            return {} if row is None else _pools_of(row)


def _said(unit: readings.Unit, known: Known) -> SaidUnit:
    kept = known.units.get(unit.key)
    return SaidUnit(
        unit.key,
        unit.name[: pooling.TEXT_MAX],
        "" if kept is None else kept.pool,
        unit.chip[: pooling.TEXT_MAX],
        unit.group[: pooling.TEXT_MAX],
        unit.health,
        unit.why[:WHY_MAX],
        {kind: amount(unit.total, kind) for kind in readings.KINDS if kind in unit.total},
        {kind: amount(unit.free, kind) for kind in readings.KINDS if kind in unit.free},
    )
