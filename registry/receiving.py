"""Receipts of the national node taken by the thousand: filing → active by a short way.

An identifier that is taken mostly has nothing else to it: one octet of its row changes with its
record's word of state, one node, and one leaf. Whatever is not plain takes the full way
(`registry.rules.filing.receipt`), with the same outcome, which a test holds both to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgpack

from csid.errors import ZoneError
from csid.identifier import Identifier
from registry.desk import Batch
from registry.rules.case import entry_writer
from registry.rules.decision import Decision
from registry.rules.filed import as_active
from registry.rules.filing import is_before, serial_of
from registry.rules.held import holders_text
from registry.rules.lifecycle import Verb
from registry.rules.requests import TEXT_MAX, Actor, Advance, Request, TakeReceipt
from registry.rules.status import Status
from registry.tables import codec
from registry.tables.enums import WORDS, State
from registry.tables.view import hold_over
from registry.tables.volume import Site
from resolver.store.node import EMPTY, bare

_FILING: Final = int(State.FILING)
_ACTIVE: Final = int(State.ACTIVE)
_unpack: Final[Any] = msgpack.unpackb


class Receipt(NamedTuple):
    """What the national node says to the filing of an identifier.

    Attributes:
        identifier: in canonical form.
        number: of the receipt.
        status: 100 for taken, else that of the refusal.
        serial: of the zone in which the identifier was seen.
        reason: of a refusal.
    """

    identifier: str
    number: int
    status: int
    serial: int
    reason: str = ""


class _Place(NamedTuple):
    """What is looked up once for the identifiers of a place.

    Attributes:
        names: what the keys of their nodes in the tree begin with.
        entry: makes their leaves.
    """

    site: Site
    names: bytes
    entry: Callable[[str, bytes, int, str], bytes]


class Receiver:
    """Takes receipts in one batch."""

    def __init__(self, batch: Batch, actor: Actor, now: int) -> None:
        self._batch = batch
        self._actor = actor
        self._now = now
        self._is_any_held = next(batch.view.scan(codec.HOLDS, b""), None) is not None
        self._tree = batch.volume.txn.table(b"tree")
        self._places: dict[tuple[str, int, str], _Place | None] = {}  # by place, TTL, reason

    def take(self, given: Receipt) -> Decision:
        """What becomes of an identifier by a receipt."""
        held = hold_over(self._batch.view, given.identifier) if self._is_any_held else None
        if held is None and given.status == Status.DONE.number and given.number >= 0:
            decision = self._take_plainly(given)
            if decision is not None:
                return decision
        identifier = Identifier(*given.identifier.split("/"))
        body = TakeReceipt(identifier, given.number, given.status, given.serial)
        decision = self._batch.decide(Request(self._actor, body, given.reason))
        if held is not None and decision.status is Status.DONE:  # it was taken before that
            reason = holders_text(held[1])[:TEXT_MAX]
            actor = self._actor
            follows = Actor(actor.name, actor.role, identifier.owner, actor.peer)
            self._batch.decide(Request(follows, Advance(identifier, Verb.SUSPEND), reason))
        return decision

    def _take_plainly(self, given: Receipt) -> Decision | None:
        """The short way; None where it does not lead on, and nothing was changed."""
        volume, name = self._batch.volume, given.identifier
        key = name.encode("ascii")
        value = volume.get(codec.ASSIGNMENTS, key)
        if value is None or codec.state_of(value) is not State.FILING or self._batch.checks:
            return None
        _, last, since, _, depth, record, target, *rest = _unpack(value)
        leaf = volume.leaf(last) if last < self._batch.first else None
        if leaf is None or len(rest) != 1:
            return None
        [ttl] = rest
        at, _, spec = name.rpartition("/")
        place = self._place(at, ttl, given.reason)
        if place is None:
            return None
        serial = serial_of(leaf, name)
        if serial is None:
            return None
        if is_before(given.serial, serial):
            return Decision(Status.UNCHANGED, name, "")
        held = self._tree.get(place.names + spec.lower().encode("ascii") + b"\0")
        turned = as_active(record, bare(held or EMPTY))
        if turned is None:
            return None
        packed, blob = turned
        try:
            volume.plant(place.site, spec, blob)
        except ZoneError:
            return None
        index = volume.leaves()
        row = (_ACTIVE, index, since, self._now, depth, packed, target, ttl)
        volume.put(codec.ASSIGNMENTS, key, codec.encode(row))
        volume.put(codec.BY_STATE, codec.state_key(WORDS[State.FILING].record, name), None)
        volume.fresh.append(place.entry(name, packed, last, f"{given.number}"))
        return Decision(Status.DONE, name)

    def _place(self, at: str, ttl: int, reason: str) -> _Place | None:
        """What the identifiers of a place share; None if no one zone holds them all."""
        key = (at, ttl, reason)
        if key not in self._places:
            self._places[key] = self._looked_up(at, ttl, reason)
        return self._places[key]

    def _looked_up(self, at: str, ttl: int, reason: str) -> _Place | None:
        volume = self._batch.volume
        site = volume.site(at)
        zone = None if site is None else volume.txn.snapshot.zone_of(site.apex)
        if site is None or zone is None:
            return None
        writer = entry_writer(self._actor, TakeReceipt.kind, self._now, reason)
        serial = volume.next_serial(site.apex)
        entry = writer.alike(Status.DONE.number, (serial,), ttl)
        return _Place(site, zone.generation + site.below, entry)
