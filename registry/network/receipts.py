"""Receipts as they come: UPDATEs by the national network, about identifiers of this node.

zone     the zone of a cut
record   the identifier's name, TYPE65348 (`csid.protocol.RECEIPT`), IN, TTL 0:
         msgpack [number, status, serial, time, reason]
seal     at the name of the zone, see `receipt_seal`
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import msgpack

from csid import names
from csid.fields import hidden_in
from csid.prefix import ancestors
from csid.protocol import CLASS_IN, FORMERR, NOERROR, RECEIPT, REFUSED, SERVFAIL
from registry.network.receipt_seal import is_sealed
from registry.receiving import Receipt, Receiver
from registry.rules.decision import Decision
from registry.rules.requests import TEXT_MAX, Actor, Role
from registry.rules.status import BY_NUMBER, Status
from registry.tables import view
from registry.tables.enums import FilingState
from registry.tables.naming import Names
from registry.tables.registered import is_shaped
from registry.tables.transaction import TransactionView
from registry.zones.updates import Result
from resolver.sync.settings import key_row
from resolver.sync.update.effect import Asked
from resolver.sync.update.message import Record

if TYPE_CHECKING:
    from registry.core import Core

SERIALS: Final = 2**32
_pack: Final[Callable[[object], bytes]] = msgpack.Packer().pack
_UNSEALED: Final = (
    "these receipts are not sealed by the national node (the key that this node knows it by is "
    "another: csid node key prints it there, csid node use-key --receipt-key takes it here)"
)
_ON_ITS_WAY: Final = (FilingState.MOVING, FilingState.TAKING)


class ReceiptError(ValueError):
    """A record that is no receipt."""


class Claim:
    """Takes the UPDATEs that are receipts: a `registry.zones.updates.Claim`."""

    def takes(self, core: Core, asked: Asked) -> bool:
        """Whether an UPDATE has receipts."""
        return any(record.rrtype == RECEIPT for record in asked.changes)

    def carry_out(self, core: Core, asked: Asked, key: bytes, address: bytes, now: int) -> Result:
        """Take them, durable when this returns."""
        with core.store.read() as read:
            seen, own = TransactionView(read), key_row(read, key)
            place, root = view.get_place(seen), view.get_root(seen)
        if place is None or own is None or own.node != place.name:
            return Result(REFUSED, "receipts are taken under this node's own key only")
        if asked.prerequisites:
            return Result(FORMERR, "receipts have no prerequisites")
        seals = [one.data for one in asked.changes if one.key == asked.apex]
        records = [one for one in asked.changes if one.key != asked.apex]
        if root is not None and root.receipt_key:
            said = [(one.key, one.data) for one in records]
            if not is_sealed(root.receipt_key, place.name, said, seals):
                return Result(REFUSED, _UNSEALED)
        try:
            given = read_records(Names(core.suffix), records)
        except ReceiptError as error:
            return Result(FORMERR, str(error))
        decisions = take(core, names.to_text(key), given, now)
        wrong = [one for one in decisions if not one.status.success]
        if not wrong:
            return Result(NOERROR)
        if late := self._on_its_way(core, wrong):
            return Result(SERVFAIL, f"{late} is on its way between nodes; send it again later")
        first = wrong[0]
        detail = f"{first.subject}: {first.detail or first.status.en}"
        return Result(NOERROR, f"{len(wrong)} of {len(given)} receipts changed nothing: {detail}")

    def _on_its_way(self, core: Core, decisions: Sequence[Decision]) -> str:
        """The first identifier whose receipt cannot be taken now, but perhaps later: its cut moves
        from this node, which may be taken back, or comes to it; empty if there is none.
        """
        with core.store.read() as read:
            seen = TransactionView(read)
            for one in decisions:
                for cut in ancestors(one.subject.rpartition("/")[0]):
                    filing = view.get_cut_filing(seen, cut)
                    if filing is not None and filing.state in _ON_ITS_WAY:
                        return one.subject
        return ""


def data_of(number: int, status: int, serial: int, time: int, reason: str) -> bytes:
    """The data of the record of a receipt."""
    return _pack((number, status, serial, time, reason))


def record_of(named: Names, receipt: Receipt, time: int) -> Record:
    """A receipt, given at a time in Unix seconds, as a record of an UPDATE."""
    data = data_of(receipt.number, receipt.status, receipt.serial, time, receipt.reason)
    return Record(named.key(receipt.identifier), RECEIPT, CLASS_IN, 0, data)


def read_records(named: Names, records: Iterable[Record]) -> list[Receipt]:
    """The receipts in the records of an UPDATE.

    Raises:
        ReceiptError: one of them is none.
    """
    return [_receipt(named, record) for record in records]


def _receipt(named: Names, record: Record) -> Receipt:
    suffix = names.key_of(named.wire)
    below = record.key[len(suffix) :]
    if record.rrtype != RECEIPT or record.rrclass != CLASS_IN:
        raise ReceiptError(f"expected receipts alone, found type {record.rrtype}")
    if not record.key.startswith(suffix) or not is_shaped(below):
        raise ReceiptError(f"{names.to_text(names.wire_of_key(record.key))} is no identifier")
    identifier = below[:-1].replace(b"\0", b"/").decode("ascii").upper()
    try:
        values = msgpack.unpackb(record.data, use_list=False)
    except (ValueError, msgpack.UnpackException):
        raise ReceiptError(f"{identifier}: its receipt is no msgpack") from None
    if not isinstance(values, tuple) or tuple(map(type, values)) != (int, int, int, int, str):
        raise ReceiptError(f"{identifier}: expected number, status, serial, time and reason")
    number, status, serial, _time, reason = values
    if not (0 <= number < 2**63 and status in BY_NUMBER and 0 <= serial < SERIALS):
        raise ReceiptError(f"{identifier}: receipt {number}, status {status}, serial {serial}")
    return Receipt(identifier, number, status, serial, shown(reason))


def shown(text: str) -> str:
    """A text of another node, so that it can be kept and shown."""
    while hidden := hidden_in(text):
        at = int(hidden.split()[1]) - 1
        text = f"{text[:at]}?{text[at + 1 :]}"
    return text.strip()[:TEXT_MAX]


def take(core: Core, key: str, given: Sequence[Receipt], now: int) -> list[Decision]:
    """What becomes of identifiers by receipts that came under a key; durable when it returns.

    Raises:
        StoreError: the store is full or fails: nothing was done.
    """
    actor = Actor(key, Role.NODE, "", core.peer)
    with core.desk.batch(core.store, now) as batch:
        receiver = Receiver(batch, actor, now)
        decisions = [receiver.take(one) for one in given]
    for observe in core.stages.observe:
        for decision in decisions:
            if decision.status is Status.DONE:
                observe(decision)
    return decisions
