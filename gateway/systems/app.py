"""What a process of systems answers over HTTP: routes of systems, what there is, how it is."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from csid.address import is_here
from csid.vocabulary import Words
from gateway.http.limits import Limits
from gateway.http.media import JSON
from gateway.http.problems import Fault, Problem
from gateway.http.site import site_of
from gateway.metrics.exposition import CONTENT_TYPE
from gateway.resolving.app import DOCUMENT
from gateway.resolving.calls import Bodies, Endpoint, encode, is_msgpack, media_of
from gateway.resolving.calls import Route as PathRoute
from gateway.systems.contract import Answer, Call, Caller, Event, Route
from gateway.systems.document import document
from gateway.systems.keys import Keys, require
from gateway.systems.running import Running
from gateway.systems.watching import Watched, health
from resolver.server.counters import Counters
from resolver.server.notices import Repeated

HEALTH: Final = "/v1/health"
METRICS: Final = "/metrics"
STREAMS_MAX: Final = 256
FIELDS_MAX: Final = 100
QUERY_MAX: Final = 8_000  # characters behind the question mark; a key of a unit may have 4,608
FAILURES_PER_SECOND: Final = 5.0  # of one address that presents no key that holds
FAILURES_BURST: Final = 50.0
_AT_ONCE: Final = 8
_EVENTS: Final = "text/event-stream"
_AS_IT_IS: Final = {"Cache-Control": "no-store"}  # what a system says may be another thing soon
_UNBUFFERED: Final = {"X-Accel-Buffering": "no"}


class Interface:
    """The calls of systems.

    Args:
        running: they.
        keys: who may call.
        complaints: of what is no caller's fault.
        counters: in which calls and problems are counted.
    """

    def __init__(
        self, running: Running, keys: Keys, complaints: Repeated, counters: Counters
    ) -> None:
        self._running = running
        self._keys = keys
        self._complaints = complaints
        self._bodies = Bodies()
        self._streams = 0
        self._failures = Limits(FAILURES_PER_SECOND, FAILURES_BURST, _AT_ONCE, time.monotonic)
        self._health = Route(
            "GET", HEALTH, "health", Words("运行状况", "what runs, and what fails"), self._healthy
        )
        self._watched = Watched(running, counters, lambda: self._streams, complaints)
        self._metrics = Route(
            "GET",
            METRICS,
            "metrics",
            Words("监控指标", "how the process and its systems are, for Prometheus"),
            self._measured,
            media=CONTENT_TYPE,
        )
        routes = [
            self._health,
            self._metrics,
            *(one for system in running.systems for one in system.routes),
        ]
        self._document = encode(document(routes))

    def routes(self) -> list[PathRoute]:
        """The rows of the table."""
        found = [
            PathRoute("GET", DOCUMENT, self._show_document),
            PathRoute("GET", HEALTH, self._endpoint(self._health, None)),
            PathRoute("GET", METRICS, self._endpoint(self._metrics, None)),
        ]
        for system in self._running.systems:
            state = self._running.states[system.name]
            for route in system.routes:
                found.append(PathRoute(route.method, route.path, self._endpoint(route, state)))
        return found

    def _endpoint(self, route: Route, state: Any) -> Endpoint:
        asked = _Asked(route.asked)
        given = None if route.given is None else _Given(route.given)

        async def endpoint(request: Request) -> Response:
            caller = self._caller(request)
            require(caller, route.role)
            headers = {
                name.decode("latin-1"): value.decode("latin-1")
                for name, value in request.scope["headers"]
            }
            query = asked.read(request.scope["query_string"])
            body = None
            if given is not None:
                octets = await self._bodies.read(request, route.octets)
                body = given.read(octets, headers.get("content-type", ""))
            path = next(iter(request.path_params.values()), "")
            base = f"{request.url.scheme}://{request.url.netloc}"
            answer = await route.handle(state, Call(caller, path, query, body, headers, base))
            return self._response(answer)

        return endpoint

    def _caller(self, request: Request) -> Caller:
        host = request.client.host if request.client else "::"
        try:
            return self._keys.caller(request.headers.get("authorization"), is_here(host))
        except Problem:
            self._failures.take(site_of(host))
            raise

    def _response(self, answer: Answer) -> Response:
        headers = _AS_IT_IS | answer.headers
        if isinstance(answer.body, AsyncIterator):
            if self._streams >= STREAMS_MAX:
                raise Problem(
                    Fault.UNAVAILABLE, f"{STREAMS_MAX} streams are followed already; ask again"
                )
            return StreamingResponse(
                self._events(answer.body), answer.status, _UNBUFFERED | headers, _EVENTS
            )
        octets = answer.body if isinstance(answer.body, bytes) else encode(answer.body)
        return Response(octets, answer.status, headers, answer.media)

    async def _events(self, events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
        self._streams += 1
        try:
            async for name, data, number in events:
                mark = b"" if number is None else b"id: %d\n" % number
                # JSON has no line breaks.
                yield mark + b"event: %s\ndata: %s\n\n" % (name.encode(), encode(data))
        finally:
            self._streams -= 1
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()

    async def _show_document(self, _: Request) -> Response:
        return Response(self._document, media_type=JSON)

    async def _healthy(self, _state: Any, _call: Call) -> Answer:
        return Answer(health(self._running))

    async def _measured(self, _state: Any, _call: Call) -> Answer:
        return Answer((await self._watched.text()).encode(), media=CONTENT_TYPE)


class _Asked:
    """Reads what stands behind the question mark."""

    def __init__(self, wanted: type[msgspec.Struct] | None) -> None:
        self._wanted = wanted

    def read(self, query: bytes) -> Any:
        if self._wanted is None and not query:
            return None
        if len(query) > QUERY_MAX:
            raise Problem(Fault.LENGTH, f"at most {QUERY_MAX:,} characters of a query are taken")
        try:
            pairs = parse_qsl(query.decode("latin-1"), True, max_num_fields=FIELDS_MAX)
        except ValueError:
            raise Problem(Fault.VALUE, f"at most {FIELDS_MAX} parameters are taken") from None
        found: dict[str, str] = {}
        for name, value in pairs:
            if name in found:
                raise Problem(Fault.VALUE, f"{name[:80]}: given twice")
            found[name] = value
        known = () if self._wanted is None else self._wanted.__struct_encode_fields__
        for name in found:
            if name not in known:
                there = f"known are {', '.join(known)}" if known else "none is taken here"
                raise Problem(Fault.VALUE, f"{name[:80]!r}: no such parameter; {there}")
        if self._wanted is None:
            return None
        try:
            return msgspec.convert(found, self._wanted, strict=False)
        except msgspec.ValidationError as error:
            raise Problem(Fault.VALUE, f"behind the question mark: {error}") from None


class _Given:
    """Reads bodies, JSON or msgpack; as they are where octets are wanted."""

    def __init__(self, wanted: Any) -> None:
        self._as_they_are = wanted is bytes
        self._json = msgspec.json.Decoder(wanted)
        self._msgpack = msgspec.msgpack.Decoder(wanted)

    def read(self, octets: bytes, header: str) -> Any:
        if self._as_they_are:
            return octets
        media = media_of(header)
        try:
            if is_msgpack(media):
                return self._msgpack.decode(octets)
            if media != JSON:  # so that no page of another site can post it unasked
                raise Problem(Fault.MEDIA, f"expected Content-Type {JSON}, given {media[:80]!r}")
            return self._json.decode(octets)
        except msgspec.ValidationError as error:
            raise Problem(Fault.VALUE, str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Problem(Fault.MALFORMED, f"the body cannot be read: {error}") from None
