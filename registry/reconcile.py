"""Whether the rows of the registry and the resolution tree say what the audit log says.

The log is judged by itself first (`registry.audit.verify`). Each row names the leaf of its last
change, so one pass over the leaves and one over the rows find a row that was changed, added, taken
away or put back by anything but the registry, and an identifier that does not resolve.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from csid.protocol import CNAME, CSID
from registry import audit
from registry.audit import Fault
from registry.audit.store import leaf_key
from registry.rules.requests import Assign, Import, Mint, Move
from registry.tables import codec, log_entry
from registry.tables.enums import State
from registry.tables.log_entry import LogEntry
from registry.tables.naming import Names
from registry.tables.rows import NO_LEAF, Assignment
from registry.tables.transaction import AuditStore, TransactionView
from resolver.answer import lookup
from resolver.store import node
from resolver.store.read import ReadTransaction

FAULTS_MAX: Final = 100
_BIRTHS: Final = frozenset({Assign.kind, Mint.kind, Import.kind})


def compare(read: ReadTransaction, suffix: str) -> list[Fault]:
    """What does not agree, at most FAULTS_MAX findings; empty if all does."""
    return _Comparison(read, suffix).run()


class _Comparison:
    def __init__(self, read: ReadTransaction, suffix: str) -> None:
        self._snapshot = read.snapshot
        self._names = Names(suffix)
        self._seen = TransactionView(read)
        self._stored = AuditStore(read)
        self._log = audit.Log(self._stored)
        self._size = self._log.size
        self._outdated = bytearray(self._size)  # 1 for each leaf that another one follows
        self._given = 0  # identifiers that the log says were assigned
        self.faults: list[Fault] = []

    def run(self) -> list[Fault]:
        """Look at all leaves, then at all rows, until enough is found."""
        for found in (*self._leaves(), *self._rows(), *self._parties()):
            self.faults.append(found)
            if len(self.faults) == FAULTS_MAX:
                break
        return self.faults

    def _leaves(self) -> Iterator[Fault]:
        for index, data in enumerate(self._stored.leaves()):
            try:
                change = log_entry.decode(data)
            except ValueError as error:
                yield _fault(index, str(error))
                continue
            if change.prev != NO_LEAF:
                if not 0 <= change.prev < index:
                    yield _fault(index, f"says it follows leaf {change.prev}")
                    continue
                self._outdated[change.prev] = 1
            if (change.kind in _BIRTHS and change.prev == NO_LEAF) or change.kind == Move.kind:
                self._given += 1

    def _rows(self) -> Iterator[Fault]:
        count = 0
        for key, value in self._seen.scan(codec.ASSIGNMENTS, b""):
            count += 1
            name, row = key.decode("ascii"), codec.decode_assignment(value)
            reason = self._of_log(name, row) or self._of_tree(name, row)
            if reason:
                yield _fault(row.leaf, f"{name}: {reason}")
        if count != self._given:
            yield Fault(
                0, self._size, f"{self._given} identifiers were assigned, the registry has {count}"
            )

    def _of_log(self, name: str, row: Assignment) -> str:
        """What differs between the row of an identifier and the leaf of its last change."""
        change = self._leaf(row.leaf)
        if change is None or name not in (change.on, change.to):
            return f"leaf {row.leaf} is not about it"
        if self._outdated[row.leaf] and not self._moved_on(name, row.leaf, change):
            return f"its row is that of leaf {row.leaf}, which a later one follows"
        if change.after != row.record:
            return f"its record is not that of leaf {row.leaf}"
        return ""

    def _moved_on(self, name: str, index: int, change: LogEntry) -> bool:
        """Whether the leaf that follows belongs to what took the place of this identifier."""
        return change.kind == Move.kind and name == change.on

    def _of_tree(self, name: str, row: Assignment) -> str:
        """What differs between the row of an identifier and what it resolves to."""
        key = self._names.key(name)
        zone = self._snapshot.zone_of(key)
        if zone is None:
            return ""  # its zone was dropped, or handed to another node
        outcome, blob, _ = lookup.find(self._snapshot, zone, key)
        if outcome in (lookup.DELEGATION, lookup.REDIRECT):
            return ""  # handed on
        superseded = row.state is State.SUPERSEDED
        at = node.find_entry(blob, CNAME if superseded else CSID) if blob else 0
        if outcome != lookup.EXACT or not at:
            return "does not resolve"
        rdata = node.first_rdata(node.records_at(blob, at))
        if rdata != (self._names.target(row.target) if superseded else row.record):
            return "resolves to something else"
        return ""

    def _parties(self) -> Iterator[Fault]:
        """The same of owners and pools, which are few."""
        for key, value in self._seen.scan(codec.OWNERS, b""):
            yield from self._of_row(key, value, codec.decode_owner(value).leaf)
        for key, value in self._seen.scan(codec.POOLS, b""):
            yield from self._of_row(key, value, codec.decode_pool(value).leaf)

    def _of_row(self, key: bytes, value: bytes, index: int) -> Iterator[Fault]:
        change = self._leaf(index)
        if change is None or change.after != value or self._outdated[index]:
            yield _fault(index, f"{key.decode('ascii', 'replace')}: its row is not what was logged")

    def _leaf(self, index: int) -> LogEntry | None:
        if not 0 <= index < self._size:
            return None
        try:
            return log_entry.decode(self._stored.get(leaf_key(index)) or b"")
        except ValueError:
            return None


def _fault(index: int, reason: str) -> Fault:
    return Fault(index, index + 1, reason)
