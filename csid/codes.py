"""The code tables that a scheme names: divisions with their history, industries, chips, countries.

Each is read once, when first asked for, from the CSV files in ``schemas``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

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

    def __init__(self, rows: Iterator[list[str]]) -> None:
        self._intervals: dict[str, tuple[Division, ...]] = {}
        for code, level, name, name_en, parent, start, end, successor, ended_by in rows:
            division = Division(
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
            self._intervals[code] = (*self._intervals.get(code, ()), division)

    def __contains__(self, code: object) -> bool:
        return code in self._intervals

    def __iter__(self) -> Iterator[str]:
        return iter(self._intervals)

    def __len__(self) -> int:
        return len(self._intervals)

    def history(self, code: str) -> tuple[Division, ...]:
        """Return the intervals of the code from the first to the last, () if never a code."""
        return self._intervals.get(code, ())

    def last(self, code: str) -> Division:
        """Return what the code stands for, or stood for last; KeyError if never a code."""
        return self._intervals[code][-1]

    def at(self, code: str, year: int) -> Division | None:
        """Return what the code stood for in ``year``, None if it was not in force."""
        for division in self._intervals.get(code, ()):
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
    return Divisions(_rows("divisions.csv"))


@cache
def industries() -> Mapping[str, Entry]:
    """GB/T 4754-2017 by four digits; sections by their letter. Level is class, group, ..."""
    return {
        code: Entry(code, zh, en, level, section)
        for code, level, section, zh, en in _rows("industries.csv")
    }


@cache
def chip_families() -> Mapping[str, Entry]:
    """Chip families by two characters; the level is the kind of chip, the group its vendor."""
    return {
        code: Entry(code, zh, en, kind, vendor)
        for code, kind, vendor, zh, en, _models in _rows("chip_families.csv")
    }


@cache
def countries() -> Mapping[str, Entry]:
    """Countries and regions by ISO 3166-1 alpha-2, as UN/LOCODE begins."""
    return {code: Entry(code, zh, en) for code, zh, en in _rows("countries.csv")}


@cache
def owner_classes() -> Mapping[str, tuple[Entry, Entry]]:
    """Registration authority and institution class by the first two of GB 32100-2015."""
    return {
        code: (Entry(code[0], authority, authority_en), Entry(code, zh, en))
        for code, authority, authority_en, zh, en in _rows("owner_classes.csv")
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


def _rows(name: str) -> Iterator[list[str]]:
    import csv
    from importlib.resources import files

    rows = csv.reader(files("schemas").joinpath(name).read_text(encoding="utf-8").splitlines())
    next(rows)
    yield from rows
