"""What a client remembers: answers until their TTL ends, absence as RFC 2308 section 5 has it."""

from __future__ import annotations

from threading import Lock
from typing import Final, Generic, TypeVar

POSITIVE_SECONDS_MAX: Final = 86_400  # RFC 8767 section 4 asks for days; records change their state
NEGATIVE_SECONDS_MAX: Final = 10_800  # RFC 2308 section 5: one to three hours

V = TypeVar("V")


class Memory(Generic[V]):
    """A bounded memory of values by key, each until a time; the one that was put in first goes.

    Several threads may use it.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._held: dict[bytes, tuple[float, V]] = {}
        self._lock = Lock()

    def get(self, key: bytes, now: float) -> tuple[float, V] | None:
        """The value with the seconds it has left, if it is remembered."""
        found = self._held.get(key)
        if found is None:
            return None
        left = found[0] - now
        return (left, found[1]) if left > 0 else None

    def put(self, key: bytes, value: V, seconds: float, now: float) -> None:
        """Remember a value for so many seconds from now."""
        if seconds <= 0 or self._entries <= 0:
            return
        with self._lock:
            self._held.pop(key, None)
            if len(self._held) >= self._entries:
                del self._held[next(iter(self._held))]
            self._held[key] = (now + seconds, value)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._held.clear()
