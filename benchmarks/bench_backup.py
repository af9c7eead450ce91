"""A backup of a large node beside a steady stream of writes: how long it takes, and who waits.

Run from the checkout: `python -m benchmarks.bench_backup [--rows N] [--rate N] [--work DIR]
[--keep]`. The node is imported once and kept in the work folder. One client asks its writer for
assignments at a fixed rate; each wait counts from the moment at which it was to be asked, so that
what is late to be asked counts as well. A stretch without a backup comes first; then a full one,
a difference, and a full one that is encrypted to a recipient.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyrage

from benchmarks.bench_assign import node, requests
from benchmarks.bench_import import ON, accredit, csid, table
from benchmarks.report import Report, mebibytes, number
from benchmarks.server import CHECKOUT
from registry.rules.serials import text
from registry.service import Registry
from registry.writer.client import Pending, connected

QUIET_SECONDS = 10.0  # without a backup, before
SETTLE_SECONDS = 2.0  # of writing, that do not count
CALM_SECONDS = 3.0  # between two backups
IN_FLIGHT = 512  # asked at most before the first is answered; what is due later waits longer


class Span(NamedTuple):
    """A stretch of time, and the figures of the backup in it."""

    name: str
    begun: float
    ended: float
    told: dict[str, Any]


def data_of(work: Path, rows: int) -> Path:
    """A node of so many identifiers, kept from a former run."""
    data = work / f"backup-data-{rows}"
    if not (data / "whole").exists():
        shutil.rmtree(data, ignore_errors=True)
        csid("init", "--data", data)
        with Registry.open(data, writable=True, sync=False) as registry:
            accredit(registry)
        path = table(work, rows, "inventory")
        csid("import", path, "--data", data, "--on", ON.isoformat())
        (data / "whole").touch()
    return data


def write(data: Path, rate: float) -> None:
    """Assignments at a rate until stdin is closed; then prints when each was due, and its wait."""
    writer = connected(data)
    assert writer is not None, "no node runs"
    following = requests("B" + text(int(time.time()) % 36**3, 3))  # unlike those of former runs
    asked: deque[tuple[float, Pending]] = deque()
    waits: list[tuple[float, float]] = []
    os.set_blocking(sys.stdin.fileno(), False)
    begun, sent = time.monotonic(), 0
    print("ready", flush=True)
    goes_on = True
    while goes_on or asked:
        goes_on = goes_on and sys.stdin.buffer.read(1) != b""
        while (
            goes_on and len(asked) < IN_FLIGHT and (due := begun + sent / rate) <= time.monotonic()
        ):
            asked.append((due, writer.ask([following()])))
            sent += 1
        if not asked:
            time.sleep(max(begun + sent / rate - time.monotonic(), 0))
            continue
        due, pending = asked.popleft()
        assert writer.decisions(pending)[0].status.success
        waits.append((due, time.monotonic() - due))
    writer.close()
    print(json.dumps(waits), flush=True)


def back_up(name: str, data: Path, *words: str | Path) -> Span:
    """One backup."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "gateway.cli", "backup", *words, "--data", data, "--json"]
    ended = subprocess.run(
        [str(word) for word in command], cwd=CHECKOUT, check=True, capture_output=True, text=True
    )
    return Span(name, begun, time.monotonic(), json.loads(ended.stdout))


def measured(data: Path, work: Path, rate: float) -> tuple[list[Span], list[tuple[float, float]]]:
    """The backups, and what each assignment waited."""
    shelf = work / "backup-shelf"
    shutil.rmtree(shelf, ignore_errors=True)
    key = str(pyrage.x25519.Identity.generate().to_public())
    words = [sys.executable, "-m", "benchmarks.bench_backup", "--writes", str(data)]
    with node(data):
        client = subprocess.Popen(
            [*words, "--rate", str(rate)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert client.stdout is not None
        client.stdout.readline()
        time.sleep(SETTLE_SECONDS)
        begun = time.monotonic()
        time.sleep(QUIET_SECONDS)
        spans = [Span("no backup", begun, time.monotonic(), {})]
        for name, options in (
            ("full", [shelf, "--full"]),
            ("difference", [shelf]),
            ("full, encrypted", [shelf, "--full", "--recipient", key]),
        ):
            spans.append(back_up(name, data, *options))
            time.sleep(CALM_SECONDS)
        said, _ = client.communicate()
    shutil.rmtree(shelf)
    return spans, json.loads(said)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=2_000, help="assignments a second")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--work", type=Path, default=cache / "csid-bench")
    parser.add_argument("--keep", action="store_true", help="keep the figures in results/")
    parser.add_argument("--writes", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.writes:
        write(options.writes, options.rate)
        return
    work = options.work.resolve()
    report = Report("backup", {"rows": options.rows, "rate": options.rate})
    data = data_of(work, options.rows)
    before = (data / "data.mdb").stat().st_blocks * 512
    spans, waits = measured(data, work, options.rate)
    report.raw = {"spans": [span._asdict() for span in spans]}
    rows = []
    for span in spans:
        mine = sorted(wait * 1e3 for due, wait in waits if span.begun <= due < span.ended)
        seconds = span.ended - span.begun
        rows.append(
            [
                span.name,
                number(seconds, 1),
                mebibytes(span.told["octets"]) if span.told else "",
                number(len(mine) / seconds, 0),
                number(mine[len(mine) // 2], 1),
                number(mine[len(mine) * 999 // 1000], 1),
                number(mine[-1], 1),
            ]
        )
    heads = (
        "",
        "seconds",
        "MiB",
        "assignments/s",
        "wait ms, median",
        "999 of 1,000",
        "longest",
    )
    report.add("csid backup beside assignments", heads, rows)
    after = (data / "data.mdb").stat().st_blocks * 512
    report.add("the data file", ("MiB before", "after"), [[mebibytes(before), mebibytes(after)]])
    if options.keep:
        report.write()


if __name__ == "__main__":
    main()
