"""The best ten of many pools for random demands, beside numpy's plain scan and DuckDB.

Run from the checkout: `python -m benchmarks.bench_selection [--rows 1000000] [--demands 500]`.
Supply and demands are those of `supplies.py`. Each demand goes to all in turn, and all must find the
same points. A figure is CPU time of the thread that answers (of DuckDB, kept to one thread, that of
the process). numpy and DuckDB are given what is easiest for them: the conditions as checks over
whole columns in memory, the points of each part by code; their time begins when that is ready,
csid's with the demand.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import supplies
from gateway.systems.selection import checks, ranking, reasons, scan, snapshot
from gateway.systems.selection.checks import Check, Every, Shaped, Some, Table, Within
from gateway.systems.selection.demand import Demand
from gateway.systems.selection.engine import Prepared, prepare, select
from gateway.systems.selection.supply import Supply

STATUSES: Final = 100_000
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
    """The same as SQL, over a table in memory; tables over codes as values of `list_contains`."""

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
            listed = ", ".join(map(str, allowed if fewer is None else fewer)) or "-1"
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
    for number, demand in enumerate(demands):
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
        if number % duck_each == 0:
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
    print(f"snapshot to first answer {seconds:.2f} s; after 100 more {memory_mib():.0f} MiB (PSS)")


def changes(supply: Supply, rows: int) -> None:
    """What a status and a record cost."""
    some = list(supplies.rows(min(rows, STATUSES)))
    begun = time.process_time()
    count = sum(supply.status(row.identifier, row.status) for row in some if row.status is not None)
    status = (time.process_time() - begun) / max(1, count)
    begun = time.process_time()
    for row in some[: STATUSES // 10]:
        supply.put(row.identifier, row.record)
    put = (time.process_time() - begun) / min(rows, STATUSES // 10)
    print(f"a status {status * 1e6:.1f} µs, a record {put * 1e6:.1f} µs")


def explained(supply: Supply, demands: list[Demand]) -> None:
    """What it takes to say why no more fits."""
    times = [
        cpu_ms(time.thread_time, lambda d=one: reasons.explain(supply, d, supplies.NOW, None))[0]
        for one in [one for one in demands if not one.near][:EXPLAINED]
    ]
    print(f"why no more fits: {np.percentile(times, 50):.0f} ms (p50)")


def show(times: dict[str, NDArray[np.float64]]) -> None:
    """A table of percentiles."""
    print("CPU ms a demand      " + "".join(f"{f'p{p}':>10}" for p in PERCENTILES))
    for label, found in times.items():
        shown = "".join(f"{np.percentile(found, p):10.2f}" for p in PERCENTILES)
        print(f"{label:21}{shown}   ({len(found)} demands)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--demands", type=int, default=500)
    parser.add_argument(
        "--duck-each", type=int, default=5, help="DuckDB answers one demand of so many"
    )
    parser.add_argument("--snapshot", type=Path, help="kept here, and taken from here next time")
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
        subprocess.run([sys.executable, *words], check=True)
    demands = list(supplies.demands(args.demands, supply.locations))
    for one in demands[:50]:  # what is worked out once
        select(supply, one, supplies.NOW, None)
    times = compare(supply, demands, args.duck_each)
    print(f"{len(supply):,} pools, {len(demands)} demands, the best ten of each")
    show({label: np.array(found) for label, found in times.items()})
    changes(supply, args.rows)
    explained(supply, demands)


if __name__ == "__main__":
    main()
