"""Requests decided one after the other in one transaction, and written together."""

from __future__ import annotations

from collections.abc import Sequence

from csid.errors import StoreError
from registry.rules.decide import decide
from registry.rules.decision import Decision
from registry.rules.requests import Request
from registry.rules.status import Status
from registry.tables.overlay import Overlay
from registry.tables.resolution import Reach, ResolutionTree
from registry.tables.transaction import TransactionView, append_leaves, write_rows
from registry.tables.view import View
from resolver.answer.source import Check
from resolver.store.write import WriteTransaction


class Batch:
    """Requests decided one after the other inside a transaction, and written together.

    Nothing is written before `write`, so a request that goes wrong disturbs no other.
    """

    def __init__(
        self, txn: WriteTransaction, suffix: str, now: int, check: Sequence[Check] = ()
    ) -> None:
        """Decide at ``now`` (Unix seconds) over what the transaction sees; ``check`` are the
        functions of that stage.
        """
        self._check = check
        self._txn = txn
        self._now = now
        self._seen = TransactionView(txn)
        self._over = Overlay(self._seen)
        self._tree = ResolutionTree(txn, suffix)
        self._leaves: list[bytes] = []

    @property
    def view(self) -> View:
        """The registry with all that was decided."""
        return self._over

    def decide(self, request: Request) -> Decision:
        """The decision on one request; its changes are kept for `write`."""
        decision = judged(decide(self._over, request, self._now), self._tree.reach)
        for change in decision.changes.tree if self._check else ():
            for check in self._check:
                if reason := check(self._over, change):
                    return Decision(Status.POLICY_PROHIBITS, decision.subject, reason)
        changes = decision.changes
        if changes.rows or changes.leaf is not None:
            self._over.apply(changes)
            self._tree.keep(changes.tree)
            if changes.leaf is not None:
                self._leaves.append(changes.leaf)
        return decision

    def write(self) -> None:
        """Write all that was decided.

        Raises:
            AuditError: the audit log is damaged: nothing may be committed.
        """
        for table, rows in self._over.rows().items():
            write_rows(self._seen.table(table), rows)
        append_leaves(self._txn, self._leaves, self._over.leaves())
        self._tree.write()


def judged(decision: Decision, reach: Reach) -> Decision:
    """The decision, unless a name it needs cannot be held here: then a refusal that says why."""
    for change in decision.changes.tree:
        fault = reach.fault(change)
        if fault:
            return Decision(Status.OUT_OF_SCOPE, decision.subject, fault)
    return decision


def decided(batch: Batch, request: Request) -> Decision | Exception:
    """A decision, or what went wrong with this request: no reason to fail its neighbours."""
    try:
        return batch.decide(request)
    except StoreError:
        raise
    except Exception as error:
        return error
