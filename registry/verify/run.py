"""One verification of a data directory, at one moment of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from registry.audit import Checkpoint, VerifierKey
from registry.tables import codec
from registry.tables.transaction import AuditStore, TransactionView
from registry.verify import directory, ledger, log, rows, tree
from registry.verify.report import Fault, Report
from resolver.store.environment import Scratch, scratch
from resolver.store.read import ReadTransaction

# Told what is being done (in words), how many of it were done since the last call, and how many
# there are.
Progress = Callable[[str, int, int], None]


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
    report = Report()
    leaves = AuditStore(read).stored()
    log.check(read, keys, checkpoints, report, lambda n: progress("leaves hashed", n, leaves))
    with scratch(ledger.TABLES.values()) as made:
        _replay(read, made, report, lambda n: progress("leaves replayed", n, leaves))
        with made.read() as txn:
            wanted = ledger.Ledger(txn, report.size)
            held = TransactionView(read)
            for fault in rows.compare(held, wanted):
                report.add(fault)
            for table in codec.TABLES:
                report.count("rows", held.table(table).entries())
            nodes = read.table(b"tree").entries()
            zones = directory.check(read, report)
            suffix = (read.table(b"meta").get(b"suffix") or b".").decode()
            tree.check(
                read, zones, wanted, suffix, report, lambda n: progress("names judged", n, nodes)
            )
    return report


def _replay(
    read: ReadTransaction, into: Scratch, report: Report, each: Callable[[int], None]
) -> None:
    def faulty(index: int, reason: str) -> None:
        report.add(Fault(log.LEAVES, f"leaf {index}", reason, index))

    ledger.replay(_leaves(read, report), into, faulty, each)


def _leaves(read: ReadTransaction, report: Report) -> Iterator[tuple[int, bytes]]:
    """The leaves of the log, each with its index; others are faults."""
    for index, leaf in AuditStore(read).numbered():
        if 0 <= index < report.size:
            yield index, leaf
        elif index < 0:
            report.add(Fault(log.LEAVES, "a key", "is none of a leaf"))
