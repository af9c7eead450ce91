"""What a region tells the nation of its picture, and what the nation tells of the others. Pure.

    region   Report: totals by place, type, chip and state; whole, or what has changed since `base`
    nation   Answer: up to which report it has all; the pictures of the neighbours, with their ages

A report counts once, however often it comes: its number is above that of what is kept. What does
not follow on what is kept is not taken, and asked for whole. A region is who its key is, and tells
of itself alone; of places beyond those that the nation has it answer for it is not believed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from csid.errors import CsidError
from gateway.systems.aggregation.columns import TOLD_BY, Columns, Texts, columns_of
from gateway.systems.aggregation.counting import Counting
from gateway.systems.aggregation.picture import (
    AMOUNTS,
    DIMENSIONS,
    Figures,
    Parts,
    places_of,
    together,
)

GROUPS_MAX: Final = 5_000  # of one region
NEIGHBOUR_GROUPS: Final = 200  # of one neighbour at most, as the nation tells them
TOLD_MAX: Final = 8_000  # groups of all neighbours together
REGIONS_MAX: Final = 200
WHOLE_EVERY: Final = 60  # reports, of which one is whole
SKEW_MS: Final = 60_000  # that the clocks of two nodes may differ
DROP_MS: Final = 24 * 3_600_000  # after which a picture is no longer kept
REPORT_OCTETS: Final = 4 << 20
ANSWER_OCTETS: Final = 16 << 20
VALID_MAX: Final = 3_600  # seconds
NUMBER_MAX: Final = 2**53
AHEAD_MAX: Final = 10**9  # reports, by which a folder that was restored can be behind the nation
LETTERS: Final = frozenset("HBSDEN")

Region = Annotated[str, Meta(pattern="^[a-z0-9-]{1,40}$")]
_Text = Annotated[str, Meta(max_length=200)]
_Place = Annotated[str, Meta(pattern="^[0-9]{6}$")]
_Type = Annotated[str, Meta(pattern="^([A-Z]{3}|[*])?$")]
_State = Annotated[str, Meta(pattern="^[a-z]{1,20}$")]
_Number = Annotated[int, Meta(ge=0, le=NUMBER_MAX)]
_Count = Annotated[int, Meta(ge=0, le=10**9)]


class ExchangeError(CsidError):
    """What the other side says is not believed."""


class StrangerError(ExchangeError):
    """Who says it is not believed, whatever it is."""


class Key(msgspec.Struct, frozen=True, array_like=True, order=True):
    """What a group has in common: prefecture, type, model of the chips, state."""

    prefecture: _Place
    type: _Type
    chip: _Text
    state: _State


REST: Final = Key("000000", "*", "*", "active")  # of groups that count together


class Told(msgspec.Struct, frozen=True, array_like=True):
    """A group as it is told."""

    key: Key
    resources: _Count
    unknown: _Count
    amounts: Annotated[dict[str, Parts], Meta(max_length=len(AMOUNTS))]
    pflops: Annotated[dict[str, Parts], Meta(max_length=len(LETTERS))]
    oldest: _Number
    newest: _Number

    @property
    def figures(self) -> Figures:
        """Its figures."""
        return Figures(
            self.resources, self.unknown, self.amounts, self.pflops, self.oldest, self.newest
        )

    @property
    def lasting(self) -> Told:
        """The same without what changes with each poll though nothing has."""
        return msgspec.structs.replace(self, oldest=0, newest=0)


class Again(msgspec.Struct, frozen=True, array_like=True):
    """A group that is as it was, said again: of when that is."""

    key: Key
    oldest: _Number
    newest: _Number


_Groups = Annotated[list[Told], Meta(max_length=GROUPS_MAX)]


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a region tells of itself.

    Attributes:
        number: above that of each before.
        base: number of what it is a difference to; 0: it is whole.
        at: Unix milliseconds by the region's clock.
        valid_seconds: for how long it holds.
        groups: all, or those that are new or changed; `again`, `gone`: the others.
        have: marks of pictures that the region has, by region.
    """

    region: Region
    number: Annotated[int, Meta(ge=1, le=NUMBER_MAX)]
    base: _Number
    at: _Number
    valid_seconds: Annotated[int, Meta(ge=1, le=VALID_MAX)]
    groups: _Groups = []
    again: Annotated[list[Again], Meta(max_length=GROUPS_MAX)] = []
    gone: Annotated[list[Key], Meta(max_length=GROUPS_MAX)] = []
    have: Annotated[dict[str, _Text], Meta(max_length=REGIONS_MAX)] = {}


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What is said of a picture of another node; pictures of the same head are the same.

    Attributes:
        region: whose it is; `source`: who has told it.
        number, mark: of the report it comes from; `digest`: of that.
        at, until: from when until when it holds, Unix milliseconds by the clock here.
    """

    region: str
    source: str
    number: int
    mark: str
    digest: bytes
    at: int
    until: int

    def holds(self, now: int) -> bool:
        """Whether it does at a time; not if a clock was ahead as it came."""
        return self.at - SKEW_MS <= now < self.until

    def kept(self, groups: list[Told]) -> Kept:
        """The picture of these groups."""
        said = (self.region, self.source, self.number, self.mark, self.digest)
        return Kept(*said, self.at, self.until, groups)


class Kept(Head, frozen=True, array_like=True):
    """A picture of another node as it is kept."""

    groups: list[Told]

    @property
    def head(self) -> Head:
        """What is said of it."""
        return Head(*msgspec.structs.astuple(self)[: len(Head.__struct_fields__)])


class Neighbour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture as the nation tells it.

    Attributes:
        age, holds: milliseconds since it was told, for which it holds still (0: it does not).
        groups: None: as the mark says that they are known.
    """

    region: Region
    mark: _Text
    age: _Number
    holds: _Number
    groups: _Groups | None = None


class Answer(msgspec.Struct, frozen=True):
    """What the nation says.

    Attributes:
        number: of the last report of the region that it has.
        whole: the next one has to be whole.
        at: Unix milliseconds by the nation's clock.
        node: what it calls itself.
    """

    number: _Number
    whole: bool
    at: _Number
    node: Region
    neighbours: Annotated[list[Neighbour], Meta(max_length=REGIONS_MAX)] = []


# -- what is told


def told_of(columns: Columns, most: int = GROUPS_MAX) -> dict[Key, Told]:
    """Rows as they are told; where there are too many groups, the small ones count together."""
    groups = Counting([columns], ("prefecture", "type", "chip", "state")).groups()
    kept = groups if len(groups) <= most else groups[: most - 1]
    found: dict[Key, Told] = {}
    for one in kept:
        key = Key(one.by["prefecture"], one.by["type"], one.by["chip"][:200], one.by["state"])
        found[key] = _told(key, one.figures)
    if len(groups) > most:
        rest = [one.figures for one in groups[most - 1 :]]
        if REST in found:  # of those that counted together before
            rest.append(found[REST].figures)
        found[REST] = _told(REST, together(rest))
    return found


def _told(key: Key, one: Figures) -> Told:
    return Told(key, one.resources, one.unknown, one.amounts, one.pflops, one.oldest, one.newest)


def between(
    before: Mapping[Key, Told], after: Mapping[Key, Told]
) -> tuple[list[Told], list[Again], list[Key]]:
    """Groups that are new or changed, those that are as they were, and those that are gone."""
    changed, again = [], []
    for key, one in after.items():
        was = before.get(key)
        if was is not None and was.lasting == one.lasting:
            again.append(Again(key, one.oldest, one.newest))
        else:
            changed.append(one)
    return changed, again, [key for key in before if key not in after]


def columns_of_groups(groups: Sequence[Told], region: str) -> Columns:
    """The picture of another node by columns.

    Args:
        region: whose it is.
    """
    keys = [one.key for one in groups]
    places = Texts.of(key.prefecture for key in keys)
    # Of a prefecture nobody says in which counties, of groups nobody says whose.
    texts = {name: Texts.same("", len(keys)) for name in DIMENSIONS}
    texts |= {name: Texts.same(region, len(keys)) for name in ("region", TOLD_BY)}
    texts["province"] = places.made(lambda code: places_of(code)["province"])
    texts["prefecture"] = places.made(lambda code: places_of(code)["prefecture"])
    texts["type"] = Texts.of(key.type for key in keys)
    texts["chip"] = Texts.of(key.chip for key in keys)
    texts["state"] = Texts.of(key.state for key in keys)
    return columns_of(texts, [one.figures for one in groups])


class Shown(NamedTuple):
    """A picture of another node as it is counted."""

    head: Head
    columns: Columns

    def at(self, now: int) -> Columns:
        """It at a time (Unix milliseconds): once it does not hold any more, only what there is."""
        return self.columns if self.head.holds(now) else self.columns.as_unknown


def shown(kept: Kept) -> Shown:
    """A picture that was kept."""
    return Shown(kept.head, columns_of_groups(kept.groups, kept.region))


# -- what the nation tells


def outlined(one: Shown) -> Kept:
    """A picture as others are told it: by province, type and chip."""
    columns = one.at(one.head.at)
    texts = {**columns.texts, "prefecture": columns.texts["province"]}
    groups = told_of(replace(columns, texts=texts), NEIGHBOUR_GROUPS)
    return one.head.kept(list(groups.values()))


def fewer(kept: Kept, most: int) -> list[Told]:
    """At most so many groups of an outlined picture."""
    if len(kept.groups) <= most:
        return kept.groups
    return list(told_of(shown(kept).at(kept.at), most).values())


def neighbours_of(
    heads: Sequence[Head],
    told: Callable[[Head, int], list[Told]],
    have: Mapping[str, str],
    now: int,
) -> list[Neighbour]:
    """Outlined pictures as they are told.

    Args:
        told: the groups of one, at most so many.
        have: marks of what the others have, by region.
    """
    most = max(1, TOLD_MAX // max(1, len(heads)))
    return [
        Neighbour(
            one.region,
            one.mark,
            max(0, now - one.at),
            max(0, one.until - now),
            None if have.get(one.region) == one.mark else told(one, most),
        )
        for one in heads
    ]
