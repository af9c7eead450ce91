"""Import of a table of identifiers: time with all of it checked and committed, and disk use.

Run from the checkout: `python -m benchmarks.bench_import [--rows N] [--work DIR] [--keep]`. The
table is written once and kept in the work folder. It is imported by `csid import`, as a user would,
into a new data directory: in the order of an inventory (owner by owner) and in random order.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import family, memory
from benchmarks.report import Report, mebibytes
from benchmarks.server import CHECKOUT
from csid import codes
from csid.check import gb32100_check
from csid.identifier import make
from registry.rules.participants import Judgement
from registry.rules.requests import Actor, AddOwner, JudgeOwner, Request, Role
from registry.service import Registry
from registry.tables.enums import Kind

ADMINISTRATOR = Actor("benchmark", Role.ADMINISTRATOR)
SEED = 20250101
SAMPLE_SECONDS = 0.1  # between two looks at the memory of an import
OWNERS = 1_000
FORMAT = "v1"  # the kept tables are named after this: a change of what is written must change it
ON = date(2026, 1, 1)  # of registration
FACTS = ["chip", "count", "chip_memory_gib", "vcpu", "memory_gib", "fp16_gflops"]
COLUMNS = ["identifier", "name", "state", "endpoints", *FACTS]
SHAPES = (  # class, type, then FACTS
    ("G03M02X6", "GCV", "x86-64", "", "", "2", "4", ""),
    ("G12M05R8", "GCV", "ARM64", "", "", "16", "32", ""),
    ("G20M09X6", "GCB", "x86-64", "", "", "96", "384", ""),
    ("H48M04N4", "ACV", "NVIDIA T4", "1", "16", "4", "16", "65000"),
    ("H69M10N4", "ACB", "NVIDIA H100", "8", "80", "192", "2048", "7912000"),
    ("H63M09A1", "ACP", "昇腾 910B", "8", "64", "192", "1536", "2560000"),
)


def owner_codes() -> list[str]:
    """Codes of owners without a social credit code."""
    bodies = (f"X{number:016d}" for number in range(OWNERS))
    return [body + gb32100_check(body) for body in bodies]


def accredit(registry: Registry) -> None:
    """Register and accredit the owners."""
    for code in owner_codes():
        added = AddOwner(code, (Kind.RESOURCE_PROVIDER,), f"owner {code}", "noc@example.cn")
        bodies = (added, JudgeOwner(code, Judgement.ACCREDIT))
        registry.submit_all([Request(ADMINISTRATOR, body) for body in bodies])


def rows(count: int) -> Iterator[list[str]]:
    """Rows of an inventory: owner by owner, site by site; valid in everything."""
    source = random.Random(SEED)
    divisions = codes.divisions()
    locations = [code for code in divisions if divisions.at(code, ON.year)]
    industries = ["6450", "6420", "6510", "6520", "6550", "0000"]
    per_owner = -(-count // OWNERS)
    made = 0
    for number, owner in enumerate(owner_codes()):
        sites = [(source.choice(industries), source.choice(locations)) for _ in range(8)]
        for serial in range(min(per_owner, count - made)):
            industry, location = sites[serial * len(sites) // per_owner]
            shape, kind, *facts = SHAPES[source.randrange(len(SHAPES))]
            identifier = make(owner, industry, location, kind, shape, f"{serial:06d}")
            made += 1
            yield [
                str(identifier),
                f"pool-{serial} {location}",
                "active",
                f"https://r{serial:06d}.{location}.o{number}.cloud.example:8443",
                *facts,
            ]


def table(work: Path, count: int, order: str) -> Path:
    """Write the table of this size and order, or find it there from a former run."""
    path = work / f"import-{count}-{order}-{FORMAT}.csv"
    if path.exists():
        return path
    work.mkdir(parents=True, exist_ok=True)
    content = rows(count)
    if order == "random":
        held = list(content)
        random.Random(SEED).shuffle(held)
        content = iter(held)
    unfinished = path.with_suffix(".part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(content)
    unfinished.rename(path)
    return path


def csid(*words: str | Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "gateway.cli", *map(str, words)],
        cwd=CHECKOUT,
        check=True,
        stdout=subprocess.DEVNULL,
    )


class Taken(NamedTuple):
    """What an import took."""

    seconds: float
    cpu_seconds: float
    octets: int  # of the data file
    own_octets: int  # memory of its own of the largest process, at the worst moment seen


def measure(path: Path, data: Path, *options: str) -> Taken:
    """Import a table into a new directory whose owners are accredited."""
    shutil.rmtree(data, ignore_errors=True)
    csid("init", "--data", data)
    with Registry.open(data, writable=True, sync=False) as registry:
        accredit(registry)
    before = os.times()
    started = time.perf_counter()
    words = ["import", str(path), "--data", str(data), "--on", ON.isoformat(), *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *words], cwd=CHECKOUT, stdout=subprocess.DEVNULL
    )
    own = 0
    while process.poll() is None:
        for member in family(process.pid):
            with contextlib.suppress(OSError):  # ended meanwhile
                own = max(own, memory(member).own)
        time.sleep(SAMPLE_SECONDS)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return Taken(seconds, cpu, (data / "data.mdb").stat().st_blocks * 512, own)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--work", type=Path, default=cache / "csid-bench")
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    options = parser.parse_args(words)
    report = Report("import", {"rows": options.rows})
    made = []
    for order in ("inventory", "random"):
        path = table(options.work, options.rows, order)
        taken = measure(path, options.work / "import-data")
        seconds, cpu, octets, own = taken
        report.raw[order] = taken._asdict()
        made.append(
            [
                order,
                f"{options.rows:,}",
                mebibytes(path.stat().st_size),
                f"{seconds:.1f}",
                f"{options.rows / seconds:,.0f}",
                f"{cpu / options.rows * 1e6:.1f}",
                mebibytes(octets),
                f"{octets / options.rows:,.0f}",
                mebibytes(own),
            ]
        )
    shutil.rmtree(options.work / "import-data", ignore_errors=True)
    heads = (
        "order",
        "rows",
        "table MiB",
        "seconds",
        "rows/s",
        "CPU µs/row",
        "data MiB",
        "octets/row",
        "largest process MiB",
    )
    report.add("csid import, validated and committed", heads, made)
    if options.keep:
        report.write()


if __name__ == "__main__":
    main()
