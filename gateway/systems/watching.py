"""What a process of systems says of itself, for people and for Prometheus."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from gateway.metrics.exposition import Exposed, exposition
from gateway.systems.contract import Metric, System
from gateway.systems.running import Running
from resolver.server.counters import BATCHES, QUERIES, Counters
from resolver.server.notices import Repeated

KEPT_SECONDS: Final = 1.0  # that a text is given again, however many ask
SECONDS: Final = 3.0  # for all systems to say how they are; who asks waits for 10 as a rule
_KINDS: Final = frozenset({"gauge", "counter"})
_NAME: Final = re.compile("[a-z][a-z0-9_]{0,99}")


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


def _text(system: str, found: Iterable[Metric]) -> str:
    """The text of what a system says.

    Raises:
        Exception: Prometheus could not read it; so it must not spoil what others say.
    """
    names: set[str] = set()
    families: list[Exposed] = []
    for one in found:
        samples = [
            ({name: str(text) for name, text in labels.items()}, float(value))
            for labels, value in one.samples
        ]
        of_all = {one.name, *(name for labels, _ in samples for name in labels)}
        if one.kind not in _KINDS or one.name in names or not all(map(_NAME.fullmatch, of_all)):
            raise ValueError(f"no metric: {one.name!r:.80}, {one.kind!r:.20}")
        if len({tuple(sorted(labels.items())) for labels, _ in samples}) < len(samples):
            raise ValueError(f"no metric: {one.name}: two samples have the same labels")
        names.add(one.name)
        families.append((f"csid_{system}_{one.name}", one.kind, str(one.help), samples))
    text = exposition(families) if families else ""
    text.encode("utf-8")
    return text


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
        self._asked: dict[str, asyncio.Task[str | None]] = {}
        self._said = ""
        self._made = -KEPT_SECONDS

    async def text(self) -> str:
        """The text, not older than KEPT_SECONDS. A system that does not say how it is within
        SECONDS, or not so that it can be read, has `csid_system_measured` 0 and nothing else.
        """
        async with self._lock:
            if time.monotonic() - self._made >= KEPT_SECONDS:
                said = await self._ask()
                self._said = exposition(self._exposed(said)) + "".join(filter(None, said.values()))
                self._made = time.monotonic()
            return self._said

    async def _ask(self) -> dict[str, str | None]:
        """What each system says, all at once; None of one that does not. Who has not answered when
        it was asked before is not asked again until it has.
        """
        for system in self._running.systems:
            before = self._asked.get(system.name)
            if before is None or before.done():
                self._asked[system.name] = asyncio.create_task(self._of(system))
        if self._asked:
            await asyncio.wait(self._asked.values(), timeout=SECONDS)
        return {
            name: None if not one.done() or one.cancelled() else one.result()
            for name, one in self._asked.items()
        }

    async def _of(self, system: System) -> str | None:
        if system.metrics is None:
            return ""
        try:
            found = await system.metrics(self._running.states[system.name])
            return _text(system.name, found)
        except (Exception, SystemExit) as error:  # its fault must not hide the others
            self._complaints.tell(f"{system.name}: metrics: {error!r:.300}", system.name)
            return None

    def _exposed(self, said: dict[str, str | None]) -> Iterator[Exposed]:
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
