"""`POST /v1/resolve`: many identifiers, each with its own result, streamed in the order they came.

A slice of them is looked up at one moment of the cache, and then others have their turn. What the
cache does not have is asked for while the next slices are looked up.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from csid.protocol import CSID
from gateway.http.media import JSON
from gateway.http.problems import Problem
from gateway.resolving.calls import Bodies, is_msgpack, joined, media_of, prefers_msgpack
from gateway.resolving.forms import IN_JSON, IN_MSGPACK, Form
from gateway.resolving.identifiers import named_by, unheard
from gateway.resolving.lookups import Lookups, Question
from gateway.resolving.meanings import Named, Suffixes, meaning_of
from gateway.resolving.problems import Fault, unavailable
from gateway.resolving.remembered import Made, Remembered
from gateway.resolving.slices import fill
from resolver.cache import entry as entries

BATCH_MAX: Final = 10_000
BATCH_OCTETS: Final = 6 << 20  # of a body: each may be as long as an identifier can be written
BATCH_SECONDS: Final = 60.0  # for all of one, until it is taken
AT_ONCE: Final = 64  # batches
SLICE: Final = 500
SLICE_SECONDS: Final = 0.002
AHEAD: Final = 8  # slices that wait for answers while further ones are looked up
_GIVEN_MAX: Final = 600  # characters of one that is no identifier, said again


class _Missed(NamedTuple):
    """One that the cache does not have."""

    place: int
    text: str
    named: Named
    question: Question


class Batch(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked for."""

    identifiers: list[Any]


_decode_json: Final = msgspec.json.Decoder(Batch).decode
_decode_packed: Final = msgspec.msgpack.Decoder(Batch).decode


class Batches:
    """Resolves batches.

    Args:
        lookups: finds out.
        suffixes: of the DNS names of identifiers.
        memory: octets of results that are ready.

    Attributes:
        under_way: how many are being resolved.
        resolved: identifiers, since the start.
    """

    def __init__(self, lookups: Lookups, suffixes: Suffixes, bodies: Bodies, memory: int) -> None:
        self._lookups = lookups
        self._suffixes = suffixes
        self._bodies = bodies
        self.under_way = 0
        self.resolved = 0
        self.remembered: dict[str, Remembered[str]] = {
            form.media: Remembered(memory // 2) for form in (IN_JSON, IN_MSGPACK)
        }

    async def resolve(self, request: Request) -> Response:
        """Answer a call.

        Raises:
            Problem: it is no batch, or too many are under way.
        """
        media = media_of(request.headers.get("content-type", ""))
        if media != JSON and not is_msgpack(media):
            detail = f"expected Content-Type {JSON} or {IN_MSGPACK.media}, given {media[:80]!r}"
            raise Problem(Fault.MEDIA, detail)
        body = await self._bodies.read(request, BATCH_OCTETS)
        given = _read(body, media)
        if self.under_way >= AT_ONCE:
            raise unavailable(f"{AT_ONCE} batches are under way; ask again")
        accept = joined(request.scope["headers"], b"accept")
        form = IN_MSGPACK if prefers_msgpack(accept) else IN_JSON
        return StreamingResponse(self._results(given, form), media_type=form.media_of_many)

    async def _results(self, given: list[Any], form: Form) -> AsyncIterator[bytes]:
        self.under_way += 1
        waiting: deque[tuple[list[bytes], asyncio.Task[None] | None]] = deque()
        try:
            async with asyncio.timeout(BATCH_SECONDS):
                at = 0
                while at < len(given):
                    parts, missed, taken = self._slice(given[at : at + SLICE], form)
                    at += taken
                    task = asyncio.create_task(self._ask(parts, missed, form)) if missed else None
                    waiting.append((parts, task))
                    while waiting and (len(waiting) > AHEAD or _is_there(waiting[0][1])):
                        yield await _whole(*waiting.popleft())
                    await asyncio.sleep(0)  # others have their turn
                while waiting:
                    yield await _whole(*waiting.popleft())
        finally:
            self.under_way -= 1
            for _, task in waiting:
                if task is not None:
                    task.cancel()

    def _slice(self, given: Sequence[Any], form: Form) -> tuple[list[bytes], list[_Missed], int]:
        """The parts of results of as many as can be looked up within SLICE_SECONDS, two for each;
        those that the cache does not have; and how many it were.
        """
        until = time.perf_counter() + SLICE_SECONDS
        remembered = self.remembered[form.media]
        now = int(time.time())
        missed: list[_Missed] = []
        taken = len(given)
        with self._lookups.moment() as txn:
            get = txn.get
            known, marks = remembered.made.get, self._lookups.marks
            parts, still, soon = fill(given, known, get, marks, now, form.tail_of_many)
            for made in soon:
                self._lookups.renew(made.key, made.slot)
            for count, index in enumerate(still):
                if count % 16 == 15 and time.perf_counter() > until:
                    del parts[2 * index :]
                    taken = index
                    break
                one = self._read(given[index], index, parts, form)
                if one is None:
                    continue
                entry = get(one.question.key)
                if entry is None or entries.expires(entry) <= now:
                    missed.append(one)
                    continue
                self._lookups.note(one.question.key, entry, now)
                self._put(one, entry, parts, form, now)
        self.resolved += taken
        self._lookups.counts.hits += taken - len(missed)
        return parts, missed, taken

    async def _ask(self, parts: list[bytes], missed: list[_Missed], form: Form) -> None:
        """Find out what the cache does not have."""
        found = await self._lookups.ask_all([one.question for one in missed])
        now = int(time.time())
        for one, entry in zip(missed, found, strict=True):
            if entry is None:
                parts[2 * one.place] = _refusal(one.text, unheard(one.named), form)
            else:
                self._put(one, entry, parts, form, now)

    def _read(self, given: Any, index: int, parts: list[bytes], form: Form) -> _Missed | None:
        """What is asked for by one; None if it is no identifier, of which the result is there."""
        try:
            if type(given) is not str:
                raise Problem(Fault.IDENTIFIER, f"expected text, given {type(given).__name__}")
            named = named_by(self._suffixes, given)
        except Problem as problem:
            parts[2 * index] = _refusal(given, problem, form)
            return None
        return _Missed(index, given, named, Question(named.name, CSID))

    def _put(
        self,
        one: _Missed,
        entry: bytes,
        parts: list[bytes],
        form: Form,
        now: int,
    ) -> None:
        """Put the result of one in its place, and remember it."""
        try:
            meaning = meaning_of(one.named, entry, now, self._suffixes)
        except Problem as problem:
            holds = max(entries.expires(entry) - now, 0)
            parts[2 * one.place] = _refusal(one.text, problem, form, holds)
            return
        record = meaning.record
        said = {
            "given": one.text,
            "status": meaning.status,
            "identifier": str(one.named.identifier),
            "state": None if record is None else record.state,
            "alias_of": meaning.alias_of,
            "record": None if record is None else form.record(record),
            "stale": meaning.stale,
        }
        until = entries.expires(entry)
        tail = form.tail_of_many
        head = form.head(said)
        made = Made(one.question.key, entry, until, head, tail, meaning.status)
        self.remembered[form.media].put(one.text, made)
        parts[2 * one.place] = head + tail(max(until - now, 0))


async def _whole(parts: list[bytes], task: asyncio.Task[None] | None) -> bytes:
    if task is not None:
        await task
    return b"".join(parts)


def _is_there(task: asyncio.Task[None] | None) -> bool:
    return task is None or task.done()


def _read(body: bytes, media: str) -> list[Any]:
    try:
        given = (_decode_json if media == JSON else _decode_packed)(body).identifiers
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(Fault.MALFORMED, f'expected {{"identifiers": [...]}}: {error}') from None
    if len(given) > BATCH_MAX:
        detail = f"at most {BATCH_MAX:,} identifiers are taken, given {len(given):,}"
        raise Problem(Fault.LENGTH, detail)
    return given


def _refusal(given: Any, problem: Problem, form: Form, ttl: int = 0) -> bytes:
    """What is said of one that is not resolved: the members of a problem, and how long it holds."""
    text = given[:_GIVEN_MAX] if type(given) is str else None
    said = {"given": text, "status": problem.http} | problem.body
    return form.head(said) + form.tail_of_many(ttl)
