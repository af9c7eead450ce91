"""Adapters driven as the poller does: over a real connection, or with what a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import httpx

from gateway.systems.aggregation.readings import Adapter, Ask, Reading, Said, Source

OWNER = "91330106673959654P"
NOW = 1_795_000_000_000


def source(
    kind: str,
    url: str = "http://127.0.0.1:1",
    headers: Mapping[str, str] | None = None,
    **options: str,
) -> Source:
    """A source of a kind."""
    return Source("here", kind, url, OWNER, "6450", "330106", options, headers or {})


class Polled:
    """Polls of one source, and what they asked."""

    def __init__(self, adapter: Adapter, of: Source, answer: Callable[[Ask], Said]) -> None:
        self.adapter = adapter
        self.source = of
        self.answer = answer
        self.memory: MutableMapping[str, Any] = {}
        self.asked: list[Ask] = []  # in the newest poll

    def poll(self, now: int = NOW) -> Reading:
        """What a poll at a time gives."""
        self.asked = []
        polling = self.adapter.poll(self.source, self.memory, now)
        try:
            asks = next(polling)
            while True:
                self.asked += asks
                asks = polling.send([self.answer(ask) for ask in asks])
        except StopIteration as end:
            reading: Reading = end.value
            keys = [unit.key for unit in reading.units]
            assert len(keys) == len(set(keys))
            return reading


@contextmanager
def over_http(adapter: Adapter, of: Source) -> Iterator[Polled]:
    """Polls of a source that is really asked."""
    with httpx.Client(headers=of.headers, timeout=20) as client:

        def answer(ask: Ask) -> Said:
            reply = client.get(of.url.rstrip("/") + ask.path, headers=ask.headers)
            headers = {name.lower(): value for name, value in reply.headers.items()}
            return Said(reply.status_code, headers, reply.content)

        yield Polled(adapter, of, answer)
