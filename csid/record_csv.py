"""Rows of a CSV table: one resource each, its identifier and its record.

The columns are those of `schemas/record.md`. The identifier stands in `identifier`, or is made
from `owner`, `industry`, `location`, `type`, `class` and `serial`. An empty cell declares
nothing. Pure: rows come as lists of text; reading the file, its encoding and its byte order mark
is the caller's (`utf-8-sig` strips the mark; one that is left in the first column head is
stripped here).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

from csid import vocabulary
from csid.cells import Broken
from csid.columns import (
    ALIASES,
    BY_NAME,
    COLUMNS,
    ID_COLUMN,
    RECORD_COLUMNS,
    SEGMENT_COLUMNS,
    column_named,
)
from csid.damage import error_of, settled
from csid.endpoint import CACHE_ENTRIES
from csid.errors import IdentifierError, RecordError
from csid.fields import BY_KEY, CELL_BREAK, FIELDS, PRECISIONS, STATES, TEXT, check_together
from csid.identifier import Identifier, make, parse
from csid.record import Record

ROW_COLUMNS: Final = (ID_COLUMN, *RECORD_COLUMNS)
_STATE_OF: Final = {
    **{vocabulary.STATES[state]: state for state in STATES},
    **{f"{vocabulary.STATES[state]} {state}": state for state in STATES},
}
# A spreadsheet runs a cell that begins so as a formula (OWASP, "CSV Injection"; the wide forms in
# Chinese and Japanese versions). In a table an apostrophe stands before it, and one before what
# already has apostrophes there, so that a cell reads back as what it was. So it does before what
# looks like the error of a formula or a power of ten, which an import refuses.
_FORMULA: Final = re.compile(
    r"'*(?:[=+@\t\r\n\-＝＋＠－#]|\d+(?:\.\d+)?[Ee][+-]\d+$|\d+\.\d+[Ee]\d+$)"
)
_QUOTE: Final = "'"
# Cells of these are different in every row, so remembering them would only cost.
_BEGINS_DAMAGE: Final = frozenset("#-0123456789")
_ALWAYS_NEW: Final = frozenset({"name", "endpoints"})


def shielded(text: str) -> str:
    """A text as the cell of a table that no spreadsheet takes for a formula."""
    return _QUOTE + text if _FORMULA.match(text) else text


def unshielded(cell: str) -> str:
    """The text that `shielded` made this cell from, or that somebody wrote without."""
    return cell[1:] if cell.startswith(_QUOTE) and _FORMULA.match(cell) else cell


def _read_text(cell: str) -> object:
    return TEXT.read(unshielded(cell))


def _read_state(cell: str) -> object:
    return BY_KEY["st"].form.read(_STATE_OF.get(cell, cell))


class _Step(NamedTuple):
    """How one field gets from a row into a record."""

    column: str
    key: str
    cell_of: Callable[[Sequence[str]], str]
    value_of: Callable[[str], object]


RowReader = Callable[[Sequence[str]], tuple[Identifier, Record]]


def row_reader(header: Sequence[str], on: date, mends: bool = False) -> RowReader:
    """A reader for the rows under `header`; `on` is the registration date codes must hold on.
    One that `mends` takes a cell for what was meant where a spreadsheet has written it another
    way, and tells of what one has destroyed (`csid.damage`).

    The reader takes the cells of one row and returns its identifier and record. It raises
    IdentifierError or RecordError, whose message names the column and the value.

    Raises:
        RecordError: a column is unknown, missing or there twice.
    """
    columns = columns_of(header)
    width = len(columns)
    read_identifier = _identifier_reader(columns, on, mends)
    read_record = record_reader(columns, mends)

    def read(row: Sequence[str]) -> tuple[Identifier, Record]:
        if len(row) != width:
            raise RecordError("row", f"has {len(row)} cells, the header has {width}")
        return read_identifier(row), read_record(row)

    return read


def row_of(identifier: str, record: Record) -> list[str] | None:
    """The cells of a row with the columns ROW_COLUMNS, texts as they are (`shielded` is for what
    is written as CSV); None where a table cannot hold the record, for keys of a newer version.
    """
    if record.extra:
        return None
    texts = {f.key: f.form.show(record.values[f.key]) for f in FIELDS if f.key in record.values}
    flops = texts.pop("fl", CELL_BREAK * (len(PRECISIONS) - 1)).split(CELL_BREAK)
    cells = (texts.get(field.key, "") for field in FIELDS if field.key != "fl")
    return [identifier, *cells, *flops]


def _identifier_reader(
    columns: list[str], on: date, mends: bool
) -> Callable[[Sequence[str]], Identifier]:
    if ID_COLUMN in columns:
        index = columns.index(ID_COLUMN)

        def read(row: Sequence[str]) -> Identifier:
            try:
                return parse(row[index], on)
            except IdentifierError as error:
                if mends:
                    again = _mended(ID_COLUMN, row[index])
                    if again != row[index]:
                        return parse(again, on)
                raise _in_column(error, f"column {ID_COLUMN}, given {row[index][:80]!r}") from None

        return read
    cells_of = itemgetter(*(columns.index(column) for column in SEGMENT_COLUMNS))

    def compose(row: Sequence[str]) -> Identifier:
        cells = cells_of(row)
        try:
            owner, industry, location, type_, capability_class, serial = cells
            return make(owner, industry, location, type_, capability_class, serial, on)
        except IdentifierError as error:
            given = ", ".join(
                f"{c} {v[:20]!r}" for c, v in zip(SEGMENT_COLUMNS, cells, strict=True)
            )
            raise _in_column(error, f"given {given}") from None

    return compose


def _in_column(error: IdentifierError, where: str) -> IdentifierError:
    return IdentifierError(error.segment, error.position, f"{error.reason} ({where})")


def record_reader(columns: list[str], mends: bool = False) -> Callable[[Sequence[str]], Record]:
    """A reader for the record in a row whose columns are `columns`, names without aliases; `mends`
    as in `row_reader`.

    The reader raises RecordError, whose message names the column and the value.
    """
    steps = _steps(columns, mends)

    def read(row: Sequence[str]) -> Record:
        values: dict[str, object] = {}
        column = ""
        try:
            for column, key, cell_of, value_of in steps:  # noqa: B007  read by the except clause
                cell = cell_of(row)
                if cell and (value := value_of(cell)) is not None:
                    values[key] = value
        except ValueError as error:
            raise RecordError(column, str(error)) from None
        check_together(values)
        return Record.of_values(values)

    return read


def columns_of(header: Sequence[str]) -> list[str]:
    """The column names of a header, its Chinese heads and byte order mark resolved.

    Raises:
        RecordError: a column is unknown, missing or there twice.
    """
    heads = [head.strip() for head in header]
    if heads:
        heads[0] = heads[0].removeprefix("\ufeff").strip()
    columns = [column_named(head) or head for head in heads]
    known = f"known are {', '.join(COLUMNS)} (or in Chinese {' '.join(ALIASES)})"
    for head, column in zip(heads, columns, strict=True):
        if column not in COLUMNS:
            raise RecordError("header", f"unknown column {head!r}; {known}")
        if columns.count(column) > 1:
            raise RecordError("header", f"column {column!r} is there twice")
    segments = [column for column in SEGMENT_COLUMNS if column in columns]
    if ID_COLUMN in columns and segments:
        raise RecordError(
            "header", f"give {ID_COLUMN!r} or its segments, not both: there is {segments[0]!r} too"
        )
    needed = (*(SEGMENT_COLUMNS if segments else (ID_COLUMN,)), "state")
    missing = [column for column in needed if column not in columns]
    if missing:
        instead = "" if segments else f" (or {', '.join(SEGMENT_COLUMNS)})"
        raise RecordError("header", f"missing column {', '.join(missing)}{instead}; {known}")
    return columns


def _steps(columns: list[str], mends: bool) -> list[_Step]:
    """The steps that read the record columns, in the order of the keys of a record."""
    steps: list[_Step] = []
    for field in FIELDS:
        if field.key == "fl":
            steps += _gflops_step(columns, mends)
        elif field.name in columns:
            read = _read_text if field.form is TEXT else field.form.read
            if field.key == "st":
                read = _read_state
            if mends:
                read = _mending(field.name, read, field.form is TEXT)
            if field.name not in _ALWAYS_NEW:
                read = lru_cache(CACHE_ENTRIES)(read)
            steps.append(_Step(field.name, field.key, itemgetter(columns.index(field.name)), read))
    return steps


def _gflops_step(columns: list[str], mends: bool) -> list[_Step]:
    """The one step for all the columns of PRECISIONS that are there."""
    places = {
        letter: columns.index(column) for letter, column in PRECISIONS.items() if column in columns
    }
    if not places:
        return []

    cells_of = itemgetter(*places.values())  # a tuple, or the one cell if there is one column

    @lru_cache(CACHE_ENTRIES)
    def join(cells: tuple[str, ...] | str) -> str:
        """The cells as the form of the field reads them: one for each precision."""
        found = dict(zip(places, (cells,) if isinstance(cells, str) else cells, strict=True))
        return CELL_BREAK.join(found.get(letter, "") for letter in PRECISIONS) if any(cells) else ""

    def cell_of(row: Sequence[str]) -> str:
        return join(cells_of(row))

    def mended(cells: str) -> object:
        """What the cells say, or else when they are mended."""
        try:
            return read(cells)
        except ValueError:
            parts = zip(PRECISIONS.values(), cells.split(CELL_BREAK), strict=False)
            again = CELL_BREAK.join(_mended(column, part) for column, part in parts)
            if again == cells:
                raise
            return read(again) if again.strip(CELL_BREAK) else None

    read = BY_KEY["fl"].form.read
    value_of = lru_cache(CACHE_ENTRIES)(mended if mends else read)
    return [_Step("gflops", "fl", cell_of, value_of)]


def _mending(column: str, read: Callable[[str], object], is_text: bool) -> Callable[[str], object]:
    """What reads a cell as it is, or else mended; None if nothing is left of it. Only a cell that
    is wrong costs more, and a text that may be well-formed and damaged.
    """

    def value_of(cell: str) -> object:
        if is_text and cell[0] in _BEGINS_DAMAGE:
            _mended(column, cell)
        try:
            return read(cell)
        except ValueError:
            again = _mended(column, cell)
            if again == cell:
                raise
            return read(again) if again else None

    return value_of


def _mended(column: str, cell: str) -> str:
    """The text of a cell as it was meant.

    Raises:
        DamageError: that cannot be known.
    """
    found = settled(BY_NAME[column], cell)
    if isinstance(found, Broken):
        raise error_of(column, found)
    return found.text
