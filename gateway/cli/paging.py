"""What commands that list things share: pages with a cursor, and times as people read them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Column, Table
from rich.text import Text

from gateway.cli import options, output

T = TypeVar("T")


def add_page(parser: argparse.ArgumentParser, limit: int, cursor: str) -> None:
    """Add --limit, --after and --json."""
    parser.add_argument(
        "--limit",
        type=options.count,
        default=limit,
        metavar="N",
        help=f"at most so many 最多 ({limit}; 0: all)",
    )
    parser.add_argument(
        "--after",
        default="",
        metavar=cursor,
        help="go on behind this one, the last of the page before 续查",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one value a line")


def take(found: Iterator[T], limit: int) -> tuple[list[T], bool]:
    """At most ``limit`` of them, 0 for all, and whether there are more."""
    if not limit:
        return list(found), False
    page = list(islice(found, limit + 1))
    return page[:limit], len(page) > limit


def note_more(last: str) -> None:
    """Say that there is another page, and how to get it."""
    output.err.print(f"还有更多 there are more: --after {last}, or --limit 0 for all", markup=False)


def print_list(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under column heads. A code, in the first column, is never folded, so that it can
    be copied; off a terminal nothing is, and each row is a line.
    """
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not output.out.is_terminal:
        _print_lines([list(columns), *texts])
        return
    first, *others = columns
    table = Table(
        Column(first, no_wrap=True),
        *(Column(one, overflow="fold") for one in others),
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for row in texts:
        table.add_row(*map(Text, row))
    output.out.print(table)


def _print_lines(rows: list[list[str]]) -> None:
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (text + " " * (n - cell_len(text)) for text, n in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def moment(seconds: int) -> str:
    """A time in China as ISO 8601 has it."""
    from registry.rules.case import CHINA

    return datetime.fromtimestamp(seconds, UTC).astimezone(CHINA).isoformat(sep=" ")
