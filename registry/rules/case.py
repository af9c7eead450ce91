"""One request being decided: what it may look at, and how its outcome is put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

from registry.rules.decision import Decision
from registry.rules.requests import Request
from registry.rules.status import Status
from registry.tables.changes import Changes, Row, TreeChange
from registry.tables.log_entry import EntryWriter
from registry.tables.rows import NO_LEAF
from registry.tables.view import View

CHINA: Final = timezone(timedelta(hours=8))  # codes and their tables follow China Standard Time


def day_of(now: int) -> date:
    """The day in China at a time in Unix seconds."""
    return datetime.fromtimestamp(now, UTC).astimezone(CHINA).date()


@dataclass(frozen=True, slots=True)
class Case:
    """A request, what the registry says before it, and the time in Unix seconds."""

    view: View
    request: Request
    now: int

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
    ) -> Decision:
        """These changes, with their audit leaf."""
        request = self.request
        actor = request.actor
        writer = EntryWriter(
            actor.name, actor.role.value, actor.owner, request.body.kind, self.now, request.reason
        )
        entry = writer.entry(subject, after, prev, to, Status.DONE.number)
        return Decision(Status.DONE, to or subject, "", Changes(tuple(rows), tuple(tree), entry))
