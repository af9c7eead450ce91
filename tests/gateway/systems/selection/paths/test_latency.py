"""Latency between places: a metric where it is estimated, what was measured where it was."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.selection.paths import latency
from gateway.systems.selection.paths.latency import (
    BEYOND,
    ESTIMATED,
    HARDLY,
    MEASURED,
    NOT_KNOWN,
    PROBABLY,
    STALE_MS,
    UNKNOWN,
    WITHIN,
    Measured,
    Measures,
    between,
    least_between,
    rtt_from,
    within,
)
from gateway.systems.selection.paths.places import Place, Places, all_places, area, places
from tests.support.growth import seconds

HERE = Path(__file__).parent
NOW = 1_800_000_000_000
CODES = all_places().codes
place = st.sampled_from(CODES)
HANGZHOU, XIHU, SHANGHAI = "330100", "330106", "310000"


def measured(one: str, other: str, median: float, **more: object) -> Measured:
    values = {"p90": median * 1.2, "taken": NOW, "by": "probe-1", **more}
    return Measured(one, other, median, **values)  # type: ignore[arg-type]


@given(place, place)
def test_it_is_the_same_in_both_directions(one: str, other: str) -> None:
    assert between(one, other) == pytest.approx(between(other, one))


@given(place, place, place)
def test_a_way_around_is_estimated_no_shorter(one: str, other: str, third: str) -> None:
    direct = between(one, other).middle
    around = between(one, third).middle + between(third, other).middle
    assert direct <= around + 1e-9


@given(place)
def test_the_range_is_one_and_no_place_is_at_0(origin: str) -> None:
    rtt = rtt_from(all_places(), origin)
    assert (rtt.low >= 0).all() and (rtt.low < rtt.middle).all() and (rtt.middle < rtt.high).all()
    assert (rtt.middle > 0).all() and (rtt.mark == ESTIMATED).all()


@given(place, place)
def test_it_is_the_distance_times_the_factor(one: str, other: str) -> None:
    a, b = (latency.locate(code) for code in (one, other))
    assert a and b
    p, q = math.radians(a.latitude), math.radians(b.latitude)
    turn = math.radians(b.longitude - a.longitude)
    half = math.sin((q - p) / 2) ** 2 + math.cos(p) * math.cos(q) * math.sin(turn / 2) ** 2
    km = 2 * 6371.0088 * math.asin(min(1.0, math.sqrt(half)))
    found = between(one, other)
    assert found.middle == pytest.approx(2.1 * 2 * km / 204 + 0.5, abs=1e-3)
    assert found.high == pytest.approx(3 * 2 * (km + a.radius + b.radius) / 204 + 4, abs=1e-3)
    assert found.low == pytest.approx(1.4 * 2 * max(0, km - a.radius - b.radius) / 204, abs=1e-3)


def test_what_is_nowhere_known_is_unknown() -> None:
    rtt = rtt_from(places([XIHU, "USZZZ"]), SHANGHAI)
    assert list(rtt.mark) == [ESTIMATED, UNKNOWN] and np.isnan(rtt.high[1])
    assert list(within(rtt, 20)) == [WITHIN, NOT_KNOWN]
    assert between(SHANGHAI, "USZZZ").mark == "unknown"


def test_what_was_measured_goes_before_the_estimate_and_is_marked() -> None:
    known = Measures([measured(SHANGHAI, XIHU, 6.25)])
    for one, other in ((SHANGHAI, XIHU), (XIHU, SHANGHAI)):
        found = between(one, other, known, NOW)
        assert (found.low, found.middle, found.high) == (6.25, 6.25, 7.5)
        assert found.mark == "measured" and found.measured and found.measured.by == "probe-1"


def test_a_place_without_coordinates_can_be_measured() -> None:
    found = between(SHANGHAI, "USZZZ", Measures([measured(SHANGHAI, "USZZZ", 180.0)]), NOW)
    assert (found.middle, found.mark) == (180.0, "measured")


def test_what_is_stale_is_not_believed_and_shown() -> None:
    old = measured(SHANGHAI, XIHU, 6.25, taken=NOW - STALE_MS - 1)
    found = between(SHANGHAI, XIHU, Measures([old]), NOW)
    assert (found.mark, found.measured, found.stale) == ("estimated", None, old)
    assert found.middle == between(SHANGHAI, XIHU).middle


def test_the_newest_of_a_pair_counts_in_whatever_order_they_come() -> None:
    older = measured(SHANGHAI, XIHU, 3.0, taken=NOW - 1_000)
    newer = measured(XIHU, SHANGHAI, 6.0)
    for told in ([older, newer], [newer, older]):
        assert between(SHANGHAI, XIHU, Measures(told), NOW).middle == 6.0


def test_of_a_line_and_the_internet_the_quicker_counts() -> None:
    told = [measured(SHANGHAI, XIHU, 9.0), measured(SHANGHAI, XIHU, 4.0, line="l-1")]
    found = between(SHANGHAI, XIHU, Measures(told), NOW)
    assert found.middle == 4.0 and found.measured and found.measured.line == "l-1"


def test_what_was_measured_of_a_city_counts_for_its_districts_with_a_wider_range() -> None:
    known = Measures([measured(SHANGHAI, HANGZHOU, 5.0)])
    city, district = between(SHANGHAI, HANGZHOU, known, NOW), between(SHANGHAI, XIHU, known, NOW)
    assert district.mark == city.mark == "measured"
    assert district.middle == city.middle == 5.0
    assert district.low < city.low and district.high > city.high
    assert between("310115", XIHU, known, NOW).mark == "measured"
    assert between("310115", "330200", known, NOW).mark == "estimated"


def test_what_was_measured_of_the_district_goes_before_that() -> None:
    told = [measured(SHANGHAI, HANGZHOU, 5.0), measured(SHANGHAI, XIHU, 7.0)]
    assert between(SHANGHAI, XIHU, Measures(told), NOW).middle == 7.0


@given(st.lists(st.tuples(place, place, st.floats(0.1, 400)), max_size=8), place, place)
def test_measurements_change_what_they_are_about_and_nothing_else(
    told: list[tuple[str, str, float]], origin: str, extra: str
) -> None:
    known = Measures([measured(*one) for one in told])
    to = places(dict.fromkeys([extra, *(code for one in told for code in one[:2])]))
    plain, found = rtt_from(to, origin), rtt_from(to, origin, known, NOW)
    ends = {origin, area(origin)}
    for index, code in enumerate(to.codes):
        about = {
            value
            for one, other, value in told
            for near, far in ((one, other), (other, one))
            if near in ends and far in (code, area(code))
        }
        if about:
            floor = least_between(origin, code)
            about = {max(value, floor) for value in about}
            assert found.mark[index] == MEASURED and found.middle[index] == pytest.approx(
                min(about, key=lambda value: abs(value - found.middle[index]))
            )
        else:
            assert found.middle[index] == plain.middle[index]
            assert found.mark[index] == ESTIMATED
    assert (found.low <= found.middle).all() and (found.middle <= found.high).all()


def test_the_circles_say_with_what_certainty() -> None:
    rtt = rtt_from(places([XIHU, HANGZHOU, SHANGHAI, "110000", "SGSIN"]), XIHU)
    assert list(within(rtt, 1)) == [PROBABLY, PROBABLY, BEYOND, BEYOND, BEYOND]
    assert list(within(rtt, 5)) == [WITHIN, PROBABLY, PROBABLY, BEYOND, BEYOND]
    assert list(within(rtt, 20)) == [WITHIN, WITHIN, WITHIN, HARDLY, BEYOND]


@given(place, st.sampled_from(latency.CIRCLES))
def test_a_wider_circle_is_never_less_certain(origin: str, circle: float) -> None:
    rtt = rtt_from(all_places(), origin)
    assert (within(rtt, circle) <= within(rtt, circle * 2)).all()


def test_an_array_of_all_divisions_in_force_costs_little_more_than_one() -> None:
    to = [code for code in CODES if len(code) == 6][:3_400]
    one, all_of_them = places(to[:1]), places(to)
    often = range(100)  # a clock of the CPU may have steps
    costs = [
        seconds(lambda some=some: [rtt_from(some, XIHU) for _ in often])
        for some in (one, all_of_them)
    ]
    assert costs[1] < 100 * costs[0]


def test_the_model_holds_against_what_was_measured_between_cloud_regions(shared: Path) -> None:
    """Of 2,350 pairs, by distance: how much lies below the low and above the high end, and how far
    the middle is from what was measured. Within China distances are below 5,000 km.
    """
    with (HERE / "cloud_regions.csv").open(encoding="utf-8", newline="") as file:
        where = [
            Place(row["region"], float(row["latitude"]), float(row["longitude"]), 20.0)
            for row in csv.DictReader(file)
        ]
    to = Places([one.code for one in where], where)
    file_of = shared / "sources" / "azure_latency_51x51.csv"
    with file_of.open(encoding="utf-8", newline="") as file:
        table = {row["Source"]: row for row in csv.DictReader(file)}
    pairs = []
    for at, one in enumerate(where):
        apart = to.vectors - to.vectors[:, at : at + 1]
        km = 2 * 6371.0088 * np.arcsin(np.minimum(np.sqrt((apart**2).sum(axis=0)) / 2, 1.0))
        rtt = latency.estimate(km, to.radii + one.radius)
        for other, name in enumerate(to.codes):
            said = table.get(one.code, {}).get(name)
            if said and other != at:
                row = km[other], float(said), rtt.low[other], rtt.middle[other], rtt.high[other]
                pairs.append(row)
    km, said, low, middle, high = np.array(pairs).T
    assert len(pairs) > 2_300
    assert (said >= latency.IDEAL * np.maximum(km - 40, 0)).all()  # nothing outruns light
    near, far = km < 3_000, km >= 3_000
    for some, below, above in ((near, 0.05, 0.10), (far, 0.15, 0.05)):
        assert (said[some] < low[some]).mean() < below
        assert (said[some] > high[some]).mean() < above
    ratio = np.percentile(said[near] / middle[near], [10, 50, 90])
    assert ratio == pytest.approx([0.80, 1.13, 1.60], abs=0.03), ratio
    ratio = np.percentile(said[far] / middle[far], [10, 50, 90])
    assert ratio == pytest.approx([0.65, 0.79, 1.16], abs=0.03), ratio
