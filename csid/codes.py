"""The code tables that a scheme names: divisions with their history, industries, chips, countries.

Each is read once, when first asked for, from the CSV files in ``schemas``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import schemas

# Not by importlib.resources, which takes longer to load than all tables.
FOLDER: Final = Path(schemas.__path__[0])
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

    def __init__(self, lines: Sequence[str]) -> None:
        """From the lines of the table. A program that resolves one identifier asks for one code,
        so that a line is taken apart when its code is asked for.
        """
        self._lines: dict[str, list[str]] = {}
        self._intervals: dict[str, tuple[Division, ...]] = {}
        for line in lines:
            self._lines.setdefault(line[:_DIVISION_CHARACTERS], []).append(line)

    def __contains__(self, code: object) -> bool:
        return code in self._lines

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def history(self, code: str) -> tuple[Division, ...]:
        """Return the intervals of the code from the first to the last, () if never a code."""
        found = self._intervals.get(code)
        if found is None:
            lines = self._lines.get(code)
            if lines is None:
                return ()
            found = self._intervals[code] = tuple(map(_division, _rows(lines)))
        return found

    def last(self, code: str) -> Division:
        """Return what the code stands for, or stood for last; KeyError if never a code."""
        if code not in self._lines:
            raise KeyError(code)
        return self.history(code)[-1]

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


Table = Mapping[str, Entry] | Divisions


@cache
def divisions() -> Divisions:
    """GB/T 2260 division codes 行政区划代码, in force and retired since 1980."""
    return Divisions(_lines("divisions.csv"))


@cache
def industries() -> Mapping[str, Entry]:
    """GB/T 4754-2017 by four digits; sections by their letter. Level is class, group, ..."""
    return {
        code: Entry(code, zh, en, level, section)
        for code, level, section, zh, en in _rows(_lines("industries.csv"))
    }


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
    import csv

    return csv.reader(lines)


def _lines(name: str) -> list[str]:
    """The lines of a table but its head. No cell has more than one line."""
    return (FOLDER / name).read_text(encoding="utf-8").splitlines()[1:]
