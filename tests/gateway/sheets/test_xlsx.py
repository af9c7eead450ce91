"""Sheets read: as openpyxl writes them, as other programs do, and as no honest program would."""

from __future__ import annotations

import io
import tempfile
import tracemalloc
import zipfile
import zlib
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csid.cells import Broken, Cell, Day, Look, Number
from gateway.sheets import package, strings, xlsx
from gateway.sheets.write import set_text
from registry.bulk.csv_stream import TableError
from tests.support.sheets import (
    RELATIONS_PART,
    SHEET_PART,
    STRINGS_PART,
    read,
    sheet,
    with_part,
    with_shared_texts,
)

WORKBOOK = "xl/workbook.xml"
PARTS = (SHEET_PART, STRINGS_PART, WORKBOOK, "xl/styles.xml", RELATIONS_PART)


def refusal(path: Path) -> str:
    with pytest.raises(TableError) as caught:
        read(path)
    return str(caught.value)


def changed(path: Path, part: str, old: bytes, new: bytes) -> Path:
    """A file of whose parts one was changed."""
    octets = path.read_bytes()
    assert old in zipfile.ZipFile(io.BytesIO(octets)).read(part)
    path.write_bytes(with_part(octets, part, lambda octets: octets.replace(old, new)))
    return path


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    file = sheet(tmp_path / "t.xlsx", [["x", "y"]], ["标识", "状态"])
    file.write_bytes(with_shared_texts(file.read_bytes()))
    return file


def test_every_kind_of_cell(tmp_path: Path) -> None:
    values: list[object] = [
        "标识",
        6450,
        1.5,
        True,
        date(2026, 3, 1),
        datetime(2026, 3, 1, 12),  # noqa: DTZ001  as sheets have them
        None,
    ]
    cells: list[Cell] = ["标识", Number("6450"), Number("1.5"), Broken("BOOLEAN", "TRUE")]
    cells += [Day("2026-03-01"), Day("2026-03-01"), "", "end"]
    file = sheet(tmp_path / "t.xlsx", [], [*values, "end"])
    assert read(file)[0] == [(1, cells)]


def test_formats_errors_and_formulas(tmp_path: Path) -> None:
    def change(active: Any) -> None:
        active["A2"], active["B2"], active["C2"] = 7, "=A2", "#REF!"
        active["A2"].number_format = "0000"
        active["A3"], active["B3"] = 100000, "'=1"
        active["A3"].number_format = "0.00E+00"

    rows, _ = read(sheet(tmp_path / "t.xlsx", [], ["a"], change))
    assert rows[1:] == [
        (2, [Number("7", Look.PLAIN, 4), Broken("FORMULA", "="), Broken("ERROR", "#REF!")]),
        (3, [Number("100000", Look.EXPONENT), "'=1"]),
    ]


def test_a_formula_counts_by_the_result_that_the_file_holds(plain: Path) -> None:
    formula = b'<c r="A2" t="str"><f>B1&amp;"x"</f><v>result</v></c>'
    rows, _ = read(changed(plain, SHEET_PART, b'<c r="A2" t="s"><v>2</v></c>', formula))
    assert rows[1] == (2, ["result", "y"])


def test_hidden_rows_hidden_columns_and_merged_cells_are_seen(tmp_path: Path) -> None:
    def change(active: Any) -> None:
        active.row_dimensions[3].hidden = True
        active.column_dimensions["B"].hidden = True
        active.merge_cells("A2:A4")
        active.merge_cells("A7:C7")

    rows = [["1", "2", "3"]] * 5
    _, seen = read(sheet(tmp_path / "t.xlsx", rows, ["a", "b", "c"], change))
    assert seen.hidden_rows == [3] and seen.hidden_columns == [(2, 2)]
    assert sorted(seen.merged) == [(2, 4, 1, 1), (7, 7, 1, 3)]


def test_the_first_sheet_that_people_see_is_read_or_the_one_that_is_named(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for name in ("说明", "登记", "旧"):
        book.create_sheet(name).append([name])
    del book["Sheet"]
    book["说明"].sheet_state = "hidden"
    book.save(tmp_path / "t.xlsx")
    assert read(tmp_path / "t.xlsx")[0] == [(1, ["登记"])]
    assert read(tmp_path / "t.xlsx", "说明")[0] == [(1, ["说明"])]
    with pytest.raises(TableError, match="no sheet 'x'; it has '说明', '登记', '旧'"):
        read(tmp_path / "t.xlsx", "x")


def test_days_counted_from_1904(tmp_path: Path, plain: Path) -> None:
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.MAC_EPOCH
    book.active.append([date(2026, 3, 1)])
    book.save(plain)
    assert read(plain)[0] == [(1, [Day("2026-03-01")])]


def test_rows_and_cells_without_places_follow_one_another(plain: Path) -> None:
    octets = with_part(
        plain.read_bytes(),
        SHEET_PART,
        lambda _: (
            b'<x:worksheet xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
            b"<x:sheetData><x:row><x:c><x:v>1</x:v></x:c><x:c t='inlineStr'><x:is><x:r><x:t>a"
            b"</x:t></x:r><x:rPh><x:t>b</x:t></x:rPh><x:r><x:t>c</x:t></x:r></x:is></x:c>"
            b"</x:row><x:row r='5'><x:c r='B5' t='str'><x:v>z</x:v></x:c></x:row></x:sheetData>"
            b"</x:worksheet>"
        ),
    )
    plain.write_bytes(octets)
    assert read(plain)[0] == [(1, [Number("1"), "ac"]), (5, ["", "z"])]


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


@settings(max_examples=60)
@given(st.lists(st.lists(texts, min_size=1, max_size=4), min_size=1, max_size=6), st.booleans())
def test_texts_come_back_as_they_were_written(rows: list[list[str]], shared: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "t.xlsx")
        book = openpyxl.Workbook()
        for n, values in enumerate(rows, 1):
            for m, text in enumerate(values, 1):
                set_text(book.active.cell(n, m), text)
        book.save(file)
        if shared:
            file.write_bytes(with_shared_texts(file.read_bytes()))
        found = dict(read(file)[0])
    for n, values in enumerate(rows, 1):
        cells = [*found.get(n, []), *[""] * len(values)]
        assert cells[: len(values)] == values


# -- files from a stranger


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_expands_without_end_is_refused(plain: Path, part: str) -> None:
    blanks = b" " * (package.EXPANDED_FREE + (64 << 20))
    octets = with_part(plain.read_bytes(), part, lambda octets: octets + blanks)
    assert len(octets) < 1 << 20
    plain.write_bytes(octets)
    assert "expands to more than" in refusal(plain)


@pytest.mark.parametrize("part", PARTS)
def test_a_document_type_is_refused_so_there_are_no_entities(plain: Path, part: str) -> None:
    laughs = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    octets = with_part(
        plain.read_bytes(),
        part,
        lambda octets: laughs + octets.partition(b"?>")[2] if b"?>" in octets else laughs + octets,
    )
    plain.write_bytes(octets)
    assert "document type (DTD)" in refusal(plain)


def test_a_tag_without_end_is_refused(plain: Path) -> None:
    long = b'<row x="' + b"x" * (package.TOKEN_OCTETS_MAX * 3) + b'"'
    assert "too long a tag" in refusal(changed(plain, SHEET_PART, b"<row", long))


def test_a_nest_of_elements_is_refused(plain: Path) -> None:
    nest = b"<row>" + b"<x>" * 1_000 + b"</x>" * 1_000 + b"</row><row"
    assert "nested too deeply" in refusal(changed(plain, SHEET_PART, b"<row", nest))


def test_a_million_columns_are_refused(tmp_path: Path, plain: Path) -> None:
    def far(active: Any) -> None:
        active["XFD2"] = "x"

    told = refusal(sheet(tmp_path / "far.xlsx", [], ["a"], far))
    assert "row 2 has a value in column 16,384" in told and "delete what stands beside" in told
    many = b"<row>" + b"<c/>" * 10**6 + b"<c><v>1</v></c></row><row"
    assert "column 1,000,001" in refusal(
        changed(plain, SHEET_PART, b'<row r="1"', many + b' r="2"')
    )
    assert "is no cell" in refusal(
        changed(sheet(plain, [], ["a"]), SHEET_PART, b'r="A1"', b'r="' + b"Z" * 99 + b'1"')
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b'<row r="2"', b'<row r="1"', "behind row 1 comes row '1'"),
        (b'<row r="2"', b'<row r="1048577"', "behind row 1 comes row '1048577'"),
        (b'<row r="2"', b'<row r="x"', "behind row 1 comes row 'x'"),
        (b'r="B2"', b'r="A2"', "'A2' is not behind the one before"),
        (b"<v>2</v>", b"<v>99</v>", "the text '99', which is not there"),
        (b"<v>2</v>", b"<v>-1</v>", "the text '-1', which is not there"),
        (b"</sheetData>", b"", "damaged"),
    ],
)
def test_a_damaged_sheet_is_told(plain: Path, old: bytes, new: bytes, told: str) -> None:
    assert told in refusal(changed(plain, SHEET_PART, old, new))


def test_texts_and_numbers_without_end_are_kept_in_bounds(plain: Path) -> None:
    long = b"<v>" + b"1" * 10**6 + b"</v>"
    octets = with_part(
        plain.read_bytes(),
        SHEET_PART,
        lambda octets: octets.replace(b't="s"><v>2</v>', b">" + long).replace(
            b't="s"><v>3</v>', b't="inlineStr"><is><t>' + b"x" * 10**6 + b"</t></is>"
        ),
    )
    plain.write_bytes(octets)
    number, text = read(plain)[0][1][1]
    assert isinstance(number, Number) and len(number.text) < 1_000
    assert text == Broken("LONG", "x" * 40)


def test_the_texts_of_a_file_are_not_held_in_memory(plain: Path) -> None:
    def many(_: bytes) -> bytes:
        texts = (b"<si><t>%0400d</t></si>" % n for n in range(50_000))  # 20 MB
        return b"<sst>" + b"".join(texts) + b"</sst>"

    octets = with_part(plain.read_bytes(), STRINGS_PART, many)
    octets = with_part(octets, SHEET_PART, lambda part: part.replace(b"<v>3</v>", b"<v>49999</v>"))
    plain.write_bytes(octets)
    tracemalloc.start()
    try:
        rows, _ = read(plain)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows[1][1][1] == f"{49_999:0400}" and peak < 4_000_000


def test_more_texts_than_are_taken(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strings, "STRINGS_MAX", 3)
    assert "more than 3 texts" in refusal(plain)


def test_more_merged_cells_than_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "NOTED_MAX", 1)

    def change(active: Any) -> None:
        active.merge_cells("A2:A3")
        active.merge_cells("A5:A6")

    assert "unmerge them" in refusal(sheet(tmp_path / "t.xlsx", [], ["a"], change))


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"PK\x03\x04", "was cut short"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
            "an .xls of before 2007, or has a password",
        ),
        (b"PK\x05\x06" + bytes(18), "is no whole .xlsx"),
    ],
)
def test_what_is_no_xlsx_is_told_and_what_to_do(tmp_path: Path, octets: bytes, told: str) -> None:
    file = tmp_path / "t.xlsx"
    file.write_bytes(octets)
    assert told in refusal(file) and "save it as .xlsx" in refusal(file)


def test_an_archive_of_something_else_is_told(tmp_path: Path) -> None:
    file = tmp_path / "t.xlsx"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("content.xml", "<office/>")
    assert "it has no xl/workbook.xml" in refusal(file)


def test_an_archive_of_more_parts_than_any_sheet_has_is_refused_unread(
    plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "DIRECTORY_OCTETS_MAX", 100)
    assert "more parts than any" in refusal(plain)


places = st.integers(0, 1 << 20)  # modulo the octets there are


@settings(max_examples=150)
@given(places, st.integers(1, 255))
def test_a_file_with_a_wrong_octet_is_read_or_refused(place: int, other: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "t.xlsx")
        octets = bytearray(sheet(file, [["x", 1]], ["标识", "状态"]).read_bytes())
        octets[4 + place % (len(octets) - 4)] ^= other
        file.write_bytes(octets)
        _read_or_refused(file)


@settings(max_examples=150)
@given(st.sampled_from(PARTS), places, st.binary(max_size=3))
def test_a_part_with_wrong_octets_is_read_or_refused(part: str, place: int, other: bytes) -> None:
    def change(octets: bytes) -> bytes:
        at = place % len(octets)
        return octets[:at] + other + octets[at + 1 :]

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "t.xlsx")
        octets = with_shared_texts(sheet(file, [["x", 1]], ["标识", "状态"]).read_bytes())
        file.write_bytes(with_part(octets, part, change))
        _read_or_refused(file)


def _read_or_refused(file: Path) -> None:
    try:
        read(file)
    except TableError as error:
        assert str(error)


def test_a_checksum_that_does_not_hold_is_told(plain: Path) -> None:
    octets = bytearray(plain.read_bytes())
    part = zipfile.ZipFile(plain).read(SHEET_PART)
    checksum = zlib.crc32(part).to_bytes(4, "little")
    octets = octets.replace(checksum, bytes(4))
    plain.write_bytes(octets)
    assert "damaged" in refusal(plain)
