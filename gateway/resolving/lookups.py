"""What is known of names: from the cache, else from the process that asks others.

One question at a time is asked for a name, however many wait for it; nobody waits longer than
GIVE_UP_SECONDS, and no more than MOST questions are under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from csid.limits import MAX_KEY_OCTETS
from csid.names import key_of, wire_of_key
from resolver.cache import entry as entries
from resolver.cache.sieve import AHEAD, ASKED
from resolver.cache.source import key_of_question
from resolver.cache.store import Readable
from resolver.server.recursive.packets import (
    AGAIN_SECONDS,
    GIVE_UP_SECONDS,
    LEAVE_SECONDS,
    PACKET_OCTETS,
    TAG_OCTETS,
    Asked,
    PacketError,
    asked,
    read_answered,
)

MOST: Final = 16_384  # questions under way
MOST_OF_BATCHES: Final = 8_192  # of them; so that one that is asked singly finds room
_QUESTION_OCTETS: Final = 300  # that one has at most in a packet
_TOGETHER: Final = PACKET_OCTETS // _QUESTION_OCTETS
_SWEEP_SECONDS: Final = 0.25
_PACKETS_A_TURN: Final = 16
_LOOK_SECONDS: Final = 0.01  # between two looks for room


class Question(NamedTuple):
    """A name in wire form, lower case, and a type of record."""

    name: bytes
    rrtype: int
    is_fresh: bool = False  # its authority is asked, also where the cache has an answer

    @property
    def key(self) -> bytes:
        """Under what the cache has the answer."""
        return key_of_question(key_of(self.name), self.rrtype)


class Counts:
    """What became of questions, since the start.

    Attributes:
        hits: answered from the cache.
        asked: of the process that asks others.
        unanswered: for which nobody had an answer in time, or room.
    """

    def __init__(self) -> None:
        self.hits = self.asked = self.unanswered = 0


class _UnderWay:
    """A question that was asked, at a time of the loop."""

    __slots__ = ("is_asked_again", "question", "since", "waiting")

    def __init__(self, question: Question, since: float) -> None:
        self.question = question
        self.since = since
        self.is_asked_again = False
        self.waiting: list[asyncio.Future[bytes | None]] = []


class Lookups:
    """Looks names up.

    Args:
        cache: what is known.
        pair: to the process that asks others (`resolver.server.recursive.packets`).
        loop: that is running, or will be.

    Attributes:
        marks: of the slots of the cache.
    """

    def __init__(
        self, cache: Readable, pair: socket.socket, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.counts = Counts()
        self._cache = cache
        self.marks = cache.marks
        self._pair = pair
        self._loop = loop
        # What an earlier process has asked may still be answered, so numbers begin anywhere.
        self._number = int.from_bytes(os.urandom(TAG_OCTETS), "big")
        self._tags: dict[Question, bytes] = {}
        self._under_way: dict[bytes, _UnderWay] = {}  # by tags, in the order they were asked
        self._to_send: deque[Asked] = deque()
        self._is_sending = False
        self._sweep: asyncio.TimerHandle | None = None
        pair.setblocking(False)
        loop.add_reader(pair, self._read)

    def __len__(self) -> int:
        """How many questions are under way."""
        return len(self._under_way)

    def moment(self) -> Any:
        """A read transaction of the cache; its `get` takes a `Question.key`."""
        return self._cache.moment()

    def note(self, key: bytes, entry: bytes, now: int) -> None:
        """Have it known that an entry was asked for; one that was before, and ends soon, is found
        out anew while it still holds.
        """
        slot = entries.slot_of(entry)
        mark = self.marks[slot]
        if not mark & ASKED:
            self.marks[slot] = mark | ASKED
        elif mark == ASKED and now >= entries.ahead_at(entry):
            self.renew(key, slot)

    def renew(self, key: bytes, slot: int) -> None:
        """Find out anew what an entry says, once for each entry, and without anybody waiting."""
        self.marks[slot] |= AHEAD
        if len(self._under_way) < MOST_OF_BATCHES:
            self._ask(Question(wire_of_key(key[:-2]), int.from_bytes(key[-2:], "big"), True))

    def kept(self, question: Question) -> bytes | None:
        """The entry that the cache has, if it still holds."""
        key, now = question.key, int(time.time())
        with self._cache.moment() as txn:
            found = _get(txn, key)
        if found is None or entries.expires(found) <= now:
            return None
        self.counts.hits += 1
        self.note(key, found, now)
        return found

    async def find(self, question: Question) -> bytes | None:
        """The entry that answers a question (`resolver.cache.entry`); None if nobody can say."""
        found = None if question.is_fresh else self.kept(question)
        if found is None:
            (found,) = self.as_kept([(question, await self._ask(question))])
        return found

    def as_kept(self, some: Sequence[tuple[Question, bytes | None]]) -> list[bytes | None]:
        """What was just found, as the cache has it by now, where it does: with its slot."""
        with self._cache.moment() as txn:
            return [_in_its_slot(entry, _get(txn, one.key)) for one, entry in some]

    async def ask_all(self, questions: Sequence[Question]) -> list[bytes | None]:
        """As `find`, of many that the cache does not have: they wait for room first, as long as one
        would for an answer.
        """
        until = self._loop.time() + GIVE_UP_SECONDS
        while len(self._under_way) + len(questions) > MOST_OF_BATCHES:
            if self._loop.time() > until:
                self.counts.unanswered += len(questions)
                return [None] * len(questions)
            await asyncio.sleep(_LOOK_SECONDS)
        found = await asyncio.gather(*[self._ask(one) for one in questions])
        return self.as_kept(list(zip(questions, found, strict=True)))

    async def leave(self) -> None:
        """Take what is still answered for LEAVE_SECONDS at most, then nothing more: it is for the
        process that follows this one.
        """
        until = self._loop.time() + LEAVE_SECONDS
        while self._under_way and self._loop.time() < until:
            await asyncio.sleep(_LOOK_SECONDS)
        self.close()

    def close(self) -> None:
        """Nothing is asked any more, and who waits is told that nobody can say."""
        self._loop.remove_reader(self._pair)
        if self._is_sending:
            self._loop.remove_writer(self._pair)
        if self._sweep is not None:
            self._sweep.cancel()
        for tag in list(self._under_way):
            self._settle(tag, None)

    def _ask(self, question: Question) -> asyncio.Future[bytes | None]:
        waiting: asyncio.Future[bytes | None] = self._loop.create_future()
        tag = self._tags.get(question)
        if tag is None:
            if len(self._under_way) >= MOST:
                self.counts.unanswered += 1
                waiting.set_result(None)
                return waiting
            self._number = (self._number + 1) % 2 ** (8 * TAG_OCTETS)
            tag = self._tags[question] = self._number.to_bytes(TAG_OCTETS, "big")
            self._under_way[tag] = _UnderWay(question, self._loop.time())
            self._put(Asked(tag, question.rrtype, question.name, question.is_fresh))
        # Each waits by itself: one that is given up takes nothing from the others.
        self._under_way[tag].waiting.append(waiting)
        return waiting

    def _put(self, one: Asked) -> None:
        self.counts.asked += 1
        if not self._to_send and not self._is_sending:
            self._loop.call_soon(self._send)
        self._to_send.append(one)
        if self._sweep is None:
            self._sweep = self._loop.call_later(_SWEEP_SECONDS, self._give_up)

    def _send(self) -> None:
        """Send what there is, as far as the other side has room."""
        while self._to_send:
            some = [self._to_send.popleft() for _ in range(min(len(self._to_send), _TOGETHER))]
            try:
                self._pair.send(asked(some))
            except BlockingIOError:
                self._to_send.extendleft(reversed(some))
                if not self._is_sending:
                    self._is_sending = True
                    self._loop.add_writer(self._pair, self._send)
                return
            except OSError:  # nobody is there, for now
                for one in some:
                    self._settle(one.tag, None)
        if self._is_sending:
            self._is_sending = False
            self._loop.remove_writer(self._pair)

    def _read(self) -> None:
        for _ in range(_PACKETS_A_TURN):
            try:
                packet = self._pair.recv(PACKET_OCTETS)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self._loop.remove_reader(self._pair)
                return
            with contextlib.suppress(PacketError):
                for tag, entry in read_answered(packet):
                    self._settle(tag, entry if entries.is_whole(entry) else None)

    def _settle(self, tag: bytes, entry: bytes | None) -> None:
        under_way = self._under_way.pop(tag, None)
        if under_way is None:
            return  # it was given up
        del self._tags[under_way.question]
        if entry is None:
            self.counts.unanswered += 1
        for one in under_way.waiting:
            if not one.done():
                one.set_result(entry)

    def _give_up(self) -> None:
        """Give up what has waited for too long, and ask again what may be lost, as a process has
        been replaced; those that have waited longest stand first.
        """
        now = self._loop.time()
        self._sweep = None
        for tag, one in list(self._under_way.items()):
            if now >= one.since + GIVE_UP_SECONDS:
                self._settle(tag, None)
            elif now < one.since + AGAIN_SECONDS:
                break
            elif not one.is_asked_again:
                one.is_asked_again = True
                name, rrtype, is_fresh = one.question
                self._put(Asked(tag, rrtype, name, is_fresh))
        if self._under_way and self._sweep is None:
            self._sweep = self._loop.call_later(_SWEEP_SECONDS, self._give_up)
        self._to_send = deque(one for one in self._to_send if one.tag in self._under_way)


def _get(txn: Any, key: bytes) -> bytes | None:
    found: bytes | None = txn.get(key) if len(key) <= MAX_KEY_OCTETS else None
    return found


def _in_its_slot(entry: bytes | None, kept: bytes | None) -> bytes | None:
    if entry is None or kept is None:
        return entry
    return kept if entries.in_slot(entry, entries.slot_of(kept)) == kept else entry
