"""The log of a data directory as a folder of static files, for whoever wants to mirror it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from registry.audit import AuditError, Log, VerifierKey, static
from registry.signing import kept
from registry.signing.keys import chain_of
from registry.signing.sign import check_kept
from registry.tables.transaction import AuditStore
from resolver.files import alone_in
from resolver.store.environment import Store


class Published(NamedTuple):
    """What was published: leaves under the latest checkpoint, and files written for it."""

    size: int
    written: int


def publish(
    store: Store, trusted: Sequence[VerifierKey], folder: Path, whole: bool = False
) -> Published:
    """Bring a folder up to the checkpoint that was signed last; one process after the other.

    Args:
        whole: write anew what is damaged of what was published before.

    Raises:
        AuditError: there is no checkpoint, one does not hold, or the folder has another log:
            nothing is published.
        FileError: a file cannot be written; what the folder had can still be read.
    """
    with alone_in(folder):
        with store.read() as read:
            for fault in check_kept(read, trusted):
                raise AuditError(f"nothing is published: {fault.reason}; verify the log")
            notes, points = kept.notes(read), kept.points(read)
            if not notes:
                raise AuditError(
                    "nothing is published: no checkpoint was signed here; sign one with csid audit "
                    "checkpoint"
                )
            log = Log(AuditStore(read))
            for point in points:
                kept.require_covered(log, point)
            chain = chain_of(read)
            keys = chain.until(points[-1].size) or tuple(trusted)

        @contextmanager
        def moment() -> Iterator[AuditStore]:
            with store.read() as read:
                yield AuditStore(read)

        return Published(points[-1].size, static.publish(moment, notes, keys, folder, whole))
