"""What is reserved for seconds, so that two askers are not sent to the same last cards.

A reservation changes what is told of a resource here, and nothing else: neither its record nor its
status, and nobody at the resource knows of it. It ends by itself. Pure: the time is given.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from csid import shape
from csid.errors import CsidError
from csid.shape import NODES, VCPU, Shape, Units
from csid.status import Status

RESERVATIONS_MAX: Final = 10_000
OF_ONE_MAX: Final = 1_000  # of one caller
ITEMS_MAX: Final = 64  # pools of one reservation
CHIPS: Final = "chips"
MEMORY: Final = "memory_gib"
_MOST: Final = 2**53  # of an amount (csid.status.Amount)
_EVEN: Final = 1 + 1e-9  # shares of what is divided are rounded


class NotFreeError(CsidError):
    """There is not as much free as is to be reserved, or no more can be reserved."""


class Item(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is reserved of one resource: `number` blocks of `size`, each within one node.

    Attributes:
        of: `chips`, or `vcpu` of nodes without chips.
        vcpu: virtual processors that go with chips, for all blocks together.
        memory_gib: main memory, likewise.
    """

    identifier: str
    size: int
    number: int = 1
    of: str = CHIPS
    vcpu: float = 0.0
    memory_gib: float = 0.0

    def __post_init__(self) -> None:
        if self.of not in (CHIPS, VCPU):
            raise ValueError(f"of: expected {CHIPS} or {VCPU}")
        if not (0 < self.size <= 65_535 and 0 < self.number <= 10**7):
            raise ValueError("size and number: expected whole numbers above 0")
        if not (0 <= self.vcpu <= _MOST and 0 <= self.memory_gib <= _MOST):
            raise ValueError("vcpu and memory_gib: expected numbers, 0 or above")
        if self.vcpu and self.of == VCPU:
            raise ValueError("vcpu: is what is reserved already, size times number")


class Reservation(NamedTuple):
    """A reservation: whose it is; until when it holds (Unix ms); what was asked for, in the words
    of who has found the items, if they were found.
    """

    name: str
    by: str
    until: int
    items: tuple[Item, ...]
    asked: str = ""


class Reservations:
    """All reservations that hold, and what was told last of the resources that they are of."""

    def __init__(self) -> None:
        self._held: dict[str, Reservation] = {}
        self._keys: dict[tuple[str, str], str] = {}  # (by, idempotency key) → name
        self._of: dict[str, set[str]] = {}  # identifier → names
        self._told: dict[str, Status] = {}

    def __len__(self) -> int:
        return len(self._held)

    def status(self, identifier: str, told: Status) -> Status:
        """What is told of a resource here, where it tells such a status. Once that is taken in,
        `learn` it: one that came too late is not.
        """
        return self._reduced(identifier, told) if identifier in self._of else told

    def learn(self, identifier: str, told: Status) -> None:
        """A resource has told a status."""
        if identifier in self._of:
            self._told[identifier] = told

    def left(self, identifier: str, but: str = "") -> Status:
        """What is told here of a resource of which something is reserved; `but`: the name of a
        reservation that is not counted.
        """
        return self._reduced(identifier, self._told[identifier], but)

    def under(self, by: str, key: str) -> Reservation | None:
        """The reservation that a caller has made under an idempotency key, if it holds."""
        return self._held.get(self._keys.get((by, key), "")) if key else None

    def take(
        self,
        by: str,
        items: tuple[Item, ...],
        until: int,
        told: dict[str, Status],
        key: str = "",
        asked: str = "",
    ) -> tuple[Reservation, dict[str, Status]]:
        """Reserve, all of it or nothing.

        Args:
            told: of each resource what is told of it here now, reservations left out of it
                already; those that tell nothing that holds are not there.
            key: the same again under the same key gives the same reservation.
            asked: what the items were found for.

        Returns:
            it, and what is told of the resources from now on.

        Raises:
            NotFreeError: nothing is reserved.
        """
        known = self.under(by, key)
        if known is not None:
            if known.items != items:
                raise NotFreeError(f"Idempotency-Key {key[:40]}: something else was reserved by it")
            return known, {}
        self._require_room(by)
        after: dict[str, Status] = {}
        for one in items:
            now = after.get(one.identifier) or told.get(one.identifier)
            if now is None:
                raise NotFreeError(f"{one.identifier}: nothing is known now of what is free of it")
            after[one.identifier] = without(now, one)
        made = Reservation(secrets.token_urlsafe(12), by, until, items, asked)
        self._held[made.name] = made
        if key:
            self._keys[by, key] = made.name
        for name in after:
            self._of.setdefault(name, set()).add(made.name)
            self._told.setdefault(name, told[name])
        return made, after

    def get(self, name: str) -> Reservation | None:
        """The reservation of a name, if it holds."""
        return self._held.get(name)

    def all(self) -> list[Reservation]:
        """All that hold."""
        return list(self._held.values())

    def told(self) -> dict[str, Status]:
        """What was told last of all that something is reserved of, nothing left out."""
        return dict(self._told)

    def release(self, names: Iterable[str]) -> dict[str, Status]:
        """End reservations; what is told from now on of what they were of."""
        touched: set[str] = set()
        for name in names:
            gone = self._held.pop(name, None)
            if gone is None:
                continue
            for one in gone.items:
                self._of.get(one.identifier, set()).discard(name)
                touched.add(one.identifier)
        self._keys = {key: name for key, name in self._keys.items() if name in self._held}
        after = {}
        for identifier in touched:
            after[identifier] = self.left(identifier)
            if not self._of[identifier]:
                del self._of[identifier], self._told[identifier]
        return after

    def ended(self, now: int) -> list[str]:
        """The names of those whose time is over."""
        return [name for name, one in self._held.items() if one.until <= now]

    def _reduced(self, identifier: str, told: Status, but: str = "") -> Status:
        """What is told of a resource, less what is reserved of it: as far as there is any, for
        what was reserved may be taken already. Large blocks go first: small ones still have room
        then where large ones have none, and whoever works it out again gets the same.
        """
        items = [
            one
            for name in self._of[identifier] - {but}
            for one in self._held[name].items
            if one.identifier == identifier
        ]
        for one in sorted(items, key=_order, reverse=True):
            told = without(told, one, as_far_as_there_is=True)
        return told

    def _require_room(self, by: str) -> None:
        own = sum(one.by == by for one in self._held.values())
        if len(self._held) >= RESERVATIONS_MAX or own >= OF_ONE_MAX:
            raise NotFreeError(
                f"{len(self._held):,} reservations hold, {own:,} of this caller: no more are taken "
                "until some end"
            )


def _order(item: Item) -> tuple[int, int, str, float, float]:
    return item.size, item.number, item.of, item.memory_gib, item.vcpu


def without(status: Status, item: Item, as_far_as_there_is: bool = False) -> Status:
    """A status less what is reserved.

    Raises:
        NotFreeError: there is not as much.
    """
    free = dict(status.told.free)
    kind = NODES if item.of == CHIPS else VCPU
    units = shape.read(free, kind)
    left, taken = taken_from(units, item.size, item.number)
    if item.size == 1 and item.of in free and (item.of == CHIPS or not units):
        # Single ones may lie anywhere, so the sum counts: a shape is rounded down, or not told.
        taken = min(item.number, int(free[item.of]))
    if taken < item.number and not as_far_as_there_is:
        raise NotFreeError(
            f"{item.identifier}: {item.number} blocks of {item.size} {item.of} are not free; there "
            f"are {taken}"
        )
    for name in [one for one in free if one.startswith(f"{kind}_")]:
        del free[name]
    free |= {f"{kind}_{one.free}": float(one.number) for one in left}
    if item.of in free:
        free[item.of] = max(0.0, free[item.of] - taken * item.size)
    for name, amount in ((VCPU, item.vcpu), (MEMORY, item.memory_gib)):
        share = amount * taken / item.number  # what goes with blocks that there are
        if share and name in free:
            if share > free[name] * _EVEN and not as_far_as_there_is:
                raise NotFreeError(
                    f"{item.identifier}: {share:g} {name} are not free; there are {free[name]:g}"
                )
            free[name] = max(0.0, free[name] - share)
    return status._replace(told=msgspec.structs.replace(status.told, free=free))


def taken_from(units: Shape, size: int, number: int) -> tuple[Shape, int]:
    """What is left of a shape when blocks are taken from it, and how many could be: from the units
    that fit most closely first, so that large ones stay whole.
    """
    counts = {one.free: one.number for one in units}
    taken = 0
    for free in sorted(one.free for one in units if one.free >= size):
        each = free // size
        while counts[free] and taken < number:
            whole = min(counts[free], (number - taken) // each)
            if whole:
                _move(counts, free, free - each * size, whole)
                taken += whole * each
            else:
                rest = number - taken
                _move(counts, free, free - rest * size, 1)
                taken += rest
    left = [Units(free, count) for free, count in counts.items() if free and count]
    return tuple(sorted(left, reverse=True)), taken


def _move(counts: dict[int, int], free: int, left: int, units: int) -> None:
    """So many units have less free from now on."""
    counts[free] -= units
    if left:
        counts[left] = counts.get(left, 0) + units
