"""`/healthz`, `/readyz`, `/metrics`: how a gateway is."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from csid import names
from csid.protocol import NOERROR, NXDOMAIN, SOA
from gateway.http.media import JSON
from gateway.metrics.exposition import CONTENT_TYPE
from gateway.resolving.calls import encode
from gateway.resolving.lookups import Lookups, Question
from resolver.cache import entry as entries

LOOK_SECONDS: Final = 2.0  # that a resolution may take
KEPT_SECONDS: Final = 1.0  # that what was found out is said again, however many ask
WELL, STALE, FAILING = "ok", "stale", "failing"

Sample = tuple[str, str, str, float]  # name, type, help, value


class Health:
    """Finds out whether names are resolved.

    Args:
        lookups: to be tried.
        name: to be resolved, in wire form: that of a zone.
        samples: give the metrics.
    """

    def __init__(
        self, lookups: Lookups, name: bytes, samples: Callable[[], Iterable[Sample]]
    ) -> None:
        self._lookups = lookups
        self._question = Question(name, SOA)
        self._samples = samples
        self._looking = asyncio.Lock()
        self._found: tuple[str, float, bool] = (FAILING, 0.0, False)
        self._found_at = -KEPT_SECONDS

    async def health(self, _request: Request) -> Response:
        """Whether the zone of the identifiers is resolved: freshly, as it was before, or not."""
        state, took = (await self._look())[:2]
        said = {"status": state, "resolved": names.to_text(self._question.name), "seconds": took}
        return _said(said, state != FAILING)

    async def ready(self, _request: Request) -> Response:
        """Whether calls are answered: the cache can be read, and whoever asks others answers."""
        heard = (await self._look())[2]
        return _said({"status": "ready" if heard else "waiting"}, heard)

    async def metrics(self, _: Request) -> Response:
        """The metrics of this process, as Prometheus reads them."""
        lines = []
        for name, kind, words, value in self._samples():
            lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}", f"{name} {value:g}"]
        return Response("\n".join(lines) + "\n", headers={"content-type": CONTENT_TYPE})

    async def _look(self) -> tuple[str, float, bool]:
        """How it is, how long it took to find out, and whether anything was said at all."""
        async with self._looking:
            begun = time.monotonic()
            if begun - self._found_at >= KEPT_SECONDS:
                entry = None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        entry = await self._lookups.find(self._question)
                self._found_at = time.monotonic()
                took = round(self._found_at - begun, 4)
                self._found = _state(entry), took, entry is not None
            return self._found


def _state(entry: bytes | None) -> str:
    if entry is None or entries.rcode_of(entry) not in (NOERROR, NXDOMAIN):
        return FAILING
    return STALE if entries.is_stale(entry) else WELL


def _said(said: Any, is_well: bool) -> Response:
    headers = {"Cache-Control": "no-store"} | ({} if is_well else {"Retry-After": "1"})
    return Response(encode(said), 200 if is_well else 503, headers, JSON)
