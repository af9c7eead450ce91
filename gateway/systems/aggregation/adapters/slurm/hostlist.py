"""Slurm's lists of hosts: `c[1-3,07],g1,r[1-2]n[01-16]`.

What an item stands for is counted before it is written out: a few octets can stand for more names
than there is memory for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Final, NamedTuple, TypeAlias

from gateway.systems.aggregation.adapters.slurm import lists
from gateway.systems.aggregation.adapters.units import UNITS_MAX

NAME_MAX: Final = 255  # characters of a host's name
_BRACKETS_MAX: Final = 5  # of one name: as many dimensions as Slurm has at most
_UNREAD_MAX: Final = 1_000  # items of one list, then its rest is not looked at
_PART: Final = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)")
_RANGE: Final = re.compile(r"([0-9]{1,20})(?:-([0-9]{1,20}))?", re.ASCII)


class Hosts(NamedTuple):
    """What a list has.

    Attributes:
        names: as often as it has them.
        unread: items as they stand which are none, or stand for too many.
    """

    names: list[str]
    unread: list[str]


class _Range(NamedTuple):
    first: int
    last: int
    width: int  # with zeros in front

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    @property
    def longest(self) -> int:
        return max(self.width, len(str(self.last)))


# What all names of an item have, or ranges of which each has one number.
_Part: TypeAlias = str | list[_Range]


def hosts(said: str, most: int = UNITS_MAX) -> Hosts:
    """The names of a list, `most` at most."""
    found = Hosts([], [])
    for item in lists.split(said, lists.SQUARE):
        parts = _parts(item)
        if parts and _count(parts) <= most - len(found.names):
            found.names.extend(map("".join, product(*map(_written, parts))))
        elif item:
            found.unread.append(item)
            if len(found.unread) == _UNREAD_MAX:
                break
    return found


def beginning(item: str) -> str:
    """What the names of an item that cannot be read begin with; empty if that is not known."""
    return re.split(r"[\[\]]", item, maxsplit=1)[0][:NAME_MAX]


def _parts(item: str) -> list[_Part] | None:
    """What an item is made of; None if it is no name, or no names."""
    if item.count("[") > _BRACKETS_MAX:
        return None
    parts: list[_Part] = []
    seen = length = 0
    for match in _PART.finditer(item):
        seen += len(match[0])
        ranges = _ranges(match[1]) if match[2] is None else []
        if ranges is None:
            return None
        parts.append(ranges or match[2])
        length += max(one.longest for one in ranges) if ranges else len(match[2])
    return parts if seen == len(item) and length <= NAME_MAX else None


def _ranges(numbers: str) -> list[_Range] | None:
    """What is between brackets; None if it is no numbers, or too many."""
    if numbers.count(",") >= UNITS_MAX:
        return None
    ranges: list[_Range] = []
    for one in numbers.split(","):
        match = _RANGE.fullmatch(one.strip())
        if match is None:
            return None
        ranges.append(_Range(int(match[1]), int(match[2] or match[1]), len(match[1])))
        if ranges[-1].last < ranges[-1].first:
            return None
    return ranges


def _count(parts: Sequence[_Part]) -> int:
    return prod(1 if isinstance(part, str) else sum(one.size for one in part) for part in parts)


def _written(part: _Part) -> Iterator[str]:
    if isinstance(part, str):
        return iter((part,))
    return (f"{number:0{one.width}}" for one in part for number in range(one.first, one.last + 1))
