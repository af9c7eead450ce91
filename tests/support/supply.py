"""Units of compute and sources of them, for tests of aggregation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from gateway.systems.aggregation.difference import Difference, Rules, applied, difference
from gateway.systems.aggregation.known import Known, Settings
from gateway.systems.aggregation.readings import (
    Ask,
    Memory,
    Polling,
    Reading,
    ReadingError,
    Source,
    Unit,
    Watch,
)
from tests.support.registering import OWNER

NOW = 1_795_700_000_000
GRACE = 3_600_000
ON = date(2026, 11, 26)
SOURCE = Settings(
    name="hz-slurm",
    kind="said",
    url="http://127.0.0.1:1",
    owner=OWNER,
    industry="6450",
    location="330106",
)


def node(name: str, free: float = 8, chips: float = 8, **more: Any) -> Unit:
    """A node with accelerators."""
    total = {"chips": chips, "vcpu": 96.0, "memory_gib": 1152.0}
    given = {"chip": "NVIDIA H100 80GB HBM3", "chip_memory_gib": 79.6, "total": total}
    given |= {"free": {"chips": free, "vcpu": free * 12, "memory_gib": free * 144}, **more}
    return Unit(f"key-{name}", name, **given)


def plain(name: str, vcpu: float = 64, memory: float = 256, **more: Any) -> Unit:
    """A node without accelerators."""
    total = {"vcpu": vcpu, "memory_gib": memory}
    return Unit(f"key-{name}", name, **{"total": total, "free": total, **more})


def reading(units: Sequence[Unit], taken: int = NOW, **more: Any) -> Reading:
    """What a source said."""
    return Reading(tuple(units), taken, **more)


def differed(
    known: Known, said: Reading, now: int = NOW, source: Settings = SOURCE
) -> tuple[Known, Difference]:
    """What is known after a reading, and what it changed."""
    change = difference(source, known, said, Rules(now, GRACE, ON))
    return applied(known, change), change


def registered(known: Known) -> Known:
    """What is known once the registry has done all that is owed."""
    pools = {
        key: msgspec.structs.replace(one, done=one.wanted, done_state=one.state)
        for key, one in known.pools.items()
    }
    return msgspec.structs.replace(known, pools=pools)


class Spoken:
    """An adapter whose source says units in JSON: a list of objects with key, chips, free."""

    kind = "said"

    def poll(self, source: Source, memory: Memory, now: int) -> Polling:
        (said,) = yield [Ask("nodes", "/nodes")]
        if said.status != 200:
            raise ReadingError(f"HTTP {said.status}")
        units = [node(one["name"], one["free"]) for one in json.loads(said.body)]
        return Reading(tuple(units), now, version="1.0")

    def watch(self, source: Source, memory: Memory) -> Sequence[Watch]:
        return ()


def said(units: Mapping[str, float]) -> bytes:
    """What such a source says of units with so many free chips."""
    return json.dumps([{"name": name, "free": free} for name, free in units.items()]).encode()
