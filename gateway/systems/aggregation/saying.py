"""What aggregation has and knows, made into what it says (`shapes`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from csid.moments import iso
from gateway.systems.aggregation.asked import Page
from gateway.systems.aggregation.counting import Counting, Group
from gateway.systems.aggregation.exchange import Shown
from gateway.systems.aggregation.history import Point, Sums
from gateway.systems.aggregation.known import Polled, Pool, Settings
from gateway.systems.aggregation.live import Said
from gateway.systems.aggregation.picture import Parts
from gateway.systems.aggregation.quarantine import REFUSED, Held
from gateway.systems.aggregation.shapes import (
    Amount,
    Counted,
    HeldBack,
    Neighbour,
    Source,
    Span,
    Unit,
    Units,
    Use,
)

CHANGES_MAX: Final = 100  # of what is held back of a source
LISTED_MAX: Final = 20  # the same where all sources are listed


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


def neighbour(shown: Shown, now: int) -> Neighbour:
    """The picture of another region, by type and chip."""
    one, counting = shown.head, Counting([shown.at(now)], ("type", "chip"))
    return Neighbour(
        one.region,
        one.source,
        moment(one.at),
        age(one.at, now),
        moment(one.until),
        now >= one.until,
        counted(counting.whole(), now),
        [counted(each, now) for each in counting.groups()],
    )


def source(
    one: Settings,
    pools: Iterable[Pool],
    polled: Polled,
    held: Held | None,
    now: int,
    most: int = CHANGES_MAX,
) -> Source:
    """A source as it is said.

    Args:
        most: changes that are held back of it.
    """
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
        None if held is None else held_back(held, most),
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


def held_back(held: Held, most: int = CHANGES_MAX) -> HeldBack:
    """What is held back, as it is said: of each kind a part, so that many new ones hide none that
    go.
    """
    shares, left = {}, most
    fewest_first = sorted(held.changes, key=lambda kind: len(held.changes[kind]))
    for others, kind in zip(range(len(fewest_first), 0, -1), fewest_first, strict=True):
        shares[kind] = min(len(held.changes[kind]), left // others)
        left -= shares[kind]
    changes = {kind: rows[: shares[kind]] for kind, rows in held.changes.items()}
    return HeldBack(
        held.digest,
        held.verdict,
        moment(held.since),
        moment(held.seen),
        [{"rule": one.code, "text": one.text} for one in held.reasons],
        held.counts,
        changes,
        sum(held.counts.values()) - sum(map(len, changes.values())),
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
