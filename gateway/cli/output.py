"""What every command prints with: tables and facts for people, JSON for scripts, errors."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from csid.explain import Row
from gateway.cli import errors
from gateway.cli.escape import one_line
from gateway.cli.plain import facts_of as facts_of
from gateway.cli.plain import print_facts as print_facts
from gateway.cli.plain import print_json as print_json
from gateway.cli.plain import state_text as state_text
from gateway.language import BOTH, shown, spoken

if TYPE_CHECKING:
    from registry.rules.decision import Decision

T = TypeVar("T")

EXIT_OK: Final = 0
EXIT_BAD_INPUT: Final = 1  # some of the input was wrong; what was right has been done


class Spoken(Console):
    """A console whose texts are put into the language of who reads them."""

    def print(self, *texts: Any, **how: Any) -> None:
        """Print what is given; of that, texts as `shown` has them."""
        super().print(*(shown(one) if isinstance(one, str) else one for one in texts), **how)


class Beside(Spoken):
    """The console of what is said beside a result; with --json it is JSON as well."""

    def print(self, *texts: Any, **how: Any) -> None:
        """Print what is given."""
        if errors.are_json() and texts and isinstance(texts[0], str):
            errors.print_note(texts[0])
        else:
            super().print(*texts, **how)


out = Spoken(highlight=False, soft_wrap=True)
err = Beside(stderr=True, highlight=False, soft_wrap=True)


def complain(message: object, decision: Decision | None = None) -> None:
    """Print one error on stderr: a line or, with --json, an object, which tells the refusal that it
    is by ``decision``.
    """
    if errors.are_json():
        errors.print_error(message, decision)
        return
    err.print(f"csid: {one_line(shown(str(message)))}", markup=False, style="red")


def for_data() -> IO[str]:
    """Stdout for what is a file format: UTF-8, whatever the terminal has."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="strict", newline="")
    return sys.stdout


# -- tables


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print rows under column heads; colours appear on a terminal only."""
    table = Table(
        *(Column(shown(column), overflow="fold") for column in columns),
        title=shown(title) or None,
        title_justify="left",
    )
    for row in rows:
        table.add_row(*("" if cell is None else shown(str(cell)) for cell in row))
    out.print(table)


def print_meanings(rows: Iterable[Row], title: str = "") -> None:
    """Print what each part of an identifier means; parts of a segment are indented."""
    heads = {"zh": "含义", "en": "Meaning"}
    languages = [one for one in heads if spoken() in (one, BOTH)]
    print_table(
        ("代码 Code", *(heads[one] for one in languages)),
        (
            (f"  {row.code}" if row.part else row.code, *(getattr(row, one) for one in languages))
            for row in rows
        ),
        title,
    )


def print_list(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under column heads. A code, in the first column, is never folded, so that it can
    be copied; off a terminal nothing is, and each row is a line.
    """
    columns = [shown(column) for column in columns]
    texts = [["" if cell is None else shown(str(cell)) for cell in row] for row in rows]
    if not out.is_terminal:
        _print_lines([columns, *texts])
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


def moment(seconds: int) -> str:
    """A time in China as ISO 8601 has it."""
    from registry.rules.case import CHINA  # and all that is decided

    return datetime.fromtimestamp(seconds, UTC).astimezone(CHINA).isoformat(sep=" ")
