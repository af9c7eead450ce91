"""Deciding on an import: `decide` for many rows, at a few microseconds each.

What the rows of a place share (who may write there, the owner's accreditation, location and
scope) is looked at once. A row that is new, not past and in no pool takes the short way, every
other one goes through `decide`; both ways come to the same, which a test holds them to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from csid.identifier import Identifier
from csid.record import Record
from registry.rules import policy, texts
from registry.rules.case import day_of
from registry.rules.decide import decide
from registry.rules.decision import Refusal
from registry.rules.lifecycle import BIRTH
from registry.rules.records import RECORD_ROOM
from registry.rules.requests import Actor, Import, Request
from registry.rules.status import Status
from registry.tables import codec, index, view
from registry.tables.changes import Changes, TreeChange, TreeKind
from registry.tables.enums import WORDS, State
from registry.tables.log_entry import EntryWriter
from registry.tables.overlay import Overlay
from registry.tables.rows import DEFAULT_TTL
from registry.tables.view import View

_BIRTHS: Final = {WORDS[state].record: int(state) for state in BIRTH}
_ACTIVE: Final = int(State.ACTIVE)
PLACES_KEPT: Final = 100_000  # with what their rows share, from batch to batch

DONE: Final = Refusal(Status.DONE, "")
UNCHANGED: Final = Refusal(Status.UNCHANGED, "")


class Batch(NamedTuple):
    """What the rows since the last batch change, for one transaction."""

    rows: dict[str, list[tuple[bytes, bytes | None]]]  # by table, in key order
    tree: list[TreeChange]  # in the order of the rows; a later one stands for an earlier
    leaves: list[bytes]  # in the order of the rows, to be appended as they are


class _Owner:
    """How many identifiers an owner has, what is written of that, and how many it may have."""

    __slots__ = ("live", "quota", "written")

    def __init__(self, live: int, quota: int | None) -> None:
        self.live = self.written = live
        self.quota = quota


class _Place:
    """What the rows of one place share."""

    __slots__ = ("alone", "families", "owner", "permitted", "refusal")

    def __init__(
        self, owner: _Owner, permitted: bool, refusal: Refusal | None, alone: bool
    ) -> None:
        self.owner = owner
        self.permitted = permitted  # the actor may ask about identifiers here
        self.refusal = refusal
        self.alone = alone  # there are pools here: each row is looked at by itself
        self.families: set[str] = set()  # chip families known to be entered


class Intake:
    """Decides rows one after the other; what they change is kept until `take`.

    Between two batches the view may change only by what `take` gave: the caller writes that to
    where the view looks before it has the next row decided, and ends the import if it cannot.
    Other requests belong before the first row or behind the last.
    """

    def __init__(self, base: View, actor: Actor, now: int, reason: str = "", year: int = 0) -> None:
        """An import by ``actor`` at ``now`` (Unix seconds), ``year`` as in `Import`."""
        self._base = base
        self._actor = actor
        self._now = now
        self._reason = reason
        self._said = year
        self._year = policy.registration_year(actor, year, day_of(now).year)
        writer = EntryWriter(
            actor.name,
            actor.role.value,
            actor.owner,
            Import.kind,
            now,
            reason,
            year,
            actor.peer,
        )
        self._writer = writer
        self._owners: dict[str, _Owner] = {}
        self._places: dict[str, _Place] = {}
        self._start(base.leaves())

    def _start(self, leaves: int) -> None:
        """Begin a batch behind that many leaves."""
        self._over = Overlay(self._base)
        self._given = self._over.layer(codec.ASSIGNMENTS)
        self._tree: list[TreeChange] = []
        self._leaves: list[bytes] = []
        self._entries: dict[str, Callable[[str, bytes], bytes]] = {}  # by place
        self._first = leaves

    def decide(self, identifier: Identifier, record: Record, packed: bytes) -> Refusal:
        """What becomes of one row: a status, and for a refusal why.

        ``packed`` is the record as `csid.record.encode` gives it.
        """
        name = str(identifier)
        key = name.encode("ascii")
        value = self._given.get(key) or self._base.get(codec.ASSIGNMENTS, key)
        at = name.rpartition("/")[0]
        place = self._places.get(at) or self._open(at, identifier, record)
        if value is not None:
            held = codec.decode_assignment(value)
            if place.permitted and held.record == packed and held.state is not State.SUPERSEDED:
                return UNCHANGED
            return self._decide_alone(identifier, record)
        owner = place.owner
        word: Any = record.values["st"]
        if (
            place.alone
            or word not in _BIRTHS
            or len(packed) > RECORD_ROOM
            or (owner.quota is not None and owner.live >= owner.quota)
        ):
            return self._decide_alone(identifier, record)
        if place.refusal is not None:
            return place.refusal
        state = _BIRTHS[word]
        if state != _ACTIVE:
            self._over.put(codec.BY_STATE, codec.state_key(word, name), b"")
        family = index.family_of(identifier.spec)
        if family not in place.families:
            self._enter(at, place, family)
        leaf = self._first + len(self._leaves)
        row = (state, leaf, self._now, self._now, 0, packed, "", DEFAULT_TTL)
        self._given[key] = codec.encode(row)
        self._tree.append(TreeChange(TreeKind.RECORD, name, packed))
        self._leaves.append(self._entry_of(at)(name, packed))
        owner.live += 1
        return DONE

    def take(self) -> Batch:
        """What the rows since the last call change; the next batch begins."""
        for code, owner in self._owners.items():
            self._count(code, owner)
        batch = Batch(self._over.rows(), self._tree, self._leaves)
        self._start(self._first + len(self._leaves))
        if len(self._places) > PLACES_KEPT:  # all that is known of them is in the batch
            self._places.clear()
            self._owners.clear()
        return batch

    def _open(self, at: str, identifier: Identifier, record: Record) -> _Place:
        """Look at what the rows of a place share."""
        code = identifier.owner
        owner = self._owners.get(code)
        if owner is None:
            facts = view.get_owner(self._base, code)
            live = view.count_live(self._over, code)
            owner = self._owners[code] = _Owner(live, facts.quota if facts else None)
        request = Request(self._actor, Import(identifier, record), self._reason)
        forbidden = texts.request_fault(request) or policy.permit(self._actor, request.body)
        refusal = forbidden or policy.place_open(self._base, at, self._year)
        pooled = next(self._base.scan(codec.POOLS, f"{at}/".encode("ascii")), None) is not None
        place = self._places[at] = _Place(owner, forbidden is None, refusal, pooled)
        return place

    def _entry_of(self, at: str) -> Callable[[str, bytes], bytes]:
        """What makes the leaves of a place in this batch."""
        entry = self._entries.get(at)
        if entry is None:
            serial = self._base.serial(at)
            entry = self._writer.first(Status.DONE.number, serial, DEFAULT_TTL)
            self._entries[at] = entry
        return entry

    def _enter(self, at: str, place: _Place, family: str) -> None:
        """Enter a place with its first identifier, and a chip family with its first there."""
        if self._over.get(codec.PLACES, index.location_key(at)) is None:
            self._over.put_all(index.place_rows(at))
        self._over.put(codec.PLACES, index.family_key(family, at), b"")
        place.families.add(family)

    def _decide_alone(self, identifier: Identifier, record: Record) -> Refusal:
        """One row by the general way."""
        owner = self._owners.get(identifier.owner)
        if owner is not None:
            self._count(identifier.owner, owner)
        self._over.set_leaves(self._first + len(self._leaves))
        request = Request(self._actor, Import(identifier, record, self._said), self._reason)
        decision = decide(self._over, request, self._now)
        self._keep(identifier.owner, decision.changes)
        return Refusal(decision.status, decision.detail)

    def _count(self, code: str, owner: _Owner) -> None:
        """Lay over how many identifiers an owner has, which the short way only counts."""
        if owner.live != owner.written:
            self._over.put(codec.COUNTS, codec.owner_count_key(code), codec.encode(owner.live))
            owner.written = owner.live

    def _keep(self, code: str, changes: Changes) -> None:
        """Take over what `decide` has found."""
        self._over.put_all(changes.rows)
        self._tree += changes.tree
        if changes.leaf is not None:
            self._leaves.append(changes.leaf)
        owner = self._owners.get(code)
        if owner is not None:
            owner.live = owner.written = view.count_live(self._over, code)
