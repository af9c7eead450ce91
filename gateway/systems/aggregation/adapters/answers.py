"""Reading what a source has said, as a stranger's: JSON into structs, numbers, texts and counts
within bounds. Nothing but ReadingError comes of what cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec

from gateway.systems.aggregation.readings import LABELS_MAX, ReadingError, Said, Source, Unit

UNITS_MAX: Final = 100_000  # of one source
TEXT_MAX: Final = 200  # characters of a name, a label, a reason
NOTES_MAX: Final = 20
AMOUNT_MAX: Final = 2.0**53
_EXCERPT: Final = 160  # characters of an answer that an error shows
T = TypeVar("T")


def read(said: Said, decoder: msgspec.json.Decoder[T], what: str, hint: str = "") -> T:
    """What an answer of status 200 says.

    Args:
        what: was asked, for the error.
        hint: what may be done about a refusal.

    Raises:
        ReadingError: another status, or not what was expected.
    """
    if said.status != 200:
        raise ReadingError(
            f"{what}: HTTP {said.status}: {excerpt(said.body)}; expected 200{hint and '; '}{hint}"
        )
    try:
        return decoder.decode(said.body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ReadingError(
            f"{what}: {text(str(error))}: {excerpt(said.body)}; expected its JSON; "
            "is this the right kind of source?"
        ) from None


def excerpt(body: bytes) -> str:
    """The beginning of an answer, as it can be shown."""
    return text(body[:_EXCERPT].decode("utf-8", "replace")) or "nothing"


def text(value: str | None) -> str:
    """One line of printable characters, cut to TEXT_MAX."""
    if not value:
        return ""
    if len(value) > TEXT_MAX or not value.isprintable():
        value = "".join(c if c.isprintable() else " " for c in value[: 4 * TEXT_MAX])
        value = " ".join(value.split())[:TEXT_MAX]
    return value.strip()


def amount(value: float | None) -> float:
    """A number from 0 to AMOUNT_MAX; 0 for what is none."""
    if value is None or not 0 <= value <= AMOUNT_MAX:  # which not a number is not, either
        return 0.0
    return float(value)


def labels(said: Mapping[str, str]) -> dict[str, str]:
    """What is said of a unit and not empty, within bounds."""
    kept = {name: shown for name, value in said.items() if (shown := text(value))}
    return dict(list(kept.items())[:LABELS_MAX])


def setting(source: Source, name: str, default: float) -> float:
    """A number among a source's options.

    Raises:
        ReadingError: it is none, or below 0.
    """
    said = source.options.get(name)
    if said is None:
        return default
    try:
        value = float(said)
    except ValueError:
        value = -1
    if not 0 <= value <= AMOUNT_MAX:
        raise ReadingError(f"option {name}: {text(said)!r} is no number of 0 or more")
    return value


def listed(source: Source, name: str, default: str = "") -> frozenset[str]:
    """Names among a source's options, separated by commas."""
    said = source.options.get(name, default)
    return frozenset(one.strip() for one in said.split(",") if one.strip())


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
