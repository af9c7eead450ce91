"""Figures to tables: medians, ratios, a table for the terminal, JSON and Markdown to keep."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
PIPED_WIDTH = 120  # columns
Rows = list[list[str]]


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that `share` percent of the sorted values do not exceed (nearest rank)."""
    if not ordered:
        raise ValueError("no values: a percentile needs at least one")
    rank = -(-len(ordered) * share // 100)
    return ordered[max(0, min(len(ordered), int(rank)) - 1)]


def middle(values: Sequence[float]) -> float | None:
    """The median, or nothing of nothing."""
    return median(values) if values else None


def ratio(value: float | None, base: float | None) -> str:
    """`value` over `base` to two places; a dash where either was not measured."""
    return "–" if value is None or not base else f"{value / base:.2f}"


def number(value: float | None, places: int = 2) -> str:
    return "–" if value is None else f"{value:,.{places}f}"


def mebibytes(size: int) -> str:
    """Bytes in MiB to one place."""
    return f"{size / 2**20:,.1f}"


def ratio_rows(figures: Mapping[str, float | None], bases: Sequence[str], places: int = 2) -> Rows:
    """One row a server: its figure, then its ratio to each base."""
    return [
        [server, number(value, places), *(ratio(value, figures.get(base)) for base in bases)]
        for server, value in figures.items()
    ]


def markdown(title: str, heads: Sequence[str], rows: Rows) -> str:
    lines = [f"### {title}", "", "| " + " | ".join(heads) + " |"]
    lines.append("|" + "|".join([" --- ", *[" ---: "] * (len(heads) - 1)]) + "|")
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


class Report:
    """The tables of one run; each is printed at once, all are written at the end."""

    def __init__(self, what: str, settings: Mapping[str, object]) -> None:
        self.what = what
        self.settings = dict(settings)
        # Piped output has no width of its own; 80 columns would fold the figures.
        self.console = Console() if Console().is_terminal else Console(width=PIPED_WIDTH)
        self.tables: list[str] = []
        self.raw: dict[str, object] = {}

    def add(self, title: str, heads: Sequence[str], rows: Rows) -> None:
        table = Table(title=title, title_justify="left")
        table.add_column(heads[0])
        for head in heads[1:]:
            table.add_column(head, justify="right")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)
        self.tables.append(markdown(title, heads, rows))

    def write(self, folder: Path = RESULTS) -> Path:
        """Keep the run as `<date>-<commit>-<what>.json` and `.md`; returns the latter."""
        folder.mkdir(parents=True, exist_ok=True)
        commit, today = git_commit(), datetime.now(UTC).date()
        facts = {"what": self.what, "date": f"{today}", "commit": commit, **machine()}
        facts["settings"] = self.settings
        base = folder / f"{today}-{commit}-{self.what}"
        kept = json.dumps({**facts, "figures": self.raw}, indent=1, ensure_ascii=False)
        base.with_suffix(".json").write_text(kept + "\n", encoding="utf-8")
        head = f"## {self.what}, {facts['date']}, commit {commit}\n\n"
        head += f"{facts['cpu']}, {facts['cores']} cores, {facts['system']}; "
        head += ", ".join(f"{name} {value}" for name, value in self.settings.items()) + "\n"
        page = base.with_suffix(".md")
        page.write_text("\n".join([head, *self.tables]), encoding="utf-8")
        self.console.print(f"kept as {page}")
        return page


def git_commit() -> str:
    """The short commit of the checkout, `-changed` where files differ from it."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=here, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    commit = git("rev-parse", "--short", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no")
    return (commit or "uncommitted") + ("-changed" if commit and changed else "")


def machine() -> dict[str, object]:
    cpu = platform.machine()
    cores = 0
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            cpu = value.strip()
        cores += name.strip() == "processor"
    return {
        "cpu": cpu,
        "cores": cores,
        "system": f"Linux {platform.release()}",
        "python": platform.python_version(),
    }
