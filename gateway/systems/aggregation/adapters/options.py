"""Options of a source, which are texts, read as what an adapter makes of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from gateway.systems.aggregation.readings import ReadingError, Source

_DIGITS_MAX: Final = 20  # of a number


def check(source: Source, known: Collection[str]) -> None:
    """Raises:
    ReadingError: the source has an option that its kind does not have.
    """
    for name in source.options:
        if name not in known:
            raise ReadingError(
                f"{source.kind} has no option {name!r}; it has {', '.join(sorted(known))}"
            )


def number(source: Source, name: str, default: int, least: int, most: int) -> int:
    """A whole number within bounds.

    Raises:
        ReadingError: it is none.
    """
    said = source.options.get(name, "")
    if not said:
        return default
    found = int(said) if said.isascii() and said.isdecimal() and len(said) <= _DIGITS_MAX else -1
    if not least <= found <= most:
        raise ReadingError(f"option {name}={said}: expected a number from {least} to {most}")
    return found


def words(source: Source, name: str) -> tuple[str, ...]:
    """Words with commas between."""
    said = source.options.get(name, "")
    return tuple(word for part in said.split(",") if (word := part.strip()))
