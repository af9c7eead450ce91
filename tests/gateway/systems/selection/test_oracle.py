"""Selection gives what an exhaustive ranking gives, whatever is asked and whatever has changed."""

from __future__ import annotations

import os
from random import Random

import pytest

from benchmarks import supplies
from csid.status import Status, Told
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.engine import select
from gateway.systems.selection.supply import Supply
from tests.support import selected

# 10,000 demands over 2,000 rows take half an hour: CSID_ORACLE=10000 python -m pytest …
DEMANDS = int(os.environ.get("CSID_ORACLE", "200"))
ROWS = 2_000 if DEMANDS > 1_000 else 800
WHERES = (
    'memory_gib >= 512 and not fabric in (IB, "RoCE v2")',
    "free.chips in 4..64 or free.vcpu > 100",
    "not (load > 0.5) and age <= 30",
    "health = ok or not location like 33*",
    "(count in (8, 16, 64) or chip contains h800) and not source = gw2",
    "not free.nodes >= 2",
    "valid_for < 45.5 or trust = 5",
    "card_fp16_gflops > 200000 or measured_fp16_gflops >= 90000.5",
    "price in 1..10 and currency = cny",
    'name contains "20" and not name like "*1 *"',
    "extra.src = b or extra.asset like 1?* and not extra.on = true",
    "endpoints contains pool or name in (nobody, nothing)",
    "bandwidth_gbps != 100 and load in 0..0.7",
    "node_memory_gib >= 1000 or node_vcpu in 32..64",
    'name like "*p?ol ??0*3*" or price < 2 and (extra.asset contains 1 or load > 0.2)',
)


def random_demand(random: Random, locations: list[str]) -> Demand:
    demand = next(supplies.demands(1, locations, random.randrange(2**30)))
    values = {name: getattr(demand, name) for name in demand.__struct_fields__}
    if random.random() < 0.4:
        values["where"] = random.choice(WHERES)
    if random.random() < 0.2 and values["free"]:
        values["age"] = random.choice((5.0, 20.5, 59.0))
    if random.random() < 0.1:
        values["chips"] = ()
    if values["per_node"] and random.random() < 0.3:
        values["vcpu"] = random.choice((16.0, 64.0, 130.0))
    if values["cards"] and random.random() < 0.3:
        values["memory"] = random.choice((64.0, 500.0))
    if values["free"] and (values["per_node"] or values["cards"]) and random.random() < 0.1:
        values["pools"] = 2
    if values["pflops"] and random.random() < 0.3:
        values["measured"] = True
    values["top"] = random.choice((1, 3, 10, 50))
    return Demand(**values)


class World:
    """A supply, and the same rows beside it as they are."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.supply = Supply()
        self.rows: dict[str, selected.Row] = {}
        self.more = list(supplies.rows(ROWS * 2, seed=random.randrange(2**30)))
        for at, row in enumerate(self.more):
            extra = {**row.record.extra, "asset": str(at), "on": at % 3 == 0}
            extra |= {"src": random.choice("ab")} if at % 2 else {}
            self.more[at] = row._replace(record=row.record.changed(extra=extra))
        for row in self.more[:ROWS]:
            self.put(row)
        self.supply.tidy()

    def put(self, row: supplies.Row) -> None:
        before = self.rows.get(row.identifier)
        statuses = before.statuses if before else ()
        if self.supply.put(row.identifier, row.record):
            self.rows[row.identifier] = selected.row_of(row.identifier, row.record, statuses)
        if row.status is not None:
            self.status(row.identifier, row.status)

    def status(self, identifier: str, status: Status) -> None:
        self.supply.status(identifier, status)
        row = self.rows[identifier]
        self.rows[identifier] = row._replace(statuses=(*row.statuses, status))

    def change(self) -> None:
        """One change of any kind."""
        random = self.random
        identifier = random.choice(list(self.rows))
        row = self.rows[identifier]
        what = random.randrange(5)
        if what == 0:
            self.put(random.choice(self.more))
        elif what == 1:
            assert self.supply.remove(identifier)
            del self.rows[identifier]
        elif what == 2:
            record = row.record.changed(
                trust=random.randint(1, 5),
                green_share=random.random().__round__(3),
                price=None,
                currency=None,
                price_unit=None,
                valid_until=random.choice((None, "2027-01-14", "2027-01-15", "2030-01-01")),
            )
            self.put(supplies.Row(identifier, record, None))
        else:
            other = random.choice(self.more).status
            if other is not None:
                taken = other.taken + random.randint(-5_000, 5_000)
                health = random.choice(("ok", "ok", "degraded", "failed", "maintenance"))
                told = Told(health, other.told.load, other.told.free)
                until = taken + random.randint(1_000, 100_000)
                self.status(
                    identifier, Status(taken, until, random.choice(("gw1", "gw2")), 1, told)
                )

    def agrees(self, demand: Demand, now: int) -> int:
        latencies = supplies.latencies(self.supply.locations, demand.near or "330106")
        if self.random.random() < 0.3:
            latencies = latencies[: len(latencies) // 2]
        known = dict(zip(self.supply.locations, latencies.tolist(), strict=False))
        found = select(self.supply, demand, now, latencies)
        wanted = selected.rank(list(self.rows.values()), demand, now, known)
        got = [(one.identifier, one.points) for one in found.results]
        assert got == [tuple(one) for one in wanted[: demand.top]], demand
        return len(wanted)


@pytest.mark.parametrize("seed", range(max(1, DEMANDS // 100)))
def test_selection_is_what_an_exhaustive_ranking_gives(seed: int) -> None:
    random = Random(seed)
    world = World(random)
    sizes = []
    for turn in range(100):
        for _ in range(random.randint(0, 30)):
            world.change()
        if turn == 60:
            world.supply.tidy()
        now = supplies.NOW + random.randint(-20_000, 60_000)
        sizes.append(world.agrees(random_demand(random, world.supply.locations), now))
    assert min(sizes) == 0 and max(sizes) > ROWS / 4  # of all selectivities
