"""Work out where each location code lies, from the coordinates that are known (sources/).

A code without coordinates of its own takes those of another, which is told: of a code that it
replaced or was replaced by, else of the division above. A place is no point: ``radius_km`` is how
far from the coordinates what is said to lie in it may be.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

EARTH_KM = 6371.0088  # mean radius (IUGG)
COUNTY_KM = 15  # of a county, or what is as large
AIRPORT_KM = 40  # of a city whose airports' coordinates are known
SHARE = 0.9  # of the counties of a division lie within its radius

Point = tuple[float, float]


def rows(divisions: Sequence[Sequence[object]], sources: Path) -> list[Sequence[object]]:
    """Rows of places.csv: code, latitude, longitude, radius_km, taken_from.

    Args:
        divisions: rows of divisions.csv.
        sources: the folder of the coordinates.
    """
    own = _points(sources / "division_coordinates.csv")
    latest = {str(row[0]): row for row in divisions}
    radii = _radii(latest, own)
    found: list[Sequence[object]] = []
    for code in sorted(latest):
        origin = _origin(code, latest, own)
        level = int(str(latest[code][1]))
        above = origin != code and int(str(latest[origin][1])) < level
        radius = radii.get(origin if above else code) or radii.get(origin) or COUNTY_KM
        found.append((code, *own[origin], radius, "" if origin == code else origin))
    for code, point in _points(sources / "locode_coordinates.csv").items():
        found.append((code, *point, AIRPORT_KM, ""))
    return found


def _points(path: Path) -> dict[str, Point]:
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["code"]: (float(row["latitude"]), float(row["longitude"]))
            for row in csv.DictReader(file)
        }


def _origin(code: str, latest: Mapping[str, Sequence[object]], own: Mapping[str, Point]) -> str:
    """The code whose coordinates it has; ValueError if even its province has none."""
    for candidate in (code, *_before(code, latest), *_after(code, latest), *_above(code, latest)):
        if candidate in own and candidate in latest:
            return candidate
    raise ValueError(f"{code}: no coordinates, nor of its province; add them to sources/")


def _before(code: str, latest: Mapping[str, Sequence[object]]) -> Iterator[str]:
    """The codes that it replaced, one step back, those of its own level."""
    for other, row in latest.items():
        if row[7] == code and other != code and row[1] == latest[code][1]:
            yield other


def _after(code: str, latest: Mapping[str, Sequence[object]]) -> Iterator[str]:
    """The codes that replaced it, one after another."""
    seen = {code}
    while (code := str(latest[code][7])) in latest and code not in seen:
        seen.add(code)
        yield code


def _above(code: str, latest: Mapping[str, Sequence[object]]) -> Iterator[str]:
    while (code := str(latest[code][4])) in latest:
        yield code


def _radii(latest: Mapping[str, Sequence[object]], own: Mapping[str, Point]) -> dict[str, int]:
    """Of prefectures and provinces, in km: within it lies ``SHARE`` of their counties."""
    distances: dict[str, list[float]] = defaultdict(list)
    for code, row in latest.items():
        if str(row[1]) == "3" and not row[6] and code in own:
            for above in _above(code, latest):
                if above in own:
                    distances[above].append(distance_km(own[code], own[above]))
    return {
        code: max(COUNTY_KM, round(sorted(one)[math.ceil(len(one) * SHARE) - 1]))
        for code, one in distances.items()
    }


def distance_km(one: Point, other: Point) -> float:
    """The great-circle distance of two points, latitude and longitude in degrees."""
    (a, b), (c, d) = (map(math.radians, point) for point in (one, other))
    half = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half)))
