"""The servers of a client: who is asked first, by how fast each has answered, and its cookies.

Latency is smoothed as TCP does (RFC 6298 section 2). A server that fails counts as slow from then
on, twice as slow each time, and is forgiven with time, so that one that came back is used again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from csid.address import Address

UNKNOWN_SECONDS: Final = 0.0  # of a server that was never asked: tried before those that are known
FAILED_SECONDS: Final = 0.5  # what a failure counts as at least
SLOWEST_SECONDS: Final = 10.0
FORGIVEN_SECONDS: Final = 5.0  # after which half of what was added for failures is taken off
_SMOOTHING: Final = 1 / 8
_VARIANCE_SMOOTHING: Final = 1 / 4
FIRST_WAIT: Final = 1.0  # seconds for an answer of a server nothing is known of
SHORTEST_WAIT: Final = 0.2
LONGEST_WAIT: Final = 2.0


class ServerState:
    """What is known of one server.

    Attributes:
        address: where it is.
        gives_cookies: whether it ever sent a cookie; answers without one are then not believed.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.gives_cookies = False
        self._latency = UNKNOWN_SECONDS
        self._variance = 0.0
        self._penalty = 0.0
        self._failed_at = 0.0
        self._is_known = False

    def answered(self, seconds: float) -> None:
        """An answer came after so many seconds."""
        self._penalty = 0.0
        if not self._is_known:
            self._is_known = True
            self._latency, self._variance = seconds, seconds / 2
            return
        off = abs(self._latency - seconds)
        self._variance += (off - self._variance) * _VARIANCE_SMOOTHING
        self._latency += (seconds - self._latency) * _SMOOTHING

    def failed(self, now: float) -> None:
        """No answer, or none of use."""
        self._penalty = min(max(2 * self._penalty, FAILED_SECONDS), SLOWEST_SECONDS)
        self._failed_at = now

    def slowness(self, now: float) -> float:
        """What it is ordered by, seconds."""
        if not self._penalty:
            return self._latency
        forgiven: float = 0.5 ** ((now - self._failed_at) / FORGIVEN_SECONDS)
        return self._latency + self._penalty * forgiven

    @property
    def wait(self) -> float:
        """Seconds that are waited for its first answer to a question."""
        if not self._is_known:
            return FIRST_WAIT
        return min(max(self._latency + 4 * self._variance, SHORTEST_WAIT), LONGEST_WAIT)


class Servers:
    """The servers of a client, which its sessions share."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._all = [ServerState(one) for one in dict.fromkeys(addresses)]

    def ordered(self, now: float) -> list[ServerState]:
        """All of them, the one to be asked first in front."""
        if len(self._all) == 1:
            return self._all
        return sorted(self._all, key=lambda one: one.slowness(now))
