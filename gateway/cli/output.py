"""What every command prints with: tables and facts for people, JSON for scripts, errors."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import IO, Any, Final, TypeVar

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from csid.explain import Row
from csid.fields import BY_KEY, PRECISIONS, show_number
from csid.record import Record
from csid.vocabulary import FIELDS, STATES
from gateway.cli.escape import one_line
from registry.rules.case import CHINA

T = TypeVar("T")

EXIT_OK: Final = 0
EXIT_BAD_INPUT: Final = 1  # some of the input was wrong; what was right has been done

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def complain(message: object) -> None:
    """Print one error line on stderr."""
    err.print(f"csid: {one_line(str(message))}", markup=False, style="red")


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


# -- tables


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


def print_meanings(rows: Iterable[Row], title: str = "") -> None:
    """Print what each part of an identifier means; parts of a segment are indented."""
    print_table(
        ("代码 Code", "含义", "Meaning"),
        ((f"  {one.code}" if one.part else one.code, one.zh, one.en) for one in rows),
        title,
    )


def print_list(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under column heads. A code, in the first column, is never folded, so that it can
    be copied; off a terminal nothing is, and each row is a line.
    """
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not out.is_terminal:
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
    out.print(table)


def _print_lines(rows: list[list[str]]) -> None:
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (text + " " * (n - cell_len(text)) for text, n in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def take(found: Iterator[T], limit: int) -> tuple[list[T], bool]:
    """At most ``limit`` of them, 0 for all, and whether there are more."""
    if not limit:
        return list(found), False
    page = list(islice(found, limit + 1))
    return page[:limit], len(page) > limit


def note_more(last: str) -> None:
    """Say that there is another page, and how to get it."""
    err.print(f"还有更多 there are more: --after {last}, or --limit 0 for all", markup=False)


# -- facts


def facts_of(record: Record) -> Iterator[tuple[str, str]]:
    """(label, value) of every fact declared, in the order of FIELDS; unknown keys come last."""
    shown = {
        field.name: field.form.show(record.values[key])
        for key, field in BY_KEY.items()
        if key in record.values and key != "fl"
    }
    for letter, number in record.gflops.items():
        shown[PRECISIONS[letter]] = show_number(number)
    shown["state"] = state_text(record.state)
    if record.price is not None:  # the three come together
        del shown["currency"], shown["price_unit"]
        shown["price"] = f"{record.price} {record.currency} / {record.price_unit}"
    for name, label in FIELDS.items():
        if name == "endpoints":
            for endpoint in record.endpoints:
                yield str(label), "  ".join((endpoint.uri, *endpoint.addresses))
        elif name in shown:
            yield str(label), shown[name]
    for key, value in record.extra.items():
        yield key, str(value)


def print_facts(rows: Sequence[tuple[str, str]]) -> None:
    """Print labels and values in two columns; no value is folded, so that it can be copied."""
    width = max(cell_len(label) for label, _ in rows)
    for label, value in rows:
        padding = " " * (width - cell_len(label) + 2)
        out.print(Text.assemble((label, "cyan"), padding, value))


def state_text(state: str) -> str:
    """A state in both languages."""
    return f"{STATES[state]} {state}"


def moment(seconds: int) -> str:
    """A time in China as ISO 8601 has it."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(CHINA).isoformat(sep=" ")
