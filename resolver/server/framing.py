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

_LENGTHS: Final = [length.to_bytes(2, "big") for length in range(4_096)]

Answer = Callable[[bytes], "bytes | None"]


class Stream:
    """What one connection has sent and not been answered yet.

    Attributes:
        broken: a length was too small for a DNS message. What follows cannot be told apart, so the
            connection is to be closed.
        pending: whole queries are at hand that `answers` left for its next call.
    """

    __slots__ = ("_octets", "broken", "pending")

    def __init__(self) -> None:
        self._octets = b""
        self.broken = False
        self.pending = False

    @property
    def held(self) -> int:
        """Octets kept: of a query not yet whole, and of those pending."""
        return len(self._octets)

    def receive(self, octets: bytes) -> None:
        """Take what was read from the connection."""
        self._octets = self._octets + octets if self._octets else octets

    def answers(self, answer: Answer) -> bytes:
        """The answers to the whole queries at hand, each behind its length, in order.

        Args:
            answer: gives the answer to one query of at least 12 octets, or None for silence.
        """
        octets = self._octets
        size = len(octets)
        at = room = 0
        parts: list[bytes] = []
        self.pending = False
        for _ in range(MAX_QUERIES_AT_ONCE):
            start = at + 2
            if start > size:
                break
            length = (octets[at] << 8) + octets[at + 1]
            if length < HEADER_OCTETS:
                self.broken = True
                break
            if start + length > size:
                break
            at = start + length
            reply = answer(octets[start:at])
            if reply is None:
                continue
            length = len(reply)
            parts.append(_LENGTHS[length] if length < 4_096 else length.to_bytes(2, "big"))
            parts.append(reply)
            room += length
            if room >= MAX_ANSWERS_OCTETS:
                self.pending = True
                break
        else:
            self.pending = True
        self._octets = b"" if self.broken or at == size else octets[at:]
        return b"".join(parts)
