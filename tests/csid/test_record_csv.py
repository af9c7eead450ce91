"""Rows of a CSV table: the header's check, both ways to give the identifier, errors that tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.columns import ALIASES, COLUMNS, RECORD_COLUMNS
from csid.errors import CsidError, IdentifierError, RecordError
from csid.fields import FIELDS, TEXT_MAX
from csid.identifier import Identifier
from csid.record import Record
from csid.record_csv import row_reader, shielded

ON = date(2026, 1, 31)
ID = "X00000000000000015/0000/640502/GCV/G15M05X6-7-K0"
SEGMENTS = {
    "owner": "X00000000000000015",
    "industry": "0000",
    "location": "640502",
    "type": "GCV",
    "class": "G15M05X6",
    "serial": "7",
}
FULL = {
    "identifier": ID,
    "name": "一号",
    "state": "retired",
    "endpoints": "https://a.example:8443/v1|192.0.2.1 ssh://b.example",
    "chip": "NVIDIA A100",
    "count": "8",
    "chip_memory_gib": "80",
    "vcpu": "96",
    "memory_gib": "1152.5",
    "fp64_gflops": "77600",
    "fp16_gflops": "2496000",
    "int8_gops": "",
    "bandwidth_gbps": "400",
    "fabric": "RoCE v2",
    "price": "12.50",
    "currency": "CNY",
    "price_unit": "hour",
    "green_share": "0.3",
    "trust": "3",
    "valid_from": "2026-01-01",
    "valid_until": "2027-01-01",
    "ended": "2026-06-30",
    "reason": "sold",
    "successor": ID,
}


def read(cells: dict[str, str]) -> tuple[Identifier, Record]:
    return row_reader(list(cells), ON)(list(cells.values()))


def refusal(cells: dict[str, str]) -> CsidError:
    reader = row_reader(list(cells), ON)
    with pytest.raises(CsidError) as caught:
        reader(list(cells.values()))
    return caught.value


def header_refusal(*header: str) -> str:
    with pytest.raises(RecordError) as caught:
        row_reader(header, ON)
    assert caught.value.field == "header"
    return caught.value.reason


def test_a_full_row() -> None:
    identifier, record = read(FULL)
    assert str(identifier) == ID
    assert record.json() == {
        "name": "一号",
        "state": "retired",
        "endpoints": ["https://a.example:8443/v1|192.0.2.1", "ssh://b.example"],
        "chip": "NVIDIA A100",
        "count": 8,
        "chip_memory_gib": 80,
        "vcpu": 96,
        "memory_gib": 1152.5,
        "gflops": {"D": 77600, "H": 2496000},
        "bandwidth_gbps": 400,
        "fabric": "RoCE v2",
        "price": "12.50",
        "currency": "CNY",
        "price_unit": "hour",
        "green_share": 0.3,
        "trust": 3,
        "valid_from": "2026-01-01",
        "valid_until": "2027-01-01",
        "ended": "2026-06-30",
        "reason": "sold",
        "successor": ID,
    }
    assert record == Record(record.json())


def test_the_identifier_is_made_from_its_segments() -> None:
    identifier, record = read({**SEGMENTS, "state": "active"})
    assert str(identifier) == ID
    assert record == Record({"state": "active"})


@given(st.permutations(list(FULL)))
def test_the_order_of_the_columns_does_not_matter(order: Sequence[str]) -> None:
    identifier, record = read({column: FULL[column] for column in order})
    assert (identifier, record) == read(FULL)
    assert list(record.values) == sorted(record.values)


@given(st.sets(st.sampled_from([c for c in FULL if c not in ("identifier", "state", "ended")])))
def test_an_empty_cell_declares_nothing(empty: set[str]) -> None:
    empty |= (
        {"currency", "price_unit", "price"}
        if empty & {"price", "currency", "price_unit"}
        else set()
    )
    blanked = {column: "" if column in empty else cell for column, cell in FULL.items()}
    left_out = {column: cell for column, cell in FULL.items() if column not in empty}
    assert read(blanked) == read(left_out)


def test_chinese_heads_mean_the_same_columns() -> None:
    chinese = {"标识": "identifier", "状态": "state", "芯片": "chip", "内存": "memory_gib"}
    cells = {head: FULL[column] for head, column in chinese.items()}
    cells["终止日期"] = FULL["ended"]
    identifier, record = read(cells)
    assert str(identifier) == ID
    assert (record.chip, record.memory_gib) == ("NVIDIA A100", 1152.5)


def test_every_alias_names_a_column_and_no_alias_is_one() -> None:
    assert set(ALIASES.values()) <= set(COLUMNS)
    assert not set(ALIASES) & set(COLUMNS)


def test_there_is_a_column_for_every_field() -> None:
    assert {field.name for field in FIELDS} - {"gflops"} <= set(RECORD_COLUMNS)


def test_a_byte_order_mark_in_the_first_head_is_dropped() -> None:
    assert row_reader(["\ufeffidentifier", "state"], ON)([ID, "active"])[1].state == "active"


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (["identifier", "state", "colour"], ["unknown column 'colour'", "chip", "标识"]),
        (["identifier", "state", "chip", "chip"], ["'chip' is there twice"]),
        (["identifier", "state", "芯片", "chip"], ["'chip' is there twice"]),
        (["identifier", "owner", "state"], ["not both"]),
        (["identifier", "chip"], ["missing column state"]),
        (["owner", "industry", "type", "class", "serial", "state"], ["missing column location"]),
        (["chip", "name"], ["missing column identifier, state", "or owner, industry"]),
        ([], ["missing column identifier, state"]),
        (["identifier", "state", ""], ["unknown column ''"]),
    ],
)
def test_a_wrong_header_is_refused_before_any_row(header: list[str], told: list[str]) -> None:
    reason = header_refusal(*header)
    for words in told:
        assert words in reason


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("state", "Active"),
        ("count", "8.5"),
        ("count", "0"),
        ("count", "many"),
        ("vcpu", "-1"),
        ("vcpu", "1e3"),
        ("vcpu", " 8"),
        ("memory_gib", "08"),
        ("memory_gib", "８"),
        ("memory_gib", "9" * 30),
        ("fp16_gflops", "fast"),
        ("fp16_gflops", "1 2"),
        ("int8_gops", "0"),
        ("green_share", "1.5"),
        ("trust", "9"),
        ("price", "12,50"),
        ("currency", "yuan"),
        ("valid_from", "2026-13-01"),
        ("endpoints", "a.example:8443"),
        ("endpoints", "https://a.example,https://b.example"),
        ("name", "tab\tinside"),
        ("successor", "nobody"),
    ],
)
def test_a_wrong_cell_is_refused_with_column_and_value(column: str, cell: str) -> None:
    error = refusal({**FULL, column: cell})
    assert isinstance(error, RecordError)
    assert column in str(error)
    assert repr(cell)[:30] in str(error) or cell in str(error)


def test_values_that_do_not_go_together_are_refused() -> None:
    assert "ended" in str(refusal({**FULL, "ended": ""}))
    assert "currency" in str(refusal({**FULL, "currency": ""}))
    assert "state" in str(refusal({**FULL, "state": ""}))
    assert "valid_until" in str(refusal({**FULL, "valid_until": "2025-01-01"}))


def test_a_wrong_identifier_is_refused_with_segment_column_and_value() -> None:
    error = refusal({**FULL, "identifier": ID.replace("640502", "640599")})
    assert isinstance(error, IdentifierError)
    assert error.segment == "location"
    assert "column identifier" in str(error)
    assert "640599" in str(error)


def test_a_wrong_segment_is_refused_with_its_value() -> None:
    error = refusal({**SEGMENTS, "location": "640599", "state": "active"})
    assert isinstance(error, IdentifierError)
    assert error.segment == "location"
    assert "location '640599'" in str(error)


def test_a_row_of_another_width_is_refused() -> None:
    reader = row_reader(["identifier", "state"], ON)
    for row in ([ID], [ID, "active", ""], []):
        with pytest.raises(RecordError, match=f"has {len(row)} cells, the header has 2"):
            reader(row)


@given(st.sampled_from(sorted(FULL)), st.text(max_size=12))
def test_any_cell_is_read_or_refused_as_ours(column: str, cell: str) -> None:
    cells: dict[str, Any] = {**FULL, column: cell}
    try:
        identifier, record = read(cells)
    except CsidError:
        return
    assert str(identifier) == ID
    assert record == Record(record.json())


# -- cells that a spreadsheet would run


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+86 571", "'+86 571"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("＝1", "'＝1"),
        ("'=1", "''=1"),
        ("''=1", "'''=1"),
        ("'", "'"),
        ("'quoted'", "'quoted'"),
        ("a=b", "a=b"),
        ("", ""),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
    ],
)
def test_a_cell_that_begins_like_a_formula_gets_an_apostrophe(text: str, cell: str) -> None:
    assert shielded(text) == cell


@given(st.text("'=+-@＝a1", min_size=1, max_size=TEXT_MAX))
def test_a_text_comes_back_from_its_cell(text: str) -> None:
    cell = shielded(text)
    assert cell[0] not in "=+-@＝"
    assert read({"identifier": ID, "state": "active", "name": cell})[1].name == text


def test_a_formula_that_somebody_wrote_into_a_table_is_read_as_it_stands() -> None:
    assert read({"identifier": ID, "state": "active", "chip": "=x"})[1].chip == "=x"
