"""How much one caller may ask for: requests a second with a burst, and how many at a time.

Nobody's number of callers grows the memory: those that were seen longest ago are forgotten.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.http.problems import Fault, Problem

MOST_CALLERS = 10_000


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float
    under_way: int = 0


class Limits:
    """Buckets of what callers may still ask for, one a name.

    Args:
        per_second: what comes back to a bucket in a second.
        burst: what it holds at most.
        at_once: calls of one caller that are under way.
        clock: gives the time in seconds, from any beginning.
    """

    def __init__(
        self, per_second: float, burst: float, at_once: int, clock: Callable[[], float]
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._at_once = at_once
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, name: str) -> None:
        """Take one from a bucket.

        Raises:
            Problem: there is nothing left; it says when there will be.
        """
        bucket = self._filled(name)
        if bucket.level <= 0:
            wait = math.ceil((1 - bucket.level) / self._per_second)
            raise Problem(
                Fault.TOO_MANY,
                f"more than {self._per_second:g} a second for long; ask again in {wait} s",
                {"Retry-After": str(wait)},
            )
        bucket.level -= 1

    def charge(self, name: str, more: float) -> None:
        """Take what a call has turned out to cost besides: the bucket may go below nothing by it,
        and the next call waits.
        """
        self._filled(name).level -= more

    def enter(self, name: str) -> None:
        """Begin a call; `leave` ends it.

        Raises:
            Problem: too many are under way.
        """
        bucket = self._filled(name)
        if bucket.under_way >= self._at_once:
            raise Problem(
                Fault.TOO_MANY,
                f"{self._at_once} calls are under way already; wait for their answers",
                {"Retry-After": "1"},
            )
        bucket.under_way += 1

    def leave(self, name: str) -> None:
        """End a call."""
        bucket = self._buckets.get(name)
        if bucket is not None and bucket.under_way:
            bucket.under_way -= 1

    def _filled(self, name: str) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.get(name)
        if bucket is None:
            if len(self._buckets) >= MOST_CALLERS:
                self._forget()
            bucket = self._buckets[name] = _Bucket(self._burst, now)
        else:
            self._buckets.move_to_end(name)
        back = (now - bucket.at) * self._per_second
        bucket.level = min(self._burst, bucket.level + back)
        bucket.at = now
        return bucket

    def _forget(self) -> None:
        """Forget who was seen longest ago and asks for nothing now."""
        for name, bucket in self._buckets.items():
            if not bucket.under_way:
                del self._buckets[name]
                return
