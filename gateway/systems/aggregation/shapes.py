"""What aggregation says, over HTTP and as JSON of commands. Moments are in ISO 8601, ages in
seconds.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Amount(msgspec.Struct):
    """An amount, and what becomes of it (`picture.Parts`)."""

    total: float
    free: float
    used: float
    failed: float
    maintenance: float
    gone: float
    unknown: float


class Counted(msgspec.Struct):
    """A group of a picture; `unknown` are resources without a status that holds; `sources` where it
    was read, or which regions have told it.
    """

    by: dict[str, str]
    resources: int
    unknown: int
    amounts: dict[str, Amount]
    pflops: dict[str, Amount]
    oldest: str | None
    newest: str | None
    oldest_age: float | None
    newest_age: float | None
    sources: list[str]
    more_sources: int


class Picture(msgspec.Struct):
    """What there is at a time; `more`: groups that are smaller than those that are said."""

    at: str
    total: Counted
    items: list[Counted]
    more: int


class Use(msgspec.Struct):
    """What became of an amount: on average, and by its minutes (chip-minutes)."""

    total: float
    free: float
    used: float
    out: float
    unknown: float
    minutes: dict[str, float]
    utilisation: float | None


class Span(msgspec.Struct):
    """A row of the history; `minutes` says how many of its minutes were taken."""

    at: str
    minutes: int
    by: dict[str, str]
    resources: float
    units: float
    chips: Use
    vcpu: Use


class Past(msgspec.Struct):
    """What was in a time."""

    step: str
    items: list[Span]


class Neighbour(msgspec.Struct):
    """The picture of another region, and who has told it; of a stale one only totals are known."""

    region: str
    source: str
    at: str | None
    age: float | None
    until: str | None
    stale: bool
    total: Counted
    items: list[Counted]


class Neighbours(msgspec.Struct):
    """The pictures of other regions, and how the exchange with the nation goes."""

    region: str
    upward: bool
    exchanged: str | None
    why: str
    items: list[Neighbour]


class HeldBack(msgspec.Struct):
    """What is held back of a source, and what it would change, by kind; `more`: changes that are
    not among those that are said.
    """

    digest: str
    verdict: str
    since: str | None
    seen: str | None
    reasons: list[dict[str, str]]
    counts: dict[str, int]
    changes: dict[str, list[dict[str, Any]]]
    more: int


class Source(msgspec.Struct):
    """A source and how it is; nothing of its credentials."""

    name: str
    kind: str
    owner: str
    location: str
    state: str
    polled: str | None
    taken: str | None
    age: float | None
    units: int
    pools: int
    registered: int
    held: HeldBack | None
    error: str


class Sources(msgspec.Struct):
    """All sources."""

    items: list[Source]


class Unit(msgspec.Struct):
    """A unit as its source has said it; of what does not hold any more, nothing is free."""

    unit: str
    name: str
    pool: str | None
    identifier: str | None
    chip: str
    group: str
    health: str | None
    why: str
    total: dict[str, float]
    free: dict[str, float] | None


class Units(msgspec.Struct):
    """What a source has said; `after`: behind which key it goes on."""

    taken: str | None
    age: float | None
    until: str | None
    whole: bool
    units: int
    items: list[Unit]
    after: str | None
