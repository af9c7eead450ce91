"""An older copy in the place of the data directory is not written to until somebody says so; nor is
one that was restored from a backup, which says so itself (`RESTORED`), on whatever machine.

How far a registry has got is the number of its leaves, with those that were lost in roll-backs
before and have nothing in their place: it never goes back, unless the directory does. This machine
remembers it (`resolver.store.epochs`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from csid.errors import StoreError
from registry import audit
from registry.tables import codec
from registry.tables.transaction import AuditStore
from resolver.store.epochs import Epoch, epoch_of
from resolver.store.read import ReadTransaction
from resolver.store.write import WriteTransaction

# In `meta`, until somebody says how to go on: the leaves that the backup had, in decimal.
RESTORED: Final = b"restored"
_SETTINGS: Final = f"registry.{codec.SETTINGS}".encode("ascii")


class RolledBack(StoreError):
    """The data directory is older than what this machine has seen of the node."""


class RollbackWatch:
    """Lets nobody write what is older than was seen: a `resolver.store.watch.Watch`."""

    def __init__(self, path: Path) -> None:
        """For the data directory at ``path``."""
        self._path = path
        self._epoch: Epoch | None = None
        self._node = b""

    def admit(self, txn: WriteTransaction) -> None:
        """Refuse to write where leaves are missing."""
        now = reached(txn)
        missing = self._missing(txn, now)
        restored = txn.table(b"meta").get(RESTORED)
        if restored is not None and not missing:
            raise RolledBack(
                f"{self._path}: was restored from a backup with {int(restored):,} leaves, and "
                "nobody has said yet what came after it. Nothing is written, so that no code is "
                "given twice. Make sure that the node it is a copy of runs nowhere else, and go on "
                "from the newest checkpoint that is known: csid audit resume --checkpoint FILE "
                f"--data {self._path}; or, if nothing came after it: csid audit resume --accept "
                f"--data {self._path}; or, if this copy is to be another node: csid audit resume "
                f"--new-node --data {self._path}"
            )
        if missing:
            raise RolledBack(
                f"{self._path}: its audit log lacks {missing:,} of the leaves that this machine "
                f"has seen: it is an older copy of node {self._node.hex()}. Nothing is written, so "
                f"that no code is given twice. Put the newer data back; or go on from here with: "
                f"csid audit resume --accept --data {self._path}; or, if this copy is to be "
                f"another node: csid audit resume --new-node --data {self._path}"
            )
        if self._epoch is not None:
            self._epoch.note(now)  # while nobody else writes
            self._epoch.mean(0)

    def missing(self, txn: ReadTransaction | WriteTransaction) -> int:
        """How many leaves this machine has seen that the log does not have."""
        return self._missing(txn, reached(txn))

    def _missing(self, txn: ReadTransaction | WriteTransaction, now: int) -> int:
        node = txn.table(b"meta").get(b"node") or b""
        if node != self._node:
            self._node, self._epoch = node, epoch_of(node) if node else None
        return 0 if self._epoch is None else max(self._epoch.seen - now, 0)

    def at_most(self, txn: ReadTransaction | WriteTransaction) -> int:
        """How many leaves may be missing: where some are, a last commit may be among them whose
        process was killed before it noted it.
        """
        missing = self.missing(txn)
        if not missing or self._epoch is None:
            return missing
        return self._epoch.meant - reached(txn)

    def reached(self, txn: WriteTransaction) -> int:
        """Leaves, with those that are lost, as they are once this is committed."""
        number = reached(txn)
        if self._epoch is not None:
            self._epoch.mean(number)
        return number

    def committed(self, reached: int) -> None:
        """Remember it."""
        if self._epoch is not None:
            self._epoch.note(reached)


def reached(txn: ReadTransaction | WriteTransaction) -> int:
    """How far a registry has got: its leaves, and those that are lost."""
    size, row = audit.Log(AuditStore(txn)).size, txn.table(_SETTINGS).get(codec.LOST_KEY)
    if row is None:
        return size
    lost = codec.decode_lost(row)
    return size + lost.leaves - lost.filled
