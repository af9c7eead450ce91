"""Answers that are made already, bounded in octets.

What came first goes first; but what was asked for since stays, and comes last again (the clock of
page replacement). So a flood of what nobody asks for twice drives out little else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

from resolver.cache.entry import ahead_at, slot_of

OVERHEAD_OCTETS: Final = 600  # of one: objects, their parts, its place


class Made:
    """An answer to an identifier, without its TTL.

    Attributes:
        key: under what the cache has its entry.
        entry: of which it was made.
        until: Unix seconds until which it holds, as long as the cache has this entry.
        head, tail: as `gateway.resolving.forms.Form` makes them.
        slot: of the entry, in the cache.
        status: of HTTP.
        headers: that go with it.
        ahead: Unix seconds from which its entry is to be found out anew.
        asked: whether it was asked for since it came, or came last.
    """

    __slots__ = (
        "ahead",
        "asked",
        "entry",
        "head",
        "headers",
        "key",
        "slot",
        "status",
        "tail",
        "until",
    )

    def __init__(
        self,
        key: bytes,
        entry: bytes,
        until: int,
        head: bytes,
        tail: Callable[[int], bytes],
        status: int,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.key = key
        self.entry = entry
        self.until = until
        self.head = head
        self.tail = tail
        self.slot = slot_of(entry)
        self.ahead = ahead_at(entry)
        self.status = status
        self.headers = headers
        self.asked = False

    def octets(self) -> int:
        """About how many it takes."""
        return OVERHEAD_OCTETS + len(self.key) + len(self.entry) + len(self.head)


K = TypeVar("K", bound=Hashable)


class Remembered(Generic[K]):
    """What was made, by what was asked.

    Args:
        most: octets.

    Attributes:
        made: it.
        octets: about how many it holds.
    """

    def __init__(self, most: int) -> None:
        self.made: OrderedDict[K, Made] = OrderedDict()
        self.octets = 0
        self._most = most

    def put(self, asked: K, made: Made) -> None:
        """Keep what was made, in place of what was before."""
        before = self.made.pop(asked, None)
        if before is not None:
            self.octets -= before.octets()
        self.made[asked] = made
        self.octets += made.octets()
        while self.octets > self._most:
            key, first = self.made.popitem(last=False)
            if first.asked:
                first.asked = False
                self.made[key] = first
            else:
                self.octets -= first.octets()
