"""What the process that asks others does, but for its sockets: questions in, answers out.

Each packet and each answer of a server is handed in with the time; then `settle` puts what was
found into the cache, and gives what those get who asked. What came into the cache since a question
missed it answers that question, so nobody is asked twice.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from csid import names
from csid.limits import MAX_KEY_OCTETS
from csid.protocol import NOERROR, NXDOMAIN
from resolver.answer.parse import parse
from resolver.answer.process import Answerer
from resolver.answer.reply import Reply
from resolver.cache import entry as entries
from resolver.cache.source import key_of_question
from resolver.recursion.table import Table
from resolver.server import counters as places
from resolver.server.counters import Counters
from resolver.server.datagrams import address_of
from resolver.server.recursive.packets import Asked, Missed


class Kept(Protocol):
    """The cache."""

    def get(self, key: bytes) -> bytes | None:
        """The entry of a key."""

    def put(self, given: list[tuple[bytes, bytes]]) -> None:
        """Keep entries under their keys."""

    def drop(self, prefix: bytes) -> int:
        """Forget what lies at and below a name with this key."""

    def clear(self) -> int:
        """Forget everything."""


class Far(NamedTuple):
    """Somebody who asked over UDP."""

    socket_number: int
    origin: bytes
    reply: Reply


class Near(NamedTuple):
    """Another process, by the number of its pair."""

    pair: int
    tag: bytes


class Message(NamedTuple):
    """What is to be sent to somebody who asked over UDP."""

    socket_number: int
    origin: bytes
    message: bytes


class Asking:
    """Questions of all processes, asked of others.

    Args:
        table: of the questions under way.
        answerer: makes the messages of those who asked over UDP.
        counters: of the process.
    """

    def __init__(self, cache: Kept, table: Table, answerer: Answerer, counters: Counters) -> None:
        self._cache = cache
        self._table = table
        self._answerer = answerer
        self._counters = counters
        self._given: list[tuple[object, bytes]] = []

    def missed(self, number: int, questions: list[Missed], now: float, unix: int) -> None:
        """Questions that came over UDP, to a socket of that number."""
        for origin, message in questions:
            # A worker has read it already; nothing else is in its packets.
            reply = parse(message, address_of(origin) if origin else b"", False)
            if reply is None or not reply.asks:
                continue
            tag = Far(number, origin, reply) if origin else None
            self._ask(names.wire_of_key(reply.key), reply.key, reply.qtype, tag, now, unix)
        self._counters[places.QUERIES] += len(questions)
        self._counters[places.BATCHES] += 1

    def asked(self, pair: int, questions: list[Asked], now: float, unix: int) -> None:
        """Questions of another process."""
        for tag, rrtype, name, is_fresh in questions:
            near = Near(pair, tag)
            self._ask(name, names.key_of(name), rrtype, near, now, unix, is_fresh)
        self._counters[places.QUERIES] += len(questions)
        self._counters[places.BATCHES] += 1

    def forget(self, name: bytes) -> int:
        """Know nothing more of what is at and below a name, in wire form and lower case; gives how
        many entries of the cache that were.
        """
        self._table.forget(name)
        key = names.key_of(name)
        return self._cache.drop(key) if key else self._cache.clear()

    def settle(self, now: float, unix: int) -> list[tuple[object, bytes]]:
        """Go on with what came, and keep what was found; gives who gets which entry."""
        table, counters = self._table, self._counters
        table.go_on(now, unix)
        if table.entries:
            found, table.entries = table.entries, []
            self._cache.put(found)
        given, self._given = self._given + table.answered, []
        table.answered = []
        counters[places.UPSTREAM] = table.asked
        counters[places.UNANSWERED] = table.failures
        counters[places.STALE] = table.stale
        counters[places.UNDER_WAY] = len(table)
        return given

    def message(self, far: Far, entry: bytes, unix: int) -> Message:
        """What somebody gets who asked over UDP."""
        entries.fill(far.reply, entry, unix)
        return Message(far.socket_number, far.origin, self._answerer.finish(far.reply, unix))

    def _ask(
        self,
        name: bytes,
        key: bytes,
        rrtype: int,
        tag: Far | Near | None,
        now: float,
        unix: int,
        is_fresh: bool = False,
    ) -> None:
        kept = key_of_question(key, rrtype)
        if tag is not None and len(kept) <= MAX_KEY_OCTETS:
            entry = self._cache.get(kept)
            holds = entry is not None and entries.expires(entry) > unix
            if entry is not None and holds and not (is_fresh and _is_good(entry, unix)):
                self._given.append((tag, entry))
                return
        self._table.ask(name, rrtype, tag, now, unix)


def _is_good(entry: bytes, unix: int) -> bool:
    """Whether an authority has said what an entry says. One that could not be asked just now is not
    asked again for who wants it fresh (RFC 9520 section 3.2).
    """
    return entries.rcode_of(entry) in (NOERROR, NXDOMAIN) and entries.good_until(entry) > unix
