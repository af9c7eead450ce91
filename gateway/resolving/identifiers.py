"""`GET /v1/identifiers/{identifier}`: what one resolves to, who says so, and what it means."""

from __future__ import annotations

import asyncio
import time
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from csid import explain
from csid.errors import IdentifierError
from csid.identifier import Identifier
from csid.protocol import CSID, SOA
from csid.vocabulary import STATES
from gateway.http.problems import Problem
from gateway.resolving.app import Ready, Scope
from gateway.resolving.calls import ZH, joined, language_of, prefers_msgpack
from gateway.resolving.forms import IN_JSON, IN_MSGPACK, Form
from gateway.resolving.lookups import Lookups, Question
from gateway.resolving.meanings import Meaning, Named, Suffixes, meaning_of, zone_of
from gateway.resolving.problems import Fault, unavailable
from gateway.resolving.remembered import Made, Remembered
from resolver.cache import entry as entries
from resolver.server.recursive.packets import GIVE_UP_SECONDS

PATH: Final = "/v1/identifiers/"
ZONE_SECONDS: Final = 0.25  # that an answer waits for who says so
_SILENT_SECONDS: Final = 30.0  # in which it does not, where nobody has told that before
_SILENT_MAX: Final = 10_000
_ZONE_AGAIN: Final = 5  # seconds after which that is asked again
_HEADER_MAX: Final = 500  # characters of those that answers are remembered by

Zone = asyncio.Future[tuple[Any, int] | None]
Key = tuple[str, bytes, bytes, bytes]  # path, query, Accept, Accept-Language


class Identifiers:
    """Says what identifiers resolve to.

    Args:
        lookups: finds out.
        suffixes: of their DNS names.
        authority: of their Handles.
        memory: octets of answers that are ready.
    """

    def __init__(self, lookups: Lookups, suffixes: Suffixes, authority: str, memory: int) -> None:
        self._lookups = lookups
        self._suffixes = suffixes
        self._authority = authority
        self._silent: dict[bytes, float] = {}  # names whose zone nobody tells, until when
        self.remembered: Remembered[Key] = Remembered(memory)

    def at_once(self, scope: Scope) -> Ready | None:
        """The answer to a call that was answered before, where the cache still has the same."""
        path: str = scope["path"]
        if scope["method"] != "GET" or not path.startswith(PATH):
            return None
        accept = languages = tag = b""
        for name, value in scope["headers"]:
            if name == b"accept":
                accept = value
            elif name == b"accept-language":
                languages = value
            elif name == b"if-none-match":
                tag = value
        made = self.remembered.get((path, scope["query_string"], accept, languages))
        if made is None:
            return None
        now = int(time.time())
        if made.until <= now:
            return None
        with self._lookups.moment() as txn:
            if txn.get(made.key) != made.entry:
                return None
        self._lookups.note(made.entry)
        return _ready(made, now, tag)

    async def show(self, request: Request) -> Response:
        """Answer a call.

        Raises:
            Problem: there is no such identifier, or nobody can say.
        """
        headers = request.scope["headers"]
        accept = joined(headers, b"accept")
        asked = request.query_params.get("lang")
        language = language_of(joined(headers, b"accept-language"), asked)
        form = IN_MSGPACK if prefers_msgpack(accept) else IN_JSON
        named = named_by(self._suffixes, request.path_params["identifier"])
        question = Question(named.name, CSID)
        zone = asyncio.ensure_future(self._zone(named.name))
        try:
            kept = self._lookups.kept(question)
            entry = await self._lookups.ask(question) if kept is None else kept
            if entry is None:
                raise unheard(named)
            now = int(time.time())
            meaning = meaning_of(named, entry, now, self._suffixes)
            found = await self._in_time(zone, named.name, meaning.stale)
        finally:
            zone.cancel()
        authority, until = found or (None, now + _ZONE_AGAIN)
        said = self._said(named, meaning, authority, language)
        if meaning.record is not None:
            said["record"] = form.record(meaning.record)
        head = form.head(said)
        made = Made(
            question.key,
            entry,
            min(until, entries.expires(entry)),
            head,
            form.tail,
            entries.slot_of(entry),
            meaning.status,
            _headers(form, head, meaning),
        )
        if kept is not None:  # what was asked for just now has another place in the cache
            self._remember(request.scope, made)
        ready = _ready(made, now, joined(headers, b"if-none-match").encode("latin-1"))
        response = Response(ready.body, ready.status)
        response.raw_headers = ready.headers
        return response

    def _remember(self, scope: Scope, made: Made) -> None:
        found = [
            [value for known, value in scope["headers"] if known == name]
            for name in (b"accept", b"accept-language")
        ]
        path, query = scope["path"], scope["query_string"]
        # Fields that come many times are joined elsewhere; here the last one would count.
        if all(len(one) < 2 for one in found) and scope["method"] == "GET":
            accept, languages = (one[0] if one else b"" for one in found)
            if len(path) + len(query) + len(accept) + len(languages) <= _HEADER_MAX:
                self.remembered.put((path, query, accept, languages), made)

    async def _in_time(self, zone: Zone, name: bytes, stale: bool) -> tuple[Any, int] | None:
        """The zone, if it is found out soon: an answer that is there is not held up for it."""
        above, now = _above(name), time.monotonic()
        wait = 0.0 if stale or self._silent.get(above, 0.0) > now else ZONE_SECONDS
        if not wait:
            await asyncio.sleep(0)  # what the cache has, it has now
        done, _ = await asyncio.wait([zone], timeout=wait)
        found = zone.result() if done else None
        if found is not None:
            self._silent.pop(above, None)
        else:
            if len(self._silent) >= _SILENT_MAX:
                self._silent.clear()
            self._silent[above] = now + _SILENT_SECONDS
        return found

    async def _zone(self, name: bytes) -> tuple[Any, int] | None:
        """The zone of an identifier, and until when that is known. Asked is the name above, which
        many have in common.
        """
        above = _above(name)
        entry = await self._lookups.find(Question(above, SOA))
        if entry is None:
            return None
        now = int(time.time())
        found = zone_of(above, entry, now)
        return None if found is None else (found, entries.expires(entry))

    def _said(
        self, named: Named, meaning: Meaning, authority: Any, language: str
    ) -> dict[str, Any]:
        identifier, record = named.identifier, meaning.record
        state = None if record is None else record.state
        return {
            "identifier": str(identifier),
            "dns": self._suffixes.dns_name(named),
            "handle": identifier.to_handle(self._authority),
            "state": state,
            "state_text": None if state is None else STATES[state] if language == ZH else state,
            "alias_of": meaning.alias_of,
            "endpoints": [] if record is None else [one._asdict() for one in record.endpoints],
            "record": None,
            "authority": authority,
            "explanation": _explanation(identifier, language),
            "language": language,
            "stale": meaning.stale,
        }


def _above(name: bytes) -> bytes:
    return name[1 + name[0] :]


def named_by(suffixes: Suffixes, text: str) -> Named:
    """The identifier that is written in any of its forms.

    Raises:
        Problem: it is none.
    """
    try:
        return suffixes.read(text)
    except IdentifierError as error:
        raise Problem(Fault.IDENTIFIER, str(error)) from None


def unheard(named: Named) -> Problem:
    """What is said where nobody has answered."""
    detail = f"{named.identifier}: nobody has answered within {GIVE_UP_SECONDS:.0f} s"
    return unavailable(detail)


@lru_cache(4_096)
def _explanation(identifier: Identifier, language: str) -> list[dict[str, str]]:
    return [
        {
            "segment": row.segment,
            "part": row.part,
            "code": row.code,
            "text": row.zh if language == ZH else row.en,
        }
        for row in explain.explain(identifier)
    ]


def _headers(form: Form, head: bytes, meaning: Meaning) -> tuple[tuple[bytes, bytes], ...]:
    tag = blake2b(head, digest_size=12).hexdigest()
    found = [
        (b"content-type", form.media.encode("ascii")),
        (b"etag", f'"{tag}"'.encode("ascii")),
        (b"vary", b"Accept, Accept-Language"),
    ]
    if meaning.status == 301:
        found.append((b"location", (PATH + str(meaning.alias_of)).encode("ascii")))
    return tuple(found)


def _ready(made: Made, now: int, tag: bytes) -> Ready:
    """What is said, or that it is what the caller has already (RFC 9110 section 13.1.2)."""
    ttl = max(entries.expires(made.entry) - now, 0)
    age = (b"cache-control", b"max-age=%d" % ttl)
    if tag and _holds(tag, made.headers[1][1]):
        return Ready(304, [*made.headers[1:3], age], b"")
    body = made.head + made.tail(ttl)
    length = (b"content-length", b"%d" % len(body))
    return Ready(made.status, [*made.headers, age, length], body)


def _holds(given: bytes, tag: bytes) -> bool:
    return any(one.strip().removeprefix(b"W/") in (tag, b"*") for one in given.split(b","))
