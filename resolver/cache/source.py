"""The cache as what answers: a hit is copied, a miss is left to whoever can ask others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from csid.protocol import CLASS_IN, REFUSED
from resolver.answer.reply import Reply
from resolver.answer.source import Source
from resolver.cache.entry import expires, fill, lifetime, slot_of
from resolver.cache.sieve import AHEAD, ASKED

AHEAD_SHARE: Final = 10  # of its time the last part of so many, in which an answer is renewed


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
        ahead: Callable[[Reply], None],
    ) -> None:
        self._get = get
        self._marks = marks
        self._now = now
        self._missed = missed
        self._ahead = ahead

    def resolve(self, reply: Reply) -> bool:
        """Fill a reply from the cache, if what is there still holds."""
        if reply.qclass != CLASS_IN:
            reply.rcode = REFUSED
            return True
        entry = self._get(key_of_question(reply.key, reply.qtype))
        if entry is None or expires(entry) <= self._now:
            return self._missed(reply)
        fill(reply, entry, self._now)
        slot = slot_of(entry)
        mark = self._marks[slot]
        if mark == ASKED and AHEAD_SHARE * (expires(entry) - self._now) < lifetime(entry):
            self._marks[slot] = ASKED | AHEAD
            self._ahead(reply)
        elif not mark & ASKED:
            self._marks[slot] = mark | ASKED
        return True


def key_of_question(key: bytes, qtype: int) -> bytes:
    """Under what the answer to a question is kept."""
    return key + qtype.to_bytes(2, "big")
