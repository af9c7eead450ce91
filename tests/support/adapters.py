"""Adapters asked for a reading: over HTTP, and of what was said before."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from gateway.systems.aggregation.readings import (
    Adapter,
    Ask,
    Memory,
    Polling,
    Reading,
    Said,
    Source,
    Unit,
)

FIXTURES = Path(__file__).parents[1] / "gateway" / "systems" / "aggregation" / "said"


def source(
    kind: str, url: str = "", headers: Mapping[str, str] | None = None, **options: str
) -> Source:
    """A source of these options."""
    return Source(
        name="here",
        kind=kind,
        url=url,
        owner="91330106673959654P",
        industry="6450",
        location="330106",
        options=options,
        headers=headers or {},
    )


def over_http(
    adapter: Adapter,
    of: Source,
    memory: Memory | None = None,
    now: int | None = None,
    asked: list[Ask] | None = None,
    said: dict[str, str] | None = None,
) -> Reading:
    """A reading of a server that runs, now unless another time is given; what was asked is added
    to `asked`, and to `said` what was answered, by kind.
    """
    moment = int(time.time() * 1_000) if now is None else now
    with httpx.Client(
        base_url=of.url, headers=dict(of.headers), timeout=20, trust_env=False
    ) as http:

        def say(asks: Sequence[Ask]) -> list[Said]:
            if asked is not None:
                asked.extend(asks)
            found = [_said(http.get(ask.path, headers=dict(ask.headers))) for ask in asks]
            if said is not None:
                said.update(
                    (ask.kind, one.body.decode()) for ask, one in zip(asks, found, strict=True)
                )
            return found

        return driven(adapter.poll(of, {} if memory is None else memory, moment), say)


def _said(response: httpx.Response) -> Said:
    return Said(response.status_code, dict(response.headers), response.content)


def driven(polling: Polling, say: Callable[[Sequence[Ask]], Sequence[Said]]) -> Reading:
    """What comes of a poll if that is said to what it asks."""
    try:
        asks = next(polling)
        while True:
            asks = polling.send(say(asks))
    except StopIteration as end:
        reading: Reading = end.value
        return reading


def by_kind(said: Mapping[str, bytes | Said]) -> Callable[[Sequence[Ask]], Sequence[Said]]:
    """The same is said to each request of a kind; 404 where there is nothing."""

    def say(asks: Sequence[Ask]) -> list[Said]:
        found: list[Any] = [said.get(ask.kind, Said(404, {}, b"")) for ask in asks]
        return [one if isinstance(one, Said) else Said(200, {}, one) for one in found]

    return say


def by_path(kind: str, version: str) -> dict[str, Any]:
    """What a server of a version said, by path."""
    said: dict[str, Any] = json.loads((FIXTURES / kind / version / "by_path.json").read_text())
    return said


def recorded(kind: str, version: str) -> dict[str, bytes | Said]:
    """What a server of a version said, by the kind of request."""
    folder = FIXTURES / kind / version
    return {file.stem: file.read_bytes() for file in sorted(folder.glob("*.json"))}


def taken(kind: str, version: str) -> int:
    """When that was, in Unix milliseconds."""
    found: int = json.loads((FIXTURES / kind / version / "taken.json").read_text())["taken"]
    return found


def named(reading: Reading) -> dict[str, Unit]:
    """Its units by their names."""
    return {unit.name: unit for unit in reading.units}
