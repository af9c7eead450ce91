"""`GET /v1/identifiers/{identifier}/trace`: the walk from the root, step by step, as it goes now.

Nothing of it comes from the cache or goes into it, and each walk asks servers anew: so there are
few at a time and in a second, and those who ask for the same one meanwhile share it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from gateway.http.limits import Limits
from gateway.http.media import JSON
from gateway.language import speaker_of
from gateway.resolving.calls import ZH, encode, joined, language_of
from gateway.resolving.identifiers import named_by
from gateway.resolving.meanings import Suffixes
from resolver.client.walking import steps_to
from resolver.recursion.cuts import Cut
from resolver.recursion.steps import Step, json_of

WALK_SECONDS: Final = 6.0  # from when on nothing more is asked
AT_ONCE: Final = 4
PER_SECOND: Final = 20.0
_BURST: Final = 40.0
_ALL: Final = "all"  # who asks


class Traces:
    """Walks from the root.

    Args:
        suffixes: of the DNS names of identifiers.
        tops: zones whose servers are configured.
    """

    def __init__(self, suffixes: Suffixes, tops: Sequence[Cut]) -> None:
        self._suffixes = suffixes
        self._tops = tops
        self._threads = ThreadPoolExecutor(AT_ONCE, "walk")
        self._limits = Limits(PER_SECOND, _BURST, AT_ONCE, time.monotonic)
        self._under_way: dict[bytes, asyncio.Task[list[Step]]] = {}

    async def show(self, request: Request) -> Response:
        """Answer a call.

        Raises:
            Problem: what is given is no identifier, or others are walked to.
        """
        asked = request.query_params.get("lang")
        language = language_of(joined(request.scope["headers"], b"accept-language"), asked)
        named = named_by(self._suffixes, request.path_params["identifier"])
        task = self._under_way.get(named.name)
        if task is None:
            self._limits.take(_ALL)
            self._limits.enter(_ALL)
            task = asyncio.ensure_future(self._walk(named.name))
            self._under_way[named.name] = task
        # Who goes away takes the walk from nobody else.
        said = [json_of(one) for one in await asyncio.shield(task)]
        if language == ZH:
            say = speaker_of(ZH).say
            said = [{**one, "said": say(str(one["said"]))} for one in said]
        headers = {"Cache-Control": "no-store", "Vary": "Accept-Language"}
        return Response(encode(said), headers=headers, media_type=JSON)

    async def _walk(self, name: bytes) -> list[Step]:
        loop = asyncio.get_running_loop()
        try:
            args = name, self._tops, WALK_SECONDS
            return await loop.run_in_executor(self._threads, steps_to, *args)
        finally:
            del self._under_way[name]
            self._limits.leave(_ALL)
