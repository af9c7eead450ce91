"""Statuses as they are posted to a gateway, and as the gateway hands them to the node."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec

from csid.moments import iso
from csid.status import VALID_SECONDS, VALID_SECONDS_MAX, Told

AHEAD_MILLISECONDS: Final = 60_000  # that somebody's clock may be ahead of ours
NUMBER_MAX: Final = 2**53 - 1  # what JSON carries whole (RFC 8259 section 6)
Number = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]


class Posted(Told, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The status of what an identifier names, as a pool, a platform or an agent posts it.

    Attributes:
        identifier: as such, as DNS name or as Handle.
        taken: when it was found out; if that is not said, when it comes.
        valid_seconds: for how long it holds from then on.
        number: grows from one status of an identifier to the next, so that what is posted again, or
            comes too late, is known.
    """

    identifier: Text
    taken: Moment | None = None
    valid_seconds: Annotated[int, msgspec.Meta(ge=1, le=VALID_SECONDS_MAX)] = VALID_SECONDS
    number: Number | None = None


class Sent(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A status on its way from a gateway to its node; times in Unix milliseconds."""

    identifier: Text
    number: Number
    taken: Number
    until: Number
    told: Told


class StatusError(ValueError):
    """What was posted is no status that can be taken."""


def told_of(posted: Posted) -> Told:
    """What a posted status tells."""
    return Told(posted.health, posted.load, posted.free, posted.by)


def times_of(posted: Posted, now: int) -> tuple[int, int]:
    """From when until when a posted status holds, given the time in Unix milliseconds.

    Raises:
        StatusError: it lies ahead.
    """
    taken = now if posted.taken is None else round(posted.taken.timestamp() * 1_000)
    return require_times(taken, taken + posted.valid_seconds * 1_000, now)


def require_times(taken: int, until: int, now: int) -> tuple[int, int]:
    """Times that a status may have.

    Raises:
        StatusError: it may not.
    """
    if taken > now + AHEAD_MILLISECONDS:
        raise StatusError(
            f"taken: {iso(taken / 1_000)} lies ahead, it is {iso(now / 1_000)} here; set the clock"
        )
    if not 0 <= taken < until <= taken + VALID_SECONDS_MAX * 1_000:
        raise StatusError(f"a status holds for 1 to {VALID_SECONDS_MAX} s from when it was taken")
    return taken, until
