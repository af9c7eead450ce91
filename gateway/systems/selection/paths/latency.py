"""How long it takes from one place to another and back (RTT), in milliseconds: measured where a
probe or a line says so, else estimated from the distance; always a range, always marked which.

Light in fibre goes 204 km a millisecond. Over 182 pairs of cloud regions what was measured was
1.4, 2.1 and 3.0 times the ideal at p10, p50 and p90; to that comes what the ends themselves take.
"""

from __future__ import annotations

from collections.abc import Iterable
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
        loss: share of what was sent, 0 to 1.
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
    """

    low: Floats
    middle: Floats
    high: Floats
    mark: NDArray[np.uint8]


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

    def of(self, end: str) -> list[tuple[str, Measured]]:
        """What was measured from a place: to which, and what."""
        ...


class Together(NamedTuple):
    """What was measured in several ways, such as on lines and over the public internet."""

    some: tuple[Measuring, ...]

    def of(self, end: str) -> list[tuple[str, Measured]]:
        """What was measured from a place: to which, and what."""
        return [found for one in self.some for found in one.of(end)]


class Measures:
    """What was measured, found by either end: of each pair and line the newest."""

    def __init__(self, some: Iterable[Measured] = ()) -> None:
        newest: dict[tuple[str, str, str], Measured] = {}
        for one in some:
            key = min(one.one, one.other), max(one.one, one.other), one.line
            if key not in newest or newest[key].taken < one.taken:
                newest[key] = one
        self._by_end: dict[str, list[tuple[str, Measured]]] = {}
        for one in newest.values():
            self._by_end.setdefault(one.one, []).append((one.other, one))
            if one.other != one.one:
                self._by_end.setdefault(one.other, []).append((one.one, one))

    def of(self, end: str) -> list[tuple[str, Measured]]:
        """What was measured from a place: to which, and what."""
        return self._by_end.get(end, [])


NOTHING: Final = Measures()


def rtt_from(
    to: Places, origin: str, measured: Measuring = NOTHING, now: int = 0, stale: int = STALE_MS
) -> Rtt:
    """Round-trip times from a place to many.

    What was measured of a city counts for its districts as well, with a wider range, unless
    something was measured of the district itself. Of several the quickest counts.

    Args:
        to: where to.
        origin: a location code.
        now: Unix milliseconds, against which the age of measurements counts.
        stale: ms after which they are not believed.
    """
    distance, radius = to.distances(origin)
    found = estimate(distance, to.radii + radius)
    low, middle, high, mark = found
    for _exact, _median, one, index, wider in sorted(
        _known(to, origin, measured, now - stale), key=lambda known: known[:2]
    ):
        low[index] = max(0.0, one.median - wider)
        middle[index] = one.median
        high[index] = one.p90 + wider
        mark[index] = MEASURED
    return found


def estimate(distance: Floats, apart: Floats) -> Rtt:
    """What is to be expected at distances, (n,), in km, each of which may be as much shorter or
    longer as ``apart`` says. NaN where they are unknown.
    """
    low = FACTORS[0] * IDEAL * np.maximum(distance - apart, 0.0)
    middle = FACTORS[1] * IDEAL * distance + ENDS_MS[1]
    high = FACTORS[2] * IDEAL * (distance + apart) + ENDS_MS[2]
    return Rtt(low, middle, high, np.where(np.isnan(distance), UNKNOWN, ESTIMATED).astype(np.uint8))


_Known = tuple[int, float, Measured, "int | NDArray[np.intp]", float]


def _known(to: Places, origin: str, measured: Measuring, since: int) -> Iterable[_Known]:
    """What was measured that counts: the more exact and the quicker, the later it is put in."""
    for end in dict.fromkeys((origin, area(origin))):
        for other, one in measured.of(end):
            if one.taken < since:
                continue
            here = 0.0 if end == origin else _across(end)
            exact = to.find(other)
            if exact is not None:
                yield 2 if end == origin else 1, -one.median, one, exact, here
            if other in to.inside:
                some = to.inside[other]
                yield 1 if end == origin else 0, -one.median, one, some, here + _across(other)


def _across(city: str) -> float:
    """The ms that it may take at most from the middle of a city to where something in it lies."""
    at = locate(city)
    return FACTORS[2] * IDEAL * (at.radius if at else 0.0)


def between(
    one: str, other: str, measured: Measuring = NOTHING, now: int = 0, stale: int = STALE_MS
) -> Between:
    """The round-trip time between two places, with what it rests on."""
    rtt = rtt_from(places([other]), one, measured, now, stale)
    cities = {one, area(one)}, {other, area(other)}
    told = [what for end in cities[0] for far, what in measured.of(end) if far in cities[1]]
    fresh = [what for what in told if what.taken >= now - stale]
    used = next((what for what in fresh if what.median == rtt.middle[0]), None)
    last = max(told, key=lambda what: what.taken, default=None) if not fresh else None
    low, middle, high = (float(values[0]) for values in rtt[:3])
    return Between(low, middle, high, MARKS[rtt.mark[0]], used, last)


def least_between(one: str, other: str) -> float:
    """The round-trip time between two places in ms that nothing is faster than, as light takes so
    long between the nearest that may be said to lie there; 0 if nobody knows where they are.
    """
    to = places([other])
    distance, radius = to.distances(one)
    # Of what is said to lie in a place nine tenths lie within its radius.
    apart = float(distance[0] - 2 * (radius + to.radii[0]))
    return max(0.0, 2 * apart / LIGHT) if apart == apart else 0.0  # NaN: unknown


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
