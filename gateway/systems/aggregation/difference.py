"""What a reading changes of what is known of a source. Pure.

    Known, Reading, now  →  Difference  →  Known         (applied; a second time it changes nothing)

Units are known again by the keys that their source gives them. One that is missed is marked; when
it has been for the grace, it is forgotten, and a pool without units is proposed for suspension, as
is one whose units have all gone to others for that long. What changes from poll to poll goes into
statuses and touches no record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from csid.errors import IdentifierError
from csid.status import Told
from gateway.systems.aggregation import minting, pooling, readings
from gateway.systems.aggregation.known import (
    ACTIVE,
    SUSPENDED,
    Amounts,
    Facts,
    Known,
    Past,
    Pool,
    Settings,
    Unit,
)
from gateway.systems.aggregation.pooling import Traits
from gateway.systems.aggregation.readings import CHIPS, MEMORY_GIB, VCPU, Reading
from gateway.systems.aggregation.told import told_gone, told_of

NOTES_MAX: Final = 100  # of one reading that are shown
NOTE_CHARACTERS: Final = 300
KEY_MAX: Final = 512  # characters of a unit's key
_DIGEST_OCTETS: Final = 16
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class Rules(NamedTuple):
    """By what a difference is made.

    Attributes:
        now, grace: Unix milliseconds, and how long what is missed is only marked.
        on: the date of registration.
        is_taken: whether another pool has an identifier already.
        held: Unix milliseconds since when something is held back; 0 if nothing is. That day goes on
            until somebody has looked at it: nothing is right because a night has passed.
    """

    now: int
    grace: int
    on: date
    is_taken: Callable[[str], bool] = lambda _: False
    held: int = 0


class Registration(NamedTuple):
    """An identifier that is proposed, for how many units."""

    key: str
    identifier: str
    facts: Facts
    units: int


class Update(NamedTuple):
    """Facts of a record that are to be changed: as they were, as they are to be; None is none."""

    key: str
    identifier: str
    before: Facts
    after: Facts


class Step(NamedTuple):
    """An identifier that is to be suspended or reinstated."""

    key: str
    identifier: str


class Marked(NamedTuple):
    """A unit by its key and its name."""

    key: str
    name: str


class Difference(NamedTuple):
    """What a reading changes.

    Attributes:
        vanished, returned, forgotten: units that are missed from now on, that are there again, that
            have been missed for the grace.
        units, pools: rows as they are to be by their keys; None: the row goes.
        statuses: what is told of each pool, by its key.
        notes: what was left out, and why.
        named: how many units were named that count.
        has: what there is now, units that may only not have been read as they were.
        past: what there was, as it is to be kept; `is_later`: and is not kept so yet.
        only_seen: units of which only that changes when they were seen.
    """

    source: str
    taken: int
    registrations: tuple[Registration, ...] = ()
    updates: tuple[Update, ...] = ()
    suspensions: tuple[Step, ...] = ()
    reinstatements: tuple[Step, ...] = ()
    vanished: tuple[Marked, ...] = ()
    returned: tuple[Marked, ...] = ()
    forgotten: tuple[Marked, ...] = ()
    units: Mapping[str, Unit | None] = {}
    pools: Mapping[str, Pool | None] = {}
    statuses: Mapping[str, Told] = {}
    notes: tuple[str, ...] = ()
    named: int = 0
    has: Amounts = Amounts()
    past: Past = Past()
    is_later: bool = False
    only_seen: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes but statuses."""
        return not (self.units or self.pools or self.is_later)

    @property
    def digest(self) -> str:
        """The same for the same changes, whenever they are found."""
        rows = {
            "registrations": self.registrations,
            "updates": self.updates,
            "suspensions": self.suspensions,
            "reinstatements": self.reinstatements,
            "vanished": self.vanished,
            "forgotten": self.forgotten,
            "moved": [
                (key, one and one.pool)
                for key, one in sorted(self.units.items())
                if key not in self.only_seen
            ],
        }
        return blake2b(_encode(rows), digest_size=_DIGEST_OCTETS).hexdigest()


def difference(source: Settings, known: Known, reading: Reading, rules: Rules) -> Difference:
    """What a reading changes of what is known."""
    seen = _Seen(source, known, reading, rules)
    found = seen.units()
    for key in known.units.keys() - found.keys():
        seen.miss(key)
    members = pooling.members(seen.after.values())
    told = _said_of(found, seen.after)
    by = f"aggregation/{source.name}"
    statuses = {}
    for key, units in sorted(members.items()):
        pool = seen.pool(key, units)
        if pool is None or pool.state != ACTIVE:
            continue
        if key in told:
            statuses[key] = told_of(told[key], by)
        elif all(one.gone for one in units):
            statuses[key] = told_gone(any(one.chips for one in units), by)
    for key in known.pools.keys() - members.keys():
        after = seen.empty(key)
        if after.state == ACTIVE:
            statuses[key] = told_gone(bool(after.wanted.get("count")), by)
    seen.forget()
    has = pooling.amounts_of(found, seen.after)
    past = known.past.following(rules.held or rules.now, has, len(seen.registrations))
    return Difference(
        source.name,
        reading.taken,
        tuple(seen.registrations),
        tuple(seen.updates),
        tuple(sorted(seen.suspensions)),
        tuple(seen.reinstatements),
        tuple(sorted(seen.vanished)),
        tuple(sorted(seen.returned)),
        tuple(sorted(seen.forgotten)),
        seen.changed,
        seen.pools,
        statuses,
        tuple(one[:NOTE_CHARACTERS] for one in seen.notes[:NOTES_MAX]),
        len(found),
        has,
        past,
        past != known.past,
        frozenset(seen.only_seen),
    )


def applied(known: Known, change: Difference) -> Known:
    """What is known after a difference."""
    units, pools = {**known.units, **change.units}, {**known.pools, **change.pools}
    return Known(
        {key: one for key, one in units.items() if one is not None},
        {key: one for key, one in pools.items() if one is not None},
        change.past,
    )


def _said_of(
    found: Mapping[str, readings.Unit], after: Mapping[str, Unit]
) -> dict[str, list[readings.Unit]]:
    """What the source says of each pool's units."""
    told: dict[str, list[readings.Unit]] = {}
    for key, unit in found.items():
        if key in after:
            told.setdefault(after[key].pool, []).append(unit)
    return told


class _Seen:
    """A difference that is being made."""

    def __init__(self, source: Settings, known: Known, reading: Reading, rules: Rules) -> None:
        self._source = source
        self._known = known
        self._reading = reading
        self._rules = rules
        self._traits: dict[str, Traits] = {}
        self._minted: set[str] = set()
        self._left: set[str] = set()  # pools that units have left for others just now
        self.after: dict[str, Unit] = dict(known.units)
        self.changed: dict[str, Unit | None] = {}
        self.only_seen: set[str] = set()
        self.pools: dict[str, Pool | None] = {}
        self.registrations: list[Registration] = []
        self.updates: list[Update] = []
        self.suspensions: list[Step] = []
        self.reinstatements: list[Step] = []
        self.vanished: list[Marked] = []
        self.returned: list[Marked] = []
        self.forgotten: list[Marked] = []
        self.notes: list[str] = list(reading.notes)

    def units(self) -> dict[str, readings.Unit]:
        """Look at each unit that was named; those that count, by their keys."""
        found: dict[str, readings.Unit] = {}
        each, rules = self._source.each, self._rules
        for unit in self._reading.units:
            if not 0 < len(unit.key) <= KEY_MAX:
                self.notes.append(f"{unit.name[:80]}: its key has {len(unit.key):,} characters")
                continue
            before = self._known.units.get(unit.key)
            if unit.key in found:
                self.notes.append(f"{unit.name}: its key {unit.key!r} was named twice")
                continue
            if not any(pooling.amount(unit.total, kind) for kind in (CHIPS, VCPU, MEMORY_GIB)):
                self.notes.append(f"{unit.name}: has nothing, as its source says; left out")
                continue
            found[unit.key] = unit
            row, traits = pooling.place(unit, before, each, rules.now, rules.grace)
            if traits is not None:
                self._traits[row.pool] = traits
            if row is not before:
                self._see(unit, before, row)
        return found

    def _see(self, unit: readings.Unit, before: Unit | None, row: Unit) -> None:
        """A unit is other than it was."""
        self.after[unit.key] = self.changed[unit.key] = row
        if before is None:
            return
        if before.gone:
            self.returned.append(Marked(unit.key, unit.name))
        if before.pool != row.pool:
            self._left.add(before.pool)
        if msgspec.structs.replace(before, unseen=0) == row:
            self.only_seen.add(unit.key)

    def miss(self, key: str) -> None:
        """A known unit was not named."""
        before = self._known.units[key]
        row = pooling.missed(before, self._reading.whole, self._rules.now, self._rules.grace)
        if row is before:
            return
        self.changed[key] = row
        if row is None:
            self.forgotten.append(Marked(key, before.name))
            del self.after[key]
            return
        self.after[key] = row
        if row.gone == before.gone:
            self.only_seen.add(key)
        else:
            self.vanished.append(Marked(key, before.name))

    def pool(self, key: str, units: Sequence[Unit]) -> Pool | None:
        """A pool that has units; None where it can have no identifier."""
        before = self._known.pools.get(key)
        facts = minting.facts_of(self._source, key, units)
        if before is None:
            return self._new(key, units, facts)
        after = before
        if facts != before.wanted:
            after = msgspec.structs.replace(after, wanted=facts, refusal="")
            was, is_ = _changed(before.wanted, facts)
            self.updates.append(Update(key, before.identifier, was, is_))
        if before.emptied:
            after = msgspec.structs.replace(after, emptied=0)
        if before.state == SUSPENDED and not all(one.gone for one in units):
            after = msgspec.structs.replace(after, state=ACTIVE, refusal="")
            self.reinstatements.append(Step(key, before.identifier))
        if after is not before:
            self.pools[key] = after
        return after

    def empty(self, key: str) -> Pool:
        """A known pool has no units any more; what becomes of it."""
        before = self._known.pools[key]
        left, rules = key in self._left, self._rules
        after = pooling.emptied(before, left, rules.now, rules.grace)
        if after.state != before.state:
            self.suspensions.append(Step(key, before.identifier))
        if after is not before:
            self.pools[key] = after
        return after

    def forget(self) -> None:
        """Forget suspended pools that are more than are kept."""
        held = {one.pool for one in self.after.values()}
        empty = {key: one for key, one in self._known.pools.items() if key not in held}
        self.pools |= dict.fromkeys(pooling.too_many(empty))

    def _new(self, key: str, units: Sequence[Unit], facts: Facts) -> Pool | None:
        traits = self._traits.get(key)
        architecture = traits.architecture if traits is not None else ""
        one = min(units, key=lambda unit: unit.name)
        for attempt in range(minting.ATTEMPTS):
            try:
                minted = minting.mint(self._source, key, one, architecture, self._rules.on, attempt)
            except IdentifierError as error:
                self.notes.append(f"{one.name}: no identifier can be made: {error}")
                return None
            identifier = str(minted.identifier)
            if identifier not in self._minted and not self._rules.is_taken(identifier):
                break
        else:
            self.notes.append(f"{one.name}: {minting.ATTEMPTS} serials are others' already")
            return None
        self._minted.add(identifier)
        self.notes += minted.notes
        made = Pool(identifier, attempt, facts, facts, made=self._rules.now)
        self.pools[key] = made
        self.registrations.append(Registration(key, identifier, facts, len(units)))
        return made


def _changed(before: Facts, after: Facts) -> tuple[Facts, Facts]:
    """Only what differs, as it was and as it is to be."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    was: dict[str, Any] = {name: before.get(name) for name in names}
    return was, {name: after.get(name) for name in names}
