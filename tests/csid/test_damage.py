"""What a spreadsheet makes of a cell: found out, undone where nothing is guessed, else refused."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.cells import Broken, Cell, Day, Look, Number, day_of, look_of
from csid.columns import BY_NAME, Form
from csid.damage import KINDS, error_of, settled

OWNER = "91330106673959654P"
DATE = Look.DATE
EXPONENT = Look.EXPONENT


@pytest.mark.parametrize(
    ("column", "cell", "kind"),
    [
        # powers of ten
        ("industry", "6.45E+3", "SCIENTIFIC"),
        ("industry", "6.45E+03", "SCIENTIFIC"),
        ("serial", "1.00E+05", "SCIENTIFIC"),
        ("serial", "1E+05", "SCIENTIFIC"),
        ("owner", "9.1330106673959E+17", "SCIENTIFIC"),
        ("serial", Number("100000", EXPONENT), "SCIENTIFIC"),
        ("name", Number("100000", EXPONENT), "SCIENTIFIC"),
        ("name", "1.2E+11", "SCIENTIFIC"),
        ("fp16_gflops", "3.13E+12", "SCIENTIFIC"),
        ("serial", Number("1E300"), "SCIENTIFIC"),
        # dates
        ("serial", Day("2026-03-01"), "DATE"),
        ("chip", Day("2026-03-01"), "DATE"),
        ("count", Day("2026-03-01"), "DATE"),
        ("serial", Number("99999999", DATE), "DATE"),
        ("serial", "3月1日", "DATE"),
        ("serial", "2026年3月", "DATE"),
        ("serial", "1-Mar", "DATE"),
        ("serial", "Mar-01", "DATE"),
        ("serial", "2026/3/1", "DATE"),
        ("serial", "2026-03-01", "DATE"),
        ("serial", "3/1/2026", "DATE"),
        ("class", "2026-03-01 0:00", "DATE"),
        # rounded, and leading zeros
        ("owner", Number("911101080000000000"), "ROUNDED"),
        ("owner", Number("9.11101080000000E+17"), "ROUNDED"),
        ("owner", "911101081234567000", "ROUNDED"),
        ("serial", Number("123456789012345678"), "ROUNDED"),
        ("chip", Number("1234567890123456"), "ROUNDED"),
        ("industry", Number("110"), "ZEROS"),
        ("industry", "110", "ZEROS"),
        ("location", "11010", "ZEROS"),
        ("owner", "11330106673959", "ZEROS"),
        # other numbers
        ("serial", Number("7.5"), "NUMBER"),
        ("serial", "6,450", "NUMBER"),
        ("industry", "6450.0", "NUMBER"),
        ("serial", Number("-1"), "NUMBER"),
        ("valid_from", Number("46053"), "NO_DATE"),
        # errors, logical values, breaks
        ("name", "#REF!", "ERROR"),
        ("serial", "#N/A", "ERROR"),
        ("chip", "#name?", "ERROR"),
        ("count", "########", "ERROR"),
        ("name", Broken("BOOLEAN", "TRUE"), "BOOLEAN"),
        ("name", "a\nb", "BREAK"),
        ("identifier", "a\u2028b", "BREAK"),
        # a fill handle counts codes on
        ("location", "330107 西湖区", "FILLED"),
        ("industry", "6440 互联网数据服务", "FILLED"),
    ],
)
def test_what_is_destroyed_is_told(column: str, cell: Cell, kind: str) -> None:
    found = settled(BY_NAME[column], cell)
    assert isinstance(found, Broken) and found.kind == kind
    told = str(error_of(column, found))
    for words in KINDS[kind]:
        assert words in told


@pytest.mark.parametrize(
    ("column", "cell", "text"),
    [
        ("owner", f" {OWNER}\u00a0", OWNER),
        ("owner", OWNER.translate({ord("9"): "９"}), OWNER),
        ("serial", "０００７", "0007"),
        ("serial", "\u30000007\u200b", "0007"),
        ("serial", Number("7", Look.PLAIN, 4), "0007"),  # shown as 0007 by its format
        ("industry", Number("110", Look.PLAIN, 4), "0110"),
        ("location", "330106 西湖区", "330106"),
        ("industry", "0000 不限行业", "0000"),
        ("type", "ACV 智算云虚拟机", "ACV"),
        ("type", "智算云虚拟机", "ACV"),
        ("type", "AI computing, cloud, virtual machine", "ACV"),
        ("state", "有效 ", "有效"),
        (
            "endpoints",
            "https://a.example\nhttps://b.example ",
            "https://a.example https://b.example",
        ),
        ("name", "  一号\u3000池\t", "一号\u3000池"),
        ("count", "１２", "12"),
        ("count", "1,152", "1152"),
        ("green_share", "62.5%", "0.625"),
        ("valid_from", "2026/1/5", "2026-01-05"),
        ("valid_from", "2026年1月5日", "2026-01-05"),
        ("valid_from", "2026.01.05", "2026-01-05"),
        ("valid_from", "2026-1-5", "2026-01-05"),
        ("valid_from", "2026-01-05 00:00:00", "2026-01-05"),
        ("valid_from", Number("20260105"), "2026-01-05"),
    ],
)
def test_what_is_only_written_another_way_is_mended(column: str, cell: Cell, text: str) -> None:
    assert settled(BY_NAME[column], cell) == (text, True)


@pytest.mark.parametrize(
    ("column", "cell", "text"),
    [
        ("serial", "1E5", "1E5"),  # a serial, unless it was a number
        ("serial", "MAR1", "MAR1"),
        ("serial", Number("1001"), "1001"),
        ("owner", OWNER, OWNER),
        ("owner", "", ""),
        ("location", "GBLON", "GBLON"),
        ("type", "XYZ", "XYZ"),
        ("industry", "64500", "64500"),
        ("name", "100%", "100%"),
        ("name", "2026/1/5", "2026/1/5"),
        ("name", "（一号）", "（一号）"),
        ("name", Number("910"), "910"),
        ("count", Number("8"), "8"),
        ("memory_gib", Number("1152.5"), "1152.5"),
        ("fp16_gflops", Number("3.13E+6"), "3130000"),
        ("green_share", Number("0.30000000000000004"), "0.3"),
        ("valid_from", Day("2026-01-05"), "2026-01-05"),
        ("valid_from", "2026-02-30", "2026-02-30"),
        ("valid_from", "1/5/2026", "1/5/2026"),  # the fifth of January, or the first of May
        ("count", "many", "many"),
    ],
)
def test_what_no_spreadsheet_made_is_left_to_the_rules(column: str, cell: Cell, text: str) -> None:
    assert settled(BY_NAME[column], cell) == (text, False)


def test_an_owner_code_that_ends_in_zeros_and_holds_is_none_that_was_rounded() -> None:
    from csid import scheme
    from csid.errors import IdentifierError
    from csid.segments import require  # the code is looked for: one in a thousand ends so

    segment = scheme.load().segment("owner")

    def holds(code: str) -> bool:
        try:
            require(segment, code, 0)
        except IdentifierError:
            return False
        return True

    codes = (f"91330106{n:07}000" for n in range(1, 2_000))
    code = next(filter(holds, codes))
    assert settled(BY_NAME["owner"], code) == (code, False)


@given(st.sampled_from(sorted(BY_NAME)), st.text(max_size=30))
def test_mending_ends(column: str, cell: str) -> None:
    found = settled(BY_NAME[column], cell)
    if not isinstance(found, Broken):
        assert settled(BY_NAME[column], found.text) == (found.text, False)


@given(st.sampled_from(sorted(BY_NAME)), st.decimals(allow_nan=False, allow_infinity=False))
def test_any_number_is_read_or_refused(column: str, number: object) -> None:
    found = settled(BY_NAME[column], Number(str(number)))
    assert isinstance(found, Broken) or "E" not in found.text


@given(st.integers(0, 10**15 - 1))
def test_whole_numbers_of_fifteen_digits_come_as_they_are(number: int) -> None:
    assert settled(BY_NAME["count"], Number(str(number))) == (str(number), False)


# -- numbers that are shown as dates


@pytest.mark.parametrize(
    ("number", "code", "look"),
    [
        (0, None, (Look.PLAIN, 0)),
        (11, None, (EXPONENT, 0)),
        (14, None, (DATE, 0)),
        (31, None, (DATE, 0)),  # yyyy"年"m"月"d"日" in Chinese versions
        (49, None, (Look.PLAIN, 0)),
        (164, "General", (Look.PLAIN, 0)),
        (164, "yyyy-mm-dd", (DATE, 0)),
        (164, "[$-804]yyyy/m/d;@", (DATE, 0)),
        (164, 'yyyy"年"m"月"d"日"', (DATE, 0)),
        (164, "[h]:mm", (DATE, 0)),
        (164, "0.00E+00", (EXPONENT, 0)),
        (164, "0000", (Look.PLAIN, 4)),
        (164, "[Red]000000;-0", (Look.PLAIN, 6)),
        (164, '0" dms"', (Look.PLAIN, 1)),
        (164, "#,##0.00", (Look.PLAIN, 0)),
        (164, "[Red]0.00", (Look.PLAIN, 0)),
        (164, "", (Look.PLAIN, 0)),
    ],
)
def test_formats_say_what_a_number_is_shown_as(
    number: int, code: str | None, look: tuple[Look, int]
) -> None:
    assert look_of(number, code) == look


@given(st.dates(date(1900, 3, 1), date(9999, 12, 31)))
def test_days_are_counted_as_spreadsheets_do(day: date) -> None:
    number = (day - date(1899, 12, 30)) // timedelta(1)
    assert day_of(str(number), False) == day_of(f"{number}.5", False) == day.isoformat()
    assert day_of(str(number - 1462), True) == (
        day.isoformat() if day >= date(1904, 1, 1) else day_of(str(number - 1462), True)
    )


@pytest.mark.parametrize("text", ["0", "-1", "60", "1e9", "1e400", "nan", "x", ""])
def test_what_is_no_day_is_none(text: str) -> None:
    assert day_of(text, False) is None


def test_every_form_of_cell_is_told_in_both_languages() -> None:
    assert {column.form for column in BY_NAME.values()} == set(Form)
    for column in BY_NAME.values():
        assert column.zh and column.en and not column.zh.isascii() and column.en.isascii()
