"""The code tables that a scheme names: divisions with their history, industries, chips, countries.

Each is read once, when first asked for, from the CSV files in ``schemas``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Final, NamedTuple

import schemas

_DIVISION_CHARACTERS: Final = 6  # of a code, with which each line begins
NEVER = 9999  # the year in which a code in force ends


class Entry(NamedTuple):
    """One code of an undated table; ``level`` and ``group`` as the table uses them."""

    code: str
    zh: str
    en: str
    level: str = ""
    group: str = ""


class Division(NamedTuple):
    """A GB/T 2260 code standing for one place from 1 January ``start`` until that of ``end``.

    Years: ``start`` 0 is before the history begins (1981), ``end`` NEVER is in force.
    ``successor`` is the code to use after ``end``, empty where there is none; the same code
    where the place was renamed.
    """

    code: str
    level: int
    name: str
    name_en: str
    parent: str
    start: int
    end: int
    successor: str
    ended_by: str


class Divisions:
    """GB/T 2260 since 1980: every code with the intervals in which it stood for a place."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        """From the lines of the table, in order. A program that resolves one identifier asks for
        one code, so that a line is found and taken apart when its code is asked for.
        """
        self._lines = lines
        self._intervals: dict[str, tuple[Division, ...]] = {}

    def __contains__(self, code: object) -> bool:
        return isinstance(code, str) and bool(self.history(code))

    def __iter__(self) -> Iterator[str]:
        return iter(self._codes)

    def __len__(self) -> int:
        return len(self._codes)

    def history(self, code: str) -> tuple[Division, ...]:
        """Return the intervals of the code from the first to the last, () if never a code."""
        found = self._intervals.get(code)
        if found is None:
            lines = self._lines_of(code)
            if not lines:
                return ()
            found = self._intervals[code] = tuple(map(_division, _rows(lines)))
        return found

    @cached_property
    def _codes(self) -> tuple[str, ...]:
        codes = (line[:_DIVISION_CHARACTERS].decode("ascii") for line in self._lines)
        return tuple(dict.fromkeys(codes))

    def _lines_of(self, code: str) -> list[str]:
        if len(code) != _DIVISION_CHARACTERS or not code.isascii():
            return []
        lines, start = [], code.encode("ascii")
        for at in range(bisect_left(self._lines, start), len(self._lines)):
            if not self._lines[at].startswith(start):
                break
            lines.append(self._lines[at].decode("utf-8"))
        return lines

    def last(self, code: str) -> Division:
        """Return what the code stands for, or stood for last; KeyError if never a code."""
        history = self.history(code)
        if not history:
            raise KeyError(code)
        return history[-1]

    def at(self, code: str, year: int) -> Division | None:
        """Return what the code stood for in ``year``, None if it was not in force."""
        for division in self.history(code):
            if division.start <= year < division.end:
                return division
        return None

    def path(self, division: Division) -> tuple[Division, ...]:
        """Return the division under those above it, province first, as named at its time."""
        path = [division]
        year = min(division.end, NEVER) - 1
        while (above := path[0].parent) in self:
            path.insert(0, self.at(above, year) or self.last(above))
        return tuple(path)

    def standing_successor(self, code: str) -> Division | None:
        """Return the division in force that a retired code's successors lead to, if they do."""
        seen = set()
        while code in self and code not in seen:
            seen.add(code)
            division = self.last(code)
            if division.end == NEVER:
                return division
            code = division.successor
        return None


class Industries(Mapping[str, Entry]):
    """GB/T 4754-2017: lines of the table, taken apart as those of divisions are."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = {line.partition(",")[0]: line for line in lines}

    def __getitem__(self, code: str) -> Entry:
        (row,) = _rows([self._lines[code]])
        code, level, section, zh, en = row
        return Entry(code, zh, en, level, section)

    def __contains__(self, code: object) -> bool:
        return code in self._lines

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


Table = Mapping[str, Entry] | Divisions


@cache
def divisions() -> Divisions:
    """GB/T 2260 division codes 行政区划代码, in force and retired since 1980."""
    return Divisions(read("divisions.csv").splitlines()[1:])


@cache
def industries() -> Mapping[str, Entry]:
    """GB/T 4754-2017 by four digits; sections by their letter. Level is class, group, ..."""
    return Industries(_lines("industries.csv"))


@cache
def chip_families() -> Mapping[str, Entry]:
    """Chip families by two characters; the level is the kind of chip, the group its vendor."""
    return {
        code: Entry(code, zh, en, kind, vendor)
        for code, kind, vendor, zh, en, _models in _rows(_lines("chip_families.csv"))
    }


@cache
def countries() -> Mapping[str, Entry]:
    """Countries and regions by ISO 3166-1 alpha-2, as UN/LOCODE begins."""
    return {code: Entry(code, zh, en) for code, zh, en in _rows(_lines("countries.csv"))}


@cache
def owner_classes() -> Mapping[str, tuple[Entry, Entry]]:
    """Registration authority and institution class by the first two of GB 32100-2015."""
    return {
        code: (Entry(code[0], authority, authority_en), Entry(code, zh, en))
        for code, authority, authority_en, zh, en in _rows(_lines("owner_classes.csv"))
    }


def by_name(name: str) -> Table:
    """Return the table that a scheme calls ``name``; KeyError if there is none."""
    return _TABLES[name]()


_TABLES: Mapping[str, Callable[[], Table]] = {
    "divisions": divisions,
    "industries": industries,
    "chip_families": chip_families,
    "countries": countries,
}


def _division(row: list[str]) -> Division:
    code, level, name, name_en, parent, start, end, successor, ended_by = row
    return Division(
        code,
        int(level),
        name,
        name_en,
        parent,
        int(start or 0),
        int(end or NEVER),
        successor,
        ended_by,
    )


def _rows(lines: list[str]) -> Iterator[list[str]]:
    for line in lines:
        if '"' in line:
            import csv  # which most codes do without

            yield from csv.reader([line])
        else:
            yield line.split(",")


def _lines(name: str) -> list[str]:
    """The lines of a table but its head. No cell has more than one line."""
    return read(name).decode("utf-8").splitlines()[1:]


def read(name: str) -> bytes:
    """A file of ``schemas``; FileNotFoundError where there is none of that name."""
    # Not by importlib.resources or pathlib, which take longer to load than all tables.
    with open(f"{schemas.__path__[0]}/{name}", "rb") as file:  # noqa: PTH123
        return file.read()
