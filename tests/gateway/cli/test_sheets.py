"""Sheets as a user meets them: a template, an import, what comes back, an export."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from csid.columns import COLUMNS, SEGMENT_COLUMNS, column_named, divisions_on, industries, types
from csid.identifier import make
from gateway.cli.options import today
from gateway.sheets.template import LISTS, ROWS_MAX
from gateway.sheets.write import AS_TEXT, SHEET
from registry.service import Registry
from registry.tables.view import assignments
from tests.support.commands import Node, run
from tests.support.registering import CLASS, OTHER, OWNER, PLACE, POOL, identifier
from tests.support.servers import CHECKOUT
from tests.support.sheets import SEGMENT_HEADS, row, sheet, table


def names(node: Node) -> list[str]:
    """The identifiers of a node."""
    return [one["identifier"] for one in node.run("list", "--json", "--limit", "0").json]


def contents(node: Node) -> dict[str, bytes]:
    """The records of a node's identifiers."""
    with Registry.open(node.data) as registry, registry.view() as seen:
        return {
            name: row.record for owner in (OWNER, OTHER) for name, row in assignments(seen, owner)
        }


# -- import


def test_a_sheet_goes_in_with_its_heads_in_any_order_and_states_in_chinese(
    node: Node, tmp_path: Path
) -> None:
    heads = ["状态 state", "名称*", "Serial", "class", "类型", "位置", "行业", "OWNER", "有效期"]
    heads[-1] = "失效日期"
    rows = [
        ["有效", "一号", "0001", CLASS, "ACV", "330106", "6450", OWNER, "2028-12-31"],
        [
            "预留 reserved",
            "二号",
            "0002",
            CLASS,
            "智算云虚拟机",
            "330106 西湖区",
            6450,
            OWNER,
            None,
        ],
        ["suspended", None, "0003", CLASS, "ACV 智算云虚拟机", "330106", "6450", OWNER, None],
    ]
    ran = node.run("import", sheet(tmp_path / "t.xlsx", rows, heads))
    assert ran.code == 0 and "added 3" in ran.out
    assert names(node) == [str(identifier(f"000{n}")) for n in (1, 2, 3)]
    states = [node.state(identifier(f"000{n}")) for n in (1, 2, 3)]
    assert states == ["active", "reserved", "suspended"]
    assert "2028-12-31" in node.run("show", identifier("0001")).out
    again = node.run("import", tmp_path / "t.xlsx", "--json").json[0]
    assert (again["unchanged"], again["bad"]) == (3, 0)


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [("utf-8", ","), ("utf-8-sig", ","), ("gb18030", ","), ("gbk", ";"), ("utf-16", "\t")],
)
@pytest.mark.parametrize("whole", [True, False])
def test_text_in_every_encoding_that_a_spreadsheet_saves(
    node: Node, tmp_path: Path, encoding: str, delimiter: str, whole: bool
) -> None:
    file = tmp_path / "t.csv"
    with file.open("w", encoding=encoding, newline="") as text:
        writer = csv.writer(text, delimiter=delimiter)
        if whole:
            writer.writerow(["标识", "状态", "名称", "生效日期"])
            writer.writerow([identifier("0001"), "有效", "西溪一号", "2026/1/5"])
        else:
            writer.writerow([*SEGMENT_HEADS, "生效日期"])
            writer.writerow([*row("0001", "西溪一号"), "2026/1/5"])
    ran = node.run("import", file)
    assert ran.code == 0 and "added 1" in ran.out, ran
    shown = node.run("show", identifier("0001"), "--json").json[0]
    assert (shown["record"]["name"], shown["record"]["valid_from"]) == ("西溪一号", "2026-01-05")


def test_a_line_that_is_no_text_is_told(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    lines = [",".join(SEGMENT_HEADS), *(",".join(map(str, row(f"000{n}", "池"))) for n in range(3))]
    octets = "\n".join(lines).encode("gb18030")
    file.write_bytes(
        octets + b"\n" + ",".join(map(str, row("0009"))).encode("gb18030") + b"\xff\xff"
    )
    ran = node.run("import", file, "--encoding", "gb18030")
    assert ran.code == 1 and "t.csv:5: the line is not gb18030" in ran.err and len(names(node)) == 3


@pytest.mark.parametrize("title", ["算力资源登记表,,,,,,,", "sep=,"])
def test_text_with_a_title_above_its_heads(node: Node, tmp_path: Path, title: str) -> None:
    file = tmp_path / "t.csv"
    lines = [title, ",".join(SEGMENT_HEADS), ",".join(map(str, row("0001"))), "x"]
    file.write_text("\n".join(lines), encoding="utf-8")
    ran = node.run("import", file)
    assert ran.code == 1 and names(node) == [str(identifier("0001"))]
    assert "t.csv:4: row: has 1 cells, the header has 8" in ran.err


DAMAGES: list[tuple[list[object], str]] = [
    (row(1.0, "a"), "as wide as its neighbours"),  # 0001 beside 0002
    (row("1.00E+05"), "scientific notation"),
    (row(123456789012345678), "rounded"),
    (row("3月1日"), "date"),
    (row(True), "logical value"),
    (row("=A1"), "formula whose result"),
    (row("#REF!"), "error of a formula"),
    (row("0009", "#N/A"), "error of a formula"),
    (row("0009", industry="6.45E+3"), "scientific notation"),
    (row("0009", industry=110), "leading zeros"),
    (row("0009", owner=911101080000000000), "rounded"),
    (row("0009", location="330107 西湖区"), "fill handle"),
    (row("0009", "two\nlines"), "line break"),
    ([*row("0009"), "stray"], "column without a head"),
]


def test_what_excel_destroys_is_found_and_nothing_of_it_is_written(
    node: Node, tmp_path: Path
) -> None:
    rows = [row("0002"), *(bad for bad, _ in DAMAGES)]
    ran = node.run("import", sheet(tmp_path / "t.xlsx", rows), "--errors", tmp_path / "errors")
    assert ran.code == 1
    assert names(node) == [str(identifier("0002"))]
    lines = (tmp_path / "errors").read_text().splitlines()
    assert len(lines) == len(DAMAGES)
    for number, (line, (_, told)) in enumerate(zip(lines, DAMAGES, strict=True), 3):
        assert f"t.xlsx:{number}: " in line and told in line, line


def test_leading_zeros_that_a_csv_has_lost_are_missed(node: Node, tmp_path: Path) -> None:
    rows = [row(str(n)) for n in range(8, 12)]
    file = tmp_path / "t.csv"
    with file.open("w", encoding="utf-8", newline="") as text:
        csv.writer(text).writerows([SEGMENT_HEADS, *rows])
    ran = node.run("import", file)
    assert (ran.code, names(node)) == (1, []) and "bad 4" in ran.out
    assert node.run("import", file, "--serials-as-written").code == 0
    assert len(names(node)) == 4
    # What is registered so is no damage when it comes again; what is new is doubted, still.
    assert node.run("import", file, "--json").json[0]["unchanged"] == 4
    with file.open("a", encoding="utf-8", newline="") as text:
        csv.writer(text).writerow(row("12"))
    again = node.run("import", file, "--json").json[0]
    assert (again["unchanged"], again["bad"], again["added"]) == (4, 1, 0)
    assert again["errors"][0]["column"] == "serial" and again["errors"][0]["kind"] == "WIDTH"


def test_a_row_that_is_wrong_still_says_how_wide_serials_are(node: Node, tmp_path: Path) -> None:
    rows = [
        row("0001", "#REF!"),
        row("2"),
        row("0003", state="在用", kind="GCV"),
        row("4", kind="GCV"),
    ]
    ran = node.run("import", sheet(tmp_path / "t.xlsx", rows))
    assert ran.code == 1 and "bad 4" in ran.out and names(node) == []


def test_a_serial_is_as_wide_as_its_pool(node: Node, tmp_path: Path) -> None:
    node.must("pool", "add", PLACE, "--class", CLASS, "--count", "50")
    file = sheet(tmp_path / "t.xlsx", [row("7"), row("0008"), row("9", location="330108")])
    ran = node.run("import", file)
    assert ran.code == 1 and "t.xlsx:2: serial: " in ran.err and "(pool: 4)" in ran.err
    assert len(names(node)) == 2 and str(identifier("0008")) in names(node)


def test_a_number_that_is_shown_with_its_zeros_has_kept_them(node: Node, tmp_path: Path) -> None:
    def change(active: Any) -> None:
        for cell in ("F2", "F3"):
            active[cell].number_format = "0000"

    file = sheet(tmp_path / "t.xlsx", [row(7), row(12)], change=change)
    assert node.run("import", file).code == 0
    assert names(node) == [str(identifier("0007")), str(identifier("0012"))]


def test_merged_cells_hidden_rows_titles_and_other_sheets(node: Node, tmp_path: Path) -> None:
    def change(active: Any) -> None:
        active.insert_rows(1)
        active["A1"] = "算力资源登记表"
        active.merge_cells("A1:H1")
        active.merge_cells("A4:A5")
        active.merge_cells("J3:J6")  # beside the table
        active.row_dimensions[6].hidden = True
        active.column_dimensions["H"].hidden = True
        active.parent.create_sheet("说明")["A1"] = "x"

    rows = [row(f"000{n}") for n in range(1, 5)]
    ran = node.run("import", sheet(tmp_path / "t.xlsx", rows, change=change))
    assert ran.code == 1
    assert names(node) == [str(identifier("0001")), str(identifier("0004"))]
    assert "t.xlsx:4: " in ran.err and "t.xlsx:5: " in ran.err and "merged" in ran.err
    assert "hidden rows were read too: 1 (6)" in ran.err
    assert "hidden columns were read too: number 8" in ran.err
    assert "'说明'" in ran.err and "--sheet" in ran.err


def test_unknown_columns_are_named_and_refused_or_left_out_if_asked(
    node: Node, tmp_path: Path
) -> None:
    rows = [[*row("0001"), "x", "y"]]
    heads = [*SEGMENT_HEADS, "机柜", "stat"]
    for file in (sheet(tmp_path / "t.xlsx", rows, heads), tmp_path / "t.csv"):
        if file.suffix == ".csv":
            with file.open("w", encoding="utf-8", newline="") as text:
                csv.writer(text).writerows([heads, *rows])
        refused = node.run("import", file)
        assert (refused.code, names(node)) == (2, [])
        assert "'机柜', 'stat' (did you mean state?)" in refused.err
        assert "--ignore-unknown" in refused.err and "序号 serial" in refused.err
        taken = node.run("import", file, "--ignore-unknown", "--dry-run")
        assert taken.code == 0 and "columns left out: 机柜, stat" in taken.err


@pytest.mark.parametrize(
    ("heads", "told"),
    [
        ([*SEGMENT_HEADS, "状态 state"], "'state' is there twice"),
        (["标识", *SEGMENT_HEADS], "not both"),
        (["标识", "名称"], "missing column state"),
        ([], "the table is empty"),
    ],
)
def test_wrong_heads_are_told(node: Node, tmp_path: Path, heads: list[str], told: str) -> None:
    ran = node.run("import", sheet(tmp_path / "t.xlsx", [], heads))
    assert ran.code == 2 and told in ran.err and ran.err.count("\n") == 1


def test_what_is_mended_is_told(node: Node, tmp_path: Path) -> None:
    file = sheet(tmp_path / "t.xlsx", [row("０００１\u00a0", " 一号 "), row("0002")])
    ran = node.run("import", file)
    assert ran.code == 0 and "已规整 2 个单元格" in ran.err
    assert names(node) == [str(identifier("0001")), str(identifier("0002"))]


def test_a_sheet_of_a_name_and_what_is_no_sheet(node: Node, tmp_path: Path) -> None:
    file = sheet(tmp_path / "t.xlsx", [row("0001")])
    assert "no sheet 'x'" in node.run("import", file, "--sheet", "x").err
    assert node.run("import", file, "--sheet", "Sheet", "--dry-run").code == 0
    text = tmp_path / "t.csv"
    text.write_text("identifier,state\n")
    assert "--sheet is for .xlsx" in node.run("import", text, "--sheet", "x").err


def test_a_sheet_may_be_called_otherwise_and_come_from_stdin(node: Node, tmp_path: Path) -> None:
    file = sheet(tmp_path / "t.xlsx", [row("0001")])
    odd = shutil.copy(file, tmp_path / "table.csv")
    assert node.run("import", odd, "--dry-run").code == 0
    words = [sys.executable, "-m", "gateway.cli", "import", "-", "--data", node.data]
    ran = subprocess.run(words, input=file.read_bytes(), capture_output=True, cwd=CHECKOUT)
    assert (ran.returncode, b"added 1" in ran.stdout) == (0, True), ran


# -- wrong rows


@pytest.mark.parametrize("form", ["xlsx", "csv"])
def test_wrong_rows_come_back_and_once_mended_go_in(node: Node, tmp_path: Path, form: str) -> None:
    def change(active: Any) -> None:
        active.insert_rows(1)
        active["A1"] = "title"

    rows = [row("0001", "好"), row("2", "二"), row("0003", "x" * 61), row("0004", state="在用")]
    rows += [row("0005", owner="91350100MA00000000"), row("0006", owner="91110108551385082Q")]
    rows += [row("0007", "甲"), row("0007", "乙")]
    file = sheet(tmp_path / "t.xlsx", rows, change=change)
    back = tmp_path / f"wrong.{form}"
    ran = node.run("import", file, "--wrong", back)
    assert ran.code == 1 and f"{len(rows) - 2}  {back}" in ran.err
    if form == "xlsx":
        returned = table(back)
    else:
        assert back.read_bytes().startswith(b"\xef\xbb\xbf")
        returned = list(csv.reader(back.read_text("utf-8-sig").splitlines()))
    heads, *wrong = returned
    assert heads[:8] == list(SEGMENT_HEADS)
    assert [line[8] for line in wrong] == ["4", "5", "6", "7", "8", "10"]
    assert [line[9].split(" ")[-1] for line in wrong] == [
        "serial",
        "name",
        "state",
        "owner",
        "",
        "",
    ]
    for line in wrong:
        assert not line[10].isascii() and line[11] and line[12], line
    assert "csid owner add" in wrong[4][12] and "两行只保留一行" in wrong[5][12]
    assert wrong[3][0] == "91350100MA00000000" and wrong[0][5] == "2"

    mended = [line for line in wrong if line[8] not in ("8", "10")]
    mended[0][5], mended[1][7], mended[2][6], mended[3][0] = "0002", "三", "有效", OWNER
    again = sheet(tmp_path / "mended.xlsx", mended, heads)
    done = node.run("import", again)
    assert (done.code, "added 4" in done.out) == (0, True), done
    assert names(node) == [str(identifier(f"000{n}")) for n in (1, 2, 3, 4, 5, 7)]


def test_without_wrong_rows_no_file_of_them_is_made(node: Node, tmp_path: Path) -> None:
    file = sheet(tmp_path / "t.xlsx", [row("0001")])
    assert node.run("import", file, "--wrong", tmp_path / "w.xlsx").code == 0
    assert not (tmp_path / "w.xlsx").exists()
    refused = node.run("import", file, "--wrong", tmp_path / "w.txt")
    assert refused.code == 2 and ".csv or .xlsx" in refused.err
    itself = node.run("import", file, "--wrong", tmp_path / "." / "t.xlsx")
    assert itself.code == 2 and "is the table itself" in itself.err


def test_wrong_rows_of_a_large_plain_table_come_back_as_well(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    lines = [f"{identifier(f'{n:04}')},active,池{n}" for n in range(1, 200)]
    lines[100] = "nonsense,active,'=1"
    file.write_text("\n".join(["identifier,state,name", *lines, ""]), encoding="utf-8")
    assert node.run("import", file, "--wrong", tmp_path / "w.csv").code == 1
    heads, one = csv.reader((tmp_path / "w.csv").read_text("utf-8-sig").splitlines())
    assert heads[:3] == ["identifier", "state", "name"]
    assert one[:5] == ["nonsense", "active", "'=1", "102", "标识 identifier"]


# -- export


def test_what_is_exported_as_a_sheet_is_the_same_state_when_it_is_imported_again(
    filled: Node, copy: Node, tmp_path: Path
) -> None:
    filled.must("update", identifier("0001"), "--name", "=1+1", "--chip", "'@x", "--fabric=0012")
    filled.must("update", identifier("0004"), "--memory-gib", "1152.123456789")
    file = tmp_path / "all.xlsx"
    assert filled.run("export", "--output", file).code == 0
    done = copy.run("import", file, "--json").json[0]
    assert (done["added"], done["bad"]) == (6, 0)
    assert contents(copy) == contents(filled)
    active = openpyxl.load_workbook(file).active
    assert [column_named(cell.value) for cell in active[1]] == [
        name for name in COLUMNS if name not in SEGMENT_COLUMNS
    ]
    for cells in active.iter_rows(min_row=2):
        for cell in cells:
            assert cell.data_type != "f"
            assert cell.data_type == "n" or cell.number_format == AS_TEXT
    refused = filled.run("export", "--format", "xlsx")
    assert refused.code == 2 and "--output FILE.xlsx" in refused.err


# -- template


def test_a_template_has_lists_notes_formats_and_an_example(tmp_path: Path) -> None:
    file = tmp_path / "t.xlsx"
    assert run("template", file).code == 0
    book = openpyxl.load_workbook(file)
    active, lists = book[SHEET], book[LISTS]
    assert book.sheetnames == [SHEET, LISTS] and lists.sheet_state == "hidden"
    heads = [cell for cell in active[1] if cell.value]
    columns = [column_named(str(cell.value)) for cell in heads]
    assert columns[: len(SEGMENT_COLUMNS)] == list(SEGMENT_COLUMNS)
    assert columns[-1] is None and str(heads[-1].value).startswith("备注")
    for cell, name in zip(heads[:-1], columns, strict=False):
        assert not str(cell.value).isascii()
        assert cell.comment is not None and not cell.comment.text.isascii()
        assert ("必填" in cell.comment.text) == (name in (*SEGMENT_COLUMNS, "state"))
    expected = {
        "industry": [f"{code} {name}" for code, name in industries()],
        "location": [f"{code} {name}" for code, name in divisions_on(today().year)],
        "type": [f"{code} {words.zh}" for code, words in types().items()],
    }
    found = {}
    for rule in active.data_validations.dataValidation:
        (place,) = rule.sqref.ranges
        assert (rule.type, place.min_row, place.max_row) == ("list", 2, ROWS_MAX + 1)
        (cells,) = [lists[rule.formula1.partition("!")[2].replace("$", "")]]
        found[columns[place.min_col - 1]] = [cell.value for (cell,) in cells]
    states = found.pop("state")
    assert found == expected and len(states) == 5
    for name in ("owner", "industry", "serial", "state", "valid_from", "price"):
        letter = heads[columns.index(name)].column_letter
        assert active.column_dimensions[letter].number_format == AS_TEXT, name
    assert active.column_dimensions[heads[columns.index("count")].column_letter] is not None
    assert active.freeze_panes == "A2"


def test_the_example_and_every_choice_of_the_lists_go_in(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "t.xlsx"
    run("template", file)
    left_out = node.run("import", file)
    assert (left_out.code, names(node)) == (0, []) and "example rows left out: 1" in left_out.err
    book = openpyxl.load_workbook(file)
    active, lists = book[SHEET], book[LISTS]
    choices = [[cell.value for cell in column if cell.value][1:] for column in lists.columns]
    columns = [column_named(str(cell.value)) if cell.value else None for cell in active[1]]
    last = columns.index(None) + 1
    for number in range(60):
        at = number + 3
        for cell in active[2]:
            active.cell(at, cell.column).value = cell.value
        active.cell(at, last).value = None
        active.cell(at, columns.index("serial") + 1).value = f"{number:04}"
        for name, texts in zip(("state", "industry", "location", "type"), choices, strict=True):
            active.cell(at, columns.index(name) + 1).value = texts[number * 17 % len(texts)]
    book.save(file)
    ran = node.run("import", file)
    assert (ran.code, len(names(node))) == (0, 60), ran


def test_a_template_of_a_pool_has_its_codes_that_are_free_next(node: Node, tmp_path: Path) -> None:
    node.must("pool", "add", PLACE, "--class", CLASS, "--count", "6")
    node.must("assign", POOL, "--endpoint", "https://a.example")
    node.must("assign", f"{POOL}-0003")
    file = tmp_path / "t.xlsx"
    assert node.run("template", file, "--pool", POOL, "--rows", "3").code == 0
    active = openpyxl.load_workbook(file)[SHEET]
    serials = [active.cell(n, 6).value for n in range(3, 7)]
    assert serials == ["0002", "0004", "0005", None]
    assert [cell.value for cell in active[3]][:5] == [*PLACE.split("/"), CLASS]
    (rule,) = [r for r in active.data_validations.dataValidation if r.type == "textLength"]
    assert (rule.operator, rule.formula1) == ("equal", "4")
    for n in range(3, 6):
        active.cell(n, 7).value = "有效"
    active.parent.save(file)
    assert node.run("import", file).code == 0
    assert make(*PLACE.split("/"), CLASS, "0005") == identifier("0005")
    assert str(identifier("0005")) in names(node)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["t.csv"], "a name ending in .xlsx"),
        (["t.xlsx", "--pool", POOL], "there is no pool"),
        (["t.xlsx", "--pool", "x"], "is no pool"),
        (["t.xlsx", "--pool", POOL, "--rows", "0"], "expected 1 to"),
        (["no/t.xlsx"], "cannot be written"),
    ],
)
def test_a_template_that_cannot_be(node: Node, tmp_path: Path, words: list[str], told: str) -> None:
    ran = node.run("template", tmp_path / words[0], *words[1:])
    assert ran.code == 2 and told in ran.err


def test_a_template_needs_no_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CSID_DATA", raising=False)
    assert run("template", tmp_path / "t.xlsx").code == 0


# -- another program


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
@pytest.mark.parametrize(
    "forms",
    [
        ["xlsx"],
        ["csv:Text - txt - csv (StarCalc):44,34,76"],  # commas, UTF-8
        ["csv:Text - txt - csv (StarCalc):9,34,65535"],  # tabs, UTF-16
        ["ods", "xlsx"],
    ],
)
def test_a_sheet_that_another_program_has_saved_is_the_same(
    filled: Node, copy: Node, tmp_path: Path, forms: list[str]
) -> None:
    file = tmp_path / "all.xlsx"
    assert filled.run("export", "--output", file).code == 0
    for form in forms:
        ending = form.partition(":")[0]
        folder = tmp_path / ending
        words = ["soffice", "--headless", "--convert-to", form, "--outdir", folder, file]
        subprocess.run(words, check=True, capture_output=True, timeout=120)
        file = folder / f"all.{ending}"
    done = copy.run("import", file, "--json").json[0]
    assert (done["added"], done["bad"]) == (6, 0)
    assert contents(copy) == contents(filled)
