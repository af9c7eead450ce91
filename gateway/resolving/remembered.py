"""Answers that are made already, bounded in octets; those that nobody asks for any more go.

Two generations: what is asked for is in the young one, or comes back to it from the old one,
which is dropped when the young one has half of the octets.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, Generic, NamedTuple, TypeVar

OVERHEAD_OCTETS: Final = 500  # of one: objects, their parts, its place


class Made(NamedTuple):
    """An answer to an identifier, without its TTL.

    Attributes:
        key: under what the cache has its entry.
        entry: of which it was made.
        until: Unix seconds until which it holds, as long as the cache has this entry.
        head, tail: as `gateway.resolving.forms.Form` makes them.
        slot: of the entry, in the cache.
        status: of HTTP.
        headers: that go with it.
    """

    key: bytes
    entry: bytes
    until: int
    head: bytes
    tail: Callable[[int], bytes]
    slot: int = 0
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()


K = TypeVar("K", bound=Hashable)


class Remembered(Generic[K]):
    """What was made, by what was asked.

    Args:
        most: octets.

    Attributes:
        young: those that were asked for lately.
    """

    def __init__(self, most: int) -> None:
        self.young: dict[K, Made] = {}
        self._old: dict[K, Made] = {}
        self._half = most // 2
        self._octets = self._old_octets = 0

    @property
    def octets(self) -> int:
        """About how many it holds."""
        return self._octets + self._old_octets

    def get(self, asked: K) -> Made | None:
        """What was made, if it is still there."""
        found = self.young.get(asked)
        if found is None:
            found = self._old.pop(asked, None)
            if found is not None:
                self._old_octets -= _octets(found)
                self._add(asked, found)
        return found

    def put(self, asked: K, made: Made) -> None:
        """Keep what was made, in place of what was before."""
        young, old = self.young.pop(asked, None), self._old.pop(asked, None)
        if young is not None:
            self._octets -= _octets(young)
        if old is not None:
            self._old_octets -= _octets(old)
        self._add(asked, made)

    def _add(self, asked: K, made: Made) -> None:
        size = _octets(made)
        if self._octets + size > self._half:
            self._old, self._old_octets = self.young, self._octets
            self.young, self._octets = {}, 0
        self.young[asked] = made
        self._octets += size


def _octets(made: Made) -> int:
    return OVERHEAD_OCTETS + len(made.key) + len(made.entry) + len(made.head)
