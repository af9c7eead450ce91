"""Of a file that is read again and again: what is kept from poll to poll, and what a poll costs."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from typing import Any

import msgspec
import openpyxl
import pytest

from gateway.systems.aggregation.adapters.table import gathering, kept, sheet
from gateway.systems.aggregation.adapters.table.adapter import Table
from gateway.systems.aggregation.readings import Reading, ReadingError, Said, Unit
from tests.support.polled import NOW, Polled, source

MINUTE = 60_000
STOCK = b"key,count,free_chips\na,8,8\n"
LAYOUT = "type=3 '-' scope=2 C:chips"


class File:
    """A file that is polled, and changes."""

    def __init__(self, **options: str) -> None:
        self.body = STOCK
        self.headers: Mapping[str, str] = {}
        self.polled = Polled(
            Table(), source("table", **options), lambda _: Said(200, self.headers, self.body)
        )

    def poll(self, now: int = NOW) -> Reading:
        return self.polled.poll(now)

    def resources(self, *resources: Mapping[str, Any]) -> Reading:
        self.body = msgspec.json.encode({"computing_resources": resources})
        return self.poll()

    def codes(self, *codes: str) -> Reading:
        group = {"enterprise": "e", "city": "c", "zone": "z", "cpurls": codes}
        self.body = msgspec.json.encode([group])
        return self.poll()


def cards(key: str, available: float | None) -> dict[str, Any]:
    return {"computing_id": key, "gpu_available": available, "cpu_available": 4}


def totals(reading: Reading) -> dict[str, float]:
    return {unit.key: unit.total.get("chips", 0) for unit in reading.units}


# -- totals that a file may leave out


def test_the_total_of_a_resource_is_the_most_that_was_available() -> None:
    file = File()
    file.resources(cards("a", 3), {"computing_id": 1})
    reading = file.resources(cards("a", 1), {"computing_id": 1})
    assert (totals(reading), reading.units[0].free["chips"]) == ({"a": 3}, 1)
    assert not reading.whole and "resource 2" in reading.notes[0]


def test_a_file_of_what_is_available_keeps_the_total_of_the_file_before() -> None:
    file = File(layout=LAYOUT)
    file.codes("401-K1C64")
    (unit,) = file.codes("401-K2C12").units
    assert (unit.total["chips"], unit.free["chips"]) == (64, 12)


def test_what_was_refused_is_no_total() -> None:
    file = File()
    file.resources(cards("a", 4), cards("a", 400))
    assert totals(file.resources(cards("a", 3), cards("a", 400))) == {"a": 4}


def test_a_kind_that_is_not_told_once_is_not_forgotten() -> None:
    file = File()
    first, second, third = (file.resources(cards("a", x)).units[0] for x in (8, None, 2))
    assert [unit.total["chips"] for unit in (first, second, third)] == [8, 8, 8]
    assert [unit.free["chips"] for unit in (first, second, third)] == [8, 0, 2]


def test_a_total_that_is_told_is_that_one() -> None:
    file = File(layout=LAYOUT)
    file.codes("401-K1C64")
    assert totals(file.codes("401-K1C8", "401-K2C2")) == {"e/c/z/401": 8}
    assert totals(file.codes("401-K2C2")) == {"e/c/z/401": 8}
    both = File(layout="type=3 T:chips F:free_chips")
    both.codes("401T64F9")
    assert totals(both.codes("401T8F2")) == {"e/c/z/401": 8}


def test_of_what_a_whole_file_does_not_name_nothing_is_kept() -> None:
    file = File()
    file.resources(cards("a", 8), cards("b", 8))
    file.resources(cards("b", 4), {"computing_id": 1})  # it may have been a
    assert totals(file.resources(cards("a", 2), cards("b", 2))) == {"a": 8, "b": 8}
    file.resources(cards("b", 2))
    assert totals(file.resources(cards("a", 2), cards("b", 2))) == {"a": 2, "b": 8}


def test_what_is_kept_of_totals_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "UNITS_MAX", 3)
    before: gathering.Highest = {}
    for turn in range(4):
        reading = gathering.Gathering(before)
        reading.fault("something")
        for key in "ab":
            total = {"chips": 1.0}
            reading.add(Unit(f"{key}{turn}", "", total, total), is_kept=True)
        before = reading.told().highest
    assert list(before) == ["b2", "a3", "b3"]


# -- how old a file is


def test_a_file_of_which_nobody_says_when_it_was_written_grows_old() -> None:
    file = File()
    assert [file.poll(NOW + turn * MINUTE).taken for turn in range(3)] == [NOW] * 3
    file.body += b"b,8,8\n"
    assert [file.poll(NOW + turn * MINUTE).taken for turn in (3, 4)] == [NOW + 3 * MINUTE] * 2
    assert file.poll(NOW - MINUTE).taken == NOW - MINUTE  # our own clock was put back


def test_a_file_that_will_be_written_grows_old_as_well() -> None:
    file = File()
    written, again = NOW + 20 * MINUTE, NOW + 50 * MINUTE
    file.headers = {"last-modified": formatdate(written / 1_000, usegmt=True)}
    readings = [file.poll(NOW + turn * MINUTE) for turn in (0, 10)]
    assert [reading.taken for reading in readings] == [NOW] * 2
    assert all("a clock is wrong" in reading.notes[0] for reading in readings)
    # It stood there before that, whatever the clock says by now.
    assert file.poll(written + MINUTE).taken == NOW
    file.headers = {"last-modified": formatdate(again / 1_000, usegmt=True)}
    assert file.poll(again + MINUTE).taken == again  # written once more, and the same


# -- what a poll costs


def test_a_file_that_has_not_changed_is_not_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    file = File()
    first = file.poll()
    assert file.poll(NOW + MINUTE).units is first.units
    file.polled.source = source("table", free="all")
    assert file.poll().units is not first.units
    monkeypatch.setattr(kept, "UNITS_MAX", 0)
    file.body += b"b,8,8\n"
    assert file.poll().units is not file.poll().units


def test_a_file_that_cannot_be_read_is_told_each_time() -> None:
    file = File()
    first = file.poll()
    file.body = b"nothing"
    for _ in range(2):
        with pytest.raises(ReadingError, match="no row of heads"):
            file.poll()
    file.body = STOCK
    assert file.poll(NOW + MINUTE) == first._replace(taken=NOW + MINUTE)


HEADS = (
    '<row><c t="inlineStr"><is><t>key</t></is></c><c t="inlineStr"><is><t>count</t></is></c></row>'
)


def xlsx(rows: str, texts: Sequence[str] = ()) -> bytes:
    """A sheet with these rows behind its heads, and these texts that cells share."""
    made = io.BytesIO()
    book = openpyxl.Workbook()
    book.save(made)
    parts = zipfile.ZipFile(made)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package:
        for name in parts.namelist():
            octets = parts.read(name)
            if name == "xl/worksheets/sheet1.xml":
                octets = f"<worksheet><sheetData>{HEADS}{rows}</sheetData></worksheet>".encode()
            elif name == "xl/_rels/workbook.xml.rels":
                shared = b'<Relationship Id="texts" Target="sharedStrings.xml"/></Relationships>'
                octets = octets.replace(b"</Relationships>", shared)
            if name != "xl/sharedStrings.xml":
                package.writestr(name, octets)
        items = "".join(f"<si><t>{text}</t></si>" for text in texts)
        package.writestr("xl/sharedStrings.xml", f"<sst>{items}</sst>")
    return packed.getvalue()


@pytest.mark.parametrize(
    ("rows", "texts", "message"),
    [
        ('<row><c r="IV1"><v>8</v></c></row>' * 3_000, [], "more than 500,000 cells"),
        ('<row><c t="s"><v>0</v></c></row>' * 1_000, ["x" * 32_000], "16,000,000 characters"),
        (f"<row><c><v>{' ' * (48 << 20)}</v></c></row>", [], "expands to more than 50,331,648"),
    ],
)
def test_a_small_file_that_comes_to_much_is_refused(
    rows: str, texts: Sequence[str], message: str
) -> None:
    file = File()
    file.body = xlsx(rows, texts)
    assert len(file.body) < 100_000
    with pytest.raises(ReadingError, match=message):
        file.poll()


def test_so_is_one_of_very_many_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sheet.LIMITS.elements == 2_000_000
    monkeypatch.setattr(sheet, "LIMITS", sheet.LIMITS._replace(elements=20_000))
    file = File()
    file.body = xlsx("<row>" + "<c/>" * 10_000 + "</row>")
    file.poll()
    file.body = xlsx("<row>" + "<c/>" * 20_000 + "</row>")
    with pytest.raises(ReadingError, match="more than 20,000 elements"):
        file.poll()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"key,count\n" + b"\n" * 2_000_000, "more than 2,000,000 lines"),
        (b"key,count\n" + b"a\n" * 200_001, "more than 200,000 rows"),
        (b"key,count\n" + (b"x," * 16_000 + b"\n") * 251, "4,000,000 cells"),
        (b"[" + b"{}," * 5_000_000 + b"1,1]", "5,000,000 commas"),
        (b"[" + b"{}," * 400_000 + b"{}]", "more than 400000 parts"),
    ],
)
def test_so_is_text_of_more_parts_than_are_read(body: bytes, message: str) -> None:
    file = File()
    file.body = body
    with pytest.raises(ReadingError, match=message):
        file.poll()


def test_a_sheet_of_many_rows_and_columns_is_read() -> None:
    remarks = '<c t="s"><v>0</v></c>' * 38
    rows = (f'<row><c t="str"><v>r{x}</v></c><c><v>8</v></c>{remarks}</row>' for x in range(10_000))
    file = File()
    file.body = xlsx("".join(rows), ["what somebody has to say of it"])
    assert len(file.poll().units) == 10_000


def test_a_text_of_as_many_rows_as_there_may_be_units_is_read() -> None:
    file = File()
    file.body = b"key,count,free_chips\n" + b"".join(b"r%d,8,8\n" % x for x in range(200_000))
    reading = file.poll()
    assert len(reading.units) == 200_000 and reading.whole
