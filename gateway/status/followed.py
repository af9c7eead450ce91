"""The zones between this node and others, and the state of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from resolver.store.apexes import EXPIRED, NOT_READY
from resolver.store.read import ReadTransaction
from resolver.store.seek import APEX_PREFIX
from resolver.sync import states
from resolver.sync.settings import FOLLOWS, TARGETS, where
from resolver.sync.timers import is_ahead

OVERDUE_SECONDS: Final = 60  # behind the time at which a zone was to be looked at


def apexes(read: ReadTransaction, start: bytes) -> Iterator[bytes]:
    """The zones that follow others or that others are notified of by a row of their own, in order,
    from a canonical key on.
    """
    tables = [
        read.table(name).scan(where(b""), max(where(start), where(b"")))
        for name in (FOLLOWS, TARGETS)
    ]
    ahead = [next(table, None) for table in tables]
    while keys := [row[0] for row in ahead if row is not None]:
        key = min(keys)
        yield key[len(APEX_PREFIX) :]
        for at, row in enumerate(ahead):
            if row is not None and row[0] == key:
                ahead[at] = next(tables[at], None)


def state_of(flags: int, state: states.StateRow, serial: int | None, now: int) -> str:
    """What became of a zone that follows another server, in one word.

    Args:
        flags: of its entry among the apexes.
        serial: that it has here; None if it has none.
        now: Unix seconds.
    """
    if flags == EXPIRED:
        return "expired"
    if flags == NOT_READY:
        return "waiting"
    if not state.is_open and now - state.due > OVERDUE_SECONDS:
        return "overdue"
    if state.failures:
        return "failing"
    if state.there is None or serial is None or state.there == serial:
        return "current"
    if is_ahead(state.there, serial):
        return "behind"
    # What was transferred this moment is known before what the primary said of it.
    return "ahead" if state.error else "current"
