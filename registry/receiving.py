"""Receipts of the national node taken by the thousand: filing → active by a short way.

An identifier that is taken mostly has nothing else to it: one octet of its row changes with its
record's word of state, one node, and one leaf. Whatever is not plain takes the full way
(`registry.rules.filing.receipt`), with the same outcome, which a test holds both to.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgpack

from csid.errors import ZoneError
from csid.identifier import Identifier
from csid.record import Record
from registry.desk import Batch
from registry.rules.case import entry_writer
from registry.rules.decision import Decision
from registry.rules.filed import as_active
from registry.rules.filing import is_before, serial_of
from registry.rules.requests import Actor, Request, TakeReceipt
from registry.rules.status import Status
from registry.tables import codec
from registry.tables.enums import WORDS, State
from registry.tables.log_entry import EntryWriter
from registry.tables.record_node import node_of
from registry.tables.volume import Site

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


class Receiver:
    """Takes receipts in one batch."""

    def __init__(self, batch: Batch, actor: Actor, now: int) -> None:
        self._batch = batch
        self._actor = actor
        self._now = now
        self._sites: dict[str, tuple[Site, int] | None] = {}  # by place, with the next serial
        self._writers: dict[str, EntryWriter] = {}  # by reason

    def take(self, given: Receipt) -> Decision:
        """What becomes of an identifier by a receipt."""
        if given.status == Status.DONE.number and given.number >= 0:
            decision = self._take_plainly(given)
            if decision is not None:
                return decision
        body = TakeReceipt(
            Identifier(*given.identifier.split("/")), given.number, given.status, given.serial
        )
        return self._batch.decide(Request(self._actor, body, given.reason))

    def _take_plainly(self, given: Receipt) -> Decision | None:
        """The short way; None where it does not lead on, and nothing was changed."""
        volume, name = self._batch.volume, given.identifier
        key = name.encode("ascii")
        value = volume.get(codec.ASSIGNMENTS, key)
        if value is None or codec.state_of(value) is not State.FILING or self._batch.checks:
            return None
        _, last, since, _, depth, record, target, *rest = _unpack(value)
        leaf = volume.leaf(last) if last < self._batch.first else None
        packed = as_active(record)
        at, _, spec = name.rpartition("/")
        place = self._place(at)
        if leaf is None or not packed or place is None or len(rest) != 1:
            return None
        serial = serial_of(leaf, name)
        if serial is None:
            return None
        if is_before(given.serial, serial):
            return Decision(Status.UNCHANGED, name, "")
        site, following = place
        [ttl] = rest
        blob = node_of(Record.of_values(_unpack(packed, use_list=False)), packed, ttl)
        try:
            volume.plant(site, spec, blob)
        except ZoneError:
            return None
        index = volume.leaves()
        row = (_ACTIVE, index, since, self._now, depth, packed, target, ttl)
        volume.put(codec.ASSIGNMENTS, key, codec.encode(row))
        volume.put(codec.BY_STATE, codec.state_key(WORDS[State.FILING].record, name), None)
        entry = self._writer(given.reason).entry(
            name, packed, last, f"{given.number}", Status.DONE.number, (following,), ttl
        )
        volume.fresh.append(entry)
        return Decision(Status.DONE, name)

    def _place(self, at: str) -> tuple[Site, int] | None:
        if at not in self._sites:
            site = self._batch.volume.site(at)
            serial = 0 if site is None else self._batch.volume.next_serial(site.apex)
            self._sites[at] = None if site is None else (site, serial)
        return self._sites[at]

    def _writer(self, reason: str) -> EntryWriter:
        writer = self._writers.get(reason)
        if writer is None:
            writer = entry_writer(self._actor, TakeReceipt.kind, self._now, reason)
            self._writers[reason] = writer
        return writer
