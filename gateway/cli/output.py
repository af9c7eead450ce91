"""What every command prints with: tables for people, JSON for scripts, errors on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Column, Table

EXIT_OK = 0
EXIT_BAD_INPUT = 1  # some of the input was wrong; what was right has been done

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print rows under column heads; colours appear on a terminal only."""
    table = Table(
        *(Column(column, overflow="fold") for column in columns),
        title=title or None,
        title_justify="left",
    )
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    out.print(table)


def print_json(value: Any) -> None:
    """Print one JSON value on a line of its own, so that streams of them are JSON Lines."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def complain(message: object) -> None:
    """Print one error line on stderr."""
    err.print(f"csid: {message}", markup=False, style="red")
