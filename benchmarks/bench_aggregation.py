"""A poll of many nodes turned into pools, identifiers, a difference and statuses: CPU seconds.

Run from the checkout: `python -m benchmarks.bench_aggregation [--nodes N] [--keep]`. Measured is
all from the units that an adapter has read to what is owed and told, with the tables on the disk:
the first poll, one in which only free capacity has changed, and one in which one node in a hundred
is gone.
Each figure is the best of several passes.
"""

from __future__ import annotations

import argparse
import gc
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.bench_import import owner_codes
from benchmarks.report import Report
from gateway.systems.aggregation.known import Settings
from gateway.systems.aggregation.readings import Reading, Unit
from gateway.systems.aggregation.service import Decided, decide
from gateway.systems.aggregation.tables import NAMES, Book
from gateway.systems.aggregation.telling import status_bodies
from resolver.tables import Tables

PASSES = 3
GRACE = 86_400_000  # milliseconds
CHIPS = (("NVIDIA H100 80GB HBM3", 80, 8), ("A100-SXM4-40GB", 40, 4), ("Ascend910B", 64, 8))
PLAIN = 4  # of so many nodes one has no accelerators
PARTITIONS = 20
TARGET_SECONDS = 2.0  # of the issue
ROOM = 1 << 30


def units(nodes: int, seed: int) -> tuple[Unit, ...]:
    """Nodes of several kinds; what of them is free depends on the seed."""
    draw = random.Random(seed)
    made = []
    for number in range(nodes):
        chip, memory, chips = CHIPS[number % len(CHIPS)]
        if number % PLAIN == 0:
            chip, memory, chips = "", 0, 0
        total = {"chips": chips, "vcpu": 96, "memory_gib": 1_000 + number % 7}
        share = draw.choice((0, 0.25, 0.5, 1))
        free = {"chips": int(chips * share), "vcpu": 96 * share, "memory_gib": 1_000 * share}
        made.append(
            Unit(
                f"cluster/n{number:05}",
                f"n{number:05}",
                total,
                free,
                chip=chip,
                chip_memory_gib=memory,
                group=f"p{number % PARTITIONS}",
                labels={"arch": "x86_64"},
            )
        )
    return tuple(made)


def spent(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds, and what came of it."""
    gc.collect()
    begun = time.process_time()
    found = work()
    return time.process_time() - begun, found


def polls(source: Settings, nodes: int) -> dict[str, float]:
    """CPU seconds of each kind of poll, one pass."""
    now = time.time_ns() // 1_000_000
    said = [units(nodes, seed) for seed in range(3)]
    few = tuple(one for number, one in enumerate(said[2]) if number % 100)
    with (
        tempfile.TemporaryDirectory(prefix="csid-bench-") as folder,
        closing(Tables(Path(folder) / "tables.mdb", NAMES, ROOM, lasting=True)) as tables,
    ):
        book = Book(tables)
        book.add(source)

        def poll(of: tuple[Unit, ...], later: int) -> Decided:
            at = now + later
            decided = decide(book, source, Reading(of, at), at, GRACE)
            for _ in status_bodies(source, decided.statuses, at, at, at):
                pass
            return decided

        first, decided = spent(lambda: poll(said[0], 0))
        if decided.held is not None:  # very many new identifiers: as if somebody had accepted them
            book.judge(source.name, "accepted")
            first, decided = spent(lambda: poll(said[0], 1))
        assert decided.held is None and len(decided.change.units) == nodes
        busy, decided = spent(lambda: poll(said[1], 60_000))
        assert decided.change.is_empty and decided.statuses
        gone, decided = spent(lambda: poll(few, 120_000))
        assert len(decided.change.vanished) == nodes - len(few)
    return {"first": first, "free changed": busy, "1 % gone": gone}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    options = parser.parse_args()
    source = Settings(
        name="bench",
        kind="slurm",
        url="http://127.0.0.1:1",
        owner=owner_codes()[0],
        industry="6450",
        location="330106",
    )
    report = Report("aggregation", {"nodes": options.nodes, "passes": PASSES})
    rows = []
    for words, one in (
        ("pools", source),
        ("an identifier each", msgspec.structs.replace(source, each=True)),
    ):
        passes = [polls(one, options.nodes) for _ in range(PASSES)]
        report.raw[words] = passes
        for name in passes[0]:
            best = min(each[name] for each in passes)
            rows.append([f"{words}: {name}", f"{best:.2f}", f"{TARGET_SECONDS:.0f}"])
    report.add(f"One poll of {options.nodes:,} nodes, CPU s", ["", "CPU s", "at most"], rows)
    if options.keep:
        report.write()


if __name__ == "__main__":
    main()
