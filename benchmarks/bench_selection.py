"""The best ten of many pools for random demands, beside numpy's plain scan and DuckDB.

    python -m benchmarks.bench_selection [--rows 1000000] [--demands 500] [--keep]

Supply and demands are those of `supplies.py`. Each demand goes to all in turn, and all must find
the same points. A figure is CPU time of the thread that answers (of DuckDB, kept to one thread,
that of the process). numpy and DuckDB are given what is easiest for them: the conditions as checks
over whole columns in memory, the points of each part by code; their time begins when that is
ready, csid's with the demand.
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import supplies
from benchmarks.report import Report, Rows, number
from gateway.systems.selection import checks, ranking, reasons, scan, snapshot
from gateway.systems.selection.checks import Check, Every, Shaped, Some, Table, Within
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.engine import Prepared, prepare, select
from gateway.systems.selection.supply import Supply

STATUSES: Final = 100_000
LISTED: Final = 100  # codes that are written into a query
EXPLAINED: Final = 20
PERCENTILES: Final = (50, 90, 99, 100)


def filled(rows: int) -> Supply:
    """A supply, laid in order."""
    supply = Supply()
    for row in supplies.rows(rows):
        supply.put(row.identifier, row.record)
        if row.status is not None:
            supply.status(row.identifier, row.status)
    supply.tidy()
    return supply


class Numpy:
    """All conditions over all rows, then all points of those that are left."""

    label = "numpy"

    def __init__(self, supply: Supply) -> None:
        self.columns = supply.columns

    def best(self, ready: Prepared, top: int) -> list[int]:
        held = self.columns.alive.view(np.bool_)
        for one in ready.checks:
            held = held & checks.test(one, self.columns, slice(None), supplies.NOW)
        rows = np.flatnonzero(held)
        points = scan.points(self.columns, ready.parts, rows, supplies.NOW)
        if len(rows) > top:
            chosen = np.argpartition(-points, top - 1)[:top]
            rows, points = rows[chosen], points[chosen]
        return np.sort(points)[::-1].tolist()


class Duck:
    """The same as SQL, over a table in memory; codes that are allowed by IN."""

    label = "DuckDB"

    def __init__(self, supply: Supply) -> None:
        import duckdb

        self.columns = supply.columns
        self.base = duckdb.connect(config={"threads": 1})
        made = dict(self.columns.codes)
        made |= {f"live_{name}": column for name, column in self.columns.live.items()}
        for at in range(self.columns.shape_free.shape[1]):
            made[f"free_{at}"] = np.ascontiguousarray(self.columns.shape_free[:, at])
            made[f"number_{at}"] = np.ascontiguousarray(self.columns.shape_count[:, at])
        made |= {"shape_kind": self.columns.shape_kind, "alive": self.columns.alive}
        self.base.register("given", made)
        self.base.execute("CREATE TABLE supply AS SELECT * FROM given")
        self.base.unregister("given")
        self.tables = 0

    def best(self, ready: Prepared, top: int) -> list[int]:
        where = " AND ".join(["alive = 1", *(self.sql(one) for one in ready.checks)])
        points, joins = ["0"], []
        for at, part in enumerate(ready.parts):
            if part.kind == ranking.BY_TABLE:
                self.base.register(
                    f"part_{at}", {"code": np.arange(len(part.points)), "points": part.points}
                )
                joins.append(f'JOIN part_{at} ON part_{at}.code = supply."{part.column}"')
                points.append(f"{part.weight}::BIGINT * part_{at}.points")
            elif part.kind == ranking.BY_STABILITY:
                points.append(f"{part.weight}::BIGINT * live_stability * {ranking.STABILITY_STEP}")
            else:
                since = f"{ranking.WINDOW} - ({supplies.NOW} - live_taken)"
                left = f"greatest(0, least({ranking.WINDOW}, {since}))"
                points.append(
                    f"{part.weight}::BIGINT * CASE WHEN live_until > {supplies.NOW} "
                    f"THEN {left} * {ranking.ONE} // {ranking.WINDOW} ELSE 0 END"
                )
        query = f"SELECT {' + '.join(points)} AS points FROM supply {' '.join(joins)} WHERE {where}"
        found = self.base.execute(f"{query} ORDER BY points DESC LIMIT {top}").fetchall()
        return [int(one) for (one,) in found]

    def listed(self, codes: NDArray[np.int64]) -> str:
        """Codes as SQL has them quickest: a few as they are, many as a table."""
        if len(codes) < LISTED:
            return ", ".join(map(str, codes.tolist())) or "-1"
        self.tables += 1
        self.base.register(f"codes_{self.tables}", {"code": codes})
        return f"SELECT code FROM codes_{self.tables}"

    def sql(self, check: Check) -> str:
        """A check as SQL."""
        if isinstance(check, Every | Some):
            joined = " AND " if isinstance(check, Every) else " OR "
            return f"({joined.join(self.sql(one) for one in check.of)})"
        holds = f"live_until > {supplies.NOW}"
        if isinstance(check, Table):
            allowed = np.flatnonzero(check.allowed)
            fewer = (
                np.flatnonzero(~check.allowed) if len(allowed) * 2 > len(check.allowed) else None
            )
            listed = self.listed(allowed if fewer is None else fewer)
            text = f'"{check.column}" {"" if fewer is None else "NOT "}IN ({listed})'
            text = f"({text} AND {holds})" if check.live else text
            return f"(NOT {text})" if check.turned else text
        if isinstance(check, Within):
            text = f"(live_{check.column} BETWEEN {check.low} AND {check.high} AND {holds})"
            return f"(NOT {text})" if check.turned else text
        assert isinstance(check, Shaped)
        blocks = " + ".join(f"(free_{n} // {check.size}) * number_{n}::INT" for n in range(8))
        return f"({holds} AND shape_kind = {check.kind} AND {blocks} >= {check.number})"


def cpu_ms(clock: Callable[[], float], run: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds that something takes, and what comes of it."""
    begun = clock()
    found = run()
    return (clock() - begun) * 1e3, found


def compare(supply: Supply, demands: list[Demand], duck_each: int) -> dict[str, list[float]]:
    """Each demand by each in turn; ends the run where they differ."""
    times: dict[str, list[float]] = {
        "csid": [],
        "csid, not compiled": [],
        "numpy": [],
        "DuckDB": [],
    }
    plain, duck = Numpy(supply), Duck(supply)
    for at, demand in enumerate(demands):
        rtt = supplies.latencies(supply.locations, demand.near) if demand.near else None
        spent, found = cpu_ms(
            time.thread_time, lambda d=demand, r=rtt: select(supply, d, supplies.NOW, r)
        )
        times["csid"].append(spent)
        wanted = [one.points for one in found.results]
        ready = prepare(supply, demand, supplies.NOW, rtt)
        runs: dict[str, tuple[Callable[[], float], Callable[[], list[int]]]] = {
            "csid, not compiled": (
                time.thread_time,
                lambda r=ready, d=demand: _interpreted(supply, r, d),
            ),
            "numpy": (time.thread_time, lambda r=ready, d=demand: plain.best(r, d.top)),
        }
        if at % duck_each == 0:
            runs["DuckDB"] = (time.process_time, lambda r=ready, d=demand: duck.best(r, d.top))
        for label, (clock, run) in runs.items():
            spent, points = cpu_ms(clock, run)
            times[label].append(spent)
            if points != wanted:
                sys.exit(f"{label} finds {points}, csid {wanted}: {demand}")
    return times


def _interpreted(supply: Supply, ready: Prepared, demand: Demand) -> list[int]:
    found = scan.best(supply.columns, ready.checks, ready.parts, supplies.NOW, demand.top)
    return [one.points for one in found]


def memory_mib() -> float:
    """Proportional set size of this process."""
    lines = Path("/proc/self/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def started(path: Path) -> None:
    """From a snapshot to the first answer, and what is in memory then: in a process of its own."""
    begun = time.perf_counter()
    supply, _ = snapshot.read(path)
    demand = next(supplies.demands(1, supply.locations))
    rtt = supplies.latencies(supply.locations, demand.near) if demand.near else None
    select(supply, demand, supplies.NOW, rtt)
    seconds = time.perf_counter() - begun
    for one in supplies.demands(100, supply.locations):
        near = supplies.latencies(supply.locations, one.near) if one.near else None
        select(supply, one, supplies.NOW, near)
    print(seconds, memory_mib())


def changes(supply: Supply) -> tuple[float, float]:
    """Microseconds that a status of any row costs, and a record of a new one."""
    random = Random(4)
    slots = random.choices(np.flatnonzero(supply.columns.alive).tolist(), k=STATUSES)
    names = [supply.identifier(slot) for slot in slots]
    told = [row.status for row in supplies.rows(STATUSES, 7)]
    begun = time.process_time()
    for name, status in zip(names, told, strict=True):
        supply.status(name, status)
    spent = (time.process_time() - begun) / STATUSES
    new = list(supplies.rows(STATUSES // 10, 8))
    begun = time.process_time()
    for row in new:
        supply.put(row.identifier, row.record)
    put = (time.process_time() - begun) / len(new)
    return spent * 1e6, put * 1e6


def explained(supply: Supply, demands: list[Demand]) -> float:
    """Milliseconds that it takes to say why no more fits: the median."""
    times = [
        cpu_ms(time.thread_time, lambda d=one: reasons.explain(supply, d, supplies.NOW, None))[0]
        for one in [one for one in demands if not one.near][:EXPLAINED]
    ]
    return float(np.percentile(times, 50))


def percentiles(times: dict[str, list[float]]) -> Rows:
    """A row of each who answered."""
    return [
        [label, *(number(float(np.percentile(found, p))) for p in PERCENTILES), str(len(found))]
        for label, found in times.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--demands", type=int, default=500)
    parser.add_argument(
        "--duck-each", type=int, default=5, help="DuckDB answers one demand of so many"
    )
    parser.add_argument("--snapshot", type=Path, help="kept here, and taken from here next time")
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    parser.add_argument("--started", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.started:
        started(args.started)
        return
    with TemporaryDirectory() as folder:
        path = args.snapshot or Path(folder, "supply")
        if path.exists():
            supply, _ = snapshot.read(path)
        else:
            supply = filled(args.rows)
            snapshot.write(supply, path)
        words = ["-m", "benchmarks.bench_selection", "--started", str(path)]
        told = subprocess.run(
            [sys.executable, *words], check=True, stdout=subprocess.PIPE, text=True
        )
        seconds, memory = map(float, told.stdout.split())
    gc.collect()
    gc.freeze()  # as the process of the system does
    demands = list(supplies.demands(args.demands, supply.locations))
    for one in demands[:50]:  # what is worked out once
        select(supply, one, supplies.NOW, None)
    times = compare(supply, demands, args.duck_each)
    report = Report("selection", {"rows": len(supply), "demands": len(demands)})
    report.raw["CPU ms"] = {label: [round(one, 2) for one in each] for label, each in times.items()}
    title = f"The best ten of {len(supply):,} pools, CPU ms a demand"
    report.add(title, ["", *(f"p{p}" for p in PERCENTILES), "demands"], percentiles(times))
    status, record = changes(supply)
    rows = [
        ["from a snapshot to the first answer, s", number(seconds)],
        ["memory after 100 more (PSS), MiB", number(memory, 0)],
        ["a status, CPU µs", number(status, 1)],
        ["a record of a new one, CPU µs", number(record, 1)],
        ["why no more fits, CPU ms (p50)", number(explained(supply, demands), 0)],
    ]
    report.add("Beside", ["", ""], rows)
    if args.keep:
        report.write()


if __name__ == "__main__":
    main()
