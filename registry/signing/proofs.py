"""The changes of a subject as the log of a data directory has them, and proofs of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from registry import audit
from registry.signing import kept
from registry.tables import log_entry, view
from registry.tables.log_entry import LogEntry
from registry.tables.rows import NO_LEAF
from registry.tables.transaction import AuditStore, TransactionView
from resolver.store.read import ReadTransaction


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a subject's history, and its place in the audit log."""

    index: int
    leaf: LogEntry


def changes_of(read: ReadTransaction, subject: str) -> list[Change]:
    """The changes of a subject in canonical form, the last one first.

    Raises:
        AuditError: a leaf is missing or no leaf of the registry.
    """
    log = audit.Log(AuditStore(read))
    changes: list[Change] = []
    for last in view.last_leaves(TransactionView(read), subject):
        changes += _chain(log, last)
    return sorted(changes, key=lambda change: -change.index)


def _chain(log: audit.Log, index: int) -> Iterator[Change]:
    """The changes of one thing from its last one back to its first."""
    while index != NO_LEAF:
        try:
            found = log_entry.decode(log.leaf(index))
        except ValueError as error:
            raise audit.AuditError(f"leaf {index}: {error}") from None
        yield Change(index, found)
        if not isinstance(found.prev, int) or found.prev >= index:
            raise audit.AuditError(f"leaf {index} says it follows leaf {found.prev}")
        index = found.prev


def prove(read: ReadTransaction, index: int, note: str = "") -> audit.Proof:
    """The proof that a leaf is in the log, by the last checkpoint kept here unless ``note`` is one.

    Raises:
        NotCoveredError: the checkpoint does not cover it.
        AuditError: there is no such leaf, or the log was changed.
    """
    log = audit.Log(AuditStore(read))
    log.leaf(index)
    given, note = note, note or kept.last(read)
    if not note or kept.parsed(note).size <= index:
        raise audit.NotCoveredError(
            f"leaf {index} is not under the checkpoint given: take a later one"
            if given
            else f"leaf {index} is covered by no checkpoint yet: sign one with csid audit "
            "checkpoint"
        )
    return audit.prove(log, index, note)
