"""The cache as what answers: a hit is copied, a miss is left to whoever can ask others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from csid.limits import MAX_KEY_OCTETS
from csid.protocol import ANY, CLASS_IN, EDE_NOT_AUTHORITATIVE, REFUSED
from resolver.answer.reply import Reply
from resolver.answer.source import Source
from resolver.cache.entry import ahead_at, expires, fill, slot_of
from resolver.cache.sieve import AHEAD, ASKED

_RD: Final = 1  # of the third octet of a message


class CacheSource(Source):
    """The cache, at one moment.

    Args:
        get: the entry of a key, or None.
        marks: of the slots.
        now: Unix seconds.
        missed: is given a reply whose answer is not there; it fills the reply at once, which is
            told by True, or later.
        ahead: is given, once for each entry, a reply whose answer will soon not hold any more, and
            was asked for before: it is worth to be found out anew while it still does.
    """

    __slots__ = ("_ahead", "_get", "_marks", "_missed", "_now")

    def __init__(
        self,
        get: Callable[[bytes], bytes | None],
        marks: memoryview,
        now: int,
        missed: Callable[[Reply], bool],
        ahead: Callable[[Reply], object],
    ) -> None:
        self._get = get
        self._marks = marks
        self._now = now
        self._missed = missed
        self._ahead = ahead

    def resolve(self, reply: Reply) -> bool:
        """Fill a reply from the cache, if what is there still holds."""
        if not reply.packet[2] & _RD or reply.qclass != CLASS_IN or reply.qtype == ANY:
            # Who wants to know what others have asked for is told nothing (RFC 8914 section 4.21).
            reply.rcode, reply.ede = REFUSED, EDE_NOT_AUTHORITATIVE
            return True
        key = reply.key + reply.packet[reply.end - 4 : reply.end - 2]  # as `key_of_question`
        entry = self._get(key) if len(key) <= MAX_KEY_OCTETS else None
        if entry is None or expires(entry) <= self._now:
            return self._missed(reply)
        fill(reply, entry, self._now)
        slot = slot_of(entry)
        mark = self._marks[slot]
        if mark == ASKED and self._now >= ahead_at(entry):
            self._marks[slot] = ASKED | AHEAD
            self._ahead(reply)
        elif not mark & ASKED:
            self._marks[slot] = mark | ASKED
        return True


def key_of_question(key: bytes, qtype: int) -> bytes:
    """Under what the answer to a question is kept."""
    return key + qtype.to_bytes(2, "big")
