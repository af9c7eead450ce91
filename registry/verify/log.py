"""The audit log by itself: leaves, tiles and state, and the checkpoints that are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from registry import audit
from registry.audit import Checkpoint, VerifierKey
from registry.audit.note import Note
from registry.tables.transaction import CHECKPOINTS, AuditStore
from registry.verify.report import Fault, Report
from resolver.store.read import ReadTransaction

LEAVES: Final = "registry.leaves"
LEAVES_PER_STEP: Final = 10_000  # between two words about progress


def check(
    read: ReadTransaction,
    keys: Sequence[VerifierKey],
    elsewhere: Sequence[Checkpoint],
    report: Report,
    each: Callable[[int], None],
) -> None:
    """Compute the log anew and compare it with what is stored and signed.

    Args:
        elsewhere: opened checkpoints that were kept elsewhere.
        each: called with how many leaves were hashed since the last call.

    """
    points = [*elsewhere, *_kept(read, keys, report)]
    table = AuditStore(read)
    try:
        found = audit.verify(table, counted(table.leaves(), each), points)
    except audit.AuditError as error:
        report.add(Fault("registry.audit", "the state", str(error)))
        report.size = table.stored()  # the leaves still tell what the rows should be
        return
    for fault in found.faults:
        what = str(audit.Fault(fault.start, fault.end, "")).removesuffix(": ")
        report.add(Fault(LEAVES, what, fault.reason, fault.start))
    report.size, report.root = found.size, found.root
    report.signed = tuple(label(key) for key in keys)
    report.count("leaves", found.size)


def _kept(
    read: ReadTransaction, keys: Sequence[VerifierKey], report: Report
) -> Iterator[Checkpoint]:
    """The checkpoints that are kept here, opened."""
    for key, value in read.table(CHECKPOINTS).scan(b""):
        report.count("checkpoints", 1)
        try:
            point = _opened(value.decode(), keys)
            if int.from_bytes(key[:8], "big") != point.size:
                raise audit.NoteError(f"it stands under another size than its {point.size}")
        except (audit.NoteError, UnicodeDecodeError) as error:
            size = int.from_bytes(key[:8], "big")
            report.add(Fault("registry.checkpoints", f"that of {size} leaves", str(error)))
        else:
            yield point


def _opened(note: str, keys: Sequence[VerifierKey]) -> Checkpoint:
    """A checkpoint, once one of the keys has signed it; without keys, as it says."""
    error: audit.NoteError | None = None
    for key in keys:
        try:
            return audit.open_checkpoint(note, key)
        except audit.NoteError as found:
            error = error or found
    if error is not None:
        raise error
    return Checkpoint.parse(Note.parse(note).text)


def label(key: VerifierKey) -> str:
    """A key for people: its name and id."""
    return f"{key.name}+{key.key_id.hex()}"


def counted(leaves: Iterator[bytes], each: Callable[[int], None]) -> Iterator[bytes]:
    """The leaves, while `each` is told of their number."""
    count = 0
    for leaf in leaves:
        yield leaf
        count += 1
        if count == LEAVES_PER_STEP:
            each(count)
            count = 0
    each(count)
