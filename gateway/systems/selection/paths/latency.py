"""How long it takes from one place to another and back (RTT), in milliseconds: measured where a
probe or a line says so, else estimated from the distance; always a range, always marked which.

Light in fibre goes 204 km a millisecond. Over 182 pairs of cloud regions what was measured was
1.4, 2.1 and 3.0 times the ideal at p10, p50 and p90; to that comes what the ends themselves take.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.systems.selection.paths.places import Floats, Places, area, locate, places

KM_PER_MS: Final = 204.0  # of light in fibre
LIGHT: Final = 299.792458  # km per ms, of light in nothing at all
FACTORS: Final = (1.4, 2.1, 3.0)  # of the ideal, at p10, p50, p90
ENDS_MS: Final = (0.0, 0.5, 4.0)  # what the ends take at least, in the middle, at most
IDEAL: Final = 2 / KM_PER_MS  # ms per km, there and back
STALE_MS: Final = 86_400_000  # a measurement that is older is not believed any more
AHEAD_MS: Final = 300_000  # that the clock of whoever measures may be ahead of ours
LOSS_MAX: Final = 0.5  # of which so much or more is lost, nobody can count on
FOREVER: Final = float("inf")
CIRCLES: Final = (1.0, 5.0, 20.0)  # ms: city, region, between hubs

UNKNOWN, ESTIMATED, MEASURED = range(3)
MARKS: Final = ("unknown", "estimated", "measured")
# Whether something lies in a circle.
NOT_KNOWN, BEYOND, HARDLY, PROBABLY, WITHIN = range(-1, 4)
CERTAINTY: Final = {
    NOT_KNOWN: "unknown",
    BEYOND: "beyond",
    HARDLY: "hardly",
    PROBABLY: "probably",
    WITHIN: "within",
}


class Measured(NamedTuple):
    """What was measured between two places, whichever is first; times of round trips in ms.

    Attributes:
        taken: Unix milliseconds.
        by: who measured it: a probe, the provider of a line.
        loss: share of what was sent, 0 to 1; median and p90 are of all that was sent.
        line: of which dedicated line it is said; empty: the public internet.
    """

    one: str
    other: str
    median: float
    p90: float
    taken: int
    by: str
    loss: float = 0.0
    line: str = ""


class Rtt(NamedTuple):
    """Round-trip times from one place to many, in ms, each (n,): NaN where they are unknown.

    Attributes:
        low, middle, high: p10, p50, p90 of what is to be expected; of what was measured, the
            median twice and p90.
        mark: UNKNOWN, ESTIMATED or MEASURED.
        until: Unix ms, from when on some of what was measured is believed no more.
    """

    low: Floats
    middle: Floats
    high: Floats
    mark: NDArray[np.uint8]
    until: float = FOREVER


class Between(NamedTuple):
    """The same of two places, with what it rests on.

    Attributes:
        mark: one of MARKS.
        measured: what was measured and is believed.
        stale: what was measured last and is too old to be believed.
    """

    low: float
    middle: float
    high: float
    mark: str
    measured: Measured | None = None
    stale: Measured | None = None


class Measuring(Protocol):
    """What was measured, found by either end."""

    def of(self, end: str) -> Iterable[tuple[str, Measured]]:
        """What was measured from a place: to which, and what."""
        ...

    def between(self, one: str, other: str) -> Iterable[Measured]:
        """What was measured between two places, whichever is first."""
        ...


class Together(NamedTuple):
    """What was measured in several ways, such as on lines and over the public internet."""

    some: tuple[Measuring, ...]

    def of(self, end: str) -> Iterator[tuple[str, Measured]]:
        """What was measured from a place: to which, and what."""
        for one in self.some:
            yield from one.of(end)

    def between(self, one: str, other: str) -> Iterator[Measured]:
        """What was measured between two places, whichever is first."""
        for each in self.some:
            yield from each.between(one, other)


class Measures:
    """What was measured, found by either end: the newest of each pair, line and who measures."""

    def __init__(self, some: Iterable[Measured] = ()) -> None:
        newest: dict[tuple[str, str, str, str], Measured] = {}
        for one in some:
            key = min(one.one, one.other), max(one.one, one.other), one.line, one.by
            if key not in newest or newest[key].taken < one.taken:
                newest[key] = one
        self._by_end: dict[str, dict[str, list[Measured]]] = {}
        for one in newest.values():
            for here, there in {(one.one, one.other), (one.other, one.one)}:
                self._by_end.setdefault(here, {}).setdefault(there, []).append(one)

    def of(self, end: str) -> list[tuple[str, Measured]]:
        """What was measured from a place: to which, and what."""
        found = self._by_end.get(end, {})
        return [(other, one) for other, some in found.items() for one in some]

    def between(self, one: str, other: str) -> list[Measured]:
        """What was measured between two places, whichever is first."""
        return self._by_end.get(one, {}).get(other, [])


NOTHING: Final = Measures()


def counts(one: Measured, now: int, stale: int = STALE_MS) -> bool:
    """Whether what was measured is believed: it is not too old, and not yet to come, as from a
    clock that was set right since; and not so much was lost that nobody can count on it.
    """
    return now - stale <= one.taken <= now + AHEAD_MS and one.loss < LOSS_MAX


def rtt_from(
    to: Places, origin: str, measured: Measuring = NOTHING, now: int = 0, stale: int = STALE_MS
) -> Rtt:
    """Round-trip times from a place to many.

    What was measured of a city counts for its districts as well, with a wider range, unless
    something was measured of the district itself. Of several the quickest counts. Nothing is
    quicker than light.

    Args:
        to: where to.
        origin: a location code.
        now: Unix milliseconds, against which the age of measurements counts.
        stale: ms after which they are not believed.
    """
    distance, radius = to.distances(origin)
    apart = to.radii + radius
    found = estimate(distance, apart)
    floor = least(distance, apart)
    until = FOREVER
    for known in sorted(_known(to, origin, measured, now, stale), key=_Known.rank):
        _put(found, known, floor)
        until = min(until, known.one.taken + stale + 1)
    return found._replace(until=until)


def least(distance: Floats, apart: Floats) -> Floats:
    """The round-trip times in ms that nothing is faster than, (n,): that of light over a distance
    in km, which may be twice as much shorter as ``apart`` says, because nine tenths of what is said
    to lie in a place lie within its radius; 0 where the distance is unknown.
    """
    return np.nan_to_num(2 * np.maximum(distance - 2 * apart, 0.0) / LIGHT)


def estimate(distance: Floats, apart: Floats) -> Rtt:
    """What is to be expected at distances, (n,), in km, each of which may be as much shorter or
    longer as ``apart`` says. NaN where they are unknown.
    """
    low = FACTORS[0] * IDEAL * np.maximum(distance - apart, 0.0)
    middle = FACTORS[1] * IDEAL * distance + ENDS_MS[1]
    high = FACTORS[2] * IDEAL * (distance + apart) + ENDS_MS[2]
    return Rtt(low, middle, high, np.where(np.isnan(distance), UNKNOWN, ESTIMATED).astype(np.uint8))


class _Known(NamedTuple):
    """What was measured, and for which places it counts.

    Attributes:
        exact: 2 if it is of the two places, 1 or 0 if of the city of one or of both.
        at: the index of one place, or of those of a city.
        wider: ms by which the range is wider.
    """

    exact: int
    one: Measured
    at: int | NDArray[np.intp]
    wider: float

    def rank(self) -> tuple[int, float, str]:
        """The more exact and the quicker, the later it is put in."""
        return self.exact, -self.one.median, self.one.by


def _put(found: Rtt, known: _Known, floor: Floats) -> None:
    """Put in what was measured, and nothing that is quicker than light."""
    one, at, wider = known.one, known.at, known.wider
    found.low[at] = np.maximum(max(0.0, one.median - wider), floor[at])
    found.middle[at] = np.maximum(one.median, floor[at])
    found.high[at] = np.maximum(one.p90 + wider, floor[at])
    found.mark[at] = MEASURED


def _known(to: Places, origin: str, measured: Measuring, now: int, stale: int) -> Iterator[_Known]:
    """What was measured that counts."""
    for end in dict.fromkeys((origin, area(origin))):
        here, at_origin = 0.0 if end == origin else _across(end), int(end == origin)
        for other, one in measured.of(end):
            if not counts(one, now, stale):
                continue
            exact = to.find(other)
            if exact is not None:
                yield _Known(1 + at_origin, one, exact, here)
            if other in to.inside:
                yield _Known(at_origin, one, to.inside[other], here + _across(other))


def _across(city: str) -> float:
    """The ms that it may take at most from the middle of a city to where something in it lies."""
    at = locate(city)
    return FACTORS[2] * IDEAL * (at.radius if at else 0.0)


def between(
    one: str, other: str, measured: Measuring = NOTHING, now: int = 0, stale: int = STALE_MS
) -> Between:
    """The round-trip time between two places, with what it rests on."""
    told = about(one, other, measured)
    to, known = places([other]), Measures(told)
    low, middle, high, mark, _ = rtt_from(to, one, known, now, stale)
    ranked = sorted(_known(to, one, known, now, stale), key=_Known.rank)
    used = ranked[-1].one if ranked else None
    last = max(told, key=lambda what: what.taken, default=None) if used is None else None
    return Between(float(low[0]), float(middle[0]), float(high[0]), MARKS[mark[0]], used, last)


def about(one: str, other: str, measured: Measuring) -> list[Measured]:
    """What was measured between two places, and between the cities that they lie in."""
    return [
        told
        for here in dict.fromkeys((one, area(one)))
        for there in dict.fromkeys((other, area(other)))
        for told in measured.between(here, there)
    ]


def least_between(one: str, other: str) -> float:
    """The round-trip time between two places in ms that nothing is faster than (`least`); 0 if
    nobody knows where they are.
    """
    to = places([other])
    distance, radius = to.distances(one)
    return float(least(distance, to.radii + radius)[0])


def within(rtt: Rtt, circle: float) -> NDArray[np.int8]:
    """Whether what is there lies in a circle of so many ms, (n,): WITHIN if the high end of the
    range does, PROBABLY if its middle, HARDLY if less is not excluded, BEYOND if light in fibre, or
    what was measured, is slower; NOT_KNOWN.
    """
    least = np.where(rtt.mark == ESTIMATED, rtt.low / FACTORS[0], rtt.low)
    return np.select(
        [np.isnan(rtt.middle), rtt.high <= circle, rtt.middle <= circle, least <= circle],
        [NOT_KNOWN, WITHIN, PROBABLY, HARDLY],
        BEYOND,
    ).astype(np.int8)
