"""A poll of many nodes turned into pools, identifiers, a difference and statuses; the picture of a
nation: CPU seconds.

Run from the checkout: `python -m benchmarks.bench_aggregation [--nodes N] [--regions N]
[--groups N] [--keep]`. Of a poll is measured all from the units that an adapter has read to what is
owed and told, with the tables on the disk: the first poll, one in which only free capacity has
changed, and one in which one node in a hundred is gone. Of a nation, once all regions have told it
all: a report of one of them, the minute that is kept, the picture as it is asked for, beside DuckDB
that has the same groups in a table of its own, in one thread.
Each figure is the best of several passes.
"""

from __future__ import annotations

import argparse
import gc
import random
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np

from benchmarks.bench_import import owner_codes
from benchmarks.report import Report, ratio
from benchmarks.report import number as shown
from gateway.systems.aggregation import calls, exchange, history
from gateway.systems.aggregation.exchange import Again, Key, Told
from gateway.systems.aggregation.known import Settings
from gateway.systems.aggregation.picture import Parts
from gateway.systems.aggregation.readings import Reading, Unit
from gateway.systems.aggregation.region import TABLES, Aggregating
from gateway.systems.aggregation.service import Decided, decide
from gateway.systems.aggregation.settings import Aggregation
from gateway.systems.aggregation.tables import NAMES, Book
from gateway.systems.aggregation.telling import status_bodies
from gateway.systems.contract import Caller, Place
from resolver.tables import Tables

PASSES = 3
GRACE = 86_400_000  # milliseconds
CHIPS = (("NVIDIA H100 80GB HBM3", 80, 8), ("A100-SXM4-40GB", 40, 4), ("Ascend910B", 64, 8))
PLAIN = 4  # of so many nodes one has no accelerators
PARTITIONS = 20
TARGET_SECONDS = 2.0  # of the issue
ROOM = 1 << 30
NATION_ROOM = 4 << 30
CHANGED = 100  # of so many groups of a report one has changed
BOUNDS = (exchange.REGIONS_MAX, exchange.GROUPS_MAX)
MINUTE, PROVINCES, PROVINCE = (
    "a minute",
    "the picture by province and chip",
    "the picture of a province by chip",
)
ASKED_OF_PEER = {
    MINUTE: "GROUP BY prefecture, type, chip",
    PROVINCES: "GROUP BY province, chip",
    PROVINCE: "WHERE province = '330000' GROUP BY chip",
}


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


def groups(number: int, at: int, region: int) -> list[Told]:
    """What a region tells: prefectures, types and chips with some of each."""
    found, draw = [], random.Random(region)
    for one in range(number):
        place = f"{11 + region % 40:02}{one % 14 + 1:02}00"
        type_ = ("ACP", "GCP", "ACV", "GCV", "ACB")[one // 14 % 5]
        key = Key(place, type_, f"chip {one // 70 % 40}", STATES[one // 2_800 % len(STATES)])
        chips = 8 * draw.randrange(1, 40)
        amounts = {
            kind: parts(total, draw)
            for kind, total in (
                ("units", chips // 8),
                ("chips", chips),
                ("vcpu", chips * 24),
                ("memory_gib", chips * 128),
            )
        }
        pflops = {letter: amounts["chips"].times(rate) for letter, rate in RATES[one % 3].items()}
        taken = at - draw.randrange(50_000)
        found.append(Told(key, 3, 0, amounts, pflops, taken, taken))
    return found


STATES = ("active", "proposed", "suspended")
RATES = ({"H": 0.989, "B": 1.979}, {"H": 0.312}, {"H": 0.376, "S": 0.094})  # PFLOPS of a chip


def parts(total: int, draw: random.Random) -> Parts:
    """An amount of which some is free, and now and then one has failed."""
    free = draw.randrange(total + 1)
    failed = int(free < total and draw.random() < 0.1)
    return Parts(float(total), float(free), float(total - free - failed), float(failed))


class Nation:
    """A nation to which regions have told all of their pictures.

    Args:
        tables: its own.
        regions, number: how many, how many groups of each.
    """

    def __init__(self, tables: Tables, regions: int, number: int) -> None:
        self.now = time.time_ns() // 1_000_000
        said = Aggregation(region="nation")
        self.state = Aggregating(Place(said, Path(), tables, lambda: self.now, lambda *_: None))
        self._groups_of = partial(groups, number, self.now)
        self._reports: dict[int, int] = {}
        for region in range(regions):
            self.take(self.report(region, whole=True))

    def report(self, region: int, whole: bool) -> exchange.Report:
        """The next report of a region: of all, or of what has changed."""
        every = self._groups_of(region)
        base, changed, again = 0, every, []
        if not whole:
            base, changed = self._reports[region], every[::CHANGED]
            again = [Again(one.key, one.oldest, one.newest) for one in every]
        self._reports[region] = self._reports.get(region, 0) + 1
        number = self._reports[region]
        return exchange.Report(f"r{region}", number, base, self.now, 3_600, changed, again)

    def take(self, said: exchange.Report) -> None:
        """Take a report."""
        self.state.take(said, Caller(said.region, "ask"), self.now)


def pictures(regions: int, number: int) -> dict[str, float]:
    """CPU seconds of what a nation does, each the best of several times."""
    names = (*TABLES, *NAMES)
    with (
        tempfile.TemporaryDirectory(prefix="csid-bench-") as folder,
        closing(Tables(Path(folder) / "tables.mdb", names, NATION_ROOM, lasting=True)) as tables,
    ):
        nation = Nation(tables, regions, number)
        state = nation.state

        def asked(by: tuple[str, ...], **where: str) -> float:
            works = [partial(calls.picture_of, state, by, where, calls.GROUPS_MAX)] * PASSES
            return min(spent(one)[0] for one in works)

        def taken(whole: bool) -> float:
            reports = [nation.report(region % regions, whole) for region in range(PASSES)]
            return min(spent(partial(nation.take, one))[0] for one in reports)

        def minute() -> float:
            return spent(lambda: history.minute_of(state.counted(nation.now)))[0]

        asked(())
        return {
            "a report, all of it": taken(whole=True),
            "a report, 1 % changed": taken(whole=False),
            MINUTE: min(minute() for _ in range(PASSES)),
            PROVINCES: asked(("province", "chip")),
            PROVINCE: asked(("chip",), province="330000"),
        }


def peer(regions: int, number: int) -> dict[str, float]:
    """CPU seconds of DuckDB for sums of the same numbers by the same texts."""
    rows = [one for region in range(regions) for one in groups(number, 0, region)]
    columns: dict[str, Any] = {
        "province": np.array([one.key.prefecture[:2] + "0000" for one in rows], object),
        "resources": np.array([one.resources for one in rows]),
    }
    for name in ("prefecture", "type", "chip"):
        columns[name] = np.array([getattr(one.key, name) for one in rows], object)
    for field in ("amounts", "pflops"):
        for kind in sorted({kind for one in rows for kind in getattr(one, field)}):
            each = np.array([getattr(one, field).get(kind, Parts()) for one in rows])
            columns |= {f"{kind}_{part}": each[:, at] for at, part in enumerate(Parts._fields)}
    sums = ", ".join(f"sum({name})" for name, of in columns.items() if of.dtype != object)
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.execute("CREATE TABLE told AS SELECT * FROM columns")

        def asked(end: str) -> float:
            said = f"SELECT {sums} FROM told {end}"
            return min(spent(lambda: connection.execute(said).fetchall())[0] for _ in range(PASSES))

        return {name: asked(end) for name, end in ASKED_OF_PEER.items()}


def add_pictures(report: Report, regions: int, number: int) -> None:
    """Measure a nation, beside DuckDB."""
    report.raw["nation"] = found = pictures(regions, number)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    report.raw["duckdb"] = beside = peer(regions, number)
    rows = [
        [name, shown(value, 3), shown(beside.get(name), 3), ratio(beside.get(name), value)]
        for name, value in found.items()
    ]
    title = f"A nation of {regions:,} regions with {number:,} groups each, CPU s; {held:,.0f} MiB"
    report.add(title, ["", "CPU s", "DuckDB", "times"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--regions", type=int, default=BOUNDS[0])
    parser.add_argument("--groups", type=int, default=BOUNDS[1])
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
    settings = {"nodes": options.nodes, "regions": options.regions, "groups": options.groups}
    report = Report("aggregation", {**settings, "passes": PASSES})
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
    add_pictures(report, options.regions, options.groups)
    if options.keep:
        report.write()


if __name__ == "__main__":
    main()
