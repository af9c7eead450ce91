"""The changes of a subject as the log of a data directory has them, and proofs of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from registry import audit
from registry.signing import kept
from registry.tables import log_entry, view
from registry.tables.log_entry import LogEntry
from registry.tables.rows import NO_LEAF
from registry.tables.transaction import AuditStore, TransactionView
from resolver.store.read import ReadTransaction

ACCEPTED: Final = "transfer.accept"


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
    seen = TransactionView(read)
    changes = {one.index: one for one in _chains(log, view.last_leaves(seen, subject))}
    # Who had offered what came by a transfer, the leaves about the code that it had then say.
    olds = {one.leaf.on for one in changes.values() if one.leaf.kind == ACCEPTED} - {subject}
    for old in olds:
        row = view.get_offer(seen, old)
        if row is not None:
            changes |= {one.index: one for one in _chain(log, row.leaf)}
    return sorted(changes.values(), key=lambda change: -change.index)


def _chains(log: audit.Log, lasts: Iterable[int]) -> Iterator[Change]:
    """The changes of several things."""
    for last in lasts:
        yield from _chain(log, last)


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
