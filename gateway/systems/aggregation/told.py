"""What a status says of units: what of them can be had, in its shape, and how they are. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from csid import shape
from csid.status import Health, Told
from gateway.systems.aggregation.pooling import amount
from gateway.systems.aggregation.readings import CHIPS, MEMORY_GIB, VCPU, Unit

_USABLE: Final = frozenset({"ok", "degraded"})
_PLACES: Final = 3  # of amounts; what is below is noise


def told_of(units: Sequence[Unit], by: str) -> Told:
    """The status of a pool.

    Args:
        units: those of it that the source names.
        by: who tells.
    """
    has_chips = any(amount(one.total, CHIPS) for one in units)
    free = {
        kind: round(math.fsum(_free(one, kind) for one in units), _PLACES)
        for kind in (CHIPS, VCPU, MEMORY_GIB)
        if kind != CHIPS or has_chips
    }
    kind = CHIPS if has_chips else VCPU
    told_first = [_free(one, kind) for one in units]
    free[shape.NODES] = sum(one > 0 for one in told_first)
    shaped = shape.write(told_first, shape.NODES if has_chips else shape.VCPU)
    return Told(health_of(one.health for one in units), _load(units, kind), {**free, **shaped}, by)


def told_gone(has_chips: bool, by: str) -> Told:
    """The status of a pool of which the source names nothing any more."""
    kinds = (CHIPS, VCPU, shape.NODES) if has_chips else (VCPU, shape.NODES)
    return Told("failed", None, dict.fromkeys(kinds, 0.0), by)


def health_of(each: Iterable[Health]) -> Health:
    """How all are together: as each is, if all are alike; else degraded, while one can be used."""
    seen = set(each)
    if len(seen) == 1:
        return seen.pop()
    if seen & _USABLE:
        return "degraded"
    return "failed" if "failed" in seen else "maintenance"


def _free(unit: Unit, kind: str) -> float:
    """What can be had of a unit: never more than it has, never less than nothing."""
    return min(amount(unit.free, kind), amount(unit.total, kind))


def _load(units: Sequence[Unit], kind: str) -> float | None:
    """The share in use of what can be used; None if none of it can."""
    usable = [one for one in units if one.health in _USABLE]
    total = math.fsum(amount(one.total, kind) for one in usable)
    if not total:
        return None
    return round(1 - math.fsum(_free(one, kind) for one in usable) / total, 4)
