"""What the calls of aggregation are asked for and given."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from csid.errors import CsidError
from gateway.systems.aggregation.history import BY, STEPS
from gateway.systems.aggregation.picture import BY_MAX, DIMENSIONS

PAGE_MAX: Final = 10_000  # units of one answer
_DEFAULTS_MS: Final = {"minute": 3_600_000, "hour": 24 * 3_600_000, "day": 30 * 24 * 3_600_000}


class AskedError(CsidError):
    """What is asked for is not there."""


def _given(asked: msgspec.Struct, names: Iterable[str]) -> dict[str, str]:
    """Those of some members that say something."""
    return {name: value for name in names if (value := getattr(asked, name))}


class Where(msgspec.Struct):
    """What is counted: by which dimensions, with a comma between; what dimensions have to be."""

    by: str = ""
    region: str = ""
    province: str = ""
    prefecture: str = ""
    place: str = ""
    type: str = ""
    chip: str = ""
    owner: str = ""
    industry: str = ""
    state: str = ""
    status: str = ""
    source: str = ""

    @property
    def chosen(self) -> dict[str, str]:
        """What dimensions have to be."""
        return _given(self, DIMENSIONS)


class When(msgspec.Struct, rename={"begin": "from"}):
    """Which time of the history (ISO 8601), in which steps, by what; what dimensions have to be."""

    begin: str = ""
    to: str = ""
    step: str = "hour"
    by: str = ""
    province: str = ""
    prefecture: str = ""
    type: str = ""
    chip: str = ""

    @property
    def chosen(self) -> dict[str, str]:
        """What dimensions have to be."""
        return _given(self, BY)

    def times(self, now: int) -> tuple[int, int]:
        """From when until when, Unix milliseconds; without a word the last hour of minutes, day of
        hours, 30 days of days.

        Raises:
            AskedError: one is no moment, or there is no such step.
        """
        if self.step not in STEPS:
            raise AskedError(f"step: {self.step[:40]!r}; there are {', '.join(STEPS)}")
        end = moment(self.to, "to") if self.to else now + 1
        begin = moment(self.begin, "from") if self.begin else end - _DEFAULTS_MS[self.step]
        return begin, end


class Page(msgspec.Struct):
    """Which part of a list: behind which key, how many."""

    after: str = ""
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 1_000


class Judged(msgspec.Struct, forbid_unknown_fields=True):
    """Of what somebody has said a word: the digest that he was shown, or how it begins."""

    shown: Annotated[str, Meta(pattern="^[0-9a-f]{8,64}$")]


def dimensions(by: str, known: tuple[str, ...] = DIMENSIONS, most: int = BY_MAX) -> tuple[str, ...]:
    """The dimensions that a text names, with commas between.

    Raises:
        AskedError: it names others, or too many.
    """
    names = tuple(dict.fromkeys(one.strip() for one in by.split(",") if one.strip()))
    for name in names:
        if name not in known:
            raise AskedError(f"by: {name[:40]!r}; there are {', '.join(known)}")
    if len(names) > most:
        raise AskedError(f"by: {len(names)} dimensions; at most {most} at once")
    return names


def moment(text: str, name: str) -> int:
    """Unix milliseconds of a moment; one without a zone is of UTC.

    Raises:
        AskedError: it is none.
    """
    try:
        # A plus sign behind the question mark is a space.
        found = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return max(0, round(found.timestamp() * 1_000))
    except (ValueError, OverflowError):
        raise AskedError(
            f"{name}: {text[:40]!r}; expected a moment such as 2026-11-26T08:00Z"
        ) from None
