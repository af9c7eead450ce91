"""The audit log by itself: leaves, tiles and state, and the checkpoints that are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from registry import audit
from registry.audit import Checkpoint, VerifierKey
from registry.audit.store import KEPT_KEY, STATE_KEY, tile_key
from registry.audit.tiles import TILE_HEIGHT, TILE_WIDTH
from registry.signing import kept
from registry.signing.sign import check_kept
from registry.tables.transaction import AuditStore
from registry.verify.report import Fault, Report
from registry.verify.rows import text
from resolver.store.read import ReadTransaction

AUDIT: Final = "registry.audit"
LEAVES: Final = "registry.leaves"
CHECKPOINTS: Final = "registry.checkpoints"
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
        keys: those that somebody vouches for.
        elsewhere: opened checkpoints that were kept elsewhere.
        each: called with how many leaves were hashed since the last call.

    """
    points = [*elsewhere, *kept.points(read)]
    table = AuditStore(read)
    try:
        for fault in check_kept(read, keys):
            report.add(Fault(CHECKPOINTS, "keys and checkpoints", fault.reason, _leaf(fault)))
        report.count("checkpoints", len(points))
        found = audit.verify(table, counted(table.leaves(), each), points)
    except audit.AuditError as error:
        report.add(Fault(AUDIT, "the state", str(error)))
        report.size = table.stored()  # the leaves still tell what the rows should be
        return
    for key in _strangers(read, found.size):
        report.add(Fault(AUDIT, text(key), "is there, and nothing leads to it"))
    for fault in found.faults:
        what = str(audit.Fault(fault.start, fault.end, "")).removesuffix(": ")
        report.add(Fault(LEAVES, what, fault.reason, fault.start))
    report.size, report.root = found.size, found.root
    _cover(points, keys, report)
    report.count("leaves", found.size)


def _strangers(read: ReadTransaction, size: int) -> Iterator[bytes]:
    """The keys beside the tiles of a log that are none of its own."""
    for key, _ in read.table(AUDIT.encode("ascii")).scan(b""):
        if key in (STATE_KEY, KEPT_KEY):
            continue
        is_tile = len(key) == len(tile_key(0, 0)) and key[:1] == tile_key(0, 0)[:1]
        entries = size >> (TILE_HEIGHT * min(key[1], 8)) if is_tile else 0
        if int.from_bytes(key[2:], "big") * TILE_WIDTH >= entries:
            yield key


def _cover(points: Sequence[Checkpoint], keys: Sequence[VerifierKey], report: Report) -> None:
    """Say what is covered by signatures that were checked."""
    covered = max((point.size for point in points), default=0)
    if not covered:
        report.exceptions.append("no checkpoint was signed yet: no leaf is covered by a signature")
        return
    report.signed = tuple(key.label for key in keys)
    if covered < report.size:
        report.exceptions.append(
            f"the {report.size - covered:,} leaves behind the last checkpoint, from leaf "
            f"{covered:,} on, are covered by no signature yet"
        )


def _leaf(fault: audit.Fault) -> int | None:
    return fault.start if fault.end > fault.start else None


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
