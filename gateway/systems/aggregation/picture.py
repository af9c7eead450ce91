"""The picture of a region (全域算力资源感知): what compute there is, and how much of it can be
had, by what it is and where. Pure.

    total = free + used + failed + maintenance + gone + unknown        of each amount

What a source has said holds as long as the status that was told of it. What is past that is
unknown, whatever it was: nothing is counted free because it once was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from csid.errors import IdentifierError
from csid.identifier import parse
from csid.status import UNKNOWN
from gateway.systems.aggregation import known, readings
from gateway.systems.aggregation.pooling import amount
from gateway.systems.aggregation.readings import CHIPS, MEMORY_GIB, VCPU

UNITS: Final = "units"
AMOUNTS: Final = (UNITS, CHIPS, VCPU, MEMORY_GIB)
# What a picture may be grouped by, and what its groups may be chosen by.
DIMENSIONS: Final = (
    "region",
    "province",
    "prefecture",
    "place",
    "type",
    "chip",
    "owner",
    "industry",
    "state",
    "status",
    "source",
)
BY_MAX: Final = 2  # dimensions at once
AHEAD_MS: Final = 60_000  # by which a clock may have been ahead, and what it has seen holds
_FLOPS: Final = 1e6  # GFLOPS of one PFLOPS


class Parts(NamedTuple):
    """An amount, and what becomes of it.

    Attributes:
        free: what can be had.
        used: what is in use, of units that work.
        failed, maintenance: what can be neither, and why; a drained unit is in maintenance.
        gone: of units that their source names no more.
        unknown: of which nothing is known that still holds, or not how much is in use.
    """

    total: float = 0
    free: float = 0
    used: float = 0
    failed: float = 0
    maintenance: float = 0
    gone: float = 0
    unknown: float = 0

    def times(self, factor: float) -> Parts:
        """So many of it."""
        return Parts(*(factor * one for one in self))

    @property
    def as_unknown(self) -> Parts:
        """The same once nothing is known of it."""
        return Parts(self.total, unknown=self.total)


class Figures(msgspec.Struct, frozen=True):
    """What there is.

    Attributes:
        resources: how many (pools); `unknown`: of these, without a status that holds.
        amounts: by AMOUNTS.
        pflops: nominal PFLOPS by letter of their precision (of N POPS), as their chips are.
        oldest, newest: of the statuses they rest on, Unix milliseconds; 0 if there is none.
    """

    resources: int = 0
    unknown: int = 0
    amounts: dict[str, Parts] = {}
    pflops: dict[str, Parts] = {}
    oldest: int = 0
    newest: int = 0

    @property
    def as_unknown(self) -> Figures:
        """The same once nothing is known of it: only what there is."""
        return Figures(
            self.resources,
            self.resources,
            {kind: one.as_unknown for kind, one in self.amounts.items()},
            {letter: one.as_unknown for letter, one in self.pflops.items()},
        )


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """What was said of a pool last: from when until when that holds (Unix milliseconds), the word
    of its status, its amounts.
    """

    taken: int
    until: int
    word: str
    amounts: dict[str, Parts]


class Row(NamedTuple):
    """Something that is counted: what it is by DIMENSIONS, and its figures."""

    what: Mapping[str, str]
    figures: Figures


def together(each: Iterable[Figures]) -> Figures:
    """The figures of all together."""
    found = list(each)
    times = [(one.oldest, one.newest) for one in found if one.newest]
    return Figures(
        sum(one.resources for one in found),
        sum(one.unknown for one in found),
        summed(one.amounts for one in found),
        summed(one.pflops for one in found),
        min((oldest for oldest, _ in times), default=0),
        max((newest for _, newest in times), default=0),
    )


def summed(each: Iterable[Mapping[str, Parts]]) -> dict[str, Parts]:
    """Amounts by kind, of all together."""
    found: dict[str, list[Parts]] = {}
    for one in each:
        for kind, parts in one.items():
            found.setdefault(kind, []).append(parts)
    return {
        kind: Parts(*map(math.fsum, zip(*parts, strict=True)))
        for kind, parts in sorted(found.items())
    }


# -- one pool


def row_of(
    source: known.Settings, pool: known.Pool, seen: Seen | None, region: str, now: int
) -> Row:
    """A pool as it is counted at a time (Unix milliseconds)."""
    fresh = seen is not None and seen.taken <= now + AHEAD_MS and now < seen.until
    what = {
        "region": region,
        **places_of(source.location),
        "owner": source.owner,
        "industry": source.industry,
        "type": source.type,
        "chip": str(pool.wanted.get("chip", "")),
        "state": state_of(pool),
        "status": seen.word if fresh and seen is not None else UNKNOWN,
        "source": source.name,
    }
    try:
        of = parse(pool.identifier)
        what |= {"type": of.type, "owner": of.owner, "industry": of.industry}
        what |= places_of(of.location)
    except IdentifierError:  # of an older table of codes
        pass
    return Row(what, _figures_of(pool, seen, fresh))


def places_of(location: str) -> dict[str, str]:
    """County, prefecture and province of a code of a place (GB/T 2260)."""
    return {
        "place": location,
        "prefecture": f"{location[:4]}00",
        "province": f"{location[:2]}0000",
    }


def state_of(pool: known.Pool) -> str:
    """What the registry has made of a pool."""
    if pool.done is None:
        return "refused" if pool.refusal else "proposed"
    return pool.done_state or pool.state


def _figures_of(pool: known.Pool, seen: Seen | None, fresh: bool) -> Figures:
    facts = pool.wanted
    gflops: Mapping[str, float] = facts.get("gflops", {})
    if seen is None:
        amounts = {kind: Parts(total).as_unknown for kind, total in _declared(facts).items()}
    elif fresh:
        amounts = seen.amounts
    else:
        amounts = {kind: one.as_unknown for kind, one in seen.amounts.items()}
    chips, count = amounts.get(CHIPS, Parts()), facts.get("count", 0)
    # Nominal figures are of all chips that are registered: so much each.
    pflops = {
        letter: chips.times(rate / _FLOPS / count) for letter, rate in gflops.items() if count
    }
    taken = seen.taken if fresh and seen is not None else 0
    return Figures(1, int(not fresh), amounts, pflops, taken, taken)


def _declared(facts: known.Facts) -> dict[str, float]:
    units = facts.get("extra", {}).get("nodes", 1)
    said = {UNITS: units, CHIPS: facts.get("count", 0)}
    said |= {VCPU: facts.get("vcpu", 0), MEMORY_GIB: facts.get("memory_gib", 0)}
    return {kind: float(value) for kind, value in said.items() if value}


def amounts_of(
    units: Mapping[str, known.Unit], named: Mapping[str, readings.Unit]
) -> dict[str, Parts]:
    """What there is of a pool's units, by their keys.

    Args:
        named: what the source says of them; one that is not gone, and yet not named, is of a part
            that was not read.
    """
    found = summed(_of_unit(kept, named.get(key)) for key, kept in units.items())
    return {kind: parts for kind, parts in found.items() if parts.total}


def _of_unit(kept: known.Unit, said: readings.Unit | None) -> dict[str, Parts]:
    had = {CHIPS: kept.chips, VCPU: kept.vcpu, MEMORY_GIB: kept.memory_gib}
    if kept.gone or said is None:
        whole = {UNITS: 1.0, **had}
        if kept.gone:
            return {kind: Parts(total, gone=total) for kind, total in whole.items()}
        return {kind: Parts(total, unknown=total) for kind, total in whole.items()}
    amounts = {}
    for kind, before in had.items():
        has = amount(said.total, kind)
        lost = max(0.0, before - has) if kept.less else 0.0  # a card that fell off, say
        free = min(amount(said.free, kind), has)
        parts = _split(has, free, said)
        if lost:
            parts = parts._replace(total=has + lost, failed=parts.failed + lost)
        amounts[kind] = parts
    first = amounts[CHIPS if kept.chips else VCPU]
    return {UNITS: _split(1.0, float(first.free > 0), said), **amounts}


def _split(total: float, free: float, said: readings.Unit) -> Parts:
    """What is not free is in use, unless the unit cannot be used, or nobody says."""
    rest = total - free
    if said.health == "failed":
        return Parts(total, free, failed=rest)
    if said.health == "maintenance":
        return Parts(total, free, maintenance=rest)
    return Parts(total, free, rest) if said.is_known else Parts(total, free, unknown=rest)
