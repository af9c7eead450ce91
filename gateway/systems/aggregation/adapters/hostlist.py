"""Slurm's lists of hosts: `c[1-3,07],g1,r[1-2]n[01-16]`."""

from __future__ import annotations

import re
from itertools import product
from math import prod
from typing import Final

from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.units import UNITS_MAX
from gateway.systems.aggregation.readings import ReadingError

_ITEM: Final = re.compile(r"(?:[^,\[\]]|\[[^\[\]]*\])+")  # commas within brackets belong to it
_PART: Final = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)")
_RANGE: Final = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", re.ASCII)


def hosts(said: str, most: int = UNITS_MAX) -> list[str]:
    """All names of a list, as often as it has them.

    Raises:
        ReadingError: it is none, or one of more than `most` names.
    """
    names: list[str] = []
    end = 0
    for item in _ITEM.finditer(said):
        if said[end : item.start()].strip(","):
            raise _wrong(said)
        end = item.end()
        left = most - len(names)
        parts = [_choices(said, left, *part.groups()) for part in _PART.finditer(item[0])]
        if prod(map(len, parts)) > left:
            raise _too_many(said)
        names += map("".join, product(*parts))
    if said[end:].strip(","):
        raise _wrong(said)
    return names


def _choices(said: str, most: int, numbers: str | None, letters: str | None) -> list[str]:
    if letters is not None:
        return [letters]
    choices: list[str] = []
    for item in (numbers or "").split(","):
        match = _RANGE.fullmatch(item.strip())
        if match is None:
            raise _wrong(said)
        first, last = match[1], match[2] or match[1]
        count = int(last) - int(first) + 1
        if count < 1:
            raise _wrong(said)
        if len(choices) + count > most:
            raise _too_many(said)
        choices += (f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1))
    return choices


def _wrong(said: str) -> ReadingError:
    return ReadingError(f"{text(said)!r} is no list of hosts such as c[1-3,5],g1")


def _too_many(said: str) -> ReadingError:
    return ReadingError(f"{text(said)!r}: a list of too many hosts")
