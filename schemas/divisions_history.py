"""Work out, from the list of changes, when each GB/T 2260 code stood for which place.

The changes are differences between yearly editions of the code book, so time is counted in
whole years: a change counts from 1 January of its year.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

# A place merged into another (撤销, 撤区设区) leaves a successor that was there before it, so
# these changes end a code and begin none. The other kinds begin the new code they name.
MERGERS = {"撤销", "撤区设区"}
REASSIGNED = "码位改派"  # the same code, from now on another place
OUT, SAME, IN = range(3)  # the order within one year: a code is freed before it is given again


@dataclass(frozen=True)
class Change:
    """One row of the list of changes; codes are empty where there is none."""

    year: int
    kind: str
    level: int
    old_code: str
    old_name: str
    new_code: str
    new_name: str


@dataclass(frozen=True)
class Interval:
    """One code standing for one place from ``start`` (0 = before 1981) to ``end`` (0 = still).

    ``successor`` is the code to use after ``end``: another code, or the same one where the place
    was only renamed; empty where there is none or none is known.
    """

    code: str
    level: int
    name: str
    start: int
    end: int = 0
    successor: str = ""
    ended_by: str = ""


def read_changes(folder: Path, corrections: Path) -> list[Change]:
    """Read division_changes.csv, apply the corrections kept with the project, order by year."""
    changes = [_change(row) for row in _rows(folder / "division_changes.csv")]
    for row in _rows(corrections):
        change = _change(row)
        if row["action"] == "add":
            changes.append(change)
        else:
            changes.remove(change)
    return sorted(changes, key=lambda change: change.year)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _change(row: dict[str, str]) -> Change:
    return Change(
        int(row["year"]),
        row["change"],
        int(row["level"]),
        row["old_code"],
        row["old_name"],
        row["new_code"],
        row["new_name"],
    )


def intervals(changes: Iterable[Change], current: dict[str, tuple[int, str]]) -> list[Interval]:
    """Return all intervals, by code and start; ``current`` maps codes in force to level, name.

    Raises ValueError where the changes do not lead to what is in force.
    """
    history: dict[str, list[Interval]] = defaultdict(list)
    for year_order, code, change in _steps(changes):
        _apply(history[code], year_order, code, change)
    for code, (level, name) in current.items():
        if not history[code]:
            history[code].append(Interval(code, level, name, 0))
    _require_current(history, current)
    return [interval for code in sorted(history) for interval in history[code]]


def _steps(changes: Iterable[Change]) -> list[tuple[int, str, Change]]:
    """One step per code that a change touches, in the order of their effect."""
    steps = []
    for change in changes:
        if change.old_code and change.old_code == change.new_code:
            steps.append((SAME, change.old_code, change))
            continue
        if change.old_code:
            steps.append((OUT, change.old_code, change))
        if change.new_code and change.kind not in MERGERS:
            steps.append((IN, change.new_code, change))
    return sorted(steps, key=lambda step: (step[2].year, step[0]))


def _apply(history: list[Interval], order: int, code: str, change: Change) -> None:
    year, is_open = change.year, bool(history) and not history[-1].end
    if order == IN:
        if not is_open:
            history.append(Interval(code, change.level, change.new_name, year))
        return
    if not history:
        history.append(Interval(code, change.level, change.old_name, 0))
        is_open = True
    if order == OUT:
        if is_open:
            _end(history, year, change.new_code, change.kind)
        return
    if change.old_name == change.new_name:
        return
    if is_open:
        _end(history, year, "" if change.kind == REASSIGNED else code, change.kind)
    history.append(Interval(code, change.level, change.new_name, year))


def _end(history: list[Interval], year: int, successor: str, kind: str) -> None:
    history[-1] = replace(history[-1], end=year, successor=successor, ended_by=kind)
    if history[-1].start == year:
        del history[-1]  # it began and ended between two editions of the code book


def _require_current(
    history: dict[str, list[Interval]], current: dict[str, tuple[int, str]]
) -> None:
    wrong: Counter[str] = Counter()
    for code, parts in history.items():
        standing = parts[-1].name if parts and not parts[-1].end else ""
        expected = current[code][1] if code in current else ""
        if standing != expected:
            wrong[f"{code}: the changes lead to {standing!r}, in force is {expected!r}"] += 1
    if wrong:
        raise ValueError("\n".join(sorted(wrong)))
