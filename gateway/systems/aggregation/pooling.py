"""Units put together where they are alike. Pure.

Alike is what has the same model and number of chips, the same architecture and group, and of which
the capability class of an identifier (`csid.capability`) says the same of processors and memory.
What a pool is called depends on these alone: not on how many units there are, which of them, in
which order or how much of them is free. A unit that is known stays where it is while what it says
is about what it said, so that nothing moves because a node has booted with another kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from csid import accelerators
from gateway.systems.aggregation import readings
from gateway.systems.aggregation.known import (
    ACTIVE,
    DAY_MILLISECONDS,
    SUSPENDED,
    Amounts,
    Pool,
    Unit,
)
from gateway.systems.aggregation.readings import CHIPS, MEMORY_GIB, VCPU

NEAR: Final = 0.1  # of memory and processors, within which a unit is what it was
CHIP_MEMORY_NEAR: Final = 0.15  # of that of a chip, of which drivers keep some for themselves
TEXT_MAX: Final = 100  # characters of names, models and groups
UNSEEN_GRACES: Final = 3  # for how many a unit may be missing where nothing is read as a whole
EMPTY_MAX: Final = 1_000  # suspended pools of a source that are kept for units that come back
_KEY_OCTETS: Final = 16
_AMOUNT_MAX: Final = 10**9  # of anything that one unit has
ARCHITECTURES: Final[Mapping[str, str]] = {  # -> chip family of its processors
    "x86_64": "X6",
    "amd64": "X6",
    "aarch64": "R8",
    "arm64": "R8",
    "loongarch64": "L6",
    "loong64": "L6",
    "riscv64": "V6",
    "sw_64": "S1",
    "ppc64le": "P9",
    "s390x": "Z8",
}
_ARCHITECTURE_LABELS: Final = ("arch", "architecture", "kubernetes.io/arch")
_pack: Final = msgspec.msgpack.Encoder().encode


class Traits(NamedTuple):
    """What units of a pool have in common.

    Attributes:
        chip: the model, as the table of accelerators has it, or as the source has it; or empty.
        chips: of one unit, a whole number or not.
        chip_memory_gib: of one chip; 0 where it is not known.
        vcpu, memory: steps of the capability class.
        architecture: chip family of the processors; empty where it is not known.
        group: as the source has it.
        unit: the key of the only unit, where each has an identifier; else empty.
    """

    chip: str
    chips: float
    chip_memory_gib: float
    vcpu: int
    memory: int
    architecture: str
    group: str
    unit: str = ""


class Found(NamedTuple):
    """A unit as it is to be kept, and the traits of a pool that is not known yet."""

    unit: Unit
    traits: Traits | None


def place(unit: readings.Unit, kept: Unit | None, each: bool, now: int, grace: int) -> Found:
    """Where a unit belongs.

    Args:
        kept: as it is known; None if it is not.
        each: it has an identifier of its own.
        now, grace: Unix milliseconds, and for how long a unit may have less than it had before it
            counts as another.
    """
    unit = _trimmed(unit)
    chips, vcpu = amount(unit.total, CHIPS), amount(unit.total, VCPU)
    memory = amount(unit.total, MEMORY_GIB)
    if kept is not None:
        if _is_as_it_was(unit, kept, chips, vcpu, memory):
            if kept.gone or kept.less or kept.unseen or unit.name != kept.name:
                kept = msgspec.structs.replace(kept, gone=0, less=0, unseen=0, name=unit.name)
            return Found(kept, None)
        if _has_less(unit, kept, chips, vcpu, memory):
            less = kept.less or now
            if now - less < grace:
                if kept.gone or kept.unseen or not kept.less:
                    kept = msgspec.structs.replace(kept, gone=0, unseen=0, less=less)
                return Found(kept, None)
    traits = traits_of(unit, each)
    made = Unit(
        key_of(traits),
        unit.name,
        unit.chip,
        chips,
        vcpu,
        memory,
        traits.chip_memory_gib,
        unit.group,
    )
    return Found(made, traits)


def missed(kept: Unit, whole: bool, now: int, grace: int) -> Unit | None:
    """A known unit that was not named; None where it is forgotten.

    Args:
        whole: all was read. Otherwise that counts only after three times the grace, and no less
            than a day: a source that is never wholly read would have ever more units.
        now, grace: Unix milliseconds, and for how long it is only marked.
    """
    now = max(1, now)
    longest = max(UNSEEN_GRACES * grace, DAY_MILLISECONDS)
    if not whole and not (kept.unseen and now - kept.unseen >= longest):
        return kept if kept.unseen else msgspec.structs.replace(kept, unseen=now)
    if not kept.gone:
        return msgspec.structs.replace(kept, gone=now)
    return None if now - kept.gone >= grace else kept


def emptied(kept: Pool, left: bool, now: int, grace: int) -> Pool:
    """A known pool without units.

    Those that were missed had their grace. Where they have gone to other pools the pool has its
    own, as they may come back; unless it is not registered, and has nothing to lose.

    Args:
        left: units have just gone to other pools.
        now, grace: Unix milliseconds, and for how long it stays as it is then.
    """
    waits = left or (kept.emptied and now - kept.emptied < grace)
    if not kept.emptied:
        kept = msgspec.structs.replace(kept, emptied=max(1, now))
    if kept.state == ACTIVE and (kept.done is None or not waits):
        kept = msgspec.structs.replace(kept, state=SUSPENDED, refusal="")
    return kept


def too_many(empty: Mapping[str, Pool]) -> list[str]:
    """The keys of pools without units that are forgotten: all but so many of those that the
    registry has suspended. Those are kept for units that come back: they are empty least long.
    """
    settled = [
        (one.emptied, key)
        for key, one in empty.items()
        if one.state == SUSPENDED and not one.is_owed
    ]
    return [key for _, key in sorted(settled)[: max(0, len(settled) - EMPTY_MAX)]]


def amounts_of(named: Mapping[str, readings.Unit], units: Mapping[str, Unit]) -> Amounts:
    """What units have now: as was said, or as it was of those that were only not read."""
    there = []
    for key, kept in units.items():
        if key in named:
            said = (amount(named[key].total, kind) for kind in (CHIPS, VCPU, MEMORY_GIB))
            there.append((1.0, *said))
        elif not kept.gone:
            there.append((1.0, kept.chips, kept.vcpu, kept.memory_gib))
    return Amounts(*map(math.fsum, zip(*there, strict=True)))


def _trimmed(unit: readings.Unit) -> readings.Unit:
    """The same with texts that are not too long to be kept."""
    longest = max(len(unit.name), len(unit.chip), len(unit.group))
    if longest <= TEXT_MAX:
        return unit
    return unit._replace(
        name=unit.name[:TEXT_MAX], chip=unit.chip[:TEXT_MAX], group=unit.group[:TEXT_MAX]
    )


def traits_of(unit: readings.Unit, each: bool) -> Traits:
    """What a unit has in common with those that are like it."""
    chips = amount(unit.total, CHIPS)
    chip, memory = "", 0.0
    if chips:
        chip, memory = _chip_of(unit.chip, _sane(unit.chip_memory_gib))
    if each:
        return Traits(chip, chips, memory, 0, 0, "", "", unit.key)
    return Traits(
        chip,
        chips,
        memory,
        _step(amount(unit.total, VCPU), 10, 10),
        _step(amount(unit.total, MEMORY_GIB), 1, 2),
        architecture_of(unit.labels),
        unit.group,
    )


def key_of(traits: Traits) -> str:
    """The key of the pool of units with these traits. One unit's own is its key's alone, so that it
    keeps its name when it gets other chips.
    """
    named = ("unit", traits.unit) if traits.unit else ("pool", *traits)
    return blake2b(_pack(named), digest_size=_KEY_OCTETS).hexdigest()


def members(units: Iterable[Unit]) -> dict[str, list[Unit]]:
    """Units by the keys of their pools."""
    found: dict[str, list[Unit]] = {}
    for one in units:
        found.setdefault(one.pool, []).append(one)
    return found


def architecture_of(labels: Mapping[str, str]) -> str:
    """The chip family of the processors, as the labels of a unit say it; empty if they do not."""
    for name in _ARCHITECTURE_LABELS:
        if name in labels:
            return ARCHITECTURES.get(labels[name].lower(), "")
    return ""


def amount(of: Mapping[str, float], kind: str) -> float:
    """How much of a kind there is: what is no amount is nothing."""
    return _sane(of.get(kind, 0))


def _sane(value: float) -> float:
    return value if 0 < value <= _AMOUNT_MAX else 0  # and NaN


@lru_cache(4_096)
def _chip_of(name: str, memory_gib: float) -> tuple[str, float]:
    known = accelerators.find(name, memory_gib)
    model = known.model if known is not None else " ".join(name.upper().split())
    return model, accelerators.memory_of(known, memory_gib)


@lru_cache(4_096)
def _step(value: float, steps: int, base: int) -> int:
    return max(0, round(steps * math.log(value, base))) if value > 0 else 0


def _is_as_it_was(
    unit: readings.Unit, kept: Unit, chips: float, vcpu: float, memory: float
) -> bool:
    return (
        chips == kept.chips
        and unit.chip == kept.chip
        and unit.group == kept.group
        and _near(vcpu, kept.vcpu)
        and _near(memory, kept.memory_gib)
        and (
            not unit.chip_memory_gib  # nobody says, or nobody did
            or not kept.chip_memory_gib
            or _near(unit.chip_memory_gib, kept.chip_memory_gib, CHIP_MEMORY_NEAR)
        )
    )


def _has_less(unit: readings.Unit, kept: Unit, chips: float, vcpu: float, memory: float) -> bool:
    """Whether it is what it was but for what is missing: a card that fell off, say."""
    return (
        unit.group == kept.group
        and (unit.chip == kept.chip or not unit.chip)
        and chips <= kept.chips
        and vcpu <= kept.vcpu * (1 + NEAR)
        and memory <= kept.memory_gib * (1 + NEAR)
    )


def _near(value: float, before: float, share: float = NEAR) -> bool:
    return abs(value - before) <= share * before
