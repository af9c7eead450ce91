"""`GET /v1/identifiers/{identifier}/trace`: the way to an identifier from the root, walked anew."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from gateway.http.problems import Problem
from gateway.resolving.calls import JSON, encode
from gateway.resolving.identifiers import named_by
from gateway.resolving.meanings import Suffixes
from gateway.resolving.problems import Fault, unavailable
from resolver.client.walking import walk_from
from resolver.recursion.cuts import Cut, Cuts

AT_ONCE: Final = 2  # walks; each is a thread that asks servers, and remembers nothing
WAITING_MAX: Final = 16  # calls that wait for that
SECONDS: Final = 10.0  # of a walk


class Traces:
    """Walks, and shows the steps.

    Args:
        suffixes: of the DNS names of identifiers.
        tops: the zones whose servers are configured.
    """

    def __init__(self, suffixes: Suffixes, tops: Sequence[Cut]) -> None:
        self._suffixes = suffixes
        self._cuts = Cuts(tops)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def show(self, request: Request) -> Response:
        """The steps, and why the walk leads nowhere, if it does.

        Raises:
            Problem: what is given is no identifier, or too many want to see a walk.
        """
        named = named_by(self._suffixes, request.path_params["identifier"])
        cut = self._cuts.deepest(named.name, 0.0)
        if cut is None:
            raise Problem(Fault.NOT_ASSIGNED, f"{named.identifier}: nobody is asked for such names")
        if self._waiting >= WAITING_MAX:
            raise unavailable("too many walks are under way")
        self._waiting += 1
        try:
            async with self._turns:
                walked = await asyncio.to_thread(walk_from, cut, named.name, seconds=SECONDS)
        finally:
            self._waiting -= 1
        said = {
            "identifier": str(named.identifier),
            "steps": [step.json() for step in walked.steps],
            "error": None if walked.error is None else str(walked.error),
        }
        headers = {"Cache-Control": "no-store"}
        return Response(encode(said), headers=headers, media_type=JSON)
