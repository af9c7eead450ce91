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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import islice, takewhile
from operator import add
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from csid.errors import CsidError
from gateway.systems.aggregation.columns import Array, Columns, Texts
from gateway.systems.aggregation.counting import Alike
from gateway.systems.aggregation.picture import UNITS, Parts
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


_OUT: Final = ("failed", "maintenance", "gone")
# Of what Sums are made, behind resources: a kind of amounts, and its parts.
_MADE_OF: Final = (
    (UNITS, ("total",)),
    *(
        (kind, parts)
        for kind in (CHIPS, VCPU)
        for parts in (("total",), ("free",), ("used",), _OUT, ("unknown",))
    ),
)


def minute_of(nodes: Sequence[Columns]) -> dict[Key, Sums]:
    """What is kept of what there is at one moment."""
    alike = Alike(nodes, ("prefecture", "type", "chip"), {})
    each = [alike.summed(lambda one: one.resources)]
    each += [alike.summed(_numbers_of(kind, parts)) for kind, parts in _MADE_OF]
    came = np.argsort(alike.first)  # groups as they came

    def keys(groups: Array) -> list[Any]:
        return alike.by(came[groups])

    provinces = Texts.of(key[0][:2] for key in keys(np.arange(len(alike))))
    return _bounded(keys, provinces, np.stack(each, axis=1)[came])


def _numbers_of(kind: str, parts: Iterable[str]) -> Callable[[Columns], Array]:
    columns = [("amounts", kind, Parts._fields.index(name)) for name in parts]
    return lambda one: reduce(add, map(one.numbers, columns))


def _bounded(keys: Callable[[Array], list[Key]], provinces: Texts, sums: Array) -> dict[Key, Sums]:
    """At most GROUPS_MAX groups; what is smaller counts together.

    Args:
        keys: of some groups.
        provinces: of each group.
        sums: of each group, as Sums has them.
    """
    if len(sums) <= GROUPS_MAX:
        return dict(zip(keys(np.arange(len(sums))), _sums_of(sums), strict=True))
    order = np.lexsort(tuple(-column for column in sums.T[:1:-1]))
    # Each province has its share first: what one of them tells displaces nobody else's.
    codes = provinces.codes[order]
    numbers = np.bincount(codes)
    by_province = np.argsort(codes, kind="stable")
    before = np.empty(len(codes), np.intp)  # of each group, how many of its province are larger
    before[by_province] = np.arange(len(codes)) - np.repeat(np.cumsum(numbers) - numbers, numbers)
    is_first = before < GROUPS_MAX // len(provinces.there)
    order = np.concatenate([order[is_first], order[~is_first]])
    largest, smaller = order[: GROUPS_MAX - 1], order[GROUPS_MAX - 1 :]
    kept = dict(zip(keys(largest), _sums_of(sums[largest]), strict=True))
    (rest,) = _sums_of(np.add.accumulate(sums[smaller])[-1:])  # in their order
    kept[REST, REST, REST] = kept.get((REST, REST, REST), Sums()).plus(rest)
    return kept


def _bounded_of(groups: Mapping[Key, Sums]) -> Mapping[Key, Sums]:
    if len(groups) <= GROUPS_MAX:
        return groups
    keys = list(groups)
    provinces = Texts.of(key[0][:2] for key in keys)
    sums = np.array(list(groups.values()), np.float64)
    return _bounded(lambda some: [keys[number] for number in some.tolist()], provinces, sums)


def _sums_of(sums: Array) -> list[Sums]:
    return list(map(Sums._make, sums.tolist()))


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
        made = Bucket(bytes(taken), list(_bounded_of(sums).items()))
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
