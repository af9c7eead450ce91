"""The routes of the page."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from gateway.resolving.calls import Route
from gateway.resolving.page import File, files, is_held


def routes() -> list[Route]:
    """One for each of its files; they are of the page alone, so that the document has none."""
    return [Route("GET", path, partial(_send, file)) for path, file in files().items()]


async def _send(file: File, request: Request) -> Response:
    if is_held(request.headers, file):
        return Response(None, 304, file.headers)
    return Response(file.octets, 200, file.headers)
