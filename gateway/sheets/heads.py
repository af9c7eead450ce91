"""The heads of a table: where they stand, and which column each is of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from csid.columns import BY_NAME, COLUMNS, Column, column_named, folded
from csid.errors import RecordError
from csid.record_csv import columns_of
from gateway.sheets.written import HEAD_ROWS, HEADS_LEAST, known_heads
from gateway.sheets.xlsx import Line
from registry.bulk.csv_stream import Fault, TableError

REMARK: Final = "备注"  # head of a column that is for people
RETURNED: Final = "退回"  # what heads begin with that a table of wrong rows has (`wrong`)
EXAMPLE: Final = ("示例", "example")  # what the remark on a row begins with that is none
_REMARKS: Final = frozenset(map(folded, (REMARK, "备注 remark", "remark", "remarks")))
_SHOWN: Final = 8  # of columns, rows and sheets that are named


@dataclass(frozen=True)
class Heads:
    """What the heads of a table say.

    Attributes:
        width: cells of a row.
        places: the columns that are read, and where each stands (from 0), in that order.
        remark: where the remarks stand, None if there are none.
        unnamed: places without a head.
        ignored: heads of columns that are left out since they are not known.
    """

    width: int
    places: list[tuple[int, Column]]
    remark: int | None
    unnamed: list[int]
    ignored: list[str]


def heads_of(given: Iterator[Line | Fault]) -> tuple[list[str], int]:
    """The heads, and the row that they stand in: the first of those at the top in which some are
    known, or else the first of all.
    """
    tops: list[Line] = []
    for one in given:
        if isinstance(one, Fault) or one.number > HEAD_ROWS:
            break
        tops.append(one)
        heads = _texts(one)
        if known_heads(list(map(column_named, heads))) >= HEADS_LEAST:
            return heads, one.number
    if not tops:
        raise TableError("the table is empty; its first line names the columns")
    return _texts(tops[0]), tops[0].number


def _texts(line: Line) -> list[str]:
    return [cell if isinstance(cell, str) else cell.text for cell in line.cells]


def placed(heads: Sequence[str], ignores_unknown: bool) -> Heads:
    """What heads say.

    Raises:
        TableError: a column is unknown (unless those are ignored), missing or there twice.
    """
    places: list[tuple[int, Column]] = []
    unnamed: list[int] = []
    ignored: list[str] = []
    remark = None
    for n, head in enumerate(heads):
        name = column_named(head)
        plain = folded(head)
        if name is not None:
            places.append((n, BY_NAME[name]))
        elif not head.strip():
            unnamed.append(n)
        elif plain in _REMARKS:
            remark = n
        elif not plain.startswith(RETURNED):
            ignored.append(head.strip())
    if ignored and not ignores_unknown:
        raise TableError(_unknown(ignored))
    try:
        columns_of([column.name for _, column in places])
    except RecordError as error:
        raise TableError(f"{error}; the first line names the columns") from None
    return Heads(len(heads), places, remark, unnamed, ignored)


def _unknown(heads: Sequence[str]) -> str:
    """What is said of columns that are not known."""
    shown = []
    for head in heads[:_SHOWN]:
        near = get_close_matches(
            head.casefold(), [*COLUMNS, *(one.head for one in BY_NAME.values())], 1
        )
        shown.append(f"{head[:40]!r}" + (f" (did you mean {near[0]}?)" if near else ""))
    more = f" and {len(heads) - _SHOWN} more" if len(heads) > _SHOWN else ""
    known = ", ".join(map(str, BY_NAME.values()))
    return (
        f"header: unknown column {', '.join(shown)}{more}; give --ignore-unknown to leave it out; "
        f"known are {known}"
    )
