"""Calls of the interface: what is sent, what is made of what comes back, and when to ask again.

A call is a generator of steps: it gives `Send` and gets a `Reply`, or `Lost` where none came; or it
gives `Wait`. Its value is what was asked for. Whoever drives it, waiting or awaiting, does nothing
else. What changes something goes under an idempotency key, one for all its attempts.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from csid.http.results import (
    Changes,
    Entry,
    Filing,
    History,
    Outcome,
    Owner,
    Page,
    Pool,
    Problem,
    RefusedError,
    RegistryError,
    Results,
    UnreachableError,
    result_of,
)

T = TypeVar("T")

FIRST_WAIT: Final = 0.1  # seconds before the second attempt; then ever longer
MOST_WAIT: Final = 5.0
BATCH_MAX: Final = 2_000  # items
# The node could not: it may be able to in a while, and what was done is not done twice.
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_encode: Final = msgspec.json.Encoder().encode


class Send(NamedTuple):
    """What is to be sent."""

    method: str
    path: str
    query: Mapping[str, str | int]
    headers: Mapping[str, str]
    body: bytes | None
    seconds: float  # for an answer


class Wait(NamedTuple):
    """So many seconds are to go by."""

    seconds: float


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class Lost(NamedTuple):
    """Nothing came back, and why."""

    reason: str


Step = Send | Wait
Steps = Generator[Step, Reply | Lost | None, T]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call is tried.

    Attributes:
        timeout: seconds, all attempts together; None of them is waited for longer either.
        now: gives seconds, from any beginning.
        jitter: gives a part of 1 by which waiting is longer.
        new_key: gives a key that nobody else has.
    """

    timeout: float
    now: Callable[[], float]
    jitter: Callable[[], float]
    new_key: Callable[[], str]


class Calls:
    """All calls there are; each gives its steps."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience

    # -- what changes something

    def register(
        self,
        what: str,
        record: Mapping[str, Any] | None,
        ttl: int | None,
        reason: str,
        key: str,
        is_pool: bool,
    ) -> Steps[Outcome]:
        """Assign an identifier, or the next one of a pool."""
        given: dict[str, Any] = {"pool" if is_pool else "identifier": what}
        given |= {"record": dict(record)} if record is not None else {}
        given |= {"ttl": ttl} if ttl is not None else {}
        return self._change("POST", "/v1/identifiers", given, reason, key)

    def update(
        self,
        identifier: str,
        record: Mapping[str, Any],
        unless_changed_since: int | None,
        members: Mapping[str, Any],
        reason: str,
        key: str,
    ) -> Steps[Outcome]:
        """Change facts of a record."""
        more = {} if unless_changed_since is None else {"If-Match": f'"{unless_changed_since}"'}
        given = {"record": dict(record), **members}
        return self._change("PATCH", _at(identifier), given, reason, key, more)

    def perform(
        self, operation: str, identifier: str, members: Mapping[str, Any], reason: str, key: str
    ) -> Steps[Outcome]:
        """Any step of an identifier's life."""
        path = f"{_at(identifier)}/{quote(operation, safe='')}"
        return self._change("POST", path, members, reason, key)

    def batch(
        self, items: Sequence[Mapping[str, Any]], reason: str, key: str
    ) -> Steps[list[Outcome | Problem]]:
        """Many operations; what came of each, in their order."""
        if not 1 <= len(items) <= BATCH_MAX:
            raise RegistryError(f"a batch has 1 to {BATCH_MAX:,} items, given {len(items):,}")
        given = {"items": list(items)}
        return (yield from self._results(given, reason, key))

    def _results(
        self, given: Mapping[str, Any], reason: str, key: str
    ) -> Steps[list[Outcome | Problem]]:
        key = key or self._patience.new_key()
        body = _encode({**given, "reason": reason} if reason else given)
        reply = yield from self._exchange("POST", "/v1/batches", {}, body, key, {})
        return [result_of(one) for one in _decoded(reply, Results).items]

    def _change(
        self,
        method: str,
        path: str,
        given: Mapping[str, Any],
        reason: str,
        key: str,
        more: Mapping[str, str] = {},
    ) -> Steps[Outcome]:
        key = key or self._patience.new_key()
        body = _encode({**given, "reason": reason} if reason else given)
        reply = yield from self._exchange(method, path, {}, body, key, more)
        return _decoded(reply, Outcome)

    # -- what reads

    def identifier(self, identifier: str) -> Steps[Entry]:
        """One identifier."""
        return self._read(_at(identifier), {}, Entry)

    def identifiers(self, query: Mapping[str, Any], after: str) -> Steps[Page[Entry]]:
        """A page of identifiers."""
        return self._read("/v1/identifiers", {**query, "after": after}, Page[Entry])

    def owners(self, query: Mapping[str, Any], after: str) -> Steps[Page[Owner]]:
        """A page of owners."""
        return self._read("/v1/owners", {**query, "after": after}, Page[Owner])

    def pools(self, query: Mapping[str, Any], after: str) -> Steps[Page[Pool]]:
        """A page of pools."""
        return self._read("/v1/pools", {**query, "after": after}, Page[Pool])

    def owner(self, code: str) -> Steps[Owner]:
        """One owner."""
        return self._read(f"/v1/owners/{quote(code, safe='')}", {}, Owner)

    def changes(self, since: int, wait: int, limit: int | None) -> Steps[Changes]:
        """Changes from a leaf on, waited for so many seconds where there is none."""
        query = {"since": since, "wait": wait or None, "limit": limit}
        return self._read("/v1/changes", query, Changes, wait)

    def history(self, identifier: str) -> Steps[History]:
        """The changes of an identifier."""
        return self._read(f"{_at(identifier)}/history", {}, History)

    def filing(self, identifier: str) -> Steps[Filing]:
        """Where the filing of an identifier is."""
        return self._read(f"{_at(identifier)}/filing", {}, Filing)

    def proof(self, identifier: str, leaf: int | None) -> Steps[str]:
        """The proof of a change, the last one if none is said (schemas/audit.md)."""
        return self._text(f"{_at(identifier)}/proof", {"leaf": leaf})

    def checkpoint(self) -> Steps[str]:
        """The checkpoint of the log that was signed last."""
        return self._text("/v1/checkpoint", {})

    def _read(
        self, path: str, query: Mapping[str, Any], kind: type[T], wait: float = 0.0
    ) -> Steps[T]:
        reply = yield from self._exchange("GET", path, query, None, "", {}, wait)
        return _decoded(reply, kind)

    def _text(self, path: str, query: Mapping[str, Any]) -> Steps[str]:
        reply = yield from self._exchange("GET", path, query, None, "", {})
        return reply.body.decode("utf-8", "replace")

    # -- attempts

    def _exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: bytes | None,
        key: str,
        more: Mapping[str, str],
        longer: float = 0.0,
    ) -> Steps[Reply]:
        """Ask until there is an answer that holds, or the time is over.

        Raises:
            RefusedError: the node refuses.
            UnreachableError: it has not answered in time.
        """
        patience = self._patience
        until = patience.now() + patience.timeout + longer
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Idempotency-Key": key} if key else {}
        headers |= more
        said = {name: value for name, value in query.items() if value not in (None, "")}
        wait = FIRST_WAIT
        while True:
            left = max(until - patience.now(), 0.001)
            got = yield Send(method, path, said, headers, body, left)
            assert got is not None
            asked = 0.0
            if isinstance(got, Reply):
                if got.status < 300:
                    return got
                if got.status not in _AGAIN:
                    raise RefusedError(_problem(got))
                asked = _seconds(got.headers.get("retry-after", ""))
                why = str(RefusedError(_problem(got)))
            else:
                why = got.reason
            pause = max(asked, wait * (1 + patience.jitter()))
            if patience.now() + pause >= until:
                unknown = f"; whether it was done is not known: ask again under key {key}"
                raise UnreachableError(f"{why}{unknown if key else ''}", key)
            yield Wait(pause)
            wait = min(2 * wait, MOST_WAIT)


def _at(identifier: str) -> str:
    return f"/v1/identifiers/{quote(identifier, safe='')}"


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0.0


def _decoded(reply: Reply, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RegistryError(f"the answer is none of this interface: {error}") from None


def _problem(reply: Reply) -> Problem:
    try:
        return msgspec.json.decode(reply.body, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = reply.body[:200].decode("utf-8", "replace")
        return Problem(status=reply.status, title=f"HTTP {reply.status}", detail=text)
