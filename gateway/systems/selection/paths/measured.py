"""A measurement of latency as it is told, and what of it is believed (docs/paths.md). Pure."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from csid.errors import CsidError
from gateway.systems.selection.paths.latency import AHEAD_MS, STALE_MS, Measured, least_between
from gateway.systems.selection.paths.lines import MS_MAX
from gateway.systems.selection.paths.places import UnknownPlaceError, location_of

_BY: Final = re.compile("[!-~]{1,64}")

Place = Annotated[str, Meta(min_length=5, max_length=80)]
Ms = Annotated[float, Meta(gt=0, le=MS_MAX)]


class MeasurementError(CsidError, ValueError):
    """What nobody can have measured, or what is no measurement."""


class Measurement(
    Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}
):
    """What was measured between two places over the public internet, whichever is first.

    Attributes:
        start, end: location codes, or identifiers.
        median_ms, p90_ms: round-trip times of all that was sent, whatever was lost being late;
            without the second one, it is as the first.
        loss: share of what was sent that got no answer.
        taken: when; without it, now.
    """

    start: Place
    end: Place
    median_ms: Ms
    p90_ms: Ms | None = None
    loss: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    taken: Annotated[dt.datetime, Meta(tz=True)] | None = None


def measurement(**values: Any) -> Measurement:
    """A measurement of values as JSON has them.

    Raises:
        MeasurementError: it is none.
    """
    try:
        found = msgspec.convert(values, Measurement, strict=False)
    except ValueError as error:
        raise MeasurementError(f"no measurement: {error}") from None
    if found.taken is None and values.get("taken") is not None:
        raise MeasurementError(f"no measurement: taken: {values['taken']!r:.80} is no moment")
    return found


def require_name(by: str) -> None:
    """Raises MeasurementError where nobody who measures can have such a name."""
    if not _BY.fullmatch(by):
        raise MeasurementError(
            f"{by[:80]!r}: who measures has a name of 1 to 64 letters of ASCII, without spaces"
        )


def believed(told: Measurement, by: str, now: int) -> Measured:
    """What is believed of what is told.

    Args:
        by: who tells it.
        now: Unix milliseconds.

    Raises:
        MeasurementError: nothing of it: an end is no place; nobody has such a name; its moment is
            yet to come, or too old for what is measured to count; or light would take longer.
    """
    require_name(by)
    try:
        one, other = location_of(told.start), location_of(told.end)
    except UnknownPlaceError as error:
        raise MeasurementError(str(error)) from None
    pair = f"{one} – {other}"
    taken = now if told.taken is None else round(told.taken.timestamp() * 1_000)
    if taken > now + AHEAD_MS:
        raise MeasurementError(f"{pair}: taken {told.taken}, which is yet to come; see the clock")
    if taken < now - STALE_MS:
        raise MeasurementError(f"{pair}: taken {told.taken}; what is older than a day is no news")
    p90 = told.median_ms if told.p90_ms is None else told.p90_ms
    if p90 < told.median_ms:
        raise MeasurementError(f"{pair}: p90_ms {p90:g} is below median_ms {told.median_ms:g}")
    least = least_between(one, other)
    if told.median_ms < least:
        raise MeasurementError(
            f"{pair}: {told.median_ms:g} ms, and light takes {least:.3g} ms there and back: one of "
            "them is somewhere else"
        )
    return Measured(one, other, told.median_ms, p90, min(taken, now), by, told.loss)
