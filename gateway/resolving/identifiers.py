"""`GET /v1/identifiers/{identifier}`: what one resolves to, who says so, and what it means."""

from __future__ import annotations

import asyncio
import time
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from csid import explain
from csid.errors import IdentifierError
from csid.identifier import Identifier
from csid.protocol import CSID, NOERROR, NXDOMAIN, SOA
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
_ASKED_MAX: Final = 500  # octets of what answers are remembered by

Zone = asyncio.Future[bytes | None]
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
        self._silent: dict[Question, float] = {}  # that nobody answers, until when
        self.remembered: Remembered[Key] = Remembered(memory)

    def at_once(self, scope: Scope) -> Ready | None:
        """The answer to a call that the cache has all of; None to any other."""
        path: str = scope["path"]
        if scope["method"] != "GET" or not path.startswith(PATH):
            return None
        accept = languages = tag = b""
        for name, value in scope["headers"]:
            if name == b"accept":
                accept += b", " + value if accept else value
            elif name == b"accept-language":
                languages += b", " + value if languages else value
            elif name == b"if-none-match":
                tag += b", " + value if tag else value
        now = int(time.time())
        asked = (path, scope["query_string"], accept, languages)
        made = self.remembered.made.get(asked)
        if made is not None and made.until > now:
            with self._lookups.moment() as txn:
                if txn.get(made.key) == made.entry:
                    made.asked = True
                    self._lookups.counts.hits += 1
                    self._lookups.note(made.key, made.entry, now)
                    return _ready(made, now, tag)
        try:
            return self._of_cache(asked, now, tag)
        except Problem:
            return None  # which is said where all others are

    async def show(self, request: Request) -> Response:
        """Answer a call.

        Raises:
            Problem: there is no such identifier, or nobody can say.
        """
        headers = request.scope["headers"]
        fields = [joined(headers, name) for name in (b"accept", b"accept-language")]
        named = named_by(self._suffixes, request.path_params["identifier"])
        language = language_of(fields[1], request.query_params.get("lang"))
        form = IN_MSGPACK if prefers_msgpack(fields[0]) else IN_JSON
        zone = asyncio.ensure_future(self._lookups.find(_above(named.name)))
        try:
            entry = await self._lookups.find(Question(named.name, CSID))
            if entry is None:
                raise unheard(named)
            now = int(time.time())
            meaning = meaning_of(named, entry, now, self._suffixes)
            above = await self._in_time(zone, _above(named.name), meaning.stale)
        finally:
            zone.cancel()
        made = self._made(named, entry, meaning, above, form, language, now)
        ready = _ready(made, now, joined(headers, b"if-none-match").encode("latin-1"))
        response = Response(ready.body, ready.status)
        response.raw_headers = ready.headers
        return response

    def _of_cache(self, asked: Key, now: int, tag: bytes) -> Ready | None:
        """The answer to a call, if the cache has the record, and the zone where that is told."""
        path, query, accept, languages = asked
        lang = (
            parse_qs(query.decode("latin-1"), keep_blank_values=True).get("lang") if query else None
        )
        named = named_by(self._suffixes, path[len(PATH) :])
        question, over = Question(named.name, CSID), _above(named.name)
        key, key_over = question.key, over.key
        with self._lookups.moment() as txn:
            entry, above = txn.get(key), txn.get(key_over)
        if entry is None or entries.expires(entry) <= now:
            return None
        if above is not None and entries.expires(above) <= now:
            above = None
        if above is None and self._silent.get(over, 0.0) <= time.monotonic():
            return None
        language = language_of(languages.decode("latin-1"), lang[-1] if lang else None)
        form = IN_MSGPACK if prefers_msgpack(accept.decode("latin-1")) else IN_JSON
        meaning = meaning_of(named, entry, now, self._suffixes)
        made = self._made(named, entry, meaning, above, form, language, now)
        self._lookups.counts.hits += 1
        self._lookups.note(key, entry, now)
        if len(path) + len(query) + len(accept) + len(languages) <= _ASKED_MAX:
            self.remembered.put(asked, made)
        return _ready(made, now, tag)

    async def _in_time(self, zone: Zone, over: Question, stale: bool) -> bytes | None:
        """The entry of the zone, if it is found soon: nothing that is there is held up for it."""
        now = time.monotonic()
        wait = 0.0 if stale or self._silent.get(over, 0.0) > now else ZONE_SECONDS
        done, _ = await asyncio.wait([zone], timeout=wait)
        found = zone.result() if done else None
        if found is not None and entries.rcode_of(found) in (NOERROR, NXDOMAIN):
            self._silent.pop(over, None)
            return found
        if len(self._silent) >= _SILENT_MAX:
            self._silent.clear()
        self._silent[over] = now + _SILENT_SECONDS
        return None

    def _made(
        self,
        named: Named,
        entry: bytes,
        meaning: Meaning,
        above: bytes | None,
        form: Form,
        language: str,
        now: int,
    ) -> Made:
        """An answer; `above` is the entry that tells the zone."""
        authority, until = None, now + _ZONE_AGAIN
        if above is not None:
            authority = zone_of(_above(named.name).name, above)
            until = entries.expires(above)
        said = self._said(named, meaning, authority, language)
        if meaning.record is not None:
            said["record"] = form.record(meaning.record)
        head = form.head(said)
        return Made(
            Question(named.name, CSID).key,
            entry,
            min(until, entries.expires(entry)),
            head,
            form.tail,
            meaning.status,
            _headers(form, head, meaning),
        )

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
            "explanation": explanation_of(identifier, language),
            "language": language,
            "stale": meaning.stale,
        }


def _above(name: bytes) -> Question:
    """What tells the zone of an identifier: the name above, which many have in common."""
    return Question(name[1 + name[0] :], SOA)


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


def explanation_of(identifier: Identifier, language: str) -> list[dict[str, str]]:
    """What each part of an identifier means, in a language."""
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
