"""Going through zones in pieces, unhurried, after something may have been missed."""

from __future__ import annotations

from typing import Final

from resolver.store.seek import APEX_PREFIX
from resolver.sync import feed, states
from resolver.sync.actions import Present
from resolver.sync.engine import Engine
from resolver.sync.settings import FOLLOWS, targets_of

TOLD_AT_ONCE: Final = 500  # zones whose servers are told, or not, in one piece
ASKED_AT_ONCE: Final = 100  # zones whose primaries are asked in one piece
PAUSE_SECONDS: Final = 0.05  # between two such pieces


class Followed:
    """All zones that follow others, asked for once after the start, and after the clock was set: so
    it is found of what notices were answered while nobody listened, or heard by a process that was
    killed.
    """

    def __init__(self) -> None:
        self._next: bytes | None = APEX_PREFIX
        self._due = 0.0

    def go_on(self, present: Present, engine: Engine) -> float | None:
        """Go through a piece; when the next one is due on the steady clock, None if all are."""
        if self._next is None or present.steady < self._due:
            return None if self._next is None else self._due
        self._due = present.steady + PAUSE_SECONDS
        for count, (key, _) in enumerate(present.moment.table(FOLLOWS).scan(b"", self._next)):
            if count == ASKED_AT_ONCE:
                self._next = key
                return self._due
            engine.looking.check(present, key[len(APEX_PREFIX) :])
        self._next = None
        return None


class Notified:
    """All zones of which others are notified, told of once: after rows of the feed were let go of,
    or if a server was away when this process was begun, which was not told of changes.

    Attributes:
        away: the servers that were away when this process was begun, or were not told of all, by
            their names.
        is_through: they were told of all zones, as far as they are reached.
        passed: what the feed said when the last walk was begun that has ended.
    """

    def __init__(self, present: Present) -> None:
        self.away = [name for name, _ in states.peers(present.moment)]
        self._next: bytes | None = APEX_PREFIX if self.away else None
        self.is_through = not self.away
        self._overrun: bytes | None = None
        self.passed: bytes | None = None

    def go_on(self, present: Present, engine: Engine) -> bool:
        """Go through a piece; whether there are more."""
        if self._next is None:
            overrun = feed.overrun(present.moment)
            if overrun is None or overrun == self.passed:
                return False
            self._next, self._overrun = APEX_PREFIX, overrun
        for count, (key, _) in enumerate(present.moment.table(b"apexes").scan(b"", self._next)):
            if count == TOLD_AT_ONCE:
                self._next = key
                return True
            apex = key[len(APEX_PREFIX) :]
            if targets_of(present.moment, apex):
                engine.telling.changed(present, apex, b"")
        self.passed, self._next = self._overrun, None
        self.is_through = True
        return False
