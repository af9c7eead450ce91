"""What a file says, gathered part by part: one that is wrong is noted, and harms no other."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final, NamedTuple

from gateway.systems.aggregation.adapters.bodies import AMOUNT_MAX, amount, text
from gateway.systems.aggregation.readings import ReadingError, Unit

UNITS_MAX: Final = 200_000
Number = float | int | str | None
Highest = MutableMapping[str, dict[str, float]]  # what of a key was told most of, by kind

_NOTED: Final = 20
_PLACES: Final = Decimal("0.01")


class Told(NamedTuple):
    """What a file says: its units, whether all of it was read, what is to be noted."""

    units: list[Unit]
    whole: bool
    notes: list[str]


class Gathering:
    """What was read of a file so far."""

    def __init__(self) -> None:
        self._units: dict[str, Unit] = {}
        self._notes: list[str] = []
        self._faults = 0

    def attempt(self, what: str, read: Callable[[], None]) -> None:
        """Read a part; what is wrong with it is noted."""
        try:
            read()
        except ReadingError as error:
            self.fault(f"{what}: {error}")

    def fault(self, said: str) -> None:
        """Note that a part was not read."""
        self._faults += 1
        if self._faults <= _NOTED:
            self._notes.append(text(said))

    def add(self, unit: Unit) -> None:
        """Take a unit in.

        Raises:
            ReadingError: its key stands there before, or there are too many.
        """
        if unit.key in self._units:
            raise ReadingError("it stands there before")
        if len(self._units) >= UNITS_MAX:
            raise ReadingError(f"more than {UNITS_MAX} units; give them in parts")
        self._units[unit.key] = unit

    def told(self) -> Told:
        """All of it."""
        notes = list(self._notes)
        if self._faults > _NOTED:
            notes.append(f"{self._faults - _NOTED} more parts are not read")
        return Told(list(self._units.values()), not self._faults, notes)


def decimal(value: float | str) -> Decimal:
    """A number of at least 0.

    Raises:
        ReadingError: it is none.
    """
    try:
        found = Decimal(str(value)[:40])
    except InvalidOperation:
        found = Decimal(-1)
    if not found.is_finite() or not 0 <= found <= AMOUNT_MAX:
        raise ReadingError(f"{text(str(value)[:40])!r}: expected a number")
    return found


def rounded(value: Decimal) -> float:
    """To two places, halves up, as the systems do that write CPURL files."""
    return amount(float(min(value, Decimal(AMOUNT_MAX)).quantize(_PLACES, ROUND_HALF_UP)))


def highest_of(highest: Highest, key: str, told: dict[str, float], least: bool) -> dict[str, float]:
    """The total of a key: what is told, or, where only what is available is, at least what was told
    before.
    """
    before = highest.get(key, {}) if least else {}
    highest[key] = {kind: max(has, before.get(kind, 0)) for kind, has in told.items()}
    return highest[key]
