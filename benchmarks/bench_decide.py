"""What an assignment and a row of an import cost the writer: CPU microseconds, commits included.

Run from the checkout: `python -m benchmarks.bench_decide [--work DIR] [--rows N]`. Requests and
rows are there already: what is measured begins with the request and ends with the commit, which
waits for the disk. The rules alone, one by one over a view in memory, are there to compare with.
Each figure is the best of several passes.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.bench_assign import requests
from benchmarks.bench_import import ADMINISTRATOR, ON, accredit, csid, table
from registry.bulk.entries import Reading, Unit
from registry.bulk.importer import Import
from registry.bulk.sorting import SortedTable
from registry.rules.decide import decide
from registry.rules.requests import Request
from registry.service import Registry
from registry.tables.overlay import Overlay

PASSES = 5
COMMITS = 200  # of a pass
SIZES = (1, 8, 16, 64)  # assignments a commit
CLIENTS = 16


def best_us(
    work: Callable[[Sequence[Request]], object], made: Callable[[], list[Request]]
) -> float:
    """CPU microseconds a request of the quickest pass."""
    fastest = float("inf")
    for _ in range(PASSES):
        some = made()
        gc.collect()
        started = time.process_time()
        work(some)
        fastest = min(fastest, (time.process_time() - started) / len(some))
    return fastest * 1e6


def assigned(registry: Registry) -> dict[str, float]:
    """CPU microseconds of one assignment, by how many share a commit; and of the rules alone."""
    clients = [requests(f"{number:02d}") for number in range(CLIENTS)]

    def made(count: int) -> list[Request]:
        return [clients[number % CLIENTS]() for number in range(count)]

    found = {}
    for size in SIZES:

        def committed(some: Sequence[Request], size: int = size) -> None:
            for start in range(0, len(some), size):
                for decision in registry.submit_all(some[start : start + size]):
                    assert decision.status.success, decision

        found[f"assign, {size} a commit"] = best_us(committed, lambda s=size: made(s * COMMITS))

    def by_the_rules(some: Sequence[Request]) -> None:
        with registry.view() as seen:
            over = Overlay(seen)
            for request in some:
                over.apply(decide(over, request, int(time.time())).changes)

    found["assign, the rules alone"] = best_us(by_the_rules, lambda: made(3_200))
    return found


def imported(registry: Registry, path: Path, data: Path, rows: int) -> dict[str, float]:
    """CPU microseconds of a row: read, made ready, written, and found unchanged."""
    times = [time.process_time()]
    with path.open("rb") as file, SortedTable(file, Reading(ON), 1, data) as held:
        for _ in held.read(300):
            pass
        times.append(time.process_time())
        units = list(held.units(300))
        times.append(time.process_time())

    class Ready(SortedTable):
        def __init__(self) -> None:
            pass

        def read(self, ttl: int):  # type: ignore[no-untyped-def]
            return iter(())

        def units(self, ttl: int):  # type: ignore[no-untyped-def]
            return iter(units)

    assert all(isinstance(unit, Unit) for unit in units)
    for wanted in ("added", "unchanged"):
        work = Import(registry.perform, ADMINISTRATOR, "", ON.year)
        assert not any(work.run(Ready()))
        assert getattr(work.tally, wanted) == rows, work.tally
        times.append(time.process_time())
    names = ("row, read", "row, made ready", "row, written", "row, unchanged")
    return {
        name: (after - before) / rows * 1e6
        for name, before, after in zip(names, times, times[1:], strict=False)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--work", type=Path, default=cache / "csid-bench")
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    data = options.work / "decide-data"
    shutil.rmtree(data, ignore_errors=True)
    csid("init", "--data", data)
    with Registry.alone(data) as registry:
        accredit(registry)
        found = assigned(registry)
        path = table(options.work, options.rows, "random")
        found |= imported(registry, path, data, options.rows)
    shutil.rmtree(data)
    print(f"CPU µs, best of {PASSES} passes (of rows: one pass)")
    for name, value in found.items():
        print(f"  {name:26} {value:7.1f}")


if __name__ == "__main__":
    main()
