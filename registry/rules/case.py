"""One request being decided: what it may look at, and how its outcome is put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

from registry.rules.decision import Decision
from registry.rules.requests import Actor, Request
from registry.rules.status import Status
from registry.tables.changes import NOTHING, Changes, Row, TreeChange
from registry.tables.log_entry import EntryWriter
from registry.tables.rows import NO_LEAF
from registry.tables.view import View

CHINA: Final = timezone(timedelta(hours=8))  # codes and their tables follow China Standard Time


def day_of(now: int) -> date:
    """The day in China at a time in Unix seconds."""
    return datetime.fromtimestamp(now, UTC).astimezone(CHINA).date()


def entry_writer(actor: Actor, kind: str, now: int, reason: str, year: int = 0) -> EntryWriter:
    """What writes the leaves of one who asks for a kind of request, at a time, for a reason."""
    return EntryWriter(
        actor.name, actor.role.value, actor.owner, kind, now, reason, year, actor.peer
    )


@dataclass(frozen=True, slots=True)
class Case:
    """A request, what the registry says before it, and the time in Unix seconds."""

    view: View
    request: Request
    now: int
    key: bytes = b""  # of its idempotency key and body, as a leaf has it

    @property
    def leaf(self) -> int:
        """The index that the audit leaf of this decision gets."""
        return self.view.leaves()

    @property
    def day(self) -> date:
        """Today in China."""
        return day_of(self.now)

    def done(
        self,
        subject: str,
        rows: Iterable[Row],
        tree: Iterable[TreeChange] = (),
        after: bytes = b"",
        prev: int = NO_LEAF,
        to: str = "",
        year: int = 0,
    ) -> Decision:
        """These changes, with their audit leaf."""
        names = tuple(tree)
        leaf = self._leaf(subject, Status.DONE, names, after, prev, to, year)
        return Decision(Status.DONE, to or subject, "", Changes(tuple(rows), names, leaf))

    def unchanged(self, subject: str) -> Changes:
        """The changes of a request that changes nothing: under an idempotency key its leaf."""
        return Changes(leaf=self._leaf(subject, Status.UNCHANGED)) if self.key else NOTHING

    def _leaf(
        self,
        subject: str,
        status: Status,
        tree: Sequence[TreeChange] = (),
        after: bytes = b"",
        prev: int = NO_LEAF,
        to: str = "",
        year: int = 0,
    ) -> bytes:
        request = self.request
        writer = entry_writer(request.actor, request.body.kind, self.now, request.reason, year)
        serial = [self.view.serial(change.name) for change in tree]
        ttl = tree[0].ttl if tree else 0
        return writer.entry(subject, after, prev, to, status.number, serial, ttl, self.key)
