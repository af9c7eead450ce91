"""What a process of systems says of itself, for people and for Prometheus."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from gateway.metrics.exposition import Exposed, exposition
from gateway.systems.contract import Metric, System
from gateway.systems.running import Running
from resolver.server.counters import BATCHES, QUERIES, Counters
from resolver.server.notices import Repeated

KEPT_SECONDS: Final = 1.0  # that a text is given again, however many ask
_KINDS: Final = frozenset({"gauge", "counter"})
_NAME: Final = re.compile("[a-z][a-z0-9_]{0,99}")
SECONDS: Final = 10.0  # for a system to say how it is


def health(running: Running) -> dict[str, Any]:
    """What runs, and what fails: the answer of /v1/health."""
    kept = running.kept
    waiting = running.waiting()
    return {
        "status": "degraded" if any(one.fails for one in kept) else "ok",
        "systems": [system.name for system in running.systems],
        "waiting": waiting,
        "tasks": [
            {
                "name": one.name,
                "is_failing": one.fails,
                "failures": one.failures,
                "why": one.why,
            }
            for one in kept
        ],
    }


def _whole(one: Metric) -> Metric:
    """A metric with all its samples, which Prometheus can read.

    Raises:
        ValueError, TypeError: it is none; so it must not spoil what others say.
    """
    samples = [
        ({name: str(text) for name, text in labels.items()}, value + 0)
        for labels, value in one.samples
    ]
    names = {one.name, *(name for labels, _ in samples for name in labels)}
    if one.kind not in _KINDS or not all(map(_NAME.fullmatch, names)):
        raise ValueError(f"no metric: {one.name!r:.80}, {one.kind!r:.20}")
    return one._replace(samples=samples)


class Watched:
    """The metrics of the process and of its systems, as text.

    Args:
        running: the systems.
        counters: calls and problems are counted there.
        streams: how many are followed.
        complaints: a system that cannot say how it is.
    """

    def __init__(
        self,
        running: Running,
        counters: Counters,
        streams: Callable[[], int],
        complaints: Repeated,
    ) -> None:
        self._running = running
        self._counters = counters
        self._streams = streams
        self._complaints = complaints
        self._lock = asyncio.Lock()
        self._text = ""
        self._made = -KEPT_SECONDS

    async def text(self) -> str:
        """The text, not older than KEPT_SECONDS. A system that cannot say how it is has
        `csid_system_measured` 0 and nothing else.
        """
        async with self._lock:
            if time.monotonic() - self._made >= KEPT_SECONDS:
                said: dict[str, list[Metric] | None] = {}
                for system in self._running.systems:
                    said[system.name] = await self._ask(system)
                self._text = exposition(self._exposed(said))
                self._made = time.monotonic()
            return self._text

    async def _ask(self, system: System) -> list[Metric] | None:
        if system.metrics is None:
            return []
        try:
            async with asyncio.timeout(SECONDS):
                found = await system.metrics(self._running.states[system.name])
                return [_whole(one) for one in found]
        except Exception as error:  # its fault must not hide the others
            self._complaints.tell(f"{system.name}: metrics: {error!r:.300}", system.name)
            return None

    def _exposed(self, said: dict[str, list[Metric] | None]) -> Iterator[Exposed]:
        waiting = self._running.waiting()
        kept = [({"task": one.name}, one) for one in self._running.kept]
        yield (
            *("csid_systems_calls_total", "counter", "Calls over HTTP."),
            [({}, self._counters[QUERIES])],
        )
        yield (
            *("csid_systems_problems_total", "counter", "Those of them that were refused."),
            [({}, self._counters[BATCHES])],
        )
        yield "csid_systems_streams", "gauge", "Streams that are followed.", [({}, self._streams())]
        yield (
            *("csid_system_active", "gauge", "Whether its tasks run here."),
            [({"system": name}, name not in waiting) for name in said],
        )
        yield (
            *("csid_system_measured", "gauge", "Whether it could say how it is."),
            [({"system": name}, found is not None) for name, found in said.items()],
        )
        yield (
            *("csid_system_task_failing", "gauge", "Whether a task fails."),
            [(labels, one.fails) for labels, one in kept],
        )
        yield (
            *("csid_system_task_failures", "gauge", "Failures of a task within the last hour."),
            [(labels, one.failures) for labels, one in kept],
        )
        for name, found in said.items():
            for one in found or ():
                yield f"csid_{name}_{one.name}", one.kind, one.help, one.samples
