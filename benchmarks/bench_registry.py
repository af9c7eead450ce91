"""The registry with many identifiers: import through all rules, search, proof, verification.

Run from the checkout: `python -m benchmarks.bench_registry [--rows N] [--no-sync] [--keep]`.
`csid import` takes a table (that of `bench_import`, in random order too) into a new directory:
rules, rows, tree, journal and audit log, committed part by part and on disk. Then, in this process:
first pages of searches, proofs, and the verification of the whole log with the rows and the tree.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.bench_import import ADMINISTRATOR, measure, owner_codes, table
from benchmarks.report import Report, mebibytes, number, percentile
from registry import audit
from registry.service import Registry
from registry.tables.search import page, read_query
from registry.verify import Report as Verified

PAGE = 50  # identifiers of a first page
SEARCHES = 200  # of each kind
PROOFS = 300


def searches(registry: Registry) -> dict[str, list[float]]:
    """Milliseconds of the first page, by kind of search; each in a transaction of its own."""
    source = random.Random(1)
    owners = owner_codes()
    with registry.view() as seen:
        some = [source.choice(owners) for _ in range(SEARCHES)]
        places = [
            found.identifier.split("/")
            for owner in some
            for found in page(seen, read_query(owner), 1).items
        ]
    kinds: dict[str, Callable[[list[str]], dict[str, str]]] = {
        "owner": lambda parts: {"prefix": parts[0]},
        "owner/industry/location": lambda parts: {"prefix": "/".join(parts[:3])},
        "half an owner code": lambda parts: {"prefix": parts[0][:15]},
        "location": lambda parts: {"location": parts[2]},
        "province": lambda parts: {"location": parts[2][:2]},
        "industry": lambda parts: {"industry": parts[1]},
        "type and location": lambda parts: {"type": parts[3], "location": parts[2][:4]},
        "chip and province": lambda parts: {"chip": "A1", "location": parts[2][:2]},
        "state suspended, none": lambda parts: {"state": "suspended"},
        "name of the owner": lambda parts: {"owner_name": f"owner {parts[0]}"},
    }
    times: dict[str, list[float]] = {}
    for name, facts in kinds.items():
        for parts in places:
            started = time.perf_counter()
            with registry.view() as seen:
                page(seen, read_query(**facts(parts)), PAGE)
            times.setdefault(name, []).append((time.perf_counter() - started) * 1e3)
    return times


def proofs(registry: Registry) -> list[float]:
    """Milliseconds of one proof each, from the identifier to the text."""
    source = random.Random(2)
    registry.checkpoint(audit.SigningKey.generate("registry.example/log"), ADMINISTRATOR)
    with registry.view() as seen:
        names = [
            found.identifier
            for owner in source.choices(owner_codes(), k=PROOFS)
            for found in page(seen, read_query(owner), 1).items
        ]
    times = []
    for name in names:
        started = time.perf_counter()
        registry.prove(registry.history(name)[0].index).text()
        times.append((time.perf_counter() - started) * 1e3)
    return times


Part = tuple[int, float, float]  # how many, seconds, seconds of processor time


def verification(registry: Registry) -> tuple[Verified, dict[str, Part]]:
    """What verification finds, and what its parts take; the last one is all of it."""
    parts: dict[str, Part] = {}
    begun = last = time.perf_counter(), time.process_time()

    def told(what: str, done: int, _total: int) -> None:
        nonlocal last
        now = time.perf_counter(), time.process_time()
        count, wall, cpu = parts.get(what, (0, 0.0, 0.0))
        parts[what] = count + done, wall + now[0] - last[0], cpu + now[1] - last[1]
        last = now

    found = registry.verify(progress=told)
    wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
    parts["all"] = found.size, wall, cpu
    return found, parts


def spread(name: str, milliseconds: Sequence[float]) -> list[str]:
    ordered = sorted(milliseconds)
    return [
        name,
        *(number(value, 3) for value in (median(ordered), percentile(ordered, 99), ordered[-1])),
    ]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--work", type=Path, default=cache / "csid-bench")
    parser.add_argument(
        "--no-sync", action="store_true", help="import without waiting for the disk"
    )
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    options = parser.parse_args(words)
    extra = ("--no-sync",) if options.no_sync else ()
    report = Report("registry", {"rows": options.rows, "sync": not options.no_sync})
    made = []
    for order in ("random", "inventory"):
        path = table(options.work, options.rows, order)
        taken = measure(path, options.work / "registry-data", *extra)
        seconds, cpu, octets, own = taken
        report.raw[f"import, {order}"] = taken._asdict()
        made.append(
            [
                order,
                f"{seconds:.1f}",
                f"{options.rows / seconds:,.0f}",
                f"{cpu / options.rows * 1e6:.1f}",
                mebibytes(octets),
                mebibytes(own),
            ]
        )
    heads = ("order", "seconds", "rows/s", "CPU µs/row", "data MiB", "largest process MiB")
    report.add(f"csid import of {options.rows:,} rows through all rules", heads, made)
    data = options.work / "registry-data"
    with Registry.open(data, writable=True) as registry:
        looked = searches(registry)
        report.raw["searches, ms"] = looked
        shown = [spread(name, times) for name, times in looked.items()]
        times = proofs(registry)
        report.raw["proofs, ms"] = times
        shown.append(spread("inclusion proof", times))
        report.add(
            f"first page of {PAGE}, and proofs, milliseconds",
            ("what", "median", "99 %", "most"),
            shown,
        )
        found, parts = verification(registry)
        report.raw["verification"] = {"parts": parts, "faults": len(found.faults)}
        report.add(
            f"verification of everything; faults: {len(found.faults)}",
            ("part", "number", "seconds", "a second", "CPU seconds"),
            [
                [name, f"{count:,}", f"{wall:.1f}", f"{count / wall:,.0f}", f"{cpu:.1f}"]
                for name, (count, wall, cpu) in parts.items()
            ],
        )
    shutil.rmtree(data)
    if options.keep:
        report.write()


if __name__ == "__main__":
    main()
