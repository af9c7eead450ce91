"""A world without sockets, threads and clocks: one heap of events, one generator of chance, and a
clock that goes from event to event. The same seed gives the same history.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, Final

import pytest

START: Final = 1_800_000_000  # Unix seconds
EVENTS_MOST: Final = 200_000  # of one history: more is a circle
_CALL_SECONDS: Final = 0.003  # at most, that pass between two looks at the steady clock


class Broken(BaseException):
    """Something does not hold: no handler of the program may keep it."""


def hold(is_so: object, text: str) -> None:
    """Let something hold.

    Raises:
        Broken: it does not.
    """
    if not is_so:
        raise Broken(text)


class Killed(BaseException):
    """A process ends here: no handler of its own may keep it."""


class Life:
    """A process from its start to its end; what was to happen in it does not happen after that.

    Attributes:
        name: of it, for the log.
        offset: of the clock of its machine, seconds.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.offset = 0.0
        self.is_alive = True


class World:
    """What happens, in order.

    Attributes:
        random: the one source of chance.
        now: seconds since the beginning.
        log: a line for each thing that happened.
        died: is told of a process that was killed while it did something.
        is_dying: it is, and what it still does as it unwinds is not to be seen.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = 0.0
        self.log: list[str] = []
        self.died: Callable[[Life], None] = lambda life: None
        self.is_dying = False
        self.offset = 0.0  # of the clock of whom the present event is of
        self._events: list[tuple[float, int, Life | None, Callable[..., None], Any]] = []
        self._count = 0
        self._spent = 0.0  # seconds in the present event

    def after(
        self, seconds: float, life: Life | None, what: Callable[..., None], *args: Any
    ) -> None:
        """Have something happen some time later, in a process if that lives by then."""
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, life, what, args))

    def soon(self, life: Life | None, what: Callable[..., None], *args: Any) -> None:
        """Have something happen a moment later."""
        self.after(self.random.random() * 0.002, life, what, *args)

    def chance(self, share: float) -> bool:
        """True in this share of cases."""
        return self.random.random() < share

    def say(self, who: str, what: str) -> None:
        """Add a line to the log."""
        self.log.append(f"{self.now:12.6f} {who:9} {what}")

    def run(self, until: float, is_over: Callable[[], bool] | None = None) -> None:
        """Let all happen up to a time; less if, at some event, it `is_over`."""
        while self._events and self._events[0][0] <= until:
            at, count, life, what, args = heapq.heappop(self._events)
            assert count < EVENTS_MOST, "it never comes to rest"
            self.now = at
            if life is not None and not life.is_alive:
                continue
            self.offset = 0.0 if life is None else life.offset
            self._spent = 0.0
            try:
                what(*args)
            except Killed:
                assert life is not None
                self.is_dying = False
                self.died(life)
            if is_over is not None and is_over():
                return
        self.now = until

    def now_in(self, life: Life, what: Callable[[], None]) -> None:
        """Have something happen at once, in a process, which may die of it."""
        before, self.offset = self.offset, life.offset
        try:
            what()
        except Killed:
            self.is_dying = False
            self.died(life)
        finally:
            self.offset = before

    # -- clocks

    def unix(self) -> float:
        """Seconds since 1970 on the clock of whom the present event is of."""
        return START + self.now + self.offset

    def monotonic(self) -> float:
        """Seconds of the steady clock. Some pass whenever it is looked at, so that work which is
        bounded in time is cut short here and there.
        """
        self._spent += self.random.random() * _CALL_SECONDS
        return self.now + self._spent

    @contextmanager
    def clocks(self) -> Iterator[None]:
        """Let this world's clocks be those of the program."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time", self.unix)
            patch.setattr(time, "monotonic", self.monotonic)
            yield
