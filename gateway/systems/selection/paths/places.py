"""Where the locations of identifiers are: coordinates by code (schemas/places.csv), as arrays.

A place is no point: what is said to lie in it lies within its radius, nine times in ten. A code
without coordinates is a place nonetheless, at NaN: all that follows from it is unknown, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from csid import codes
from csid.errors import CsidError

EARTH_KM: Final = 6371.0088  # mean radius (IUGG)
_MUNICIPALITIES: Final = frozenset({"11", "12", "31", "50"})
_NO_PREFECTURE: Final = "90"  # counties directly under their province

Floats = NDArray[np.float64]


class UnknownPlaceError(CsidError):
    """A code that is no location."""


class Place(NamedTuple):
    """A place that has coordinates.

    Attributes:
        latitude, longitude: in degrees.
        radius: in km.
        taken_from: the code whose coordinates these are; empty if its own.
    """

    code: str
    latitude: float
    longitude: float
    radius: float
    taken_from: str = ""


class Places:
    """Several places, each with an index; arrays in their order.

    Attributes:
        codes: of the places.
        vectors: (3, n), on the unit sphere; NaN where the coordinates are unknown.
        radii: (n,), in km; NaN where they are unknown.
    """

    def __init__(self, codes_: Sequence[str], found: Iterable[Place | None]) -> None:
        """Of codes, and what is known of each."""
        self.codes = tuple(codes_)
        self._index = {code: index for index, code in enumerate(self.codes)}
        nan = float("nan")
        rows = [(one.latitude, one.longitude, one.radius) if one else (nan,) * 3 for one in found]
        table = np.array(rows, dtype=np.float64).reshape(-1, 3)
        latitude, longitude = np.radians(table[:, 0]), np.radians(table[:, 1])
        around = np.cos(latitude)
        self.vectors: Floats = np.stack(
            (around * np.cos(longitude), around * np.sin(longitude), np.sin(latitude))
        )
        self.radii: Floats = np.ascontiguousarray(table[:, 2])

    def __len__(self) -> int:
        return len(self.codes)

    def find(self, code: str) -> int | None:
        """The index of a place; None if it is not among these."""
        return self._index.get(code)

    def distances(self, origin: str) -> tuple[Floats, float]:
        """Great-circle distances from a place, which need not be among these, to all, in km; and
        the radius of the origin. NaN where coordinates are unknown.
        """
        at = locate(origin)
        if at is None:
            return np.full(len(self), np.nan), float("nan")
        apart = self.vectors - _vector(at)[:, None]
        chord = np.sqrt(np.einsum("ij,ij->j", apart, apart))
        # The straight way through the ball is exact for near places, too, unlike the cosine.
        return 2 * EARTH_KM * np.arcsin(np.minimum(chord / 2, 1.0)), at.radius

    @cached_property
    def inside(self) -> dict[str, NDArray[np.intp]]:
        """The places that lie in an area, by the area's code: those of a city, itself left out."""
        members: dict[str, list[int]] = {}
        for index, code in enumerate(self.codes):
            if (above := area(code)) != code:
                members.setdefault(above, []).append(index)
        return {above: np.array(some, dtype=np.intp) for above, some in members.items()}


@cache
def _table() -> dict[str, Place]:
    lines = codes.read("places.csv").decode("ascii").splitlines()[1:]
    return {(place := _place(line)).code: place for line in lines}


def _place(line: str) -> Place:
    code, latitude, longitude, radius, taken_from = line.split(",")
    return Place(code, float(latitude), float(longitude), float(radius), taken_from)


def _vector(at: Place) -> Floats:
    latitude, longitude = np.radians(at.latitude), np.radians(at.longitude)
    around = np.cos(latitude)
    return np.array((around * np.cos(longitude), around * np.sin(longitude), np.sin(latitude)))


def locate(code: str) -> Place | None:
    """Where a place is; None if its coordinates are unknown."""
    return _table().get(code)


def places(some: Iterable[str]) -> Places:
    """These places, in this order, such as the locations that a column of resources has."""
    named = tuple(some)
    return Places(named, map(locate, named))


@cache
def all_places() -> Places:
    """All places of which coordinates are known: divisions in force and retired, UN/LOCODE."""
    return places(_table())


def area(code: str) -> str:
    """The city that a place lies in: the prefecture of a county, the municipality of a district;
    itself if it is one, or lies in none.
    """
    if len(code) != 6 or not code.isdigit() or code[2:4] == _NO_PREFECTURE:
        return code
    if code[:2] in _MUNICIPALITIES:
        return code[:2] + "0000"
    above = code[:4] + "00"
    return above if code[2:] != "0000" and above in _table() else code


def members(place: str) -> frozenset[str]:
    """A place and, if it is a city, the places that lie in it."""
    inside = all_places().inside.get(place)
    return frozenset(
        {place, *(() if inside is None else map(all_places().codes.__getitem__, inside))}
    )


def location_of(text: str) -> str:
    """The location that a text means: a location code, or that of an identifier.

    Raises:
        UnknownPlaceError: it is none.
    """
    word = text.strip().upper()
    segments = word.split("/")
    if len(segments) > 1:
        word = segments[2] if len(segments) == 5 else ""
    if word in codes.divisions() or _is_locode(word):
        return word
    raise UnknownPlaceError(
        f"{text[:60]!r} is no place; expected 6 digits of GB/T 2260 (330100), a UN/LOCODE (SGSIN) "
        "or an identifier"
    )


def _is_locode(word: str) -> bool:
    return (
        len(word) == 5
        and word.isascii()
        and word.isalnum()
        and word[:2] in codes.countries()
        and word[:2] != "CN"  # which has codes of GB/T 2260
        and not set(word[2:]) & set("01")
    )
