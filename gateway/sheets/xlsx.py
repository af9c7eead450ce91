"""The rows of a sheet of an .xlsx file (ECMA-376 part 1, 18.3), one after another.

openpyxl reads such files too; read row by row it tells neither merged cells nor hidden rows nor
formulas without a result, and it holds all texts in memory. These are what has to be known of
a table that comes from a stranger, so the few elements are read here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from csid.cells import CELL_CHARACTERS_MAX, Broken, Cell, Day, Look, Number, day_of
from gateway.sheets.package import Limits, Package
from gateway.sheets.strings import Collector, Strings
from gateway.sheets.workbook import Looks
from registry.bulk.csv_stream import TableError

ROWS_MAX: Final = 1_048_576  # of a sheet
COLUMNS_MAX: Final = 256  # that may hold anything; a table has under 40
NOTED_MAX: Final = 100_000  # hidden rows, and ranges of merged cells
FORMULA: Final = "FORMULA"
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Line(NamedTuple):
    """A row of a sheet.

    Attributes:
        number: from 1.
        cells: from the first column on; those behind the last that is there are left out.
    """

    number: int
    cells: list[Cell]


class Range(NamedTuple):
    """A range of cells: its first and last row and its first and last column, from 1."""

    top: int
    bottom: int
    left: int
    right: int


@dataclass
class Seen:
    """What a sheet has beside its cells, as far as it is read: the part behind the cells comes
    after them.

    Attributes:
        hidden_rows: their numbers.
        hidden_columns: their numbers from 1, first and last of each range.
        merged: the ranges of cells that were merged.
    """

    hidden_rows: list[int] = field(default_factory=list)
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)
    merged: list[Range] = field(default_factory=list)


def lines(
    package: Package, part: str, strings: Strings, looks: Looks, from_1904: bool, seen: Seen
) -> Iterator[Line]:
    """The rows of a sheet in their order; `seen` is filled as it is read.

    Raises:
        TableError: the file is damaged, or the sheet larger than any.
    """
    reader = _Reader(strings, looks, from_1904, seen, package.limits)
    for _ in package.events(part, reader.begins, reader.ends, reader.add):
        yield from reader.done
        reader.done.clear()


class _Reader:
    """Takes elements and texts of a sheet, and makes rows of them."""

    def __init__(
        self, strings: Strings, looks: Looks, from_1904: bool, seen: Seen, limits: Limits
    ) -> None:
        self.done: list[Line] = []
        self._strings = strings
        self._looks = looks
        self._from_1904 = from_1904
        self._seen = seen
        self._limits = limits
        self._counted = self._characters = 0  # cells, characters
        self._row = 0
        self._column = 0
        self._cells: list[Cell] = []
        self._type = "n"
        self._style = ""
        self._has_formula = False
        self._value: list[str] = []
        self._value_size = 0
        self._in_value = False
        self._inline = Collector()
        self._columns: dict[str, int] = {}

    def begins(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "c":
            self._begin_cell(attributes)
        elif tag == "v":
            self._in_value = True
        elif tag == "f":
            self._has_formula = True
        elif tag == "row":
            self._begin_row(attributes)
        elif tag in ("t", "rPh"):
            self._inline.begins(tag)
        elif tag == "mergeCell":
            self._merge(attributes.get("ref", ""))
        elif tag == "col" and attributes.get("hidden", "") in ("1", "true"):
            first, last = (_integer(attributes.get(x, "")) for x in ("min", "max"))
            if len(self._seen.hidden_columns) < COLUMNS_MAX:
                self._seen.hidden_columns.append((first, last))

    def ends(self, tag: str) -> None:
        if tag == "c":
            self._end_cell()
        elif tag == "v":
            self._in_value = False
        elif tag == "row":
            if self._cells:
                self._count()
                self.done.append(Line(self._row, self._cells))
                self._cells = []
        elif tag in ("t", "rPh"):
            self._inline.ends(tag)

    def add(self, text: str) -> None:
        if not self._in_value:
            self._inline.add(text)
        elif self._value_size <= CELL_CHARACTERS_MAX:
            self._value_size += len(text)
            self._value.append(text)

    def _count(self) -> None:
        """Count a row towards what is read of a sheet."""
        cells, characters = self._limits.cells, self._limits.characters
        if cells is not None:
            self._counted += len(self._cells)
            if self._counted > cells:
                raise TableError(
                    f"the sheet has more than {cells:,} cells, those left out before others among "
                    "them; give it in parts, or as CSV"
                )
        if characters is not None:
            self._characters += sum(
                len(cell if isinstance(cell, str) else cell.text) for cell in self._cells
            )
            if self._characters > characters:
                raise TableError(
                    f"the cells of the sheet have more than {characters:,} characters; give it in "
                    "parts, or as CSV"
                )

    def _begin_row(self, attributes: dict[str, str]) -> None:
        number = _integer(attributes["r"]) if "r" in attributes else self._row + 1
        if not self._row < number <= ROWS_MAX:
            raise TableError(
                f"the file is damaged: behind row {self._row} comes row {attributes.get('r')!r:.40}"
            )
        self._row, self._column = number, 0
        if attributes.get("hidden", "") in ("1", "true") and (
            len(self._seen.hidden_rows) < NOTED_MAX
        ):
            self._seen.hidden_rows.append(number)

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        place = attributes.get("r")
        column = self._column + 1 if place is None else self._column_of(place)
        if column <= self._column:
            raise TableError(
                f"the file is damaged: cell {place!r:.40} is not behind the one before"
            )
        self._column = column
        self._type = attributes.get("t", "n")
        self._style = attributes.get("s", "")
        self._has_formula = False
        self._value.clear()
        self._value_size = 0
        self._inline.clear()

    def _end_cell(self) -> None:
        cell = self._cell()
        if cell == "":
            return
        if self._column > COLUMNS_MAX:
            raise TableError(
                f"row {self._row} has a value in column {self._column:,}; a table has at most "
                f"{COLUMNS_MAX} columns: delete what stands beside it"
            )
        while len(self._cells) < self._column - 1:
            self._cells.append("")
        self._cells.append(cell)

    def _cell(self) -> Cell:
        kind = self._type
        value = "".join(self._value)
        if kind == "inlineStr":
            return _text(self._inline.text)
        if not value:
            if kind == "str" and self._has_formula:
                return ""  # its result is the empty text
            return Broken(FORMULA, "=") if self._has_formula else ""
        if kind == "s":
            try:
                return _text(self._strings[int(value)])
            except (ValueError, IndexError):
                raise TableError(
                    f"the file is damaged: row {self._row} has the text {value!r:.40}, which is "
                    "not there"
                ) from None
        if kind == "n":
            return self._number(value)
        if kind == "e":
            return Broken("ERROR", value[:40])
        if kind == "b":
            return Broken("BOOLEAN", "TRUE" if value == "1" else "FALSE")
        if kind == "d":
            return Day(value.partition("T")[0])
        return _text(value)

    def _number(self, value: str) -> Cell:
        style = self._style
        look, digits = Look.PLAIN, 0
        if style and style.isascii() and style.isdecimal() and len(style) < 7:
            number = int(style)
            if number < len(self._looks):
                look, digits = self._looks[number]
        if look is Look.DATE:
            day = day_of(value, self._from_1904)
            return Number(value[:40], look) if day is None else Day(day)
        return Number(value[:400], look, digits)

    def _column_of(self, place: str) -> int:
        """The number of the column of a place such as AB12."""
        letters = place.rstrip("0123456789")
        known = self._columns.get(letters)
        if known is not None:
            return known
        column = 0
        for letter in letters:
            if not "A" <= letter <= "Z" or column > COLUMNS_MAX * 100:
                raise TableError(f"the file is damaged: {place!r:.40} is no cell")
            column = column * 26 + ord(letter) - 64
        if len(self._columns) < COLUMNS_MAX:
            self._columns[letters] = column
        return column

    def _merge(self, ref: str) -> None:
        first, _, last = ref.replace("$", "").partition(":")
        if len(self._seen.merged) >= NOTED_MAX:
            raise TableError(f"the sheet has more than {NOTED_MAX:,} merged cells; unmerge them")
        top, bottom = (_integer(one.lstrip(_LETTERS)) for one in (first, last or first))
        left, right = map(self._column_of, (first, last or first))
        self._seen.merged.append(Range(top, bottom, left, right))


def _text(text: str) -> Cell:
    return text if len(text) <= CELL_CHARACTERS_MAX else Broken("LONG", text[:40])


def _integer(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
