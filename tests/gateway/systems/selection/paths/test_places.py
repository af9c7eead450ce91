"""Each location code has coordinates of its own, or those of a place that is named."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from csid import codes
from gateway.systems.selection.paths.places import (
    UnknownPlaceError,
    all_places,
    area,
    locate,
    location_of,
    places,
)


def test_every_division_that_ever_was_has_coordinates() -> None:
    for code in codes.divisions():
        at = locate(code)
        assert at is not None, code
        assert 3 < at.latitude < 54 and 73 < at.longitude < 136 and at.radius > 0, at


def test_most_divisions_in_force_have_coordinates_of_their_own() -> None:
    table = codes.divisions()
    standing = [code for code in table if table.last(code).end == codes.NEVER]
    own = [code for code in standing if (at := locate(code)) and not at.taken_from]
    assert len(own) > 0.95 * len(standing)


@pytest.mark.parametrize(
    ("code", "taken_from"),
    [
        ("330106", ""),  # its own
        ("330100", ""),
        ("110103", "110101"),  # 崇文区, retired: that of 东城区, which it became
        ("540600", "540000"),  # 那曲市: nobody has its coordinates
        ("130284", "130200"),  # 滦州市: those of its prefecture
    ],
)
def test_whose_coordinates_they_are_is_said(code: str, taken_from: str) -> None:
    at = locate(code)
    assert at is not None and at.taken_from == taken_from
    if taken_from:
        other = locate(taken_from)
        assert other is not None
        assert (other.latitude, other.longitude) == (at.latitude, at.longitude)


def test_what_lies_in_a_division_lies_in_its_radius_mostly() -> None:
    table = codes.divisions()
    counties = [c for c in table if table.last(c).level == 3 and table.last(c).end == codes.NEVER]
    near = total = 0
    for code in counties:
        at, above = locate(code), locate(table.last(code).parent)
        if at and above and not at.taken_from and not above.taken_from:
            distance, radius = places([code]).distances(above.code)
            near, total = near + int(distance[0] <= radius + 1), total + 1
    assert near / total > 0.88


@pytest.mark.parametrize(
    ("code", "latitude", "longitude"),
    [
        ("330106", 30.26, 120.13),
        ("640500", 37.5, 105.2),
        ("USNYC", 40.7, -74.0),
        ("SGSIN", 1.35, 103.9),
        ("HKHKG", 22.3, 114.0),
    ],
)
def test_known_places_are_where_they_are(code: str, latitude: float, longitude: float) -> None:
    at = locate(code)
    assert at is not None
    assert (at.latitude, at.longitude) == pytest.approx((latitude, longitude), abs=0.3)


def test_a_place_without_coordinates_is_at_an_unknown_distance_and_not_at_none() -> None:
    distance, _ = places(["330100", "USZZZ"]).distances("330106")
    assert distance[0] > 0 and np.isnan(distance[1])
    assert np.isnan(places(["330100"]).distances("USZZZ")[0]).all()


@pytest.mark.parametrize(
    ("code", "city"),
    [
        ("330106", "330100"),
        ("330100", "330100"),
        ("330000", "330000"),
        ("310115", "310000"),
        ("419001", "419001"),  # 济源市 lies in no prefecture
        ("USNYC", "USNYC"),
    ],
)
def test_the_city_of_a_place(code: str, city: str) -> None:
    assert area(code) == city


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("330106", "330106"),
        (" sgsin ", "SGSIN"),
        ("91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY", "330106"),
        ("110103", "110103"),  # retired
    ],
)
def test_a_location_is_read_of_a_code_or_an_identifier(text: str, location: str) -> None:
    assert location_of(text) == location


@pytest.mark.parametrize("text", ["", "杭州", "999999", "CNSHA", "XX123", "a/b", "330106/"])
def test_what_is_no_location_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(UnknownPlaceError, match="330100"):
        location_of(text)


def test_no_code_is_there_twice() -> None:
    lines = codes.read("places.csv").decode().splitlines()
    found = [row["code"] for row in csv.DictReader(lines)]
    assert len(found) == len(set(found)) == len(all_places())
