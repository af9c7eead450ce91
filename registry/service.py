"""The registry of a data directory, as commands and servers use it.

    Registry.open → submit / run      requests, decided by the rules and durable when told of
                  → view / history    what the registry says, and how it came to say so
                  → checkpoint / prove / verify    the audit log

Every call may be made from any thread of the process that opened it. Two processes may have one
directory open: each commit of one is seen by the next decision of the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from registry import audit
from registry.audit.checkpoint import Checkpoint
from registry.audit.note import Note
from registry.core import Core
from registry.desk import judged
from registry.reconcile import compare
from registry.rules import plan
from registry.rules.decide import decide
from registry.rules.decision import Decision
from registry.rules.plan import MintAll, Plan
from registry.rules.requests import Actor, Request
from registry.rules.status import Status
from registry.tables import log_entry, transaction, view
from registry.tables.log_entry import LogEntry
from registry.tables.naming import Names
from registry.tables.resolution import Reach
from registry.tables.rows import NO_LEAF
from registry.tables.transaction import TransactionView
from registry.units import perform
from registry.writer.threads import Writer
from resolver.answer.source import NO_STAGES, Stages
from resolver.store.environment import Settings, Store

STEPS_PER_COMMIT: Final = 1_000
REFUSALS_KEPT: Final = 1_000  # of a plan; the others are only counted


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a subject's history, and its place in the audit log."""

    index: int
    leaf: LogEntry


@dataclass(slots=True)
class Outcome:
    """What a plan has done so far.

    Attributes:
        done: steps that changed the registry.
        unchanged: steps that found it so already, or that were carried out under their key before.
        refused: steps that were refused; ``refusals`` holds the first REFUSALS_KEPT of them.
        subjects: of the steps done last, in their order: what one call of ``on_progress`` is about.
        cursor: where the plan would go on, empty once it is through.
        stopped: a refusal ended the plan before it was through.
    """

    done: int = 0
    unchanged: int = 0
    refused: int = 0
    refusals: list[Decision] = field(default_factory=list)
    subjects: tuple[str, ...] = ()
    cursor: str = ""
    stopped: bool = False

    def count(self, decisions: Sequence[Decision]) -> None:
        """Add the decisions of one commit."""
        for decision in decisions:
            if not decision.status.success:
                self.refused += 1
                if len(self.refusals) < REFUSALS_KEPT:
                    self.refusals.append(decision)
            elif decision.status is Status.DONE:
                self.done += 1
            else:
                self.unchanged += 1
        self.subjects = tuple(one.subject for one in decisions if one.status.success)


class Registry:
    """An open registry. Made with `open`; a context manager that closes it.

    Attributes:
        store: the store it is in.
        writer: what carries out requests.
    """

    def __init__(self, store: Store, sync: bool = True, stages: Stages = NO_STAGES) -> None:
        """Over an open store, which `close` closes; ``stages`` are what plugins add."""
        self.stages = stages
        self.store = store
        self._sync = sync
        transaction.open_tables(store)
        self.core = Core(store, stages)
        self.writer = Writer(self.core)

    @classmethod
    def open(cls, data: Path, writable: bool = False, sync: bool = True) -> Registry:
        """Open the registry of a data directory.

        Args:
            data: made by `csid init`.
            writable: False for reading only: requests are refused then.
            sync: False does not wait for the disk at each commit, only once at `close`. A crash of
                the program still loses nothing; a crash of the machine may lose or spoil the
                whole directory. For loads that can be run again from the beginning.

        Raises:
            StoreError: the directory is missing, foreign, or may not be used so.
        """
        return cls(Store.open(data, writable, sync=sync), sync)

    @property
    def settings(self) -> Settings:
        """The suffix and naming authority of the deployment."""
        return self.store.settings()

    def close(self) -> None:
        """End the use; what was committed without waiting is on disk afterwards."""
        try:
            if not self._sync:
                self.store.sync()
        finally:
            self.store.close()

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- requests

    def submit(self, request: Request) -> Decision:
        """Decide on a request and carry it out; returns once it is durable, or refused.

        Safe to call from many threads: requests that wait together share one commit.

        Raises:
            StoreError: the store is full or fails, or was opened for reading: nothing was changed.
        """
        return self.writer.submit((request,))[0]

    def submit_all(self, requests: Sequence[Request]) -> list[Decision]:
        """Decide on requests one after the other and carry them out in one commit, as `submit`. A
        refused one does not keep the others from being done.
        """
        return self.writer.submit(requests)

    def perform(self, name: str, args: Any = None) -> Any:
        """Have one unit of a long command carried out (`registry.units`).

        Raises:
            CsidError: as the unit says; nothing of it was done.
        """
        return perform(self.core, name, args)

    def weigh(self, request: Request) -> Decision:
        """What `submit` would answer now; nothing is changed (for ``--dry-run``)."""
        with self.store.read() as read:
            seen = TransactionView(read)
            decision = decide(seen, request, int(time.time()))
            return judged(decision, Reach(read.snapshot, Names(self.settings.suffix)).fault)

    def run(
        self,
        work: Plan,
        actor: Actor,
        reason: str = "",
        key: str = "",
        on_progress: Callable[[Outcome], None] | None = None,
    ) -> Outcome:
        """Carry out a plan (`registry.rules.plan`) in commits of at most STEPS_PER_COMMIT steps.

        What was committed stays, whatever comes after. Run again after an interruption, a plan
        goes on where it was; for `MintAll` that needs the same ``key`` as before (without one it
        mints anew). A refused step is counted and the others go on, but a location that may not be
        retired, or a pool that gives no more, ends the plan.

        Args:
            work: the plan.
            actor: who asks.
            reason: why; it is in the leaf of each step.
            key: idempotency key of the whole.
            on_progress: called after each commit.

        Raises:
            IdentifierError: a prefix, an owner or a location of the plan is malformed.
            StoreError: as `submit`; what was committed before stays.
        """
        outcome = Outcome()
        most = 1  # the first step of a plan may decide on all others
        while True:
            with self.view() as seen:
                bodies, cursor = plan.steps(seen, work, outcome.cursor, most)
            requests = [
                Request(actor, body, reason, _step_key(work, key, outcome.cursor, number))
                for number, body in enumerate(bodies)
            ]
            decisions = self.submit_all(requests)
            outcome.count(decisions)
            outcome.stopped = plan.is_ended(work, bodies, decisions)
            outcome.cursor = cursor
            if on_progress is not None:
                on_progress(outcome)
            if not cursor or outcome.stopped:
                return outcome
            most = STEPS_PER_COMMIT

    # -- reading

    @contextmanager
    def view(self) -> Iterator[TransactionView]:
        """One moment of the registry, for the functions of `registry.tables.view` and for searches.

        Not to be held for long, nor across a write of the same thread that waits for it.
        """
        with self.store.read() as read:
            yield TransactionView(read)

    @contextmanager
    def log(self) -> Iterator[audit.Log]:
        """The audit log at one moment, for reading."""
        with self.store.read() as read:
            yield audit.Log(transaction.AuditStore(read))

    def history(self, subject: str) -> list[Change]:
        """The changes of a subject, the last one first; empty if there is no such subject.

        ``subject`` is an identifier, owner, pool code, location or aliased prefix in canonical
        form. The history of an identifier that took another's place leads on into that one's.

        Raises:
            AuditError: a leaf is missing or no leaf of the registry.
        """
        with self.store.read() as read:
            log = audit.Log(transaction.AuditStore(read))
            changes: list[Change] = []
            for last in view.last_leaves(TransactionView(read), subject):
                changes += _chain(log, last)
            return sorted(changes, key=lambda change: -change.index)

    # -- the audit log

    def checkpoint(self, key: audit.SigningKey) -> str:
        """Sign the log as it stands and keep the checkpoint; returns it as a text.

        Raises:
            AuditError: the log is not what the last checkpoint said: nothing is signed.
            StoreError: as `submit`.
        """
        with self.store.write() as txn:
            kept = txn.table(transaction.CHECKPOINTS)
            notes = [value.decode() for _, value in kept.scan(b"")]
            previous = _opened(notes[-1]) if notes else None
            log = audit.Log(transaction.AuditStore(txn))
            note = log.checkpoint(key, previous)
            kept.put_many([(log.size.to_bytes(8, "big"), note.encode())])
            return note

    def checkpoints(self) -> list[str]:
        """The checkpoints that were signed here, as texts, the oldest first."""
        with self.store.read() as read:
            return [value.decode() for _, value in read.table(transaction.CHECKPOINTS).scan(b"")]

    def prove(self, identifier: str, note: str = "") -> audit.Proof:
        """The proof that the last change of an identifier is in the log.

        Args:
            identifier: in canonical form.
            note: the checkpoint to prove it by; the last one kept here if empty.

        Raises:
            AuditError: it is not assigned, no checkpoint covers its last change yet, or the log
                was changed.
        """
        with self.store.read() as read:
            row = view.get_assignment(TransactionView(read), identifier)
            if row is None:
                raise audit.AuditError(f"{identifier} is not assigned here: nothing to prove")
            notes = [value.decode() for _, value in read.table(transaction.CHECKPOINTS).scan(b"")]
            note = note or (notes[-1] if notes else "")
            if not note or _opened(note).size <= row.leaf:
                raise audit.AuditError(
                    f"the last change of {identifier} is leaf {row.leaf}, which no checkpoint "
                    "covers yet: sign one with csid audit checkpoint"
                )
            return audit.prove(audit.Log(transaction.AuditStore(read)), row.leaf, note)

    def verify(
        self,
        key: audit.VerifierKey | None = None,
        checkpoints: Sequence[Checkpoint] = (),
    ) -> audit.Report:
        """Compute the whole log anew and compare it with its tiles and checkpoints, and compare
        the rows of the registry and the resolution tree with what the log says.

        Args:
            key: the log's key: a checkpoint kept here that is not signed by it is a fault.
            checkpoints: further ones, opened, such as were kept elsewhere.

        Raises:
            AuditError: the state of the log cannot be read.
        """
        with self.store.read() as read:
            kept = [value.decode() for _, value in read.table(transaction.CHECKPOINTS).scan(b"")]
            points = [*checkpoints]
            faults = []
            for note in kept:
                try:
                    points.append(
                        _opened(note) if key is None else audit.open_checkpoint(note, key)
                    )
                except audit.NoteError as error:
                    faults.append(audit.Fault(0, 0, f"a checkpoint kept here: {error}"))
            table = transaction.AuditStore(read)
            report = audit.verify(table, table.leaves(), points)
            faults += compare(read, self.settings.suffix) if report.sound else []
            return audit.Report(report.size, report.root, (*report.faults, *faults))


def _opened(note: str) -> Checkpoint:
    """A checkpoint whose signature is not looked at."""
    return Checkpoint.parse(Note.parse(note).text)


def _chain(log: audit.Log, index: int) -> Iterator[Change]:
    """The changes of one thing from its last one back to its first."""
    while index != NO_LEAF:
        try:
            found = log_entry.decode(log.leaf(index))
        except ValueError as error:
            raise audit.AuditError(f"leaf {index}: {error}") from None
        yield Change(index, found)
        if found.prev >= index:
            raise audit.AuditError(f"leaf {index} says it follows leaf {found.prev}")
        index = found.prev


def _step_key(work: Plan, key: str, cursor: str, number: int) -> str:
    """The key of one step: steps of other plans find by themselves what is done already."""
    return f"{key}/{int(cursor or 0) + number}" if key and isinstance(work, MintAll) else ""
