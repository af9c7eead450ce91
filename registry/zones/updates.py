"""UPDATEs carried out by the writer: who asks, what may be, the change, its leaf (RFC 2136, 3007).

What waits is carried out in order, and shares a commit. One that is refused has written nothing
yet; where that shows only later, the transaction is undone, and done again without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any, Final, NamedTuple, Protocol

from csid import names
from csid.errors import CsidError, StoreError, ZoneError
from csid.limits import COMMIT_SECONDS
from csid.protocol import NOERROR, NOTAUTH, REFUSED, SERVFAIL
from registry.authority import Changed
from registry.rules.decision import Decision
from registry.rules.status import Status
from registry.tables import codec, zone_changes
from registry.tables.changes import ZoneChange
from registry.tables.log_entry import EntryWriter
from registry.tables.naming import Names
from registry.tables.rows import NO_LEAF, ZoneRow
from registry.tables.transaction import TransactionView, append_leaves
from registry.tables.zone_changes import NameChange, said
from registry.zones.asked import UPDATE, Asked, row_of
from resolver.answer.source import Stages
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.store.update import ZoneUpdate
from resolver.store.write import WriteTransaction
from resolver.sync import access, tsig, update
from resolver.sync.settings import follow_of, key_row
from resolver.sync.tentative import Tentative, Zone

ROLE_KEY: Final = "key"  # in leaves: who has signed the UPDATE
ROLE_ADDRESS: Final = "address"  # in leaves: an address that need not sign


class Arrived(NamedTuple):
    """An UPDATE as it came."""

    message: bytes
    address: bytes  # IP address, 4 or 16 octets
    stream: bool  # over TCP


class Result(NamedTuple):
    """What an UPDATE gets: a response code, and why in words."""

    rcode: int
    text: str = ""


class Answer(NamedTuple):
    """An answer, and what is to be said of it where the node tells what happens."""

    message: bytes
    said: str = ""


class Claim(Protocol):
    """Takes certain UPDATEs, and carries them out in its own way."""

    def takes(self, core: Any, asked: update.Asked) -> bool:
        """Whether it takes this one."""
        ...

    def carry_out(
        self, core: Any, asked: update.Asked, key: bytes, address: bytes, now: int
    ) -> Result:
        """Carry it out, durable when this returns.

        Args:
            key: name in wire form of the key that has signed it; empty if none has.
            address: it came from.
            now: Unix seconds.
        """
        ...


class Core(Protocol):
    """`registry.core.Core`, as far as it is asked here."""

    store: Store
    stages: Stages
    suffix: str
    claims: list[Claim]


class _Case:
    """One UPDATE on its way.

    Attributes:
        asked: what it asks for; None if it is refused already.
        key: of the key that has signed it, the name in wire form; else empty.
        result: what it gets, once that is known.
        is_nodes: a node of the network asks, which no row allows it: only a claim may take it.
    """

    def __init__(self, arrived: Arrived) -> None:
        self.arrived = arrived
        self.signed: tsig.Signed | None = None
        self.fault: tsig.Fault | None = None
        self.asked: update.Asked | None = None
        self.result: Result | None = None
        self.is_nodes = False

    @property
    def key(self) -> bytes:
        """Name in wire form of the key that has signed it, else empty."""
        return self.signed.key.name if self.signed is not None else b""

    def writer(self, now: int) -> EntryWriter:
        """Writes its leaves."""
        role = ROLE_KEY if self.key else ROLE_ADDRESS
        peer = _text(self.arrived.address)
        return EntryWriter(self.who, role, "", UPDATE, now, "", 0, peer)

    @property
    def who(self) -> str:
        """Key or address, for people."""
        return names.to_text(self.key) if self.key else _text(self.arrived.address)

    def answer(self, now: int) -> Answer:
        """The answer, signed if the question was."""
        result = self.result or Result(SERVFAIL)
        edns = self.asked is not None and self.asked.edns
        message = self.arrived.message
        response = update.response(message, result.rcode, result.text, edns)
        if self.fault is not None:
            response = self.fault.answer(response, now)
        elif self.signed is not None:
            # Signed is the original ID (RFC 8945 section 5.1).
            response = self.signed.message[:2] + response[2:]
            response, _ = tsig.sign(response, self.signed.key, now, self.signed.mac)
            response = message[:2] + response[2:]
        if not result.text:
            return Answer(response)
        zone = names.to_text(self.asked.origin) if self.asked is not None else "a zone"
        return Answer(response, f"UPDATE of {zone} by {self.who}: {result.text}")


class _Command(_Case):
    """A change that somebody at this node asks for."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(Arrived(b"", b"", stream=True))
        self._by = asked

    def writer(self, now: int) -> EntryWriter:
        actor = self._by.actor
        role, reason = actor.role.value, self._by.reason
        return EntryWriter(actor.name, role, actor.owner, UPDATE, now, reason, 0, actor.peer)


class UpdateRefused(CsidError):
    """An UPDATE that must not be, and why."""


class _Undone(Exception):
    """The transaction must be undone for one update's sake, which gets this."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.text)
        self.result = result


def answer(core: Core, packet: bytes, address: bytes, stream: bool, now: int) -> bytes:
    """Carry out one UPDATE; the answer says NOERROR only once it is durable."""
    return answers(core, [Arrived(packet, address, stream)], now)[0].message


def answers(core: Core, waiting: Sequence[Arrived], now: int) -> list[Answer]:
    """Carry out UPDATEs; what is answered NOERROR is durable when this returns.

    Args:
        now: Unix seconds.

    Returns:
        The answers to the first of them, to one at least; the others are left to the next time.

    Raises:
        StoreError: nothing was done that is not said here.
    """
    cases = [_Case(arrived) for arrived in waiting]
    with core.store.read() as read:
        for case in cases:
            case.result = _admitted(read, case, now)
    claims = [_claim(core, case) for case in cases]
    for case, claim in zip(cases, claims, strict=True):
        if case.is_nodes and case.result is None and claim is None and case.asked is not None:
            case.result = _may_not(case, names.to_text(case.asked.origin))
    first = next((at for at, claim in enumerate(claims) if claim is not None), len(cases))
    waits = [case for case in cases[:first] if case.result is None]
    if not waits and first < len(cases):
        cases[first].result = _by_claim(core, cases[first], claims[first], now)
        first += 1
    decided = _carry_out(core, waits, now) if waits else 0
    if decided < len(waits):
        first = cases.index(waits[decided])
    return [case.answer(now) for case in cases[:first]]


def _may_not(case: _Case, origin: str) -> Result:
    return Result(REFUSED, f"{case.who} may not update {origin}: csid zone allow lets it")


def change(
    core: Core, asked: Asked, origin: bytes, work: Callable[[Zone], object], now: int
) -> int:
    """Have a zone of this node changed as somebody here asks for: under the rules, and with the
    leaf, of an UPDATE.

    Args:
        origin: of the zone, in wire form.
        work: makes the changes.
        now: Unix seconds.

    Returns:
        The serial; the old one if nothing differs.

    Raises:
        ZoneError: there is no such zone, or it follows another server.
        CsidError: the change may not be, or ``work`` raises it; nothing was done.
    """
    apex = names.key_of(origin)
    with core.store.write() as txn:
        zone = txn.update(origin)
        if follow_of(txn, apex) is not None:
            raise ZoneError(names.to_text(origin), "follows another server: change it there")
        tried = Tentative(zone)
        work(tried)
        wanted = tried.change()
        if not wanted.is_any:
            return zone.serial()
        batch = _Batch(core, txn, now)
        serial = batch.change(_Command(asked), origin, zone, wanted)
        batch.write()
    for observe in core.stages.observe:
        observe(Decision(Status.DONE, names.to_text(origin)))
    return serial


def _claim(core: Core, case: _Case) -> Claim | None:
    """Who claims an UPDATE that is admitted; None if it goes the way of all."""
    if case.result is not None or case.asked is None:
        return None
    asked = case.asked
    return next((claim for claim in core.claims if claim.takes(core, asked)), None)


def _by_claim(core: Core, case: _Case, claim: Claim | None, now: int) -> Result:
    assert claim is not None and case.asked is not None
    try:
        return claim.carry_out(core, case.asked, case.key, case.arrived.address, now)
    except StoreError:
        raise
    except Exception as error:  # of one, which concerns no other
        return _failed(error)


def _admitted(read: ReadTransaction, case: _Case, now: int) -> Result | None:
    """`_admit`, whatever is damaged in what it reads."""
    try:
        return _admit(read, case, now)
    except StoreError:
        raise
    except Exception as error:  # whatever damaged octets lead to
        return _failed(error)


def _admit(read: ReadTransaction, case: _Case, now: int) -> Result | None:
    """Who asks, and may he ask for that? None if so."""
    arrived = case.arrived
    message = arrived.message
    verified = tsig.verify(message, access.keyring(read, now), now)
    if isinstance(verified, tsig.Fault):
        case.fault = verified
        return Result(verified.rcode)
    if verified is not None:
        case.signed, message = verified, verified.message
    asked = update.read(message)
    if isinstance(asked, int):
        return Result(asked)
    case.asked = asked
    origin = names.to_text(asked.origin)
    if not access.may(read, asked.apex, "update", arrived.address, case.key):
        row = key_row(read, case.key)
        case.is_nodes = row is not None and bool(row.node)
        if not case.is_nodes:
            return _may_not(case, origin)
    if follow_of(read, asked.apex) is not None:
        return Result(NOTAUTH, f"{origin} follows another server: update it there")
    try:
        read.zone(asked.origin)
    except ZoneError as error:
        return Result(NOTAUTH, str(error))
    return None


def _carry_out(core: Core, cases: Sequence[_Case], now: int) -> int:
    """Carry out the first of these, and one at least, in one transaction; returns how many have
    their results.
    """
    count = len(cases)
    failed: Result | None = None
    until = time.monotonic() + COMMIT_SECONDS
    while True:
        results: list[tuple[Result, bool]] = []
        try:
            with core.store.write() as txn:
                batch = _Batch(core, txn, now)
                for case in cases[:count]:
                    results.append(batch.carry_out(case))
                    if failed is None and time.monotonic() >= until:
                        break
                batch.write()
            break
        except _Undone as undone:
            count, failed = len(results), undone.result
            if not count:
                results = []
                break
    for case, (result, _) in zip(cases, results, strict=False):
        case.result = result
    if failed is not None:
        cases[count].result = failed
    changed = [case for case, (_, has) in zip(cases, results, strict=False) if has]
    for observe in core.stages.observe:
        for case in changed:
            assert case.asked is not None
            observe(Decision(Status.DONE, names.to_text(case.asked.origin)))
    return len(results) + (failed is not None)


class _Batch:
    """UPDATEs inside one transaction."""

    def __init__(self, core: Core, txn: WriteTransaction, now: int) -> None:
        self._txn = txn
        self._now = now
        self._check = core.stages.check
        self._named = Names(core.suffix)
        self._suffix = names.key_of(self._named.wire)
        self._view = TransactionView(txn)
        self._first = self._view.leaves()
        self._leaves: list[bytes] = []

    def carry_out(self, case: _Case) -> tuple[Result, bool]:
        """What an update gets, and whether it has changed anything.

        Raises:
            _Undone: it has written something, and cannot stay.
        """
        asked = case.asked
        assert asked is not None
        try:
            zone = self._txn.update(asked.origin)
            if rcode := update.check(zone, asked):
                return Result(rcode), False
            change = update.worked_out(zone, asked)
            if not change.is_any:
                return Result(NOERROR), False
            self.change(case, asked.origin, zone, change)
        except StoreError:
            raise
        except CsidError as error:
            raise _Undone(Result(REFUSED, str(error))) from None
        except Exception as error:  # whatever damaged octets lead to
            raise _Undone(_failed(error)) from None
        return Result(NOERROR), True

    def change(self, case: _Case, wire: bytes, zone: ZoneUpdate, change: update.Change) -> int:
        """Write a change that may be of the zone at an origin; returns the serial.

        Raises:
            CsidError: it may not.
        """
        origin = names.to_text(wire)
        changed, row, parts = self._judged(zone.apex, change, origin)
        serial = update.apply(zone, change)
        if changed is not None:
            for finding in changed.standing(zone.blob):
                raise UpdateRefused(finding.advice)
        if row is not None:
            row = row._replace(serial=serial)
        for check in self._check:
            if reason := check(self._view, ZoneChange(origin, row)):
                raise UpdateRefused(reason)
        self._note(case, origin, row, parts, serial)
        return serial

    def _judged(
        self, apex: bytes, change: update.Change, origin: str
    ) -> tuple[Changed | None, ZoneRow | None, list[bytes]]:
        """Hold a change against what must hold below the suffix.

        Returns:
            Who judges it, the zone's row, and what its leaves say, none if it needs none.

        Raises:
            UpdateRefused: it must not be.
            ZoneError: it is too much for a leaf.
        """
        if not (apex.startswith(self._suffix) or self._suffix.startswith(apex)):
            return None, None, []
        changed = Changed(self._view, self._named, apex, self._txn.deepest_zone)
        row = row_of(self._view, origin)
        told = []
        for key, (before, after) in change.names.items():
            for finding in changed.findings(key, before, after):
                raise UpdateRefused(finding.advice)
            was, will = said(changed.foreign(key, before)), said(changed.foreign(key, after))
            if was != will:
                told.append(NameChange(key, was, will))
        if row is None and changed.is_empty:
            return changed, None, []
        return changed, row, list(zone_changes.parts(told))

    def _note(
        self, case: _Case, origin: str, row: ZoneRow | None, parts: list[bytes], serial: int
    ) -> None:
        """The leaves of an update, and the zone's row, which names the last of them."""
        if not parts:
            return
        writer = case.writer(self._now)
        prev = NO_LEAF if row is None else row.leaf
        for part in parts:
            index = self._first + len(self._leaves)
            self._leaves.append(writer.entry(origin, part, prev, "", Status.DONE.number, (serial,)))
            prev = NO_LEAF if row is None else index
        if row is not None:
            packed = codec.encode(row._replace(leaf=prev))
            self._view.table(codec.ZONES).put(origin.encode("ascii"), packed)

    def write(self) -> None:
        """Write the leaves."""
        append_leaves(self._txn, self._leaves, self._first + len(self._leaves))


def failed(arrived: Arrived, error: Exception) -> Answer:
    """The answer to an UPDATE of which nothing was done, as the store fails."""
    return Answer(update.response(arrived.message, SERVFAIL, str(error)))


def _failed(error: Exception) -> Result:
    return Result(SERVFAIL, f"failed: {error!r}")


def _text(address: bytes) -> str:
    return str(ip_address(address)) if address else "an unknown address"
