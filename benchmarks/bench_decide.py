"""What deciding costs an import: CPU microseconds per row, without the store.

Run from the checkout: `python -m benchmarks.bench_decide [--rows N]`. Rows are given as identifiers
and records that were read already, over a view that is a dict. Each figure is the best of several
passes, in batches as a writer would take them.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from collections.abc import Callable, Iterator

from csid import check, codes
from csid.identifier import Identifier, make
from csid.record import Record, encode
from registry.bulk.intake import Intake
from registry.rules.decide import decide
from registry.rules.participants import Judgement
from registry.rules.requests import Actor, AddOwner, Assign, JudgeOwner, Request, Role
from registry.rules.serials import text
from registry.tables.enums import Kind
from registry.tables.overlay import Overlay, Rows
from registry.tables.view import EMPTY, View

NOW = 1_780_000_000  # 2026-05-29
PASSES = 3
BATCH = 10_000  # rows for one transaction
SINGLES = 5_000  # rows decided one by one
OWNERS = 1_000
CLASSES = ("G15M05X6", "H60M07A1", "H71M10N4", "G20M08R8")
INDUSTRIES = ("6450", "6420", "6510", "0000")
ADMINISTRATOR = Actor("benchmark", Role.ADMINISTRATOR)

Row = tuple[Identifier, Record, bytes]


class DictView:
    """What has been written, for `get`; the few tables that are scanned lie in the view below."""

    def __init__(self, below: View) -> None:
        self._below = below
        self.rows: dict[str, Rows] = {}
        self.size = below.leaves()

    def get(self, table: str, key: bytes, /) -> bytes | None:
        """The value written, else the one below."""
        rows = self.rows.get(table, {})
        return rows[key] if key in rows else self._below.get(table, key)

    def scan(self, table: str, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Rows below."""
        return self._below.scan(table, prefix, start)

    def leaves(self) -> int:
        """The leaves below and those appended."""
        return self.size


def registry(owners: list[str]) -> Overlay:
    """A registry with accredited resource providers."""
    view = Overlay(EMPTY)
    for code in owners:
        added = AddOwner(code, (Kind.RESOURCE_PROVIDER,), f"owner {code}", "noc@example.cn")
        for body in (added, JudgeOwner(code, Judgement.ACCREDIT)):
            view.apply(decide(view, Request(ADMINISTRATOR, body), NOW).changes)
    return view


def rows(owners: list[str], count: int) -> list[Row]:
    """Rows in random order of places, each with a serial and an endpoint of its own."""
    chance = random.Random(1)
    divisions = [code for code in codes.divisions() if codes.divisions().at(code, 2026)]
    homes = [
        (owner, chance.choice(INDUSTRIES), chance.choice(divisions), kind)
        for owner in owners
        for kind in ("GCV", "ACV", "ACB")
        for _ in range(5)
    ]
    made = []
    for number in range(count):
        place = chance.choice(homes)
        identifier = make(*place, chance.choice(CLASSES), text(number, 6))
        record = Record(
            {
                "state": "active",
                "name": f"m5-{number}",
                "endpoints": [f"https://r{number:07d}.cn-north-1a.cloud.example:8443"],
                "vcpu": 96,
                "memory_gib": 384,
            }
        )
        made.append((identifier, record, encode(record)))
    return made


def owner_codes() -> list[str]:
    """Social credit codes with their check characters."""
    bodies = (f"91110000M{number:08d}" for number in range(OWNERS))
    return [body + check.gb32100_check(body) for body in bodies]


def imported(view: DictView, table: list[Row]) -> None:
    """All rows through the intake, batch by batch."""
    intake = Intake(view, ADMINISTRATOR, NOW)
    for start in range(0, len(table), BATCH):
        for identifier, record, packed in table[start : start + BATCH]:
            intake.decide(identifier, record, packed)
        batch = intake.take()
        for name, items in batch.rows.items():
            view.rows.setdefault(name, {}).update(items)
        view.size += len(batch.leaves)


def best_us(work: Callable[[], object], count: int) -> float:
    """CPU microseconds per row of the quickest pass."""
    fastest = float("inf")
    for _ in range(PASSES):
        gc.collect()
        started = time.process_time()
        work()
        fastest = min(fastest, time.process_time() - started)
    return fastest / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    owners = owner_codes()
    base = registry(owners)
    table = rows(owners, parser.parse_args().rows)
    few = table[:SINGLES]

    def singly() -> None:
        view = Overlay(base)
        for identifier, record, _ in few:
            request = Request(ADMINISTRATOR, Assign(identifier, record))
            view.apply(decide(view, request, NOW).changes)

    new = best_us(lambda: imported(DictView(base), table), len(table))
    full = DictView(base)
    imported(full, table)
    again = best_us(lambda: imported(full, table), len(table))
    one = best_us(singly, len(few))
    print(f"{len(table):,} rows, {OWNERS:,} owners, best of {PASSES} passes, CPU µs per row")
    print(f"  import, new        {new:6.2f}")
    print(f"  import, unchanged  {again:6.2f}")
    print(f"  decide, one by one {one:6.2f}")
    leaf = Intake(DictView(base), ADMINISTRATOR, NOW)
    leaf.decide(*table[0])
    batch = leaf.take()
    (key, value), *_ = batch.rows["assignments"]
    print(f"octets: row {len(key)} + {len(value or b'')}, leaf {len(batch.leaves[0])}")


if __name__ == "__main__":
    main()
