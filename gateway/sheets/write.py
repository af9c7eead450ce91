"""Sheets written row by row with openpyxl, so that a spreadsheet leaves their cells alone: codes
are text, in cells formatted as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from csid.errors import CsidError
from gateway.sheets.xlsx import ROWS_MAX

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

AS_TEXT: Final = "@"  # number format
SHEET: Final = "登记 Register"
EXACT_DIGITS: Final = 15
RED: Final = "FFC7CE"
_ESCAPE: Final = re.compile(
    "_(?=x[0-9A-Fa-f]{4}_)|[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff\ud800-\udfff]"
)
_PLAIN_NUMBER: Final = re.compile(r"(?:0|[1-9]\d*)(?:\.\d*[1-9])?")
_WIDE: Final = 28  # characters, the width of a column of long cells
_NARROW: Final = 14


class SheetFull(CsidError):
    """There are more rows than a sheet can have."""


class Mark(NamedTuple):
    """A text in a cell that is at fault."""

    text: str


class Sheet:
    """A workbook of one sheet, whose rows are written as they come; `save` ends it."""

    def __init__(self, heads: Sequence[str], wide: Iterable[int] = ()) -> None:
        """With these heads; `wide` are the columns (from 0) of long cells."""
        from openpyxl import Workbook  # a third of a second, which other commands need not wait
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.styles import Font, PatternFill
        from openpyxl.utils import get_column_letter

        self._book: Workbook = Workbook(write_only=True)
        self._sheet: Any = self._book.create_sheet(SHEET)
        self._cell: Any = WriteOnlyCell
        self._red = PatternFill("solid", fgColor=RED)
        self._rows = 1
        self._sheet.freeze_panes = "A2"
        wide = frozenset(wide)
        for n in range(len(heads)):
            letter = get_column_letter(n + 1)
            self._sheet.column_dimensions[letter].width = _WIDE if n in wide else _NARROW
            self._sheet.column_dimensions[letter].number_format = AS_TEXT
        bold = Font(bold=True)
        cells = [self._text(head) for head in heads]
        for cell in cells:
            cell.font = bold
        self._sheet.append(cells)

    def append(self, row: Iterable[str | float | Mark]) -> None:
        """Write a row: texts, numbers, and texts at fault.

        Raises:
            SheetFull: there is no room for it.
        """
        self._rows += 1
        if self._rows > ROWS_MAX:
            raise SheetFull(
                f"a sheet has at most {ROWS_MAX:,} rows; take fewer (a prefix, --state), or CSV"
            )
        self._sheet.append([self._any(value) for value in row])

    def save(self, file: IO[bytes]) -> None:
        """Write all to a file."""
        self._book.save(file)

    def _any(self, value: str | float | Mark) -> Any:
        if isinstance(value, Mark):
            cell = self._text(value.text)
            cell.fill = self._red
            return cell
        if isinstance(value, str):
            return self._text(value) if value else None
        return value

    def _text(self, text: str) -> Any:
        cell = self._cell(self._sheet)
        set_text(cell, text)
        return cell


def set_text(cell: Any, text: str) -> None:
    """Make a cell of openpyxl hold a text, whatever it looks like."""
    cell.value = escaped(text)
    cell.data_type = "s"
    cell.number_format = AS_TEXT


def escaped(text: str) -> str:
    """A text as a sheet holds it: characters that XML has not, by their number (ECMA-376 part 1,
    22.9.2.19).
    """
    return _ESCAPE.sub(lambda found: f"_x{ord(found[0]):04X}_", text)


def number_of(text: str) -> str | float:
    """A number whose text a spreadsheet keeps exactly, as a number; any other text as it is."""
    if not _PLAIN_NUMBER.fullmatch(text) or len(text.replace(".", "").strip("0")) > EXACT_DIGITS:
        return text
    return float(text) if "." in text else int(text)
