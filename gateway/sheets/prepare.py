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
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import BinaryIO, Final

from csid.cells import Broken, Cell, Number
from csid.columns import (
    ID_COLUMN,
    SEGMENT_COLUMNS,
    Column,
)
from csid.damage import Settled, error_of, settled
from csid.errors import StoreError
from csid.identifier import fold
from gateway.sheets.heads import EXAMPLE, heads_of, placed
from gateway.sheets.notes import Counted, notes_of
from gateway.sheets.registered import Registered
from gateway.sheets.serials import GROUPS_MAX, Doubt, Widths
from gateway.sheets.source import Source, TextSource, spill
from gateway.sheets.xlsx import Line
from registry.bulk.csv_stream import Fault, TableError

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
    """A plain table in a file, its octets, and what should be told of it."""

    file: BinaryIO
    size: int
    notes: list[str]


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
    file, counted = spill(folder, stack), Counted()
    _Writing(source, options, tell, file, counted).run()
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return Prepared(file, size, list(notes_of(source, counted)))


class _Writing:
    """Makes the plain table."""

    def __init__(
        self, source: Source, options: Options, tell: Tell, file: BinaryIO, counted: Counted
    ) -> None:
        self._source = source
        self._options = options
        self._tell = tell
        self._file = file
        self._counted = counted
        self._widths = Widths()
        self._text = io.StringIO()
        self._write = csv.writer(self._text, lineterminator="\n").writerow
        self._through = 1  # lines of the plain table
        self._segments: list[int] = []  # of the plain table's cells, which are the identifier's

    def run(self) -> None:
        given = self._source.lines()
        heads, first = heads_of(given)
        self._heads = placed(heads, self._options.ignores_unknown)
        self._counted.ignored = self._heads.ignored
        names = [column.name for _, column in self._heads.places]
        self._settlers = [(n, column, _settler(column)) for n, column in self._heads.places]
        if SEGMENT_COLUMNS[0] in names:
            self._segments = [names.index(name) for name in SEGMENT_COLUMNS]
        self._write(names)
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
            self._file.write(self._text.getvalue().encode())
            self._file.flush()
        except OSError as error:
            raise StoreError(f"the table cannot be kept: {error.strerror}") from None
        self._text.seek(0)
        self._text.truncate()

    def _row(self, line: Line) -> Fault | None:
        """Write a row, or say why not."""
        number, cells = line
        if isinstance(self._source, TextSource) and len(cells) != self._heads.width:
            return Fault(number, f"row: has {len(cells)} cells, the header has {self._heads.width}")
        if self._is_example(cells):
            self._counted.examples += 1
            return None
        texts: list[str] = []
        broken: list[tuple[str, Broken]] = []
        for n, column, settle in self._settlers:
            found = settle(cells[n]) if n < len(cells) else _NOTHING
            if isinstance(found, Broken):
                broken.append((column.name, found))
                found = _NOTHING
            texts.append(found.text)
            self._counted.mended += found.is_other
        stray = [
            *(n for n in self._heads.unnamed if n < len(cells)),
            *range(self._heads.width, len(cells)),
        ]
        for cell in (cells[n] for n in stray if cells[n]):
            broken.append(("", Broken("STRAY", cell if isinstance(cell, str) else cell.text)))
        if self._segments:
            place = self._heads.places[self._segments[-1]][0]
            cell = cells[place] if place < len(cells) else ""
            self._counted.numbers += isinstance(cell, Number) and not cell.digits
        if self._segments and self._options.registered is not None:
            # Of a row that is not taken, too: its serial says how wide the others should be.
            *segments, serial = (texts[n] for n in self._segments)
            self._note(segments, serial)
        if broken:
            return _fault(number, broken)
        if not any(texts):
            return None
        self._text.write("\n" * (number - self._through - 1))
        self._through = number
        self._write(texts)
        return None

    def _is_example(self, cells: Sequence[Cell]) -> bool:
        place = self._heads.remark
        if place is None or place >= len(cells):
            return False
        remark = cells[place]
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
                and any(one.left <= n + 1 <= one.right for n, _ in self._heads.places)
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
        file, at = self._file, 0
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
