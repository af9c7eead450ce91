"""What aggregation says, over HTTP and as JSON of commands. Moments are in ISO 8601, ages in
seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from csid.moments import iso
from gateway.systems.aggregation.asked import Page
from gateway.systems.aggregation.exchange import Kept, rows_of
from gateway.systems.aggregation.history import Point, Sums
from gateway.systems.aggregation.known import Polled, Pool, Settings
from gateway.systems.aggregation.live import Said
from gateway.systems.aggregation.picture import Group, Parts, picture, whole
from gateway.systems.aggregation.quarantine import REFUSED, Held


class Amount(msgspec.Struct):
    """An amount, and what becomes of it (`picture.Parts`)."""

    total: float
    free: float
    used: float
    failed: float
    maintenance: float
    gone: float
    unknown: float


class Counted(msgspec.Struct):
    """A group of a picture; `unknown` are resources without a status that holds; `sources` where it
    was read, or which regions have told it.
    """

    by: dict[str, str]
    resources: int
    unknown: int
    amounts: dict[str, Amount]
    pflops: dict[str, Amount]
    oldest: str | None
    newest: str | None
    oldest_age: float | None
    newest_age: float | None
    sources: list[str]
    more_sources: int


class Picture(msgspec.Struct):
    """What there is at a time."""

    at: str
    total: Counted
    items: list[Counted]


class Use(msgspec.Struct):
    """What became of an amount: on average, and by its minutes (chip-minutes)."""

    total: float
    free: float
    used: float
    out: float
    unknown: float
    minutes: dict[str, float]
    utilisation: float | None


class Span(msgspec.Struct):
    """A row of the history; `minutes` says how many of its minutes were taken."""

    at: str
    minutes: int
    by: dict[str, str]
    resources: float
    units: float
    chips: Use
    vcpu: Use


class Past(msgspec.Struct):
    """What was in a time."""

    step: str
    items: list[Span]


class Neighbour(msgspec.Struct):
    """The picture of another region, and who has told it; of a stale one only totals are known."""

    region: str
    source: str
    at: str | None
    age: float | None
    until: str | None
    stale: bool
    total: Counted
    items: list[Counted]


class Neighbours(msgspec.Struct):
    """The pictures of other regions, and how the exchange with the nation goes."""

    region: str
    upward: bool
    exchanged: str | None
    why: str
    items: list[Neighbour]


class HeldBack(msgspec.Struct):
    """What is held back of a source."""

    digest: str
    verdict: str
    since: str | None
    seen: str | None
    reasons: list[dict[str, str]]
    counts: dict[str, int]


class Source(msgspec.Struct):
    """A source and how it is; nothing of its credentials."""

    name: str
    kind: str
    owner: str
    location: str
    state: str
    polled: str | None
    taken: str | None
    age: float | None
    units: int
    pools: int
    registered: int
    held: HeldBack | None
    error: str


class Sources(msgspec.Struct):
    """All sources."""

    items: list[Source]


class Unit(msgspec.Struct):
    """A unit as its source has said it; of what does not hold any more, nothing is free."""

    unit: str
    name: str
    pool: str | None
    identifier: str | None
    chip: str
    group: str
    health: str | None
    why: str
    total: dict[str, float]
    free: dict[str, float] | None


class Units(msgspec.Struct):
    """What a source has said; `after`: behind which key it goes on."""

    taken: str | None
    age: float | None
    until: str | None
    whole: bool
    units: int
    items: list[Unit]
    after: str | None


def counted(one: Group, now: int) -> Counted:
    """A group as it is said."""
    figures = one.figures
    return Counted(
        dict(one.by),
        figures.resources,
        figures.unknown,
        {kind: _amount(parts) for kind, parts in figures.amounts.items()},
        {letter: _amount(parts) for letter, parts in figures.pflops.items()},
        moment(figures.oldest),
        moment(figures.newest),
        age(figures.oldest, now),
        age(figures.newest, now),
        list(one.sources),
        one.more,
    )


def _amount(parts: Parts) -> Amount:
    return Amount(*map(plain, parts))


def span(one: Point) -> Span:
    """A row of the history as it is said."""
    sums, minutes = one.sums, one.minutes
    return Span(
        iso(one.at / 1_000),
        minutes,
        dict(one.by),
        _average(sums.resources, minutes),
        _average(sums.units, minutes),
        _use("chips", sums, minutes),
        _use("vcpu", sums, minutes),
    )


def _use(kind: str, sums: Sums, minutes: int) -> Use:
    names = ("total", "free", "used", "out", "unknown")
    found = {name: getattr(sums, f"{kind}_{name}") for name in names}
    usable = found["free"] + found["used"]
    return Use(
        **{name: _average(value, minutes) for name, value in found.items()},
        minutes={name: plain(value) for name, value in found.items()},
        utilisation=round(found["used"] / usable, 4) if usable else None,
    )


def _average(value: float, minutes: int) -> float:
    return plain(value / minutes) if minutes else 0


def neighbour(one: Kept, now: int) -> Neighbour:
    """The picture of another region, by type and chip."""
    rows = rows_of(one, now)
    return Neighbour(
        one.region,
        one.source,
        moment(one.at),
        age(one.at, now),
        moment(one.until),
        now >= one.until,
        counted(whole(rows), now),
        [counted(each, now) for each in picture(rows, ("type", "chip"), {})],
    )


def source(
    one: Settings, pools: Iterable[Pool], polled: Polled, held: Held | None, now: int
) -> Source:
    """A source as it is said."""
    found = list(pools)
    return Source(
        one.name,
        one.kind,
        one.owner,
        one.location,
        state_of(one, polled, held),
        moment(polled.at),
        moment(polled.taken),
        age(polled.taken, now),
        polled.units,
        len(found),
        sum(pool.done is not None for pool in found),
        None if held is None else held_back(held),
        polled.error,
    )


def state_of(one: Settings, polled: Polled, held: Held | None) -> str:
    """How a source is, in a word."""
    if one.paused:
        return "paused"
    if polled.failures:
        return "failing"
    if held is not None:
        return "refused" if held.verdict == REFUSED else "held"
    return "ok" if polled.at else "new"


def held_back(held: Held) -> HeldBack:
    """What is held back, as it is said."""
    return HeldBack(
        held.digest,
        held.verdict,
        moment(held.since),
        moment(held.seen),
        [{"rule": one.code, "text": one.text} for one in held.reasons],
        held.counts,
    )


def units(said: Said, pools: Mapping[str, Pool], page: Page, now: int) -> Units:
    """What a source has said of its units."""
    fresh = now < said.until
    found = sorted((one for one in said.units if one.key > page.after), key=lambda one: one.key)
    items = []
    for one in found[: page.limit]:
        pool = pools.get(one.pool)
        items.append(
            Unit(
                one.key,
                one.name,
                one.pool or None,
                pool.identifier if pool is not None else None,
                one.chip,
                one.group,
                one.health if fresh else None,
                one.why,
                one.total,
                one.free if fresh else None,
            )
        )
    return Units(
        moment(said.taken),
        age(said.taken, now),
        moment(said.until),
        said.whole,
        len(said.units),
        items,
        items[-1].unit if len(found) > page.limit else None,
    )


def moment(milliseconds: int) -> str | None:
    """A moment in ISO 8601; None for none."""
    return iso(milliseconds / 1_000, "milliseconds") if milliseconds else None


def age(milliseconds: int, now: int) -> float | None:
    """Seconds since a moment; None for none."""
    return max(0, now - milliseconds) / 1_000 if milliseconds else None


def plain(value: float) -> float:
    """A number without the noise of its sums."""
    rounded = round(value, 6)
    return int(rounded) if rounded == int(rounded) else rounded
