"""UPDATEs carried out inside one transaction: what may be, the change, its leaves.

One that is refused has written nothing yet; where that shows only later, the transaction is undone,
and done again without it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from csid import names
from csid.errors import CsidError, StoreError
from csid.limits import COMMIT_SECONDS
from csid.protocol import NOERROR, REFUSED
from registry.authority import Changed
from registry.rules.decision import Decision
from registry.rules.status import Status
from registry.tables import codec, zone_changes
from registry.tables.changes import ZoneChange
from registry.tables.naming import Names
from registry.tables.rows import NO_LEAF, ZoneRow
from registry.tables.transaction import TransactionView, append_leaves
from registry.tables.zone_changes import NameChange, said
from registry.zones.asked import row_of
from registry.zones.update_cases import Case, Core, Result, failed_result
from resolver.store.update import ZoneUpdate
from resolver.store.write import WriteTransaction
from resolver.sync.update import effect


class UpdateRefused(CsidError):
    """A change that must not be, and why."""


class Undone(Exception):
    """The transaction must be undone for one update's sake, which gets this."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.text)
        self.result = result


def carry_out(core: Core, cases: Sequence[Case], now: int) -> int:
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
                batch = Batch(core, txn, now)
                for case in cases[:count]:
                    results.append(batch.carry_out(case))
                    if failed is None and time.monotonic() >= until:
                        break
                batch.write()
            break
        except Undone as undone:
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


class Batch:
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

    def carry_out(self, case: Case) -> tuple[Result, bool]:
        """What an update gets, and whether it has changed anything.

        Raises:
            Undone: it has written something, and cannot stay.
        """
        asked = case.asked
        assert asked is not None
        try:
            zone = self._txn.update(asked.origin)
            if rcode := effect.check(zone, asked):
                return Result(rcode), False
            change = effect.worked_out(zone, asked)
            if not change.is_any:
                return Result(NOERROR), False
            self.change(case, asked.origin, zone, change)
        except StoreError:
            raise
        except CsidError as error:
            raise Undone(Result(REFUSED, str(error))) from None
        except Exception as error:  # whatever damaged octets lead to
            raise Undone(failed_result(error)) from None
        return Result(NOERROR), True

    def change(self, case: Case, wire: bytes, zone: ZoneUpdate, change: effect.Change) -> int:
        """Write a change that may be of the zone at an origin; returns the serial.

        Raises:
            CsidError: it may not.
        """
        origin = names.to_text(wire)
        changed, row, parts = self._judged(zone.apex, change, origin)
        serial = effect.apply(zone, change)
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
        self, apex: bytes, change: effect.Change, origin: str
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
        self, case: Case, origin: str, row: ZoneRow | None, parts: list[bytes], serial: int
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
