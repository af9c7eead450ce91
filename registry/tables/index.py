"""The index of places: the owner, industry, location and type that identifiers share.

A place is entered once, when its first identifier is given, in four orders (table PLACES):

    l location/industry/type/owner
    i industry/location/type/owner
    t type/location/industry/owner
    c family/owner/industry/location/type    once for each chip family at the place

So any of them is found by prefix without an index row for each identifier: the places in order,
then the identifiers of each, which are one range of ASSIGNMENTS.
"""

from __future__ import annotations

from collections.abc import Iterator

from csid.identifier import Identifier
from registry.tables.changes import Row
from registry.tables.codec import PLACES

_FAMILY = slice(6, 8)  # of a capability class


def place_of(identifier: Identifier) -> str:
    """The place of an identifier: its first four segments."""
    return f"{identifier.owner}/{identifier.industry}/{identifier.location}/{identifier.type}"


def family_of(capability: str) -> str:
    """The chip family in a capability class or a specification."""
    return capability[_FAMILY]


def place_rows(place: str) -> Iterator[Row]:
    """The rows that enter a place."""
    owner, industry, location, kind = place.split("/")
    yield PLACES, f"l{location}/{industry}/{kind}/{owner}".encode("ascii"), b""
    yield PLACES, f"i{industry}/{location}/{kind}/{owner}".encode("ascii"), b""
    yield PLACES, f"t{kind}/{location}/{industry}/{owner}".encode("ascii"), b""


def location_key(place: str) -> bytes:
    """The first key of `place_rows`: if it is there, they all are."""
    owner, industry, location, kind = place.split("/")
    return f"l{location}/{industry}/{kind}/{owner}".encode("ascii")


def family_key(family: str, place: str) -> bytes:
    """The key that enters a chip family at a place."""
    return f"c{family}/{place}".encode("ascii")


def place_in(location_row: bytes) -> str:
    """The place that an ``l`` key enters."""
    location, industry, kind, owner = location_row[1:].decode("ascii").split("/")
    return f"{owner}/{industry}/{location}/{kind}"
