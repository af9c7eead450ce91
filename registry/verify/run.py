"""One verification of a data directory, at one moment of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from csid.errors import StoreError
from registry.audit import Checkpoint, VerifierKey
from registry.tables import codec, log_entry
from registry.tables.transaction import AuditStore, TransactionView
from registry.tables.view import View
from registry.verify import directory, ledger, log, network, rows, rules, tree
from registry.verify.report import FAULTS_MAX, Fault, Report
from resolver.store.environment import scratch
from resolver.store.read import Held, ReadTransaction

# Told what is being done (in words), how many of it were done since the last call, and how many
# there are.
Progress = Callable[[str, int, int], None]

_POINTERS: Final = b"pointers"
_INIT: Final = "node.init"  # the kind of the leaf that says what a directory is for
_MARK: Final = b"\xa9" + _INIT.encode("ascii")  # as msgpack has it, to find such leaves quickly


def in_silence(_what: str, _done: int, _all: int) -> None:
    """No word about progress."""


def verify(
    read: ReadTransaction,
    keys: Sequence[VerifierKey] = (),
    checkpoints: Sequence[Checkpoint] = (),
    progress: Progress = in_silence,
    by_rules: bool = False,
) -> Report:
    """Look at all that a data directory holds.

    Takes memory for what some 10,000 leaves change, and room for temporary files as large as the
    registry's tables.

    Args:
        keys: of the log; without any, signatures are not checked.
        checkpoints: opened ones that were kept elsewhere.
        by_rules: also decide each leaf again, under the rules of today.

    Raises:
        StoreError: the directory cannot be read, or there is no room for temporary files.
    """

    def told_of(what: str, total: int) -> Callable[[int], None]:
        return lambda done: progress(what, done, total)

    def decide_again(seen: View, index: int, leaf: bytes) -> None:
        reason = rules.judge(seen, leaf)
        if reason is not None:
            report.count("leaves decided again", 1)
        if reason and len(report.by_rules) < FAULTS_MAX:
            report.by_rules.append((index, reason))

    report = Report()
    leaves = report.size = AuditStore(read).stored()
    with _looking(report, log.AUDIT):
        log.check(read, keys, checkpoints, report, told_of("leaves hashed", leaves))
    with scratch((*ledger.TABLES.values(), _POINTERS)) as made:
        wanted = ledger.Ledger(made)
        said = _Leaves(read, report)
        with _looking(report, log.LEAVES):
            wanted.replay(
                said,
                lambda index, reason: report.add(Fault(log.LEAVES, f"leaf {index}", reason, index)),
                told_of("leaves replayed", leaves),
                decide_again if by_rules else None,
            )
        held = TransactionView(read)
        for fault in rows.compare(held, wanted):
            report.add(fault)
        for table in codec.TABLES:
            report.count("rows", held.table(table).entries())
        nodes = read.table(b"tree").entries()
        with _looking(report, directory.META):
            directory.check_settings(read, said.begun, report)
        zones: list[Held] = []
        with _looking(report, directory.APEXES):
            zones = directory.check(read, report)
        with _looking(report, tree.TREE):
            suffix = (read.table(b"meta").get(b"suffix") or b".").decode()
            leads = made.table(_POINTERS)
            tree.check(read, zones, wanted, suffix, leads, report, told_of("names judged", nodes))
        with _looking(report, network.SYNC):
            network.check(read, wanted, suffix, report)
    return report


@contextmanager
def _looking(report: Report, place: str) -> Iterator[None]:
    """Whatever damaged octets lead to where nobody thought of it is a fault, and ends no more than
    this look.
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        report.add(
            Fault(
                place, "as a whole", f"cannot be read: {error!r}; the rest of it was not looked at"
            )
        )


class _Leaves:
    """The leaves of the log, each with its index; what stands among them and is none is a fault.

    Attributes:
        begun: the last one that says what the directory is for, once all were given.
    """

    def __init__(self, read: ReadTransaction, report: Report) -> None:
        self._read = read
        self._report = report
        self.begun: bytes | None = None

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        size = self._report.size
        for index, leaf in AuditStore(self._read).numbered():
            if index < 0:
                self._report.add(Fault(log.LEAVES, "a key", "is none of a leaf"))
            elif index >= size:  # the next one that is appended would meet it
                reason = f"is there beyond the end: the log's size is {size}"
                self._report.add(Fault(log.LEAVES, f"leaf {index}", reason))
            else:
                if _MARK in leaf and _is_beginning(leaf):
                    self.begun = leaf
                yield index, leaf


def _is_beginning(leaf: bytes) -> bool:
    try:
        return log_entry.decode(leaf).kind == _INIT
    except ValueError:
        return False
