"""What adapters make of what they have read: units told apart by their keys, labels and notes kept
within bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.readings import LABELS_MAX, ReadingError, Unit

UNITS_MAX: Final = 100_000  # of one source
NOTES_MAX: Final = 20


def labels(said: Mapping[str, str]) -> dict[str, str]:
    """What is said of a unit and not empty, within bounds."""
    kept = {name: shown for name, value in said.items() if (shown := text(value))}
    return dict(list(kept.items())[:LABELS_MAX])


def counted(found: int, what: str) -> None:
    """Refuse more than a source may have.

    Raises:
        ReadingError: it has more.
    """
    if found > UNITS_MAX:
        raise ReadingError(f"{found:,} {what}; a source may have {UNITS_MAX:,}: divide it")


def distinct(units: Iterable[Unit], notes: list[str]) -> tuple[Unit, ...]:
    """Units by their keys, in order; those of a key that several have are left out: which of them
    it belongs to is not known.
    """
    by_key: dict[str, Unit] = {}
    twice: set[str] = set()
    for unit in units:
        if unit.key in by_key:
            twice.add(unit.key)
        by_key[unit.key] = unit
    for key in sorted(twice):
        notes.append(f"{text(key)}: several units have this key, which are left out")
        del by_key[key]
    return tuple(by_key[key] for key in sorted(by_key))


def noted(notes: list[str]) -> tuple[str, ...]:
    """Notes, not more than can be looked at."""
    if len(notes) <= NOTES_MAX:
        return tuple(notes)
    return (*notes[:NOTES_MAX], f"and {len(notes) - NOTES_MAX:,} more")
