"""A table made ready for an import: what a spreadsheet has destroyed is found before anything is
written, the rest becomes the plain table that the import reads.

The plain table is CSV in UTF-8, in a file without a name, with each row on the line it has in the
table that was given, so that what is told of a line is told of the right one. A row that is not
taken leaves an empty line. What shows at the end only (widths of serials, merged cells) is found by
a second look at the plain table.
"""

from __future__ import annotations

import csv
import io
import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache, partial
from pathlib import Path
from typing import BinaryIO, Final

from csid.cells import Broken, Cell, Number
from csid.columns import (
    BY_NAME,
    COLUMNS,
    ID_COLUMN,
    SEGMENT_COLUMNS,
    Column,
    column_named,
    folded,
)
from csid.damage import Settled, error_of, settled
from csid.errors import RecordError, StoreError
from csid.identifier import fold
from csid.record_csv import columns_of
from gateway.sheets.registered import Registered
from gateway.sheets.serials import GROUPS_MAX, Doubt, Widths
from gateway.sheets.source import SheetSource, Source, TextSource, spill
from gateway.sheets.written import HEAD_ROWS, HEADS_LEAST, known_heads
from gateway.sheets.xlsx import Line
from registry.bulk.csv_stream import Fault, TableError

REMARK: Final = "备注"  # head of a column that is for people
RETURNED: Final = "退回"  # what heads begin with that a table of wrong rows has (`wrong`)
EXAMPLE: Final = ("示例", "example")  # what the remark on a row begins with that is none
_REMARKS: Final = frozenset(map(folded, (REMARK, "备注 remark", "remark", "remarks")))
_SHOWN: Final = 8  # of columns, rows and sheets that are named
_ROWS_HELD: Final = 1_000
_EMPTY: Final = b","
_NOTHING: Final = Settled("")
_ALWAYS_NEW: Final = frozenset({ID_COLUMN, "serial", "name", "endpoints"})
_CELLS_KEPT: Final = 4_096  # of each other column

Tell = Callable[[list[Fault]], None]


@dataclass
class Options:
    """How a table is taken.

    Attributes:
        ignores_unknown: columns that are not known are left out, not refused.
        registered: opens what is registered, for as long as it is looked at; None takes serials as
            they are written.
    """

    ignores_unknown: bool
    registered: Callable[[], AbstractContextManager[Registered]] | None


@dataclass
class Prepared:
    """A plain table in a file; and what was done to make it one, to be told.

    Attributes:
        mended: cells that were written another way.
        numbers: serials that are numbers and have no format that keeps their zeros.
        examples: rows that were left out as such.
        ignored: heads of columns that were left out.
    """

    file: BinaryIO
    size: int = 0
    mended: int = 0
    numbers: int = 0
    examples: int = 0
    ignored: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def prepared(
    source: Source, options: Options, tell: Tell, folder: Path | None, stack: ExitStack
) -> Prepared:
    """The plain table of a source.

    Args:
        source: of the table.
        options: how it is taken.
        tell: is given the rows that are not taken, with what has become of them.
        folder: for files without a name; None is the system's.
        stack: ends with what was opened.

    Raises:
        TableError: the table as a whole cannot be read, or its heads are wrong.
        StoreError: there is no room for the plain table.
    """
    ready = Prepared(spill(folder, stack))
    _Writing(source, options, tell, ready).run()
    ready.size = ready.file.seek(0, os.SEEK_END)
    ready.file.seek(0)
    ready.notes += _notes(source, ready)
    return ready


class _Writing:
    """Makes the plain table."""

    def __init__(self, source: Source, options: Options, tell: Tell, ready: Prepared) -> None:
        self._source = source
        self._options = options
        self._tell = tell
        self._ready = ready
        self._widths = Widths()
        self._text = io.StringIO()
        self._write = csv.writer(self._text, lineterminator="\n").writerow
        self._through = 1  # lines of the plain table

    def run(self) -> None:
        given = self._source.lines()
        heads, first = heads_of(given)
        self._place(heads)
        self._write(self._names)
        faults: list[Fault] = []
        for number, one in enumerate(given, 1):
            if isinstance(one, Fault):
                faults.append(one)
            elif any(one.cells):
                fault = self._row(one)
                if fault is not None:
                    faults.append(fault)
            if number % _ROWS_HELD == 0:
                self._put_away()
                if faults:
                    self._tell(faults)
                    faults = []
        self._put_away()
        if faults:
            self._tell(faults)
        self._strike(first)

    def _put_away(self) -> None:
        try:
            self._ready.file.write(self._text.getvalue().encode())
            self._ready.file.flush()
        except OSError as error:
            raise StoreError(f"the table cannot be kept: {error.strerror}") from None
        self._text.seek(0)
        self._text.truncate()

    def _place(self, heads: list[str]) -> None:
        """Find out which column each head is of."""
        columns = [column_named(head) for head in heads]
        self._width = len(heads)
        self._remark = -1
        self._unnamed = [n for n, head in enumerate(heads) if not head.strip()]
        for number, head in enumerate(heads):
            plain = folded(head)
            if columns[number] is not None or number in self._unnamed:
                continue
            if plain in _REMARKS:
                self._remark = number
            elif not plain.startswith(RETURNED):
                self._ready.ignored.append(head.strip())
        if self._ready.ignored and not self._options.ignores_unknown:
            raise TableError(_unknown(self._ready.ignored))
        named = [(n, name) for n, name in enumerate(columns) if name is not None]
        try:
            self._names = columns_of([name for _, name in named])
        except RecordError as error:
            raise TableError(f"{error}; the first line names the columns") from None
        self._places = [(n, BY_NAME[name], _settler(BY_NAME[name])) for n, name in named]
        in_order = {name: n for n, name in enumerate(self._names)}
        self._serial = next((n for n, column, _ in self._places if column.name == "serial"), -1)
        self._segments = [in_order[name] for name in SEGMENT_COLUMNS if name in in_order]

    def _row(self, line: Line) -> Fault | None:
        """Write a row, or say why not."""
        number, cells = line
        if isinstance(self._source, TextSource) and len(cells) != self._width:
            return Fault(number, f"row: has {len(cells)} cells, the header has {self._width}")
        if self._is_example(cells):
            self._ready.examples += 1
            return None
        texts: list[str] = []
        broken: list[tuple[str, Broken]] = []
        for n, column, settle in self._places:
            found = settle(cells[n]) if n < len(cells) else _NOTHING
            if isinstance(found, Broken):
                broken.append((column.name, found))
                found = _NOTHING
            texts.append(found.text)
            self._ready.mended += found.is_other
        stray = [*(n for n in self._unnamed if n < len(cells)), *range(self._width, len(cells))]
        for cell in (cells[n] for n in stray if cells[n]):
            broken.append(("", Broken("STRAY", cell if isinstance(cell, str) else cell.text)))
        if self._segments:
            cell = cells[self._serial] if self._serial < len(cells) else ""
            self._ready.numbers += isinstance(cell, Number) and not cell.digits
        if self._segments and self._options.registered is not None:
            # Of a row that is not taken, too: its serial says how wide the others should be.
            *place, serial = (texts[n] for n in self._segments)
            self._note(place, serial)
        if broken:
            return _fault(number, broken)
        if not any(texts):
            return None
        self._text.write("\n" * (number - self._through - 1))
        self._through = number
        self._write(texts)
        return None

    def _is_example(self, cells: Sequence[Cell]) -> bool:
        if not 0 <= self._remark < len(cells):
            return False
        remark = cells[self._remark]
        return isinstance(remark, str) and remark.strip().casefold().startswith(EXAMPLE)

    def _note(self, place: list[str], serial: str) -> None:
        if serial:
            self._widths.add(fold("/".join(place)), fold(serial))
        if len(self._widths) > GROUPS_MAX:
            raise TableError(
                f"the table has serials at more than {GROUPS_MAX:,} places and classes; give it in "
                "parts"
            )

    # -- the second look

    def _strike(self, first: int) -> None:
        """Take out of the plain table what shows at the end only.

        Args:
            first: the row of the heads.
        """
        merged = _joined(
            [
                (one.top, one.bottom)
                for one in self._source.seen.merged
                if one.bottom > first
                and any(one.left <= n + 1 <= one.right for n, *_ in self._places)
            ]
        )
        if self._options.registered is None or not self._widths:
            self._strike_these(merged, {}, None)
            return
        with self._options.registered() as registered:
            self._strike_these(merged, self._widths.doubts(registered.known), registered)

    def _strike_these(
        self,
        merged: list[tuple[int, int]],
        doubts: dict[str, Doubt],
        registered: Registered | None,
    ) -> None:
        if not merged and not doubts:
            return
        file, at = self._ready.file, 0
        starts = [start for start, _ in merged]
        faults: list[Fault] = []
        file.seek(0)
        for number, octets in enumerate(file, 1):
            before = bisect_right(starts, number) - 1
            fault = None
            if number > 1 and octets != b"\n":
                if before >= 0 and number <= merged[before][1]:
                    fault = _fault(number, [("", Broken("MERGED", f"row {number}"))])
                elif registered is not None and doubts:
                    fault = self._doubt(number, octets, doubts, registered)
            if fault is not None:
                faults.append(fault)
                os.pwrite(file.fileno(), _EMPTY * (len(octets) - 1), at)
            at += len(octets)
            if len(faults) >= _ROWS_HELD:
                self._tell(faults)
                faults = []
        if faults:
            self._tell(faults)

    def _doubt(
        self, number: int, octets: bytes, doubts: dict[str, Doubt], registered: Registered
    ) -> Fault | None:
        cells = next(csv.reader([octets.decode()]))
        *place, serial = segments = [fold(cells[n]) for n in self._segments]
        doubt = doubts.get("/".join(place))
        if doubt is None or not serial or not doubt.of(serial) or registered.has(segments):
            return None
        expected = f" (pool: {', '.join(map(str, sorted(doubt.pools)))})" if doubt.pools else ""
        return _fault(number, [("serial", Broken("WIDTH", f"{serial}{expected}"))])


def _settler(column: Column) -> Callable[[Cell], Settled | Broken]:
    """What settles the cells of a column; it remembers some where they repeat."""
    settle = partial(settled, column)
    return settle if column.name in _ALWAYS_NEW else lru_cache(_CELLS_KEPT)(settle)


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


def _fault(number: int, broken: Sequence[tuple[str, Broken]]) -> Fault:
    columns = ", ".join(dict.fromkeys(name for name, _ in broken if name))
    reason = "; ".join(str(error_of(name or "row", cell)) for name, cell in broken)
    return Fault(number, reason, columns, broken[0][1].kind)


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges in order, those that touch as one."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def _notes(source: Source, ready: Prepared) -> Iterator[str]:
    """What whoever gave the table should know of it."""
    if ready.ignored:
        yield f"忽略的列 columns left out: {_some(ready.ignored)}"
    if ready.mended:
        yield (
            f"已规整 {ready.mended:,} 个单元格 cells were written another way (spaces at the ends, "
            "wide characters, dates, names of codes)"
        )
    if ready.numbers:
        yield (
            f"{ready.numbers:,} 个序号是数字而非文本 serials are numbers, not text: zeros before "
            "them would be lost; compare them with their source"
        )
    if ready.examples:
        yield f"跳过示例行 example rows left out: {ready.examples:,}"
    if source.seen.hidden_rows:
        yield (
            f"隐藏的行也已读入 hidden rows were read too: {len(source.seen.hidden_rows):,} "
            f"({_some(map(str, source.seen.hidden_rows))})"
        )
    if source.seen.hidden_columns:
        shown = (f"{a}-{b}" if a != b else str(a) for a, b in source.seen.hidden_columns)
        yield f"隐藏的列也已读入 hidden columns were read too: number {_some(shown)}"
    if isinstance(source, SheetSource) and source.others:
        yield (
            f"只读取工作表 the sheet read is {source.sheet.name!r}; not read: "
            f"{_some(map(repr, source.others))} (--sheet NAME)"
        )


def _some(texts: Iterable[str]) -> str:
    shown = list(texts)
    return ", ".join(shown[:_SHOWN]) + (", ..." if len(shown) > _SHOWN else "")
