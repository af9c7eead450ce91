"""The registry of a data directory, as commands and servers use it.

    Registry.open → submit / run      requests, decided by the rules and durable when told of
                  → view / history    what the registry says, and how it came to say so
                  → checkpoint / prove / verify    the audit log

Every call may be made from any thread of the process that opened it. While a node runs
(`csid serve`), what is to be written is asked of its writer process; where none runs it is written
here. Many processes may have one directory open: each commit of one is seen by the next decision of
the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from csid.limits import REQUESTS_PER_FRAME
from registry import audit
from registry.audit.checkpoint import Checkpoint
from registry.core import Core, acting_here
from registry.desk import Desk
from registry.network.claims import claims
from registry.rules import plan
from registry.rules.acting import Known, nothing_said
from registry.rules.decision import Decision
from registry.rules.plan import Plan
from registry.rules.requests import Actor, Request
from registry.rules.status import Status
from registry.signing import kept
from registry.signing.keys import Told, chain_of, propose
from registry.signing.proofs import Change, changes_of, prove
from registry.signing.publish import Published, publish
from registry.signing.sign import SET_KEY, sign
from registry.tables import transaction
from registry.tables.rollback import RESTORED, RollbackWatch
from registry.tables.transaction import TransactionView
from registry.tables.volume import TriedVolume
from registry.verify import Progress, Report, in_silence, indexes, verify
from registry.writer import client, plans
from registry.writer.threads import Writer
from resolver.answer.source import NO_STAGES, Stages
from resolver.store.environment import Settings, Store

REFUSALS_KEPT: Final = 1_000  # of a plan; the others are only counted


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
        self.subjects = tuple(
            one.subject for one in decisions if one.status.success and one.subject
        )


class Writing(Protocol):
    """What has requests and units carried out: here, or by the writer of the running node."""

    def submit(self, requests: Sequence[Request], /) -> list[Decision]:
        """Decide on requests and carry them out; returns once that is durable."""
        ...

    def perform(self, name: str, args: Any, /) -> Any:
        """Have one unit carried out."""
        ...

    def close(self) -> None:
        """End the use."""
        ...


class Registry:
    """An open registry. Made with `open`; a context manager that closes it.

    Attributes:
        writer: what carries out requests.
    """

    def __init__(
        self,
        store: Store | Callable[[], Store],
        writer: Writing,
        sync: bool = True,
        stages: Stages = NO_STAGES,
    ) -> None:
        """Over an open store, which `close` closes, or one that is opened when it is first read:
        whoever may ask the writer need not be able to read. ``stages`` are what plugins add.
        """
        self.stages = stages
        self._store = store
        self._sync = sync
        self.writer = writer

    @classmethod
    def open(
        cls,
        data: Path,
        writable: bool = False,
        sync: bool = True,
        known: Callable[[], Sequence[Known]] = nothing_said,
        stages: Callable[[], Stages] = lambda: NO_STAGES,
    ) -> Registry:
        """Open the registry of a data directory.

        Args:
            data: made by `csid init`.
            writable: False for reading only: requests are refused then. What is to be written is
                written by the writer of the running node, or by this process if none runs.
            sync: False does not wait for the disk at each commit, only once at `close`. A crash of
                the program still loses nothing; a crash of the machine may lose or spoil the
                whole directory. For loads that can be run again from the beginning. The writer of
                a running node waits nevertheless.
            known: who may act where this process writes by itself (`registry.rules.acting`). The
                writer of a running node has it from the configuration that it was started with.
            stages: gives what plugins add, likewise.

        Raises:
            StoreError: the directory is missing, foreign, or may not be used so; or the writer of
                the running node does not answer.
        """
        writer = client.connected(data) if writable else None
        if writer is None:
            return cls.alone(data, writable, sync, stages(), known)
        return cls(lambda: _opened(data), writer)

    @classmethod
    def alone(
        cls,
        data: Path,
        writable: bool = True,
        sync: bool = True,
        stages: Stages = NO_STAGES,
        known: Callable[[], Sequence[Known]] = nothing_said,
    ) -> Registry:
        """As `open`, whether a node runs or not: this process writes by itself."""
        store = Store.open(data, writable, sync=sync)
        transaction.open_tables(store)
        by = acting_here(data, known)
        return cls(store, Writer(Core(store, stages, by, claims=claims())), sync, stages)

    @property
    def store(self) -> Store:
        """The store it is in, for reading.

        Raises:
            StoreError: it cannot be opened.
        """
        if not isinstance(self._store, Store):
            self._store = self._store()
        return self._store

    @property
    def settings(self) -> Settings:
        """The suffix and naming authority of the deployment."""
        return self.store.settings()

    def close(self) -> None:
        """End the use; what was committed without waiting is on disk afterwards."""
        try:
            self.writer.close()
            if not self._sync:
                self.store.sync()
        finally:
            if isinstance(self._store, Store):
                self._store.close()

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
        """Decide on requests one after the other and carry them out in few commits, as `submit`. A
        refused one does not keep the others from being done.
        """
        decisions: list[Decision] = []
        for at in range(0, len(requests), REQUESTS_PER_FRAME):
            decisions += self.writer.submit(requests[at : at + REQUESTS_PER_FRAME])
        return decisions

    def perform(self, name: str, args: Any = None) -> Any:
        """Have one unit of a long command carried out (`registry.units`).

        Raises:
            CsidError: as the unit says; nothing of it was done.
        """
        return self.writer.perform(name, args)

    def weigh(self, request: Request) -> Decision:
        """What `submit` would answer now; nothing is changed (for ``--dry-run``)."""
        suffix = self.settings.suffix
        with self.store.read() as read:
            desk = Desk(suffix, self.stages.check)
            return desk.begin(TriedVolume(read, suffix), int(time.time())).decide(request)

    def run(
        self,
        work: Plan,
        actor: Actor,
        reason: str = "",
        key: str = "",
        on_progress: Callable[[Outcome], None] | None = None,
    ) -> Outcome:
        """Carry out a plan (`registry.rules.plan`) in commits that are bounded in time.

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
        task = plans.Task(work, actor, reason, key)
        while True:
            piece = plans.piece_of(self.perform("plan", plans.arguments(task, outcome.cursor)))
            outcome.count(piece.decisions)
            outcome.stopped, outcome.cursor = piece.stopped, piece.cursor
            if on_progress is not None:
                on_progress(outcome)
            if not piece.cursor or piece.stopped:
                break
        if key and not outcome.refused and not plan.has_step_keys(work):
            self.submit(Request(actor, plan.finish(work), reason, key))
        return outcome

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

        ``subject`` is an identifier, owner, pool code, location, aliased prefix or zone, in
        canonical form. The history of an identifier that took another's place leads on into that
        one's.

        Raises:
            AuditError: a leaf is missing or no leaf of the registry.
        """
        with self.store.read() as read:
            return changes_of(read, subject)

    def missing(self) -> int:
        """How many leaves this machine has seen that are not here: it is an older copy then, which
        nothing is written to (`registry.resume`).
        """
        with self.store.read() as read:
            return RollbackWatch(self.store.path).missing(read)

    def restored(self) -> int | None:
        """How many leaves the backup had that this directory was restored from, until somebody has
        said how to go on: nothing is written to it. None where none was.
        """
        with self.store.read() as read:
            value = read.table(b"meta").get(RESTORED)
            return None if value is None else int(value)

    # -- the audit log

    def checkpoint(self, key: audit.SigningKey, actor: Actor, reason: str = "") -> str:
        """Sign the log as it stands and keep the checkpoint; returns it as a text.

        Raises:
            AuditError: as `registry.signing.sign.sign`: nothing is signed.
            StoreError: as `submit`.
        """
        return sign(self.store, self.perform, key, actor, reason)

    def keys(self) -> audit.KeyChain:
        """The keys that have signed the log.

        Raises:
            AuditError: one of them was not put in force by the one before.
        """
        with self.store.read() as read:
            return chain_of(read)

    def set_key(
        self,
        new: audit.SigningKey,
        old: audit.SigningKey | None,
        actor: Actor,
        reason: str = "",
    ) -> int:
        """Let a key sign the log from here on; the leaf that says so.

        Args:
            old: the key in force, which vouches for it; None for the first key of the log.

        Raises:
            AuditError: the log has another key in force: nothing is changed.
        """
        with self.store.read() as read:
            note = propose(read, new, old)
        leaf: int = self.perform(SET_KEY, Told(note, actor, reason).packed())
        return leaf

    def checkpoints(self) -> list[str]:
        """The checkpoints that were signed here, as texts, the oldest first."""
        with self.store.read() as read:
            return kept.notes(read)

    def last_checkpoint(self) -> str:
        """The checkpoint that was signed last, empty if there is none."""
        with self.store.read() as read:
            return kept.last(read)

    def prove(self, index: int, note: str = "") -> audit.Proof:
        """The proof that a leaf is in the log.

        Args:
            index: of the leaf.
            note: the checkpoint to prove it by; the last one kept here if empty.

        Raises:
            AuditError: no checkpoint covers it yet, or the log was changed.
        """
        with self.store.read() as read:
            return prove(read, index, note)

    def publish(
        self, keys: Sequence[audit.VerifierKey], folder: Path, whole: bool = False
    ) -> Published:
        """Bring a folder of static files up to the checkpoint that was signed last.

        Args:
            keys: those that somebody vouches for; each has to be one of this log.
            whole: write anew what is damaged of what was published before.

        Raises:
            AuditError: there is no checkpoint, one does not hold, or the folder has another log.
            FileError: a file cannot be written.
        """
        return publish(self.store, keys, folder, whole)

    def rebuild_indexes(self, actor: Actor, progress: Progress = in_silence) -> int:
        """Make the tables right that only find or count what others say; gives how many rows were
        wrong.

        Raises:
            RebuildError: the log is damaged, or others changed the registry again and again.
            StoreError: as `submit`.
        """
        return indexes.rebuild(self.store, self.perform, actor, progress)

    def verify(
        self,
        keys: Sequence[audit.VerifierKey] = (),
        checkpoints: Sequence[Checkpoint] = (),
        progress: Progress = in_silence,
        by_rules: bool = False,
    ) -> Report:
        """Whether all that the directory holds is what its audit log says (`registry.verify`).

        Args:
            keys: those that somebody vouches for; without any, signatures are not checked.
            checkpoints: further ones, opened, such as were kept elsewhere.
            progress: told of how far it is.
            by_rules: also decide each leaf again, under the rules of today.

        Raises:
            StoreError: the directory cannot be read, or there is no room for temporary files.
        """
        with self.store.read() as read:
            return verify(read, keys, checkpoints, progress, by_rules)


def _opened(data: Path) -> Store:
    store = Store.open(data)
    transaction.open_tables(store)
    return store
