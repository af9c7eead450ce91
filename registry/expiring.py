"""What expires, or was not renewed in time, found and carried out: by the writer when nobody waits,
and by a command where none runs.

Nothing is kept of who expires when: a walk looks at all identifiers, in pieces, as there is a day
to do it in. It begins anew each hour, wherever it was when a writer ended.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from typing import Any, Final, NamedTuple

from csid.errors import CsidError
from csid.identifier import Identifier
from csid.limits import COMMIT_SECONDS
from registry.core import Core
from registry.desk import decided
from registry.rules.acting import trusted
from registry.rules.case import day_of
from registry.rules.decision import Decision
from registry.rules.requests import Actor, Expire, Lapse, Request, Role
from registry.rules.status import Status
from registry.rules.validity import REASON, VALID, Term, due, term_of
from registry.tables import codec
from registry.tables.enums import LISTED
from registry.tables.transaction import TransactionView
from registry.tables.view import View
from registry.writer.values import ValuesError

UNIT: Final = "validity.sweep"
ROWS: Final = 5_000  # identifiers looked at for one piece, some milliseconds
AT_ONCE: Final = 200  # of them due
WALK_SECONDS: Final = 3_600.0  # between the beginnings of two walks
ACTOR_NAME: Final = "csid"
_KEY_MAX: Final = 511
_UNTIL: Final = b"\xa2vu\xaa"  # `valid_until` in the octets of a record; the day follows
_DAY_OCTETS: Final = 10

Due = tuple[str, type[Expire | Lapse]]


class Swept(NamedTuple):
    """What came of one piece. ``cursor``: where to go on, empty if all was looked at."""

    cursor: str
    expired: int
    lapsed: int
    refused: int


def sweep(core: Core, args: Any) -> list[object]:
    """Unit: look at some identifiers from a cursor on, and carry out what is due.

    Raises:
        ValuesError: the cursor is none.
    """
    if type(args) is not str or not args.isascii() or len(args) > _KEY_MAX:
        raise ValuesError("expected the identifier to go on with, or nothing")
    return list(swept(core, args, int(time.time())))


def swept(core: Core, cursor: str, now: int) -> Swept:
    """One piece at a time in Unix seconds."""
    with core.store.read() as read:
        found, following = some_due(TransactionView(read), cursor, now)
    counts = {Expire: 0, Lapse: 0}
    refused = 0
    if not found:
        return Swept(following, 0, 0, 0)
    actor = Actor(ACTOR_NAME, Role.NODE, "", core.peer)
    until = time.monotonic() + COMMIT_SECONDS
    decisions: list[Decision | Exception] = []
    with core.desk.batch(core.store, now) as batch:
        for name, kind in found:
            if decisions and time.monotonic() >= until:
                following = name
                break
            body = kind(Identifier(*name.split("/")))
            decision = decided(batch, Request(actor, body, REASON))
            decisions.append(decision)
            if isinstance(decision, Decision) and decision.status.success:
                counts[kind] += decision.status is Status.DONE
            else:
                refused += 1
    for observe in core.stages.observe:
        for decision in decisions:
            if isinstance(decision, Decision):
                observe(decision)
    return Swept(following, counts[Expire], counts[Lapse], refused)


def some_due(seen: View, cursor: str, now: int) -> tuple[list[Due], str]:
    """Of the next ROWS identifiers those that are due, at most AT_ONCE, and where to go on."""
    today = day_of(now)
    day = today.isoformat().encode("ascii")
    found: list[Due] = []
    rows = seen.scan(codec.ASSIGNMENTS, b"", cursor.encode("ascii"))
    for looked, (key, value) in enumerate(rows):
        if looked == ROWS or len(found) == AT_ONCE:
            return found, key.decode("ascii")
        at = value.find(_UNTIL) + len(_UNTIL)
        if at < len(_UNTIL) or codec.state_of(value) not in LISTED:
            continue
        if value[at : at + _DAY_OCTETS] >= day:
            continue
        name = key.decode("ascii")
        try:
            kind = due(seen, name, codec.decode_assignment(value), today)
        except (CsidError, ValueError, TypeError):  # damaged: a verification says so
            continue
        if kind is not None:
            found.append((name, kind))
    return found, ""


def terms(seen: View, after: str, today: date) -> Iterator[tuple[str, Term]]:
    """The identifiers behind one that are expiring, or have expired."""
    rows = seen.scan(codec.ASSIGNMENTS, b"", after.encode("ascii", "replace"))
    for key, value in rows:
        if _UNTIL not in value:
            continue
        name = key.decode("ascii")
        found = term_of(seen, name, codec.decode_assignment(value), today)
        if found is not None and found.phase != VALID and name != after:
            yield name, found


class Walk:
    """The walk of a writer, a piece at a time."""

    def __init__(self) -> None:
        self._cursor = ""
        self._due = self._next = 0.0  # on the monotonic clock: the next piece, the next walk

    def go_on(self, core: Core) -> None:
        """Do the next piece, if it is time for that.

        Raises:
            StoreError: as the store does; the piece is done again later.
        """
        now = time.monotonic()
        if now < self._due:
            return
        if not self._cursor:
            self._next = now + WALK_SECONDS
        core.by, core.process = trusted(), 0
        self._cursor = swept(core, self._cursor, int(time.time())).cursor
        self._due = 0.0 if self._cursor else self._next

    def wait(self, seconds: float) -> None:
        """Go on after a while, as something failed."""
        self._due = time.monotonic() + seconds
