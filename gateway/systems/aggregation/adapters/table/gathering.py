"""What a file says, gathered part by part: one that is wrong is noted, and harms no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from itertools import islice
from types import MappingProxyType
from typing import Final, NamedTuple

from gateway.systems.aggregation.adapters.bodies import AMOUNT_MAX, amount, text
from gateway.systems.aggregation.readings import ReadingError, Unit

UNITS_MAX: Final = 200_000
PARTS_MAX: Final = 2 * UNITS_MAX
Number = float | int | str | None
# What of a key was told most of, by kind: of keys whose total a file may leave out.
Highest = Mapping[str, Mapping[str, float]]
NOTHING: Final[Highest] = MappingProxyType({})

_NOTED: Final = 20
_PLACES: Final = Decimal("0.01")


class Told(NamedTuple):
    """What a file says.

    Attributes:
        units: by their keys, none twice.
        whole: all of it was read.
        notes: what is to be noted.
        highest: with which the next file is to be read.
    """

    units: tuple[Unit, ...]
    whole: bool
    notes: list[str]
    highest: Highest = NOTHING


class Gathering:
    """What was read of a file so far.

    Args:
        highest: of the files before.
    """

    def __init__(self, highest: Highest = NOTHING) -> None:
        self._highest = highest
        self._named: dict[str, Mapping[str, float]] = {}  # of keys in this file, what is highest
        self._units: dict[str, Unit] = {}
        self._notes: list[str] = []
        self._faults = self._parts = 0

    def attempt(self, what: str, read: Callable[[], None]) -> None:
        """Read a part; what is wrong with it is noted.

        Raises:
            ReadingError: there are too many.
        """
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise ReadingError(f"more than {PARTS_MAX} parts; give them in several files")
        try:
            read()
        except ReadingError as error:
            self.fault(f"{what}: {error}")

    def fault(self, said: str) -> None:
        """Note that a part was not read."""
        self._faults += 1
        if self._faults <= _NOTED:
            self._notes.append(text(said))

    def most(self, key: str, told: Mapping[str, float]) -> dict[str, float]:
        """The most that was told of a key, kind by kind, now or before."""
        before = self._highest.get(key, {})
        return {**before, **{kind: max(has, before.get(kind, 0)) for kind, has in told.items()}}

    def add(self, unit: Unit, is_kept: bool = False) -> None:
        """Take a unit in.

        Args:
            is_kept: its total is kept, since a file may tell only what of it is available.

        Raises:
            ReadingError: its key stands there before, or there are too many.
        """
        if unit.key in self._units:
            raise ReadingError("it stands there before")
        if len(self._units) >= UNITS_MAX:
            raise ReadingError(f"more than {UNITS_MAX} units; give them in parts")
        self._units[unit.key] = unit
        if is_kept:
            self._named[unit.key] = unit.total

    def told(self) -> Told:
        """All of it."""
        notes = list(self._notes)
        if self._faults > _NOTED:
            notes.append(f"{self._faults - _NOTED} more parts are not read")
        units = tuple(self._units.values())
        return Told(units, not self._faults, notes, self._kept())

    def _kept(self) -> Highest:
        """What is highest from now on: of what a whole file does not name, nothing is."""
        if not self._faults:
            return self._named
        others = {key: has for key, has in self._highest.items() if key not in self._units}
        kept = {**others, **self._named}
        # What was named last stands at the end.
        return dict(islice(kept.items(), max(0, len(kept) - UNITS_MAX), None))


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
