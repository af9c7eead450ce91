"""One migration, from the first look to the swap."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from typing import Final, NamedTuple

from csid import names
from csid.errors import StoreError
from registry import audit
from registry.audit import AuditError, Log
from registry.authority import judged
from registry.deployment import note_node
from registry.migration.old import ASSIGNMENTS, OldLog, OldRegistry
from registry.migration.unsaid import INDEXES, differing, may_go_unsaid
from registry.rules.status import Status
from registry.signing import kept
from registry.tables import codec, log_entry, transaction
from registry.tables.carried import parts, rows_of
from registry.tables.changes import Row
from registry.tables.log_entry import EntryWriter
from registry.tables.naming import Names
from registry.tables.rows import NO_LEAF, ZoneRow
from registry.tables.transaction import AuditStore, TransactionView, append_leaves, write_rows
from registry.verify.ledger import TABLES, Ledger
from registry.verify.rows import text as key_text
from registry.zones.asked import Asked
from registry.zones.small import serial_held
from resolver.store.access import open_shared
from resolver.store.apexes import GENERATION_OCTETS
from resolver.store.environment import Store, scratch
from resolver.store.extras import hosts_in, names_hosts
from resolver.store.migration import (
    FOLDER,
    LOCK,
    Change,
    OldData,
    copy,
    discard,
    is_kept,
    made_octets,
    note_ready,
    ready,
    sole_use,
    swap,
    wait_for_others,
)
from resolver.store.read import ReadTransaction
from resolver.store.scratch import Scratch

KIND: Final = "node.migrate"
OLD: Final = "1"
NEW: Final = "2"
FAULTS_SHOWN: Final = 20
LEAVES_PER_COMMIT: Final = 100
NAMES_PER_COMMIT: Final = 1_000  # whose additional records are worked out anew
_NODE_OCTETS: Final = 16

# Told what is being done, in words, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]


class MigrationError(StoreError):
    """The old data is not what its log says; ``faults`` are the first findings."""

    def __init__(self, message: str, faults: Sequence[str]) -> None:
        super().__init__(message)
        self.faults = faults


class Migrated(NamedTuple):
    """What a migration came to, or would."""

    rows: int = 0  # of all tables
    octets: int = 0  # of the old data file
    carried: int = 0  # rows that the log did not say, and says now
    mended: int = 0  # rows of indexes that were put right
    kept: Path | None = None  # where the old data is; None where nothing was done


def migrate(
    data: Path,
    asked: Asked,
    progress: Progress,
    keep: bool = True,
    waiting: Callable[[str], None] | None = None,
) -> Migrated:
    """Migrate a directory of version 1, or go on with it; with ``keep`` False only look whether it
    can be: nothing is written or locked then.

    Args:
        waiting: others may have it open, and answer from it until all is ready but the swap; then
            this is told of each process that is waited for. None: nobody may.

    Raises:
        MigrationError: the old data is not what its log says.
        StoreError: it is of no version that this is for, in use, or cannot be written.
    """
    with OldData(data, alone=False) as old:
        found = old.version()
        if found not in (OLD, NEW):
            raise StoreError(f"{data}: has schema version {found}; this is for version {OLD}")
        if found == OLD and not keep:
            return _Migration(data, old, progress).look()
    if found == NEW:
        if keep:
            discard(data)  # what one left that was killed at its end
        return Migrated()
    if waiting is not None:
        _prepare(data, asked, progress, waiting)
    with sole_use(data):
        with OldData(data, alone=True) as old:
            if old.version() != OLD:  # another has just done it
                return Migrated()
            note = ready(data, old.mark())
            if note is not None:
                migrated = Migrated(*json.loads(note))
            else:
                migrated = _Migration(data, old, progress).make(asked)
        return migrated._replace(kept=swap(data, OLD))


def _prepare(data: Path, asked: Asked, progress: Progress, waiting: Callable[[str], None]) -> None:
    """Make the new data beside the old while others answer from these and nobody writes, until they
    have ended. Who writes between this and the swap is noticed there.
    """
    with contextlib.ExitStack() as opened:
        fd = open_shared(data / LOCK)
        opened.callback(os.close, fd)
        before = (data / "data.mdb").stat().st_ino
        old = opened.enter_context(OldData(data, alone=False, holding=True))
        if (data / "data.mdb").stat().st_ino != before or old.version() != OLD:
            return  # another has just done it
        if ready(data, old.mark()) is None:
            migrated = _Migration(data, old, progress).make(asked)
            note_ready(data, old.mark(), json.dumps(migrated[:-1]))
        wait_for_others(fd, waiting)


class _Faults:
    """What is not as the log says: the first FAULTS_SHOWN, and how many there are."""

    def __init__(self) -> None:
        self.count = 0
        self.shown: list[str] = []

    def add(self, fault: str) -> None:
        """One more."""
        self.count += 1
        if len(self.shown) < FAULTS_SHOWN:
            self.shown.append(fault)


class _Migration:
    """One run of it, over the old data as it is at one moment."""

    def __init__(self, data: Path, old: OldData, progress: Progress) -> None:
        self._data = data
        self._old = old
        self._seen = OldRegistry(old)
        self._progress = progress
        self._rows = sum(old.tables().values())

    def look(self) -> Migrated:
        """Whether it can be done, and what it comes to."""
        with scratch(TABLES.values()) as made:
            wanted = self._replayed(made)
            carried, mended = self._compare(wanted)
        return Migrated(self._rows, self._old.octets(), carried, len(mended))

    def make(self, asked: Asked) -> Migrated:
        """Make the new data beside the old, ready to take its place."""
        is_kept(self._data, OLD)
        free = shutil.disk_usage(self._data).free
        wanted = self._old.octets() - made_octets(self._data)
        if free < wanted:
            raise StoreError(
                f"{self._data}: the new data is made beside the old and takes {wanted:,} octets "
                f"more; {free:,} are free on this disk: free some"
            )
        with scratch(TABLES.values()) as made:
            ledger = self._replayed(made)
            carried, mended = self._compare(ledger)
            for done in copy(self._old, self._data, self._changes(), self._meta()):
                self._progress("行 rows copied", done, self._rows)
            with Store.open(self._data / FOLDER, writable=True) as store:
                transaction.open_tables(store)
                self._point(store)
                with store.write() as txn:
                    kept.migrate_checkpoints(txn)
                    seen = TransactionView(txn)
                    for table, key, value in mended:
                        write_rows(seen.table(table), [(key, value)])
                self._carry(store, ledger, asked)
        return Migrated(self._rows, self._old.octets(), carried, len(mended))

    # -- the log and the rows

    def _replayed(self, made: Scratch) -> Ledger:
        """The rows that follow from the log, once it is judged by itself."""
        log = OldLog(self._old)
        faults = _Faults()
        try:
            notes = (value.decode() for _, value in self._old.rows(transaction.CHECKPOINTS))
            report = audit.verify(log, log.leaves(), [kept.parsed(note) for note in notes])
            for fault in report.faults:
                faults.add(str(fault))
            size = log.size()
        except (AuditError, UnicodeDecodeError) as error:
            faults.add(str(error))
            size = 0
        self._require_none(faults)
        done = 0

        def faulty(index: int, reason: str) -> None:
            faults.add(f"leaf {index}: {reason}")

        def each(count: int) -> None:
            nonlocal done
            done += count
            self._progress("条 leaves replayed", done, size)

        wanted = Ledger(made)
        wanted.replay(enumerate(log.leaves()), faulty, each)
        self._require_none(faults)
        return wanted

    def _compare(self, wanted: Ledger) -> tuple[int, list[Row]]:
        """How many rows there are that the log does not say, and what rows of indexes should be.

        Raises:
            MigrationError: others differ.
        """
        carried, mended, faults = 0, list[Row](), _Faults()
        for row in differing(self._seen, wanted):
            table, key, _, other = row
            if may_go_unsaid(row):
                carried += 1
            elif table in INDEXES:
                mended.append((table, key, other))
            else:
                faults.add(f"registry.{table}: {key_text(key)}: is not what the log says")
        self._require_none(faults)
        return carried, mended

    def _require_none(self, faults: _Faults) -> None:
        if faults.count:
            raise MigrationError(
                f"{self._data}: {faults.count:,} things are not what the audit log says; nothing "
                "was migrated. Look into them with csid audit verify of the program that wrote it",
                faults.shown,
            )

    # -- the new data

    def _changes(self) -> Mapping[bytes, Change]:
        """What rows become on the way; the tables not named here stay as they are."""
        return {
            b"apexes": lambda key, value: (key, value + value[:GENERATION_OCTETS]),
            b"journal": lambda _key, _value: None,
            ASSIGNMENTS: lambda key, value: self._seen.row(ASSIGNMENTS, key, value),
        }

    def _meta(self) -> Mapping[bytes, bytes]:
        """As it was, with an id that follows from it and its place: so the same data, put back from
        a copy and migrated a second time, are known as the node that this machine has seen.
        """
        old = dict(self._old.rows(b"meta"))
        place = os.fsencode(self._data.resolve())
        secret = old.get(b"cookie-secret", b"")
        node = sha256(b"\0".join((b"csid migrate", secret, place))).digest()[:_NODE_OCTETS]
        return old | {b"schema": NEW.encode(), b"node": node}

    def _point(self, store: Store) -> None:
        """Note which names lead to which hosts, and work out their additional records anew, which
        version 1 did not where single names changed.
        """
        with store.read() as read:
            for zone in read.zones():
                found = (
                    key
                    for key, blob in read.nodes(zone.generation)
                    if names_hosts(blob) and hosts_in(zone.apex, key, blob)
                )
                while some := list(islice(found, NAMES_PER_COMMIT)):
                    with store.write() as txn:
                        txn.point(zone.origin, some)

    def _carry(self, store: Store, wanted: Ledger, asked: Asked) -> None:
        """Append leaves behind those that are there: which node this is, and the rows that the log
        did not say.
        """
        size, now = self._seen.leaves(), int(time.time())
        settings = store.settings()
        with store.read() as read:
            log = Log(AuditStore(read))
            end = log.size
            entries = map(log_entry.decode, log.leaves(size, end))
            done = sum(len(rows_of(entry.after)) for entry in entries if entry.kind == KIND)
            zones = zone_rows(read, Names(settings.suffix), size + 1, now)  # behind node.init
        unsaid = (row[:3] for row in differing(self._seen, wanted) if may_go_unsaid(row))
        rest = islice(chain(unsaid, zones), done, None)
        first = next(rest, None)
        if end > size and first is None:
            return
        if end == size:
            with store.write() as txn:
                note_node(txn, settings.suffix, settings.handle_authority, asked, now)
        actor = asked.actor
        writer = EntryWriter(
            actor.name, actor.role.value, actor.owner, KIND, now, asked.reason, 0, actor.peer
        )
        subject = settings.node.hex()
        some = parts(chain([] if first is None else [first], rest))
        while afters := list(islice(some, LEAVES_PER_COMMIT)):
            leaves = [
                writer.entry(subject, after, NO_LEAF, "", Status.DONE.number) for after in afters
            ]
            with store.write() as txn:
                view = TransactionView(txn)
                for table, key, value in chain.from_iterable(map(rows_of, afters)):
                    if table == codec.ZONES:
                        write_rows(view.table(table), [(key, value)])
                append_leaves(txn, leaves, view.leaves() + len(leaves))


def zone_rows(read: ReadTransaction, named: Names, leaf: int, now: int) -> list[Row]:
    """The rows of the zones that have names of the registry, as they are held."""
    view = TransactionView(read)
    rows: list[Row] = []
    for held in read.zones():
        judgement = judged(read, view, named, held)
        if judgement is None:
            continue
        for _ in judgement:  # what is amiss is for verification to tell
            pass
        walk, origin = judgement.walk, names.to_text(held.origin)
        serial = serial_held(read, held.origin) or 0
        row = ZoneRow(serial, walk.names, walk.digest, leaf, now, True)
        rows.append((codec.ZONES, origin.encode("ascii"), codec.encode(row)))
    return rows
