"""An empty table for registrations, as an .xlsx file: heads in Chinese and English, lists to choose
codes from, a note on each head, an example, and columns formatted as text, which a spreadsheet
leaves alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Any, Final, NamedTuple

from csid import vocabulary
from csid.columns import (
    BY_NAME,
    COLUMNS,
    ID_COLUMN,
    SEGMENT_COLUMNS,
    Column,
    Form,
    divisions_on,
    industries,
    types,
)
from csid.fields import STATES
from gateway.sheets.heads import EXAMPLE, REMARK
from gateway.sheets.write import AS_TEXT, SHEET, set_text

LISTS: Final = "代码表 Codes"  # the hidden sheet that the lists stand on
ROWS_MAX: Final = 10_000  # that are formatted and checked, below the head
NOTE_SIZE: Final = (120, 260)  # pixels, height and width
# Columns that only an ended identifier has, and those that the segments stand for.
_LEFT_OUT: Final = frozenset({ID_COLUMN, "ended", "reason", "successor"})
_FIRST: Final = (*SEGMENT_COLUMNS, "state", "name", "endpoints")
_REQUIRED: Final = frozenset({*SEGMENT_COLUMNS, "state"})
_WIDTHS: Final = {"owner": 22, "industry": 22, "location": 22, "type": 22, "name": 22}
_EXAMPLE: Final = {
    "owner": "91330106673959654P",
    "industry": "6450",
    "location": "330106",
    "type": "ACV",
    "class": "H60M07A1",
    "serial": "0001",
    "state": "有效",
    "name": "一号资源池",
    "endpoints": "https://gw.a.example.cn:8443",
    "chip": "昇腾 910B",
    "count": "8",
    "chip_memory_gib": "64",
    "bf16_gflops": "3130000",
    "price": "12.50",
    "currency": "CNY",
    "price_unit": "hour",
    "green_share": "0.62",
    "trust": "3",
    "valid_from": "2026-01-31",
    "valid_until": "2028-12-31",
}


class Prefilled(NamedTuple):
    """Rows that a pool has filled in: its place and class, and the serials that are free next."""

    segments: Sequence[str]  # owner, industry, location, type, class
    serials: Sequence[str]
    width: int


def write(file: IO[bytes], year: int, pool: Prefilled | None = None) -> None:
    """Write a template.

    Args:
        file: to write to.
        year: in which the division codes are to be in force.
        pool: whose rows are filled in.
    """
    from openpyxl import Workbook  # a third of a second, which other commands need not wait
    from openpyxl.utils import get_column_letter

    book = Workbook()
    sheet: Any = book.active
    sheet.title = SHEET
    columns = list(_columns())
    lists = _lists(book, year)
    for n, column in enumerate(columns, 1):
        letter = get_column_letter(n)
        sheet.column_dimensions[letter].width = _WIDTHS.get(column.name, 14)
        if column.form is not Form.NUMBER or column.name == "price":
            sheet.column_dimensions[letter].number_format = AS_TEXT
        _head(sheet.cell(1, n), column)
        _check(sheet, letter, column, lists, pool)
    remark = len(columns) + 1
    set_text(sheet.cell(1, remark), f"{REMARK} remark")
    _rows(sheet, columns, remark, pool)
    sheet.freeze_panes = "A2"
    book.save(file)


def _columns() -> Iterator[Column]:
    """The columns in the order of the template."""
    names = [*_FIRST, *(name for name in COLUMNS if name not in _FIRST)]
    return (BY_NAME[name] for name in names if name not in _LEFT_OUT)


def _head(cell: Any, column: Column) -> None:
    """The head of a column: bold, its note beside it."""
    from openpyxl.comments import Comment
    from openpyxl.styles import Font, PatternFill

    mark = " *" if column.name in _REQUIRED else ""
    set_text(cell, f"{column}{mark}")
    cell.font = Font(bold=True)
    cell.fill = PatternFill("solid", fgColor="FFF2CC" if mark else "DDEBF7")
    must = "必填 required\n" if mark else ""
    cell.comment = Comment(f"{must}{column.zh}\n{column.en}", "csid", *NOTE_SIZE)


def _check(
    sheet: Any, letter: str, column: Column, lists: dict[str, str], pool: Prefilled | None
) -> None:
    """What a spreadsheet looks at while somebody types into a column."""
    from openpyxl.worksheet.datavalidation import DataValidation

    if column.name in lists:
        rule = DataValidation("list", formula1=lists[column.name], allow_blank=True)
        # Places abroad, and words in English, are right and on no list.
        rule.errorStyle = "stop" if column.name == "industry" else "warning"
    elif column.name == "serial" and pool is not None:
        rule = DataValidation("textLength", operator="equal", formula1=str(pool.width))
        rule.errorStyle = "warning"
    else:
        return
    rule.errorTitle, rule.error = column.head, f"{column.zh}\n{column.en}"[:255]
    rule.promptTitle, rule.prompt = column.head, f"{column.zh}\n{column.en}"[:255]
    rule.showErrorMessage = rule.showInputMessage = True
    rule.add(f"{letter}2:{letter}{ROWS_MAX + 1}")
    sheet.add_data_validation(rule)


def _lists(book: Any, year: int) -> dict[str, str]:
    """Write the code tables on a sheet of their own, and where each stands."""
    from openpyxl.utils import get_column_letter

    tables: dict[str, list[str]] = {
        "state": [f"{vocabulary.STATES[state]} {state}" for state in STATES if state != "retired"],
        "industry": [f"{code} {name}" for code, name in industries()],
        "location": [f"{code} {name}" for code, name in divisions_on(year)],
        "type": [f"{code} {words.zh}" for code, words in types().items()],
    }
    sheet = book.create_sheet(LISTS)
    sheet.sheet_state = "hidden"
    places = {}
    for n, (name, words) in enumerate(tables.items(), 1):
        letter = get_column_letter(n)
        for row, text in enumerate((str(BY_NAME[name]), *words), 1):
            set_text(sheet.cell(row, n), text)
        places[name] = f"'{LISTS}'!${letter}$2:${letter}${len(words) + 1}"
    return places


def _rows(sheet: Any, columns: Sequence[Column], remark: int, pool: Prefilled | None) -> None:
    """An example, and the rows of a pool. A column's format is for cells that are not there yet."""
    example = dict(_EXAMPLE)
    rows: list[dict[str, str]] = [example]
    if pool is not None:
        place = dict(zip(SEGMENT_COLUMNS, pool.segments, strict=False))
        example |= place | {"serial": "0" * pool.width}
        rows += [place | {"serial": serial} for serial in pool.serials]
    for number, row in enumerate(rows, 2):
        for n, column in enumerate(columns, 1):
            text = row.get(column.name, "")
            if not text:
                continue
            if column.form is Form.NUMBER and column.name != "price":
                sheet.cell(number, n).value = float(text) if "." in text else int(text)
            else:
                set_text(sheet.cell(number, n), text)
    from openpyxl.styles import Font

    set_text(sheet.cell(2, remark), f"{EXAMPLE[0]}，导入时跳过 example, left out by an import")
    for cell in sheet[2]:
        cell.font = Font(italic=True, color="808080")
