"""Differences that look wrong: held back until a person has looked at them. Pure.

A difference is held back whole, for what looks wrong about a part of it is a reason to doubt the
answer, not that part: a source that was restarted half empty also says strange things of what it
still names. But what is told of pools that no reason touches, and whose units are those that they
were, goes on, so that a partition that was added does not make all the others unknown.

    held, with its reasons  →  accepted: applied, if the source still says exactly that
                            →  refused:  not applied, and not shown again while it does
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from gateway.systems.aggregation.difference import Difference
from gateway.systems.aggregation.known import ACTIVE, Amounts, Known, Unit
from gateway.systems.aggregation.readings import CHIPS, MEMORY_GIB, VCPU, Reading

AHEAD_MILLISECONDS: Final = 60_000  # that a source's clock may be ahead of ours
HALF: Final = 0.5
FEW: Final = 4  # units, of fewer than which half may be gone
TENFOLD: Final = 10
NEW_MAX: Final = 500  # identifiers that are registered at once without anybody having looked
NEW_OF_DAY_MAX: Final = 1_000  # and on one day
KNOWN_MAX: Final = 100_000  # units of one source
FEW_POOLS: Final = 2  # of fewer than which all may be suspended
SHOWN_MAX: Final = 200  # items of each kind that are kept to be shown
REASONS_MAX: Final = 50  # that are shown
WAITING, ACCEPTED, REFUSED = "waiting", "accepted", "refused"
_KINDS: Final = (CHIPS, VCPU, MEMORY_GIB)


class Reason(msgspec.Struct, frozen=True):
    """Why a difference is held back.

    Attributes:
        code: which rule it is by.
        text: what was found.
        pools: keys of those it is about; none: of all.
    """

    code: str
    text: str
    pools: tuple[str, ...] = ()


class Held(msgspec.Struct, frozen=True):
    """A difference that is held back.

    Attributes:
        digest: of the difference.
        since, seen: Unix milliseconds: when it was found first, and last.
        reasons: why.
        changes: what it would change, by kind; `counts`: how many there are of each.
        verdict: what a person has said of it.
    """

    digest: str
    since: int
    seen: int
    reasons: tuple[Reason, ...]
    changes: dict[str, list[Any]]
    counts: dict[str, int]
    verdict: str = WAITING


def reasons(
    known: Known,
    reading: Reading,
    change: Difference,
    now: int,
    source_of: Callable[[str], str | None],
    elastic: bool = False,
) -> tuple[Reason, ...]:
    """Why a difference looks wrong; empty if it does not.

    Args:
        source_of: another source that has a unit of this key; None if there is none.
        elastic: units of the source come and go.
    """
    found: list[Reason] = []
    ahead = reading.taken - now
    if ahead > AHEAD_MILLISECONDS:
        found.append(
            Reason("clock", f"its time is {ahead // 1_000} s ahead of ours; set one of the clocks")
        )
    lost = list(_missing(known, change)) or list(_fewer(known, change))
    found += [one for one in lost if not elastic or one.code == "nothing"]
    found += _moved(known, change)
    found += _suspended(known, change)
    found += _tenfold(known, change)
    found += _of_others(known, change, source_of)
    found += _many(known, change)
    return tuple(found)


def shown(why: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Those that are shown where there are too many: of each rule its share, so that none is
    missing.
    """
    if len(why) <= REASONS_MAX:
        return why
    share = max(1, REASONS_MAX // len(_codes(why)))
    number = Counter[str]()
    found = []
    for one in why:
        number[one.code] += 1
        if number[one.code] <= share:
            found.append(one)
    return tuple(found)


def _missing(known: Known, change: Difference) -> Iterable[Reason]:
    """Units that are gone: half of those that are known, or that there were on the day before."""
    there = [key for key, one in known.units.items() if not one.gone]
    if not there or not change.vanished:
        return
    if not change.named:
        yield Reason("nothing", f"it names nothing, where it had {len(there):,} units")
        return
    missed = [one for one in known.units.values() if one.gone]
    gone = len(change.vanished) + len(missed) - len(change.returned)
    pools = tuple(sorted({known.units[one.key].pool for one in change.vanished}))
    had = int(_most(change, "units"))
    if len(known.units) >= FEW and gone >= HALF * len(known.units):
        yield Reason("gone", f"{gone:,} of {len(known.units):,} units are gone", pools)
    elif had >= FEW and change.has.units <= HALF * had:
        text = f"{change.has.units:,.0f} units are left of {had:,} that it had since the day before"
        yield Reason("gone", text, pools)


def _fewer(known: Known, change: Difference) -> Iterable[Reason]:
    """Half of the chips or processors is lost, of units that are there or are not."""
    lost = _losing(known, change)
    if not lost:
        return
    few = _most(change, "units") < FEW
    for kind in (CHIPS, VCPU):
        had, has = _most(change, kind), getattr(change.has, kind)
        if few and (has or change.vanished):  # but all of it, of units that are there
            continue
        if had and has <= HALF * had:
            text = f"{kind} of the whole source: {had:,.0f} since the day before, {has:,.0f} now"
            yield Reason("less", text, tuple(sorted(lost)))


def _losing(known: Known, change: Difference) -> set[str]:
    """Pools of units that have less from now on, or are gone."""
    lost: set[str] = set()
    for key, row in change.units.items():
        was = known.units.get(key)
        if was is None or was.gone:
            continue
        if row is None:
            lost.add(was.pool)
        elif (row.gone or (row.less and not was.less)) or any(
            _has(row, kind) < _has(was, kind) for kind in (CHIPS, VCPU)
        ):
            lost |= {was.pool, row.pool}
    return lost


def _moved(known: Known, change: Difference) -> Iterable[Reason]:
    """Half of the units go to other pools at once."""
    pools: set[str] = set()
    number = 0
    for key, row in change.units.items():
        was = known.units.get(key)
        if was is not None and row is not None and was.pool != row.pool:
            number += 1
            pools |= {was.pool, row.pool}
    there = sum(not one.gone for one in known.units.values())
    if number >= FEW and number >= HALF * there:
        text = f"{number:,} of {there:,} units would go to another pool"
        yield Reason("moved", text, tuple(sorted(pools)))


def _suspended(known: Known, change: Difference) -> Iterable[Reason]:
    """Half of the identifiers would be suspended at once."""
    there = {
        key for key, one in known.pools.items() if one.state == ACTIVE and one.done is not None
    }
    keys = [one.key for one in change.suspensions if one.key in there]
    if len(keys) >= FEW_POOLS and len(keys) >= HALF * len(there):
        text = f"{len(keys):,} of {len(there):,} identifiers would be suspended"
        yield Reason("suspended", text, tuple(keys))


def _tenfold(known: Known, change: Difference) -> Iterable[Reason]:
    """Capacity that is ten times what it was, or a tenth: of a unit, of the source, in one reading
    or since the day before.
    """
    moved = [(known.units.get(key), row) for key, row in change.units.items() if row is not None]
    pools = tuple(sorted({row.pool for _, row in moved}))
    for kind in _KINDS if moved else ():
        before = math.fsum(_has(one, kind) for one in known.units.values())
        more = (_has(row, kind) - (_has(was, kind) if was is not None else 0) for was, row in moved)
        after = before + math.fsum(more)
        slow, now = getattr(change.past.base, kind), getattr(change.has, kind)
        if _is_tenfold(before, after):
            text = f"{kind} of the whole source: {before:,.0f} before, {after:,.0f} now"
            yield Reason("tenfold", text, pools)
        elif _is_tenfold(slow, now):
            text = f"{kind} of the whole source: {slow:,.0f} on the day before, {now:,.0f} now"
            yield Reason("tenfold", text, pools)
    for was, row in moved:
        if was is None:
            continue
        for kind in _KINDS:
            if _is_tenfold(_has(was, kind), _has(row, kind)):
                text = f"{kind} of {row.name}: {_has(was, kind):,.0f} before, now "
                text += f"{_has(row, kind):,.0f}"
                yield Reason("tenfold", text, tuple(sorted({was.pool, row.pool})))


def _of_others(
    known: Known, change: Difference, source_of: Callable[[str], str | None]
) -> Iterable[Reason]:
    for key, row in change.units.items():
        if row is None or key in known.units:
            continue
        other = source_of(key)
        if other is not None:
            text = f"{row.name}: source {other} has a unit of the same key {key[:80]!r}"
            yield Reason("other", text, (row.pool,))


def _many(known: Known, change: Difference) -> Iterable[Reason]:
    """More is new than anybody can have meant."""
    made, of_day = len(change.registrations), change.past.made
    pools = tuple(one.key for one in change.registrations)
    if made > NEW_MAX:
        yield Reason("many", f"{made:,} identifiers would be registered at once", pools)
    elif made and of_day > NEW_OF_DAY_MAX:
        yield Reason("many", f"{of_day:,} identifiers would be registered on one day", pools)
    new = [row.pool for key, row in change.units.items() if row and key not in known.units]
    units = len(known.units) + len(new) - len(change.forgotten)
    if new and units > KNOWN_MAX:
        text = f"{units:,} units would be known; at most {KNOWN_MAX:,} of one source"
        yield Reason("large", text, tuple(sorted(set(new))))


def _most(change: Difference, kind: str) -> float:
    """The most that there was on this day and the one before."""
    had: Amounts = change.past.base.most(change.past.most)
    return float(getattr(had, kind))


def _has(unit: Unit, kind: str) -> float:
    return {CHIPS: unit.chips, VCPU: unit.vcpu, MEMORY_GIB: unit.memory_gib}[kind]


def _is_tenfold(before: float, after: float) -> bool:
    return bool(before) and bool(after) and not before / TENFOLD < after < before * TENFOLD


def held(change: Difference, why: tuple[Reason, ...], before: Held | None, now: int) -> Held:
    """A difference as it is kept to be looked at; that of a person's word stays, as long as it is
    the same one.
    """
    if (
        before is not None
        and before.digest == change.digest
        and _codes(before.reasons) == _codes(why)
    ):
        return msgspec.structs.replace(before, seen=now)
    changes = {name: [one._asdict() for one in rows] for name, rows in items(change).items()}
    return Held(
        change.digest,
        now,
        now,
        tuple(msgspec.structs.replace(one, pools=one.pools[:SHOWN_MAX]) for one in shown(why)),
        {name: rows[:SHOWN_MAX] for name, rows in changes.items() if rows},
        {name: len(rows) for name, rows in changes.items() if rows},
    )


def items(change: Difference) -> dict[str, tuple[Any, ...]]:
    """What a difference changes, by kind."""
    return {
        "registrations": change.registrations,
        "updates": change.updates,
        "suspensions": change.suspensions,
        "reinstatements": change.reinstatements,
        "vanished": change.vanished,
        "returned": change.returned,
        "forgotten": change.forgotten,
    }


def believed(known: Known, change: Difference, why: Iterable[Reason]) -> Mapping[str, Any]:
    """The statuses that are told while the difference is held back: of known pools that no reason
    touches, and which no unit comes to or goes from, as that is not taken over.

    Args:
        why: all of the reasons.
    """
    touched: set[str] = set()
    for one in why:
        if not one.pools:
            return {}
        touched.update(one.pools)
    for key, row in change.units.items():
        was = known.units.get(key)
        if row is None or was is None or was.pool != row.pool or was.gone < row.gone:
            touched |= {unit.pool for unit in (was, row) if unit is not None}
    return {
        key: told
        for key, told in change.statuses.items()
        if key in known.pools and key not in touched
    }


def _codes(why: Iterable[Reason]) -> set[str]:
    return {one.code for one in why}
