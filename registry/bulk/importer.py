"""Bulk import: a table of identifiers with their records, through the rules, into the registry.

The parts of a table (`registry.bulk.entries`) are decided and committed one by one: rows of the
registry, names of the tree, zone journal and serial, and audit leaves of a part in one transaction.
What was committed stays, whatever comes after; a table imported again says `unchanged` for it.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import msgpack

from csid import names
from csid.errors import ZoneError
from csid.identifier import Identifier
from csid.protocol import CSID
from csid.record import Record
from registry.bulk.csv_stream import ENCODING, Fault, Table
from registry.bulk.entries import Entry, Part, Reading, parts
from registry.bulk.first_import import introduce
from registry.bulk.intake import Batch, Intake
from registry.bulk.marks import Marks, line_of, mark_of, same_node
from registry.bulk.readers import feed
from registry.rules.owners import takes_owners
from registry.rules.requests import Actor
from registry.rules.status import Status
from registry.tables.changes import TreeChange, TreeKind
from registry.tables.codec import COUNTS, PLACES
from registry.tables.naming import Names
from registry.tables.overlay import Overlay
from registry.tables.resolution import Reach
from registry.tables.transaction import TransactionView, append_leaves, write_rows
from resolver.answer.source import Check
from resolver.store import node
from resolver.store.environment import Store
from resolver.store.update import ADDED, CHANGED, UNCHANGED, ZoneUpdate
from resolver.store.write import WriteTransaction

ALONE_OCTETS: Final = 4 << 20  # a table of this size is read before another process would run
OCTETS_PER_READER: Final = 16 << 20  # a larger table is worth another process, up to ...
MAX_READERS: Final = 4  # ... as many as one that writes can keep up with
OWNERS_KEPT: Final = 100_000  # met so far; beyond, they are looked up again
_RECORD_AT: Final = 22  # octets before the record data of an entry's only record
_unpack: Final[Any] = msgpack.unpackb


@dataclass(slots=True)
class Tally:
    """What an import has done so far.

    Attributes:
        added: identifiers that were assigned, or came into the tree.
        changed: identifiers that had another record before.
        unchanged: rows that say what the registry says already.
        bad: rows that were not taken.
        octets: of the table, taken so far.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    bad: int = 0
    octets: int = 0

    @property
    def rows(self) -> int:
        """Rows dealt with."""
        return self.added + self.changed + self.unchanged + self.bad


def read_parts(
    file: BinaryIO, reading: Reading, size: int | None, encoding: str = ENCODING
) -> Iterator[Part]:
    """The parts of a table, read by processes of their own where that saves time.

    Args:
        file: at its start; with a descriptor, unless the table is small.
        size: octets of the table; None if it is no file whose size can be known.

    Raises:
        TableError: the header is not that of a table of identifiers.
    """
    if size is not None and size <= ALONE_OCTETS:
        return parts(Table(file, encoding), reading)
    readers = 1
    if size is not None:
        readers = min(len(os.sched_getaffinity(0)), MAX_READERS, 1 + size // OCTETS_PER_READER)
    return feed(file, reading, encoding, readers)


class Import:
    """One run over one table.

    Args:
        store: open for writing, with the tables of the registry.
        actor: who imports.
        reason: why; it is in the leaf of each change.
        year: of registration; 0 is now.
        keep: False only tries: every row is decided, nothing is kept.
        check: the functions of that stage, which see each row before it is decided.

    Attributes:
        tally: what has been done so far.
    """

    def __init__(
        self,
        store: Store,
        actor: Actor,
        reason: str = "",
        keep: bool = True,
        year: int = 0,
        check: Sequence[Check] = (),
    ) -> None:
        self.tally = Tally()
        self._check = check
        self._store = store
        self._names = Names(store.settings().suffix)
        self._skip = len(names.key_of(self._names.wire))
        self._actor = actor
        self._reason = reason
        self._year = year
        self._keep = keep
        self._careful = False  # each name is looked at in the tree before its row is decided
        self._seen: TransactionView | None = None
        self._tried: Overlay | None = None  # in place of what is not kept
        self._intake: Intake | None = None
        self._owners: set[bytes] = set()  # labels of the owners met so far
        self._leaves = 0  # the log had after the last part; others may have written since
        self._marks = Marks(store.path)  # of every row that stands

    def run(self, parts: Iterable[Part]) -> Iterator[list[Fault]]:
        """Commit the parts; after each, gives its rows that were not taken, in order.

        Raises:
            StoreError: the store is full or fails. What was committed before stays.
        """
        self._store.sweep()
        with _uncollected():
            for part in parts:
                try:
                    faults = self._commit(part)
                except ZoneError:
                    # Nothing of the part was committed: something that no identifier can stand
                    # beside was loaded at a name. From now on names are looked at before rows are
                    # decided.
                    self._careful, self._intake = True, None
                    self._owners = set()  # those of the part were given up with it
                    faults = self._commit(part)
                yield faults

    def _commit(self, part: Part) -> list[Fault]:
        faults = list(part.faults)
        with self._store.write(self._keep) as txn:
            self._introduce(txn, part.entries)
            intake = self._attached(txn)
            taken, known = self._decide(intake, part.entries, txn, faults)
            effects = self._write(txn, intake.take(), taken)
        self._marks.add(taken)
        self._marks.add(known)
        tally = self.tally
        tally.added += effects[ADDED]
        tally.changed += effects[CHANGED]
        tally.unchanged += len(part.entries) + len(part.faults) - len(faults) - len(taken)
        tally.unchanged += effects[UNCHANGED]
        tally.bad += len(faults)
        tally.octets = part.octets
        return sorted(faults)

    def _introduce(self, txn: WriteTransaction, entries: Iterable[Entry]) -> None:
        """Register the owners that a first inventory brings with it."""
        codes = {key[self._skip :].partition(b"\0")[0] for key, _, _ in entries} - self._owners
        if not codes:
            return
        seen = TransactionView(txn)
        if takes_owners(seen):
            over = Overlay(seen)
            owners = sorted(code.decode("ascii").upper() for code in codes)
            leaves = introduce(over, self._actor, owners, int(time.time()), self._reason)
            for table, rows in over.rows().items():
                write_rows(seen.table(table), rows)
            append_leaves(txn, leaves, over.leaves())
            if leaves:
                self._intake = None
        if self._keep:  # else the transaction is undone, and the next one has to do it again
            self._owners = self._owners | codes if len(self._owners) < OWNERS_KEPT else codes

    def _attached(self, txn: WriteTransaction) -> Intake:
        """The intake, looking at this transaction; a new one if others have written meanwhile."""
        if self._seen is None:
            self._seen = TransactionView(txn)
        self._seen.attach(txn)
        leaves = self._seen.leaves()
        if self._intake is None or leaves != self._leaves:
            self._leaves = leaves
            self._tried = None if self._keep else Overlay(self._seen)
            self._intake = Intake(
                self._tried or self._seen, self._actor, int(time.time()), self._reason, self._year
            )
        return self._intake

    def _decide(
        self, intake: Intake, entries: Iterable[Entry], txn: WriteTransaction, faults: list[Fault]
    ) -> tuple[list[Entry], list[Entry]]:
        """Decide on rows; gives those that change something and those that say what is known, and
        adds those refused to faults.
        """
        reach = Reach(txn.snapshot, self._names) if self._careful else None
        skip, given = self._skip, self._marks.among(entries)
        taken: list[Entry] = []
        known: list[Entry] = []
        stands: Entry = (b"", 0, b"")  # the last row that does; equal keys follow one another
        for entry in entries:
            key, line, blob = entry
            if key == stands[0]:
                given[key] = mark_of(*stands[1:])
            if given and (earlier := given.get(key)):
                if not same_node(earlier, blob):
                    faults.append(Fault(line, _given_before(key, skip, line_of(earlier))))
                continue
            name = key[skip:-1].replace(b"\0", b"/").decode("ascii").upper()
            packed = blob[node.find_entry(blob, CSID) + _RECORD_AT :]
            if reach is not None and (
                reason := reach.fault(TreeChange(TreeKind.RECORD, name, packed))
            ):
                faults.append(Fault(line, reason))
                continue
            if self._check and (reason := self._prohibited(name, packed)):
                faults.append(Fault(line, f"{name}: {Status.POLICY_PROHIBITS.zh} {reason}"))
                continue
            record = Record.of_values(_unpack(packed, use_list=False))
            status, detail = intake.decide(Identifier(*name.split("/")), record, packed)
            if status is Status.DONE:
                taken.append(entry)
            elif status is Status.UNCHANGED:
                known.append(entry)
            else:
                faults.append(Fault(line, f"{name}: {status.zh} {detail or status.en}"))
                continue
            stands = entry
        return taken, known

    def _prohibited(self, name: str, packed: bytes) -> str:
        """Why a plugin does not let an identifier have a record, or nothing."""
        assert self._seen is not None
        change = TreeChange(TreeKind.RECORD, name, packed)
        return next(filter(None, (check(self._seen, change) for check in self._check)), "")

    def _write(self, txn: WriteTransaction, batch: Batch, taken: Iterable[Entry]) -> list[int]:
        """Write what was decided; gives how many names were added, changed and left as they are.

        Raises:
            ZoneError: the tree cannot hold one of the names.
        """
        assert self._seen is not None
        for table, rows in batch.rows.items():
            write_rows(self._seen.table(table), rows)
            if self._tried is not None and table in (COUNTS, PLACES):
                self._tried.put_all((table, key, value) for key, value in rows)
        if self._tried is not None:
            self._tried.set_leaves(self._tried.leaves() + len(batch.leaves))
        if self._keep:
            self._leaves += len(batch.leaves)
            append_leaves(txn, batch.leaves, self._leaves)
        effects = [0, 0, 0]
        updates: dict[bytes, ZoneUpdate] = {}
        for key, _, blob in taken:
            update = txn.update_around(key, updates)
            effects[update.put(key[len(update.apex) :], blob)] += 1
        for update in updates.values():
            update.finish()
        return effects


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for cycles: none are made, and it takes a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _given_before(key: bytes, skip: int, line: int) -> str:
    name = key[skip:-1].replace(b"\0", b"/").decode("ascii").upper()
    return f"{name}: stands on line {line} already, with another record; keep one"
