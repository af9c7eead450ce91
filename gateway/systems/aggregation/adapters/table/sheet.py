"""Tables as people keep them, .xlsx or text: a row is a unit, or some that are alike.

The columns are those of a table of records (schemas/record.md), and some of what is free. What a
spreadsheet has destroyed is left out row by row, as an import does.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Final

from csid.cells import Broken
from csid.columns import BY_NAME, Column, Form, column_named, folded
from csid.damage import error_of, settled
from csid.errors import StoreError
from gateway.sheets.package import ZIP, Limits
from gateway.sheets.source import SheetSource, Source, TextSource
from gateway.sheets.written import HEAD_ROWS
from gateway.sheets.xlsx import Line
from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.table.gathering import UNITS_MAX, Gathering, Told
from gateway.systems.aggregation.adapters.table.rows import units_of
from gateway.systems.aggregation.readings import ReadingError
from registry.bulk.csv_stream import Fault, TableError

ROWS_MAX: Final = UNITS_MAX
CELLS_MAX: Final = 20 * ROWS_MAX
LINES_MAX: Final = 2_000_000  # of a text, with those that are empty
# Of an .xlsx, of which a small one can hold very much. Whoever imports one waits for it; a source
# is read again and again, and nobody looks. So much costs 5 s of a processor at the worst; a table
# of 10,000 rows and 40 columns has less of everything.
LIMITS: Final = Limits(
    octets=48 << 20,
    ratio=0,
    elements=2_000_000,
    cells=500_000,
    characters=16_000_000,
    formats=4_096,
)


def _own(name: str, head: str, form: Form = Form.NUMBER) -> Column:
    return Column(name, head, form, "", "")


_OWN: Final = {
    column.name: column
    for column in (
        _own("key", "资源编号", Form.TEXT),
        _own("group", "分组", Form.TEXT),
        _own("health", "健康状况", Form.TEXT),
        _own("why", "不可用原因", Form.TEXT),
        _own("disk_gib", "磁盘"),
        _own("nodes", "节点数"),
        _own("free_nodes", "空闲节点数"),
        _own("free_chips", "空闲卡数"),
        _own("free_vcpu", "空闲核数"),
        _own("free_memory_gib", "空闲内存"),
        _own("free_disk_gib", "空闲磁盘"),
    )
}
_OTHERS: Final = {
    "可用卡数": "free_chips",
    "可用核数": "free_vcpu",
    "可用内存": "free_memory_gib",
    "可用磁盘": "free_disk_gib",
    "可用节点数": "free_nodes",
    "设备编号": "key",
    "分区": "group",
}
_HEADS: Final = {
    **{folded(column.name): name for name, column in _OWN.items()},
    **{folded(column.head): name for name, column in _OWN.items()},
    **{folded(column.head + column.name): name for name, column in _OWN.items()},
    **{folded(head): name for head, name in _OTHERS.items()},
}


def read_sheet(body: bytes, sheet: str | None, all_free: bool) -> Told:
    """The units of a table.

    Args:
        sheet: of an .xlsx; None is the first that people see.
        all_free: where no column tells what is free, all is.

    Raises:
        ReadingError: the table as a whole cannot be read.
    """
    with ExitStack() as stack:
        try:
            source = _source(body, sheet, stack)
            return _Reading(all_free, isinstance(source, TextSource)).of(source.lines())
        except (TableError, StoreError, UnicodeError) as error:
            raise ReadingError(f"table: {text(str(error))}") from None


def _source(body: bytes, sheet: str | None, stack: ExitStack) -> Source:
    file = io.BytesIO(body)
    if body.startswith(ZIP):
        return SheetSource(file, len(body), None, sheet, stack, LIMITS)
    if max(body.count(b"\n"), body.count(b"\r")) > LINES_MAX:
        raise TableError(f"more than {LINES_MAX:,} lines; give it in parts")
    return TextSource(file, len(body), None)


class _Reading:
    """The reading of a table."""

    def __init__(self, all_free: bool, is_text: bool) -> None:
        self._all_free = all_free
        self._is_text = is_text
        self._width = 0  # of the heads
        self._gathering = Gathering()

    def of(self, lines: Iterator[Line | Fault]) -> Told:
        places, ignored = self._heads(lines)
        cells = 0
        for number, line in enumerate(lines, 1):
            cells += len(line.cells) if isinstance(line, Line) else 0
            if number > ROWS_MAX or cells > CELLS_MAX:
                most = f"{ROWS_MAX:,} rows, or {CELLS_MAX:,} cells"
                raise ReadingError(f"table: more than {most}; give it in parts")
            if isinstance(line, Fault):
                self._fault(line.line, line.reason)
            elif any(line.cells):
                self._row(line, places)
        told = self._gathering.told()
        if ignored:
            told.notes.append(text("columns not known: " + ", ".join(ignored)))
        return told

    def _heads(self, lines: Iterator[Line | Fault]) -> tuple[list[tuple[int, Column]], list[str]]:
        """The columns that are known, and the heads of others, of the first row with two known."""
        for line in lines:
            if isinstance(line, Fault) or line.number > HEAD_ROWS:
                break
            heads = [cell if isinstance(cell, str) else cell.text for cell in line.cells]
            found = [(place, _column(head)) for place, head in enumerate(heads)]
            places = [(place, column) for place, column in found if column is not None]
            names = [column.name for _, column in places]
            if len(set(names)) < 2:
                continue
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise ReadingError(f"table: two columns are {twice}")
            if not {"key", "identifier", "name"} & set(names):
                raise ReadingError(
                    "table: no column says what a row is of; expected 资源编号 key, "
                    "标识 identifier or 名称 name"
                )
            ignored = [
                x for x, (_, column) in zip(heads, found, strict=True) if not column and x.strip()
            ]
            self._width = len(heads)
            return places, ignored
        raise ReadingError(
            "table: no row of heads was found; expected names of columns, such as 名称 name and "
            f"芯片数量 count, in one of the first {HEAD_ROWS} rows"
        )

    def _row(self, line: Line, places: Sequence[tuple[int, Column]]) -> None:
        if self._is_text and len(line.cells) != self._width:
            return self._fault(
                line.number, f"it has {len(line.cells)} cells, the heads are {self._width}"
            )
        said = {}
        for place, column in places:
            cell = settled(column, line.cells[place]) if place < len(line.cells) else None
            if isinstance(cell, Broken):
                return self._fault(line.number, str(error_of(column.name, cell)))
            if cell is not None and cell.text:
                said[column.name] = cell.text
        try:
            for unit in units_of(said, self._all_free):
                self._gathering.add(unit)
        except (ValueError, ReadingError) as error:
            self._fault(line.number, str(error))
        return None

    def _fault(self, number: int, reason: str) -> None:
        self._gathering.fault(f"row {number}: {reason}")


def _column(head: str) -> Column | None:
    own = _HEADS.get(folded(head)) or _HEADS.get(folded(head.partition("(")[0].partition("（")[0]))
    if own is not None:
        return _OWN[own]
    name = column_named(head)
    return BY_NAME[name] if name is not None else None
