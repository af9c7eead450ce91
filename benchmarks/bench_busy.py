"""Answers while an import writes to the same data directory: what the workers' CPU per query makes
of it. The server is on core 0; the import and the load share core 1.

Run from the checkout: `python -m benchmarks.bench_busy [--rows N] [--rounds N] [--keep]`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bench_import import ON, table
from benchmarks.data import build
from benchmarks.measure import LOADER_CORE, Figures, load, median_of
from benchmarks.peers import CSID, FIRST_PORT, Ours
from benchmarks.report import Report, number, ratio
from benchmarks.server import CHECKOUT, PeerError

SETTLE = 2.0  # seconds until the import has begun to commit


class Busy(Ours):
    """Our server over a data directory that may be written to meanwhile."""

    name = "ours-busy"

    @property
    def directory(self) -> Path:
        return self.folder.parent / f"busy-data-{self.data.folder.name}"


@contextmanager
def importing(data: Path, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`csid import` of a table on the loader's core, ended on the way out."""
    words = [*CSID, "import", path, "--data", data, "--on", ON.isoformat()]
    process = subprocess.Popen(
        ["taskset", "-c", str(LOADER_CORE), *map(str, words)],
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(SETTLE)
        yield process
    finally:
        process.terminate()
        process.wait()


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--names", type=int, default=1_000_000, help="held before the import")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the table imported")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--work", type=Path, default=cache / "csid-bench")
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    options = parser.parse_args(words)
    work = options.work.resolve()
    report = Report("busy", {"names": options.names, "rows": options.rows})
    path = table(work, options.rows, "random")
    runs: dict[str, list[Figures]] = {"quiet": [], "during an import": []}
    for number_ in range(options.rounds):
        server = Busy(build(work, options.names), work, FIRST_PORT + 50 + number_)
        shutil.rmtree(server.directory, ignore_errors=True)
        server.prepare()
        with server.started():
            runs["quiet"].append(load(server, "hits", options.seconds))
            with importing(server.directory, path) as process:
                runs["during an import"].append(load(server, "hits", options.seconds))
                if process.poll() is not None:
                    raise PeerError("the import ended before the load did; give it more --rows")
    shutil.rmtree(server.directory, ignore_errors=True)
    report.raw["hits"] = runs
    quiet = median_of(runs["quiet"], "server_cpu_us")
    rows = [
        [name, number(cpu), ratio(cpu, quiet), str(sum(run["lost"] for run in made))]
        for name, made in runs.items()
        for cpu in [median_of(made, "server_cpu_us")]
    ]
    report.add("Hits while an import writes", ["", "CPU µs/query", "× quiet", "lost"], rows)
    if options.keep:
        report.write()


if __name__ == "__main__":
    main()
