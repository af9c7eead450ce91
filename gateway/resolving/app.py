"""The application: a table of routes, and what is said where none fits or one fails.

What most calls ask for, `GET /v1/identifiers/{identifier}` of what is in the cache, is answered
without a task and a route (`Application.at_once`); routes are in `gateway.resolving.calls`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send

from gateway.http.problems import MEDIA_TYPE, Problem
from gateway.language.choose import preferred
from gateway.resolving.calls import Endpoint, Route, encode
from gateway.resolving.problems import Fault
from resolver.server.counters import BATCHES, QUERIES, Counters
from resolver.server.notices import Repeated

DOCUMENT: Final = "/openapi.json"

Scope = Any  # of a call, as ASGI has it


class Ready(NamedTuple):
    """An answer that is there."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class _Pattern(NamedTuple):
    """Paths with a place in them."""

    begin: str
    name: str
    end: str
    endpoints: dict[str, Endpoint]  # by methods


class Application:
    """What answers calls.

    Args:
        routes: of all calls; of those with the same method and path the first.
        counters: calls and problems are counted there.
        complaints: of what is no caller's fault.
        at_once: gives the answer to a call that needs nobody else; None to any other.
        allows: whether who has an address is answered at all.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        counters: Counters,
        complaints: Repeated,
        at_once: Callable[[Scope], Ready | None] = lambda _: None,
        allows: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._counters = counters
        self._complaints = complaints
        self._at_once = at_once
        self._allows = allows
        self._fixed: dict[str, dict[str, Endpoint]] = {}
        patterns: dict[str, _Pattern] = {}
        for one in routes:
            begin, brace, rest = one.path.partition("{")
            if not brace:
                self._fixed.setdefault(one.path, {}).setdefault(one.method, one.endpoint)
                continue
            name, _, end = rest.partition("}")
            pattern = patterns.setdefault(one.path, _Pattern(begin, name, end, {}))
            pattern.endpoints.setdefault(one.method, one.endpoint)
        self._patterns = sorted(patterns.values(), key=lambda one: (-len(one.begin), -len(one.end)))

    def at_once(self, scope: Scope) -> Ready | None:
        """The answer to a call that needs nobody else and no body; None to any other."""
        ready = self._at_once(scope) if self._allows(_host(scope)) else None
        if ready is not None:
            self._counters[QUERIES] += 1
        return ready

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, for a server."""
        ready = self.at_once(scope)
        if ready is not None:
            head = {"type": "http.response.start", "status": ready.status, "headers": ready.headers}
            await send(head)
            await send({"type": "http.response.body", "body": ready.body})
            return
        self._counters[QUERIES] += 1
        request = Request(scope, receive, send)
        try:
            host = _host(scope)
            if not self._allows(host):
                detail = f"{host} lies in none of the networks that are answered ([gateway] allow)"
                raise Problem(Fault.FORBIDDEN, detail)
            response = await self._endpoint(scope)(request)
        except Problem as problem:
            response = self._said(request, problem)
        except Exception as error:
            self._complaints.tell(f"http: {scope['method'][:20]}: {error!r}")
            detail = "this is a fault of the gateway; its log says more"
            response = self._said(request, Problem(Fault.BROKEN, detail))
        try:
            await response(scope, receive, send)
        except Exception as error:  # in the middle of an answer, which is not ended then
            self._complaints.tell(f"http: {scope['method'][:20]}: {error!r}")
            raise

    def _endpoint(self, scope: Scope) -> Endpoint:
        method, path = scope["method"], scope["path"]
        endpoints, params = self._found(path)
        scope["path_params"] = params
        if not endpoints:
            detail = f"{method[:20]} {path[:200]}; {DOCUMENT} says what there is"
            raise Problem(Fault.NO_SUCH_PATH, detail)
        endpoint = endpoints.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            allowed = sorted({*endpoints, *(["HEAD"] if "GET" in endpoints else [])})
            detail = f"{method[:20]} {path[:200]}; expected {' or '.join(allowed)}"
            raise Problem(Fault.METHOD, detail, {"Allow": ", ".join(allowed)})
        return endpoint

    def _found(self, path: str) -> tuple[Mapping[str, Endpoint], dict[str, Any]]:
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed, {}
        for begin, name, end, endpoints in self._patterns:
            last = len(path) - len(end)
            if path.startswith(begin) and path.endswith(end) and last > len(begin):
                return endpoints, {name: path[len(begin) : last]}
        return {}, {}

    def _said(self, request: Request, problem: Problem) -> Response:
        self._counters[BATCHES] += 1
        said = problem.in_language(preferred(request.headers.get("accept-language", "")))
        return Response(encode(said.body), said.http, said.headers, MEDIA_TYPE)


def _host(scope: Scope) -> str:
    client = scope["client"]
    return client[0] if client else "::"  # who is gone already is nobody
