"""The application: routes of the table on starlette. Who calls is known before a body is read.

The loop only takes in and hands out; what reads or writes the registry does so in threads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as PathRoute
from starlette.types import Receive, Scope, Send

from csid.errors import CsidError
from gateway.http import openapi
from gateway.http.actors import NO_CERTIFICATES, Caller, Certificates, Presented
from gateway.http.asking import Asking, NotBegun
from gateway.http.calls import Answer, Call, Carrying, Later, Route, read_query
from gateway.http.connections import CERTIFICATE
from gateway.http.limits import Limits
from gateway.http.media import JSON
from gateway.http.problems import MEDIA_TYPE, Fault, Problem
from gateway.http.routes import ROUTES
from gateway.http.site import site_of
from gateway.http.work import Work
from gateway.language.choose import preferred
from gateway.rdap import objects
from gateway.rdap.queries import LOOK_UPS, LookUp
from registry.tables.transaction import TransactionView
from resolver.server.counters import BATCHES, QUERIES, Counters
from resolver.server.notices import Repeated

BODY_OCTETS: Final = 4 << 20
BODY_SECONDS: Final = 20.0  # for all of a body to come
LOOK_SECONDS: Final = 0.1  # between two looks for a change that is waited for
THREADS: Final = 16
AT_ONCE: Final = 8  # calls of one caller
FAILURES_PER_SECOND: Final = 5.0  # of one address that presents no token that holds
FAILURES_BURST: Final = 50.0
STRANGERS_PER_SECOND: Final = 50.0  # look-ups of one address over RDAP
STRANGERS_BURST: Final = 500.0

_DOCUMENT: Final = "/v1/openapi.json"
_STATUS_FAULTS: Final = {404: Fault.NO_SUCH_PATH, 405: Fault.METHOD}
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode

Endpoint = Callable[[Request], Awaitable[Response]]


class Application:
    """What answers calls.

    Args:
        work: the registry.
        per_second: items that one caller may ask for in a second, for long.
        counters: calls and problems are counted there.
        complaints: of what is no caller's fault.
        public: what links begin with; empty: what the caller has asked for.
        certificates: who calls without a token.
    """

    def __init__(
        self,
        work: Work,
        per_second: float,
        counters: Counters,
        complaints: Repeated,
        public: str = "",
        certificates: Certificates = NO_CERTIFICATES,
    ) -> None:
        self._certificates = certificates
        self._presented = Presented()
        self._asking = Asking(work.greet)
        self._work = work
        self._counters = counters
        self._complaints = complaints
        self._limits = Limits(per_second, 2 * per_second, AT_ONCE, time.monotonic)
        self._failures = Limits(FAILURES_PER_SECOND, FAILURES_BURST, AT_ONCE, time.monotonic)
        self._strangers = Limits(STRANGERS_PER_SECOND, STRANGERS_BURST, AT_ONCE, time.monotonic)
        self._public = public
        # Apart, so that what waits for the writer holds nobody up who reads.
        self._reading = ThreadPoolExecutor(THREADS, "reading")
        self._writing = ThreadPoolExecutor(THREADS, "writing")
        self._document = _encode(openapi.document())
        endpoints = [(one, self._endpoint(one)) for one in ROUTES]
        # What has no place in its path is found at once, and most of all is.
        self._fixed = {
            (one.method, one.path): endpoint for one, endpoint in endpoints if "{" not in one.path
        }
        self._others = Starlette(
            routes=[
                PathRoute(_DOCUMENT, self._show_document),
                *(
                    PathRoute(_with_slashes(one.path), endpoint, methods=[one.method])
                    for one, endpoint in endpoints
                ),
                PathRoute("/rdap/help", self._show_help),
                *(
                    PathRoute(f"/rdap/{kind}/{{what:path}}", self._looking_up(look_up))
                    for kind, look_up in LOOK_UPS.items()
                ),
            ],
            exception_handlers={
                Problem: self._problem,
                HTTPException: self._http_problem,
                Exception: self._broken,
            },
        )
        self._others.router.redirect_slashes = False  # a path is there, or not

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, for a server."""
        endpoint = self._fixed.get((scope["method"], scope["path"]))
        if endpoint is None:
            await self._others(scope, receive, send)
            return
        scope["path_params"] = {}
        request = Request(scope, receive)
        try:
            response = await endpoint(request)
        except Problem as problem:
            response = await self._problem(request, problem)
        except Exception as error:
            response = await self._broken(request, error)
        await response(scope, receive, send)

    def close(self) -> None:
        """End the threads, and what is asked."""
        self._asking.close()
        self._reading.shutdown()
        self._writing.shutdown()

    def _endpoint(self, route: Route) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            self._counters[QUERIES] += 1
            scope = request.scope
            headers = _headers(scope)
            who = self._caller(request, headers.get("authorization"))
            name = who.actor.name
            self._limits.take(name)
            self._limits.enter(name)
            try:
                asked = request.query_params.multi_items() if scope["query_string"] else []
                query = read_query(route, asked)
                given = None
                if route.writes:
                    body = await _body(request)
                    given = body if route.octets else _given(request, body)
                call = Call(who, scope["path_params"], query, headers, given, self._work)
                if query.get("wait"):
                    await self._change_after(query.get("since", 0), query["wait"])
                answer = await self._answer(route, call)
                if answer.cost > 1:
                    self._limits.charge(name, answer.cost - 1)
            finally:
                self._limits.leave(name)
            return _response(answer)

        return endpoint

    async def _answer(self, route: Route, call: Call) -> Answer:
        loop = asyncio.get_running_loop()
        if route.lasts or not route.writes:
            pool = self._writing if route.writes else self._reading
            answer = await loop.run_in_executor(pool, route.handle, call)
            assert isinstance(answer, Answer)
            return answer
        carrying = route.handle(call)
        if isinstance(carrying, Later):
            return await loop.run_in_executor(self._writing, carrying.work)
        if isinstance(carrying, Answer):
            return carrying
        assert isinstance(carrying, Carrying)
        try:
            decision = await self._asking.submit(carrying.request)
        except NotBegun:
            submit, request = self._work.submit, carrying.request
            decision = await loop.run_in_executor(self._writing, submit, request)
        except CsidError as error:
            raise self._work.unknown(error) from None
        return carrying.answer(decision)

    def _caller(self, request: Request, header: str | None) -> Caller:
        """Who calls: by a token, else by the certificate that was shown. Whoever presents again and
        again what does not hold has to wait; others at his address, as behind one gateway, do not.
        """
        try:
            shown = request.scope.get("extensions", {}).get(CERTIFICATE)
            if header is None and shown is not None:
                return self._certificates.caller(shown)
            with self._work.registry.store.read() as read:
                return self._presented.caller(TransactionView(read), header, int(time.time()))
        except Problem:
            self._failures.take(_site(request))
            raise

    async def _change_after(self, since: int, seconds: int) -> None:
        """Wait until the log goes on behind a leaf that is its next one, or the time is over."""
        until = time.monotonic() + seconds
        while self._size() == since and (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(LOOK_SECONDS, left))

    def _size(self) -> int:
        with self._work.registry.view() as seen:
            return seen.leaves()

    async def _show_document(self, _: Request) -> Response:
        return Response(self._document, media_type=JSON)

    async def _show_help(self, _: Request) -> Response:
        return _rdap(objects.about())

    def _looking_up(self, look_up: LookUp) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            self._counters[QUERIES] += 1
            try:
                self._strangers.take(_site(request))
                header = _headers(request.scope).get("authorization")
                says = header is not None or CERTIFICATE in request.scope.get("extensions", {})
                who = self._caller(request, header) if says else None
                what, base = request.path_params["what"], self._public or str(request.base_url)
                args = self._work.registry, what, who, base.rstrip("/")
                loop = asyncio.get_running_loop()
                return _rdap(await loop.run_in_executor(self._reading, look_up, *args))
            except Problem as problem:
                self._counters[BATCHES] += 1
                said = objects.error(problem.http, problem.body["title"], str(problem))
                return _rdap(said, problem.http, problem.headers)

        return endpoint

    async def _problem(self, request: Request, error: Exception) -> Response:
        self._counters[BATCHES] += 1
        assert isinstance(error, Problem)
        said = error.in_language(preferred(request.headers.get("accept-language", "")))
        return Response(_encode(said.body), said.http, said.headers, MEDIA_TYPE)

    async def _http_problem(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        fault = _STATUS_FAULTS.get(error.status_code, Fault.MALFORMED)
        detail = f"{request.method[:20]} {request.url.path[:200]}; {_DOCUMENT} says what there is"
        return await self._problem(request, Problem(fault, detail, dict(error.headers or {})))

    async def _broken(self, request: Request, error: Exception) -> Response:
        self._complaints.tell(f"http: {request.method[:20]}: {error!r}")
        detail = "whether anything was done is not known; ask again under the same Idempotency-Key"
        return await self._problem(request, Problem(Fault.BROKEN, detail))


def _headers(scope: Scope) -> dict[str, str]:
    """Header fields by names in lower case; those that come many times as one (RFC 9110 5.3)."""
    found: dict[str, str] = {}
    for name_octets, octets in scope["headers"]:
        name, value = name_octets.decode("latin-1"), octets.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _site(request: Request) -> str:
    return site_of(request.client.host if request.client else "")


async def _body(request: Request) -> bytes:
    """A body.

    Raises:
        Problem: it is too long or too slow.
    """
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > 10 or int(length) > BODY_OCTETS:
        raise _too_long()
    octets = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            more = True
            while more:
                message = await request.receive()
                if message["type"] != "http.request":
                    raise Problem(Fault.MALFORMED, "the body ended before its end")
                octets += message.get("body", b"")
                more = message.get("more_body", False)
                if len(octets) > BODY_OCTETS:
                    raise _too_long()
    except TimeoutError:
        raise Problem(
            Fault.TOO_SLOW, f"the body did not come within {BODY_SECONDS:.0f} s", _CLOSE
        ) from None
    return bytes(octets)


def _given(request: Request, octets: bytes) -> Any:
    """The JSON of a body; None if there is none.

    Raises:
        Problem: it is no JSON.
    """
    if not octets:
        return None
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != JSON:
        raise Problem(Fault.MEDIA, f"expected Content-Type {JSON}, given {media[:80]!r}")
    try:
        return _decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(Fault.MALFORMED, f"no JSON: {error}") from None


_CLOSE: Final = {"Connection": "close"}


def _rdap(said: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that pages of others may read, too (RFC 7480 section 5.6)."""
    anywhere = {"Access-Control-Allow-Origin": "*"}
    return Response(_encode(said), status, anywhere | dict(headers or {}), objects.MEDIA_TYPE)


def _too_long() -> Problem:
    detail = f"at most {BODY_OCTETS:,} octets are taken; part it into several"
    return Problem(Fault.LENGTH, detail, _CLOSE)


def _response(answer: Answer) -> Response:
    if answer.status == 304:
        return Response(status_code=304, headers=answer.headers)
    octets = answer.body.encode() if isinstance(answer.body, str) else _encode(answer.body)
    return Response(octets, answer.status, answer.headers, answer.media)


def _with_slashes(path: str) -> str:
    """A path as starlette has it: an identifier has slashes, written as such or as %2F."""
    return path.replace("{identifier}", "{identifier:path}")
