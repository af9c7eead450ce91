"""One verification of a data directory, at one moment of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from registry.audit import Checkpoint, VerifierKey
from registry.tables import codec
from registry.tables.transaction import AuditStore, TransactionView
from registry.verify import directory, ledger, log, rows, tree
from registry.verify.report import Fault, Report
from resolver.store.environment import scratch
from resolver.store.read import ReadTransaction

# Told what is being done (in words), how many of it were done since the last call, and how many
# there are.
Progress = Callable[[str, int, int], None]

_POINTERS: Final = b"pointers"


def in_silence(_what: str, _done: int, _all: int) -> None:
    """No word about progress."""


def verify(
    read: ReadTransaction,
    keys: Sequence[VerifierKey] = (),
    checkpoints: Sequence[Checkpoint] = (),
    progress: Progress = in_silence,
) -> Report:
    """Look at all that a data directory holds.

    Takes memory for what some 10,000 leaves change, and room for temporary files as large as the
    registry's tables.

    Args:
        keys: of the log; without any, signatures are not checked.
        checkpoints: opened ones that were kept elsewhere.

    Raises:
        StoreError: the directory cannot be read, or there is no room for temporary files.
    """

    def told_of(what: str, total: int) -> Callable[[int], None]:
        return lambda done: progress(what, done, total)

    report = Report()
    leaves = AuditStore(read).stored()
    log.check(read, keys, checkpoints, report, told_of("leaves hashed", leaves))
    with scratch((*ledger.TABLES.values(), _POINTERS)) as made:
        wanted = ledger.Ledger(made)
        wanted.replay(
            _leaves(read, report),
            lambda index, reason: report.add(Fault(log.LEAVES, f"leaf {index}", reason, index)),
            told_of("leaves replayed", leaves),
        )
        held = TransactionView(read)
        for fault in rows.compare(held, wanted):
            report.add(fault)
        for table in codec.TABLES:
            report.count("rows", held.table(table).entries())
        nodes = read.table(b"tree").entries()
        zones = directory.check(read, report)
        suffix = (read.table(b"meta").get(b"suffix") or b".").decode()
        leads = made.table(_POINTERS)
        tree.check(read, zones, wanted, suffix, leads, report, told_of("names judged", nodes))
    return report


def _leaves(read: ReadTransaction, report: Report) -> Iterator[tuple[int, bytes]]:
    """The leaves of the log, each with its index; others are faults."""
    for index, leaf in AuditStore(read).numbered():
        if 0 <= index < report.size:
            yield index, leaf
        elif index < 0:
            report.add(Fault(log.LEAVES, "a key", "is none of a leaf"))
