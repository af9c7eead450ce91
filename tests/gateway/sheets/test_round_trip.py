"""Records through sheets and text files in every encoding: what comes back is what went in."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csid.columns import BY_NAME, Form
from csid.errors import CsidError
from csid.identifier import make
from csid.record import Record
from csid.record_csv import ROW_COLUMNS, row_of, row_reader, shielded
from gateway.sheets.prepare import Options, prepared
from gateway.sheets.source import TextSource, opened
from gateway.sheets.write import Sheet, number_of
from registry.bulk.csv_stream import Fault, Table
from tests.support.records import facts
from tests.support.sheets import with_shared_texts

ON = date(2026, 6, 1)
HEADS = [str(BY_NAME[name]) for name in ROW_COLUMNS]
# Texts that a spreadsheet would take for something else, among those of any kind.
ODD = (
    *("#N/A", "#REF!", "1E+5", "1.5E3", "=1+1", "'=1", "'#N/A", "-1", "0012", "2026/1/5", "3月1日"),
    *(
        "TRUE",
        "_x0041_",
        '"',
        "a\u3000b",
        "100%",
        "1,152",
        "示例",
        "'",
        "（一）",
        "1E5",
        "#",
        "'1E+5",
    ),
)
odd = st.sampled_from(ODD)
tables = st.lists(
    st.builds(
        lambda facts, name: {**facts, "name": name} if name else facts,
        facts.map(lambda one: {key: value for key, value in one.items() if key != "extra"}),
        st.one_of(st.none(), odd),
    ),
    min_size=1,
    max_size=4,
)
Rows = Sequence[Sequence[str]]


def as_sheet(path: Path, rows: Rows) -> None:
    sheet = Sheet(HEADS)
    for row in rows:
        sheet.append(
            number_of(text)
            if BY_NAME[name].form is Form.NUMBER and name != "price"
            else shielded(text)
            for name, text in zip(ROW_COLUMNS, row, strict=True)
        )
    with path.open("wb") as file:
        sheet.save(file)


def as_program_has_it(path: Path, rows: Rows) -> None:
    as_sheet(path, rows)
    path.write_bytes(with_shared_texts(path.read_bytes()))


def as_text(encoding: str, delimiter: str, heads: Sequence[str]) -> Callable[[Path, Rows], None]:
    def write(path: Path, rows: Rows) -> None:
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerow(heads)
            writer.writerows([[shielded(text) for text in row] for row in rows])

    return write


def read(path: Path) -> list[tuple[str, Record]]:
    """What an import takes of a table, without the registry."""
    taken, refused = read_all(path)
    assert refused == []
    return taken


def read_all(path: Path) -> tuple[list[tuple[str, Record]], list[int]]:
    """The same, and the lines that are refused."""
    faults: list[Fault] = []
    found: list[tuple[str, Record]] = []
    with ExitStack() as stack:
        source = opened(str(path), None, None, None, stack)
        if isinstance(source, TextSource) and source.written.is_direct:
            table = Table(source.file, source.written.encoding)
        else:
            table = Table(prepared(source, Options(False, None), faults.extend, None, stack).file)
        reader = row_reader(table.header, ON, mends=True)
        for rows, more in table.groups(1_000):
            faults += more
            for line, cells in rows:
                try:
                    identifier, record = reader(cells)
                except CsidError as error:
                    faults.append(Fault(line, str(error)))
                else:
                    found.append((str(identifier), record))
    return found, sorted(fault.line for fault in faults)


@pytest.mark.parametrize(
    "write",
    [
        as_sheet,
        as_program_has_it,
        as_text("utf-8", ",", ROW_COLUMNS),
        as_text("utf-8-sig", ";", HEADS),
        as_text("gb18030", ",", HEADS),
        as_text("utf-16", "\t", HEADS),
    ],
    ids=["xlsx", "shared", "utf-8", "mark", "gb18030", "utf-16"],
)
@settings(max_examples=40)
@given(tables)
def test_records_come_back(
    write: Callable[[Path, Rows], None], values: list[dict[str, Any]]
) -> None:
    records = [
        (str(make("X00000000000000015", "0000", "640502", "GCV", "G15M05X6", f"{n}")), Record(one))
        for n, one in enumerate(values)
    ]
    rows = [row_of(*one) for one in records]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table")
        write(path, [row for row in rows if row is not None])
        assert read(path) == records


IDENTIFIER = str(make("X00000000000000015", "0000", "640502", "GCV", "G15M05X6", "1"))
DIRTY = (
    *ODD,
    *(" 8", "8\u00a0", "８", " ", "\u200b", "2026-1-5", "2026年1月5日", "2026-01-05 00:00", "62%"),
    *(
        "有效",
        "有效 ",
        "active ",
        "https://a.example  https://b.example",
        " https://a.example",
        "8.0",
    ),
    *("3.1E+12", "########", "#name?", "20260105", "Active", "CNY ", "x\u00a0y", f" {IDENTIFIER} "),
    *(
        IDENTIFIER.lower(),
        IDENTIFIER.replace("0", "０"),
        "6.45E+3",
        "1-Mar",
        "12.50",
        "hour\t",
        "ａ",
    ),
)


@settings(max_examples=400)
@given(st.dictionaries(st.sampled_from(ROW_COLUMNS), st.sampled_from(DIRTY), max_size=4))
def test_a_table_that_is_taken_as_it_is_and_one_that_is_examined_come_to_the_same(
    cells: dict[str, str],
) -> None:
    """One of commas is read as it is, one of semicolons is examined first."""
    row = [{"identifier": IDENTIFIER, "state": "active", **cells}.get(x, "") for x in ROW_COLUMNS]
    found = []
    for delimiter in ",;":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "table")
            with path.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, delimiter=delimiter).writerows([ROW_COLUMNS, row])
            found.append(read_all(path))
    assert found[0] == found[1]
