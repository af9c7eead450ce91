"""What every command prints with: tables for people, JSON for scripts, errors on stderr."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Sequence
from typing import IO, Any

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
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    is_ascii = not encoding.lower().startswith("utf")  # others read it as UTF-8 (RFC 8259)
    sys.stdout.write(json.dumps(value, ensure_ascii=is_ascii, default=str) + "\n")


def for_data() -> IO[str]:
    """Stdout for what is a file format: UTF-8, whatever the terminal has."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="strict", newline="")
    return sys.stdout


def complain(message: object) -> None:
    """Print one error line on stderr; what would break the line or move the cursor is escaped."""
    line = "".join(
        char if char.isprintable() or char == "\u3000" else ascii(char)[1:-1]
        for char in str(message)
    )
    err.print(f"csid: {line}", markup=False, style="red")
