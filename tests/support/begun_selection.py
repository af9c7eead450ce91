"""Selection in this process, without a node or a gateway, by a clock that can be put forward."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from csid.identifier import make
from csid.record import Record, encode
from csid.status import Told
from gateway.systems.contract import ASK, Call, Caller
from gateway.systems.running import opened
from gateway.systems.selection import calls, said
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.rows import Change
from gateway.systems.selection.settings import Selection
from gateway.systems.selection.state import Selecting
from gateway.systems.selection.system import SYSTEM
from tests.support.registering import OWNER

RECORD: dict[str, Any] = {
    "state": "active",
    "chip": "H800",
    "count": 16,
    "memory_gib": 1000.0,
    "vcpu": 256,
    "price": "5",
    "currency": "CNY",
    "price_unit": "card-hour",
    "extra": {"nodes": 2, "per_node": 8},
}
BLOCK = Demand(per_node=8, free=True)
BOTH = Demand(per_node=8, nodes=2, free=True)


def named(number: int) -> str:
    """The identifier of a pool."""
    return str(make(OWNER, "6450", "330106", "ACP", "H60M07N6", f"{number:04}"))


class Begun(NamedTuple):
    """Selection, what was written to its log, and how far its clock is put forward (ms)."""

    state: Selecting
    log: list[str]
    ahead: list[int]

    def learn(self, *numbers: int, gone: bool = False, **facts: Any) -> None:
        """Pools are registered, or are gone."""
        record = None if gone else encode(Record(RECORD | facts))
        changes = [Change(named(one), record) for one in numbers]
        self.state.changed(self.state.rows.apply("registry", changes))

    def tell(self, number: int, before: int = 0, lasts: int = 60_000, **free: float) -> None:
        """A status comes that was taken so many ms ago."""
        now = self.state.now()
        self.state.told(named(number), now - before, now + lasts, Told(free=dict(free)))

    def fits(self, demand: Demand = BLOCK) -> list[str]:
        """What fits now."""
        return [one["identifier"] for one in said.answer(self.state, demand)["results"]]

    async def keep(self, demand: Demand, name: str = "one", dispatch: bool = True) -> str:
        """Keep a demand; its name."""
        made = await calls.keep(
            self.state, call(calls.Keep(demand, dispatch=dispatch), caller=name)
        )
        assert made.status == 201 and isinstance(made.body, dict)
        return str(made.body["name"])

    async def reserve(self, demand: Demand, key: str = "", name: str = "one") -> dict[str, Any]:
        """Select and reserve in one step."""
        headers = {"idempotency-key": key} if key else {}
        asked = call(demand, calls.How(reserve=20), caller=name, headers=headers)
        whole: dict[str, Any] = (await calls.select(self.state, asked)).body
        return whole


def call(
    given: Any = None,
    asked: Any = None,
    path: str = "",
    caller: str = "one",
    headers: Mapping[str, str] | None = None,
    role: str = ASK,
) -> Call:
    """A call, as the interface hands it on."""
    return Call(Caller(caller, role), path, asked, given, headers or {})


@contextmanager
def begun(folder: Path, settings: Selection | None = None) -> Iterator[Begun]:
    """Selection that has begun, has its folder for itself, and follows nobody."""
    log: list[str] = []
    ahead = [0]
    with opened(SYSTEM, settings or Selection(), folder) as place:
        there = place._replace(
            now=lambda: time.time_ns() // 1_000_000 + ahead[0],
            tell=lambda text, _level, _event: log.append(text),
        )
        state = Selecting(there)
        try:
            yield Begun(state, log, ahead)
        finally:
            state.end()
