"""Differences that look wrong: held back until a person has looked at them. Pure.

A difference is held back whole, for what looks wrong about a part of it is a reason to doubt the
answer, not that part: a source that was restarted half empty also says strange things of what it
still names. But what is told of pools that no reason touches goes on, so that a partition that was
added does not make all the others unknown.

    held, with its reasons  →  accepted: applied, if the source still says exactly that
                            →  refused:  not applied, and not shown again while it does
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from gateway.systems.aggregation.difference import Difference
from gateway.systems.aggregation.known import Known, Unit
from gateway.systems.aggregation.readings import CHIPS, MEMORY_GIB, VCPU, Reading

AHEAD_MILLISECONDS: Final = 60_000  # that a source's clock may be ahead of ours
HALF: Final = 0.5
FEW: Final = 4  # units, of fewer than which half may be gone
TENFOLD: Final = 10
NEW_MAX: Final = 500  # identifiers that are registered at once without anybody having looked
SHOWN_MAX: Final = 200  # items of each kind that are kept to be shown
REASONS_MAX: Final = 50
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
) -> tuple[Reason, ...]:
    """Why a difference looks wrong; empty if it does not.

    Args:
        source_of: another source that has a unit of this key; None if there is none.
    """
    found: list[Reason] = []
    ahead = reading.taken - now
    if ahead > AHEAD_MILLISECONDS:
        found.append(
            Reason("clock", f"its time is {ahead // 1_000} s ahead of ours; set one of the clocks")
        )
    found += _missing(known, reading, change)
    found += _tenfold(known, change)
    found += _of_others(known, change, source_of)
    if len(change.registrations) > NEW_MAX:
        text = f"{len(change.registrations):,} identifiers would be registered at once"
        found.append(Reason("many", text, tuple(one.key for one in change.registrations)))
    return tuple(found[:REASONS_MAX])


def _missing(known: Known, reading: Reading, change: Difference) -> Iterable[Reason]:
    there = [key for key, one in known.units.items() if not one.gone]
    if not there or not change.vanished:
        return
    if not reading.units:
        yield Reason("nothing", f"it names nothing, where it had {len(there):,} units")
        return
    missed = [one for one in known.units.values() if one.gone]
    gone = len(change.vanished) + len(missed) - len(change.returned)
    if len(known.units) >= FEW and gone >= HALF * len(known.units):
        pools = {known.units[one.key].pool for one in change.vanished}
        text = f"{gone:,} of {len(known.units):,} units are gone"
        yield Reason("gone", text, tuple(sorted(pools)))


def _tenfold(known: Known, change: Difference) -> Iterable[Reason]:
    """Capacity that is ten times what it was, or a tenth: of a unit, of the source."""
    moved = [(known.units.get(key), row) for key, row in change.units.items() if row is not None]
    for kind in _KINDS if moved else ():
        before = math.fsum(_has(one, kind) for one in known.units.values())
        more = (_has(row, kind) - (_has(was, kind) if was is not None else 0) for was, row in moved)
        after = before + math.fsum(more)
        if _is_tenfold(before, after):
            text = f"{kind} of the whole source: {before:,.0f} before, {after:,.0f} now"
            yield Reason("tenfold", text, tuple(sorted({row.pool for _, row in moved})))
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
        tuple(msgspec.structs.replace(one, pools=one.pools[:SHOWN_MAX]) for one in why),
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
    touches.
    """
    touched: set[str] = set()
    for one in why:
        if not one.pools:
            return {}
        touched.update(one.pools)
    return {
        key: told
        for key, told in change.statuses.items()
        if key in known.pools and key not in touched
    }


def _codes(why: Iterable[Reason]) -> set[str]:
    return {one.code for one in why}
