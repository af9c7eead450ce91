"""`GET /v1/identifiers?prefix=...`: a search, which a registry answers; it is passed on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import httpx
from starlette.requests import Request
from starlette.responses import Response

from gateway.http.media import JSON
from gateway.http.problems import Problem
from gateway.registry_client import access
from gateway.resolving.problems import Fault, unavailable

SECONDS: Final = 6.0  # for an answer
AT_ONCE: Final = 32  # searches
_GIVEN_MAX: Final = 2_000  # characters
_PASSED_ON: Final = (200, 400, 404, 422, 429)


class Searches:
    """Passes searches on.

    Args:
        url: of the interface of the registry; empty: there is none.
        token: with a token for it, in a file.

    Raises:
        CsidError: the URL is none, or the token would be sent in the clear.
        OSError: the file cannot be read.
    """

    def __init__(self, url: str, token: Path | None) -> None:
        self._http: httpx.AsyncClient | None = None
        self._under_way = 0
        if url:
            said = token.read_text("ascii").strip() if token is not None else ""
            base, headers, verify = access(url, said, None, None)
            self._http = httpx.AsyncClient(
                base_url=base, headers=headers, verify=verify, timeout=SECONDS, trust_env=False
            )

    async def find(self, request: Request) -> Response:
        """Answer a call: a page of what the registry lists for the owner of its token.

        Raises:
            Problem: there is no registry, it does not answer, or it refuses.
        """
        if self._http is None:
            detail = "no registry is configured that could be searched: [gateway] registry"
            raise Problem(Fault.UNAVAILABLE, detail)
        if self._under_way >= AT_ONCE:
            raise unavailable(f"{AT_ONCE} searches are under way; ask again")
        query = request.url.query
        if len(query) > _GIVEN_MAX:
            raise Problem(Fault.LENGTH, f"at most {_GIVEN_MAX:,} characters of a search are taken")
        self._under_way += 1
        try:
            answer = await self._http.get("/v1/identifiers", params=query)
        except httpx.HTTPError as error:
            raise unavailable(
                f"the registry does not answer: {error or type(error).__name__}"
            ) from None
        finally:
            self._under_way -= 1
        if answer.status_code not in _PASSED_ON:
            raise unavailable(f"the registry refuses to be searched: HTTP {answer.status_code}")
        kept = {name: answer.headers[name] for name in ("retry-after",) if name in answer.headers}
        media = answer.headers.get("content-type", JSON)
        return Response(answer.content, answer.status_code, kept, media)

    async def close(self) -> None:
        """End the connections."""
        if self._http is not None:
            await self._http.aclose()
