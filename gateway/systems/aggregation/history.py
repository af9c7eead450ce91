"""How compute was used over time: by minute, hour and day, of each place, type and chip.

    history    step(1) first minute(4) -> Bucket: which minutes it has, and sums over them

A minute that is taken goes into its minute, hour and day in one transaction, and into none that has
it already. So nothing is lost or counted twice, whoever is killed; hours and days need no work of
their own. What a bucket says of a minute is what there was when that was taken: sums are
chip-minutes, unit-minutes and so on. Nothing is forgotten by a clock that has not told this time
for hours: one that is wrong after a start deletes nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, takewhile
from operator import add
from typing import Any, Final, NamedTuple

import msgspec

from csid.errors import CsidError
from gateway.systems.aggregation.picture import UNITS, Figures, Parts, Row
from gateway.systems.aggregation.readings import CHIPS, VCPU
from resolver.tables import Tables

HISTORY: Final = "history"
MINUTE_MS: Final = 60_000
GROUPS_MAX: Final = 1_000  # of one minute; what is smaller counts together
POINTS_MAX: Final = 20_000  # rows of one answer
READ_MAX: Final = 500_000  # groups that are looked at for one answer
AHEAD: Final = 60  # minutes, by which a clock may be set back and nothing is forgotten
PROVEN: Final = 6 * 60  # minutes that were taken of the last so many: then a clock is believed
_PROVEN_WITHIN: Final = 12 * 60
PRUNED_AT_ONCE: Final = 200  # buckets of a step
REST: Final = "*"  # of what counts together
_pack: Final = msgspec.msgpack.Encoder().encode
BY: Final = ("province", "prefecture", "type", "chip")


class HistoryError(CsidError):
    """What was asked for is not kept so."""


class Step(NamedTuple):
    """How finely it is kept: minutes of one bucket, and for how many minutes."""

    minutes: int
    kept: int


STEPS: Final[Mapping[str, Step]] = {
    "minute": Step(1, 48 * 60),
    "hour": Step(60, 90 * 24 * 60),
    "day": Step(24 * 60, 5 * 366 * 24 * 60),
}


class Sums(NamedTuple):
    """Sums over minutes: of resources, units, and of what becomes of chips and processors; `out` is
    failed, in maintenance or gone.
    """

    resources: float = 0
    units: float = 0
    chips_total: float = 0
    chips_free: float = 0
    chips_used: float = 0
    chips_out: float = 0
    chips_unknown: float = 0
    vcpu_total: float = 0
    vcpu_free: float = 0
    vcpu_used: float = 0
    vcpu_out: float = 0
    vcpu_unknown: float = 0

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(*map(add, self, other))


Key = tuple[str, str, str]  # prefecture, type, chip


class Bucket(msgspec.Struct, array_like=True):
    """Minutes that were taken, one bit each, and sums over them."""

    taken: bytes
    groups: list[tuple[Key, Sums]]


class Point(NamedTuple):
    """Sums over some time.

    Attributes:
        at: its begin, Unix milliseconds.
        minutes: how many of it were taken.
        by: what it has in common.
    """

    at: int
    minutes: int
    by: Mapping[str, str]
    sums: Sums


def minute_of(rows: Iterable[Row]) -> dict[Key, Sums]:
    """What is kept of what there is at one moment."""
    found: dict[Key, Sums] = {}
    for what, figures in rows:
        key = what.get("prefecture", ""), what.get("type", ""), what.get("chip", "")
        found[key] = found.get(key, Sums()).plus(_sums_of(figures))
    return _bounded(found)


def _sums_of(figures: Figures) -> Sums:
    of_kinds = []
    for kind in (CHIPS, VCPU):
        parts = figures.amounts.get(kind, Parts())
        out = parts.failed + parts.maintenance + parts.gone
        of_kinds += [parts.total, parts.free, parts.used, out, parts.unknown]
    units = figures.amounts.get(UNITS, Parts()).total
    return Sums(float(figures.resources), units, *of_kinds)


def _bounded(groups: dict[Key, Sums]) -> dict[Key, Sums]:
    if len(groups) <= GROUPS_MAX:
        return groups
    ordered = sorted(groups, key=lambda key: groups[key][2:], reverse=True)
    # Each province has its share first: what one of them tells displaces nobody else's.
    number: Counter[str] = Counter()
    share = GROUPS_MAX // len({key[0][:2] for key in groups})
    first: list[Key] = []
    then: list[Key] = []
    for key in ordered:
        number[key[0][:2]] += 1
        (first if number[key[0][:2]] <= share else then).append(key)
    ordered = first + then
    kept = {key: groups[key] for key in ordered[: GROUPS_MAX - 1]}
    rest = Sums()
    for key in ordered[GROUPS_MAX - 1 :]:
        rest = rest.plus(groups[key])
    kept[REST, REST, REST] = kept.get((REST, REST, REST), Sums()).plus(rest)
    return kept


class History:
    """What is kept.

    Args:
        tables: with HISTORY.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def take(self, now: int, groups: Mapping[Key, Sums]) -> bool:
        """Keep the minute that it is (Unix milliseconds); False if it was kept already."""
        minute = now // MINUTE_MS
        with self._tables.writing() as txn:
            news = [self._add(txn, place, minute, groups) for place in range(len(STEPS))]
            if self._is_proven(txn, minute):
                for place, step in enumerate(STEPS.values()):
                    self._prune(txn, place, step, minute)
        return any(news)

    def _add(self, txn: Any, place: int, minute: int, groups: Mapping[Key, Sums]) -> bool:
        step = list(STEPS.values())[place]
        first = minute - minute % step.minutes
        row = _row(place, first)
        octets = txn.get(row, db=self._tables[HISTORY])
        before = Bucket(bytes((step.minutes + 7) // 8), []) if octets is None else _read(octets)
        mark = minute - first
        taken = bytearray(before.taken)
        if taken[mark >> 3] >> (mark & 7) & 1:
            return False
        taken[mark >> 3] |= 1 << (mark & 7)
        sums = dict(before.groups)
        for key, more in groups.items():
            sums[key] = sums.get(key, Sums()).plus(more)
        made = Bucket(bytes(taken), list(_bounded(sums).items()))
        txn.put(row, _pack(made), db=self._tables[HISTORY])
        return True

    def _is_proven(self, txn: Any, minute: int) -> bool:
        """Whether the clock has told about this time for long enough to forget by it."""
        cursor = txn.cursor(self._tables[HISTORY])
        begin, end = _row(0, max(0, minute - _PROVEN_WITHIN)), _row(0, minute)
        if not cursor.set_range(begin):
            return False
        within = takewhile(lambda key: key <= end, cursor.iternext(keys=True, values=False))
        return sum(1 for _ in islice(within, PROVEN)) == PROVEN

    def _prune(self, txn: Any, place: int, step: Step, minute: int) -> None:
        """Forget what is too old, and what a clock that was ahead has left."""
        cursor = txn.cursor(self._tables[HISTORY])
        for _ in range(PRUNED_AT_ONCE):
            if not cursor.set_range(bytes((place,))) or cursor.key()[0] != place:
                return
            if _minute_of(cursor.key()) >= minute - step.kept:
                break
            cursor.delete()
        for _ in range(PRUNED_AT_ONCE):
            if not cursor.set_range(_row(place, minute + AHEAD)) or cursor.key()[0] != place:
                return
            cursor.delete()

    def points(
        self, begin: int, end: int, step: str, by: Iterable[str], where: Mapping[str, str]
    ) -> list[Point]:
        """What is kept of buckets that begin within a time, in order.

        Args:
            begin, end: Unix milliseconds; the end does not belong to it.
            step: one of STEPS.
            by, where: of BY, as `picture.picture` has them.

        Raises:
            HistoryError: that would be too much, or is not kept so.
        """
        names = tuple(by)
        unknown = [name for name in (*names, *where) if name not in BY]
        if step not in STEPS or unknown:
            given, there = (step, STEPS) if step not in STEPS else (unknown[0], BY)
            raise HistoryError(f"{given[:40]!r}: it is kept by {', '.join(there)}")
        found: list[Point] = []
        read = 0
        for first, octets in self._rows(step, begin, end):
            bucket = _read(octets)
            read += len(bucket.groups)
            minutes = int.from_bytes(bucket.taken, "big").bit_count()
            at = first * MINUTE_MS
            # A time of which nothing is known by group is one in which there was nothing.
            for key, sums in (
                _chosen(bucket, names, where) or {("",) * len(names): Sums()}
            ).items():
                found.append(Point(at, minutes, dict(zip(names, key, strict=True)), sums))
            if len(found) > POINTS_MAX:
                raise HistoryError(
                    f"more than {POINTS_MAX:,} rows; ask for less time, a longer step, or less by"
                )
            if read > READ_MAX:
                raise HistoryError(
                    f"more than {READ_MAX:,} groups to be read; ask for less time, or a longer step"
                )
        return found

    def _rows(self, step: str, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        place = list(STEPS).index(step)
        first = max(0, -(-begin // MINUTE_MS))
        last = min(max(0, -(-end // MINUTE_MS)), 2**32 - 1)
        with self._tables.reading() as txn:
            cursor = txn.cursor(self._tables[HISTORY])
            if first >= 2**32 or not cursor.set_range(_row(place, first)):
                return
            for key, octets in cursor:
                if key[0] != place or _minute_of(key) >= last:
                    return
                yield _minute_of(key), bytes(octets)


def _chosen(
    bucket: Bucket, names: tuple[str, ...], where: Mapping[str, str]
) -> dict[tuple[str, ...], Sums]:
    found: dict[tuple[str, ...], list[Sums]] = {}
    for (prefecture, type_, chip), sums in bucket.groups:
        province = f"{prefecture[:2]}0000" if prefecture != REST else REST
        what = {"province": province, "prefecture": prefecture, "type": type_, "chip": chip}
        if all(what[name] == wanted for name, wanted in where.items()):
            found.setdefault(tuple(what[name] for name in names), []).append(sums)
    return {
        key: each[0] if len(each) == 1 else Sums(*map(math.fsum, zip(*each, strict=True)))
        for key, each in found.items()
    }


def _row(place: int, minute: int) -> bytes:
    return bytes((place,)) + minute.to_bytes(4, "big")


def _minute_of(key: bytes) -> int:
    return int.from_bytes(key[1:5], "big")


_bucket: Final = msgspec.msgpack.Decoder(Bucket).decode


def _read(octets: bytes) -> Bucket:
    return _bucket(octets)
