"""DNS over a byte stream: octets in, length-prefixed answers out (RFC 1035 4.2.2, RFC 7766).

No socket and no clock. Queries may come in any pieces and any number at once; the answers are the
same however the stream was cut. All whole queries at hand are answered together, so that they cost
their connection one send, but no more at a time than the bounds below: the rest waits, and nothing
more need be read meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from csid.limits import HEADER_OCTETS

MAX_QUERIES_AT_ONCE: Final = 256  # answered before others get their turn
MAX_ANSWERS_OCTETS: Final = 131_072  # begun answers stop here; the last one may reach past it
MAX_TAIL_OCTETS: Final = 4_096  # of a query, gathered before they are put to its beginning

_LENGTHS: Final = [length.to_bytes(2, "big") for length in range(4_096)]

Answer = Callable[[bytes], "bytes | None"]


class Stream:
    """What one connection has sent and not been answered yet.

    Attributes:
        broken: a length was too small for a DNS message. What follows cannot be told apart, so the
            connection is to be closed.
        pending: whole queries are at hand that `answers` left for its next call.
        taken: how many whole queries the last call of `answers` went through.
    """

    __slots__ = ("_halted", "_needed", "_octets", "_tail", "broken", "pending", "taken")

    def __init__(self) -> None:
        self._octets = b""
        # What is to follow those octets once it is worth copying them for: a long query that comes
        # in single octets is not to be copied with each of them.
        self._tail = bytearray()
        self._needed = 0  # octets at hand below which no query is whole
        self._halted = False
        self.broken = False
        self.pending = False
        self.taken = 0

    @property
    def held(self) -> int:
        """Octets kept: of a query not yet whole, and of those pending."""
        return len(self._octets) + len(self._tail)

    def receive(self, octets: bytes | bytearray) -> None:
        """Take what was read from the connection."""
        if not self._octets:
            self._octets = bytes(octets)
            return
        self._tail += octets
        if self.held >= self._needed or len(self._tail) >= MAX_TAIL_OCTETS:
            self._octets += self._tail
            self._tail.clear()

    def halt(self) -> None:
        """Have `answers` end behind the query that it asks about now, which gets no answer from
        it: something else comes first. The others are `pending`.
        """
        self._halted = True

    def answers(self, answer: Answer) -> bytes:
        """The answers to the whole queries at hand, each behind its length, in order.

        Args:
            answer: gives the answer to one query of at least 12 octets, or None for silence.
        """
        octets = self._octets
        size = len(octets)
        self.pending = False
        self.taken = 0
        if size < self._needed:
            return b""
        at = room = self._needed = 0
        parts: list[bytes] = []
        for taken in range(MAX_QUERIES_AT_ONCE):
            start = at + 2
            if start > size:
                self.taken, self._needed = taken, 2
                break
            length = (octets[at] << 8) + octets[at + 1]
            if length < HEADER_OCTETS:
                self.taken, self.broken = taken, True
                break
            if start + length > size:
                self.taken, self._needed = taken, 2 + length
                break
            at = start + length
            reply = answer(octets[start:at])
            if reply is None:
                if self._halted:
                    self._halted = False
                    self.taken, self.pending = taken + 1, True
                    break
                continue
            length = len(reply)
            parts.append(_LENGTHS[length] if length < 4_096 else length.to_bytes(2, "big"))
            parts.append(reply)
            room += length
            if room >= MAX_ANSWERS_OCTETS:
                self.taken, self.pending = taken + 1, True
                break
        else:
            self.taken, self.pending = MAX_QUERIES_AT_ONCE, True
        self._octets = b"" if self.broken or at == size else octets[at:]
        return b"".join(parts)
