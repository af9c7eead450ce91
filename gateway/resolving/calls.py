"""Calls and their routes. A further route is one more row for `gateway.resolving.app.Application`:

    Route("GET", "/v1/identifiers/{identifier}/status", show_status, STATUS_OPERATION)

An endpoint takes a `starlette.requests.Request` and gives a `starlette.responses.Response`; it may
raise `Problem`. What stands in the one place of a path, slashes included, percent signs resolved,
is in `request.path_params`. Of routes that fit, the one with the longest beginning serves, then the
one with the longest end. `operation` is what the document (OpenAPI 3.1) says of it; without it the
document has none. Whatever reads a body does so by `Bodies.read`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.http.media import MSGPACK_NAMES
from gateway.http.problems import Problem
from gateway.language.choose import preferred
from gateway.resolving.problems import Fault, unavailable

BODY_SECONDS: Final = 20.0  # for all of a body to come
HELD_OCTETS: Final = 128 << 20  # of all bodies that are coming at a time
ZH, EN = "zh", "en"

encode: Final = msgspec.json.Encoder().encode

Endpoint = Callable[[Request], Awaitable[Response]]


class Route(NamedTuple):
    """One row of the table of routes.

    Attributes:
        path: with at most one place, written {name}, at its end or before one more segment.
        operation: what the document says of it (OpenAPI 3.1, Operation Object).
    """

    method: str
    path: str
    endpoint: Endpoint
    operation: Mapping[str, Any] | None = None


class Bodies:
    """Reads bodies: bounded each, in time, and all of them together."""

    def __init__(self) -> None:
        self._held = 0

    async def read(self, request: Request, most: int) -> bytes:
        """The body of a request.

        Args:
            most: octets.

        Raises:
            Problem: it is too long, too slow, or cut short; or others are too many.
        """
        said = request.headers.get("content-length", "0")
        if not (said.isascii() and said.isdecimal()) or len(said) > 10 or int(said) > most:
            raise _too_long(most)
        octets = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await request.receive()
                    if message["type"] != "http.request":
                        raise Problem(Fault.MALFORMED, "the body ended before its end")
                    part = message.get("body", b"")
                    self._held += len(part)
                    octets += part
                    if len(octets) > most:
                        raise _too_long(most)
                    if self._held > HELD_OCTETS:
                        raise unavailable("too much is being sent at a time; ask again")
                    if not message.get("more_body", False):
                        return bytes(octets)
        except TimeoutError:
            detail = f"the body did not come within {BODY_SECONDS:.0f} s"
            raise Problem(Fault.TOO_SLOW, detail, _CLOSE) from None
        finally:
            self._held -= len(octets)


_CLOSE: Final = {"Connection": "close"}


def _too_long(most: int) -> Problem:
    detail = f"at most {most:,} octets are taken; part it into several"
    return Problem(Fault.LENGTH, detail, _CLOSE)


def media_of(header: str) -> str:
    """The media type of a body, without its parameters."""
    return header.partition(";")[0].strip().lower()


def is_msgpack(media: str) -> bool:
    """Whether a media type is that of msgpack, for which there is no registered one."""
    return media in MSGPACK_NAMES


@lru_cache(256)
def prefers_msgpack(accept: str) -> bool:
    """Whether a header field Accept prefers msgpack to JSON (RFC 9110 section 12.5.1)."""
    best = {True: 0.0, False: 0.0}
    for part in accept[:1_000].split(","):
        media, _, weight = part.replace(" ", "").lower().partition(";q=")
        packed = is_msgpack(media_of(media))
        try:
            best[packed] = max(best[packed], float(weight or 1))
        except ValueError:
            continue
    return best[True] > 0 and best[True] >= best[False]


@lru_cache(256)
def language_of(header: str, asked: str | None = None) -> str:
    """The language of texts: as `?lang=` says, else as a header field Accept-Language prefers.

    Raises:
        Problem: there are no texts in it.
    """
    if asked is None:
        return preferred(header)
    if asked not in (ZH, EN):
        raise Problem(Fault.MALFORMED, f"lang: expected {ZH} or {EN}, given {asked[:20]!r}")
    return asked


def joined(headers: list[tuple[bytes, bytes]], name: bytes) -> str:
    """A header field; one that comes many times as one (RFC 9110 section 5.3)."""
    return ", ".join([value.decode("latin-1") for known, value in headers if known == name])
