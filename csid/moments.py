"""Moments as programs read them: ISO 8601, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(seconds: float, timespec: str = "seconds") -> str:
    """A moment in Unix seconds, such as 2026-11-26T09:38:51Z.

    Args:
        timespec: to which part of a second, as `datetime.isoformat` has it.
    """
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec=timespec)
    return text.removesuffix("+00:00") + "Z"


def iso_or_none(seconds: float | None) -> str | None:
    """The same, None for a moment that there has not been: None or 0."""
    return iso(seconds) if seconds else None


def stamp(text: str) -> str:
    """A moment in ISO 8601 as names of files have it, to the microsecond.

    Raises:
        ValueError: it is none.
    """
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
