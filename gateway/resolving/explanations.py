"""`GET /v1/identifiers/{identifier}/explanation`: what each segment means, assigned or not."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gateway.http.media import JSON
from gateway.resolving.calls import Endpoint, encode, joined, language_of
from gateway.resolving.identifiers import explanation_of, named_by
from gateway.resolving.meanings import Suffixes


def explaining(suffixes: Suffixes) -> Endpoint:
    """What answers a call; it raises Problem where what is given is no identifier."""

    async def explain(request: Request) -> Response:
        asked = request.query_params.get("lang")
        language = language_of(joined(request.scope["headers"], b"accept-language"), asked)
        named = named_by(suffixes, request.path_params["identifier"])
        said = encode(explanation_of(named.identifier, language))
        return Response(said, headers={"Vary": "Accept-Language"}, media_type=JSON)

    return explain
