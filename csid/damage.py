"""What a spreadsheet makes of a cell, found out from the cell: text as it was meant, or damage.

A spreadsheet takes what is typed or pasted for a number or a date if it can. So codes lose leading
zeros, end in zeros behind their fifteenth digit, become powers of ten or days, for ever, since
nothing in the file says what stood there. Such a cell is not taken; what can be undone without
a guess (spaces at the ends, wide digits, dates written another way) is. Pure over cells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from csid import scheme, segments
from csid.cells import Broken, Cell, Day, Look, Number
from csid.columns import Column, Form, folded
from csid.errors import IdentifierError, RecordError
from csid.vocabulary import Words

EXACT_DIGITS: Final = 15  # that a spreadsheet keeps of a number


class Kind(NamedTuple):
    """A way in which a cell or a row is spoilt: what happened, and what to do."""

    zh: str
    en: str
    do_zh: str
    do_en: str

    @property
    def said(self) -> Words:
        """What happened."""
        return Words(self.zh, self.en)

    @property
    def advice(self) -> Words:
        """What to do."""
        return Words(self.do_zh, self.do_en)


_AS_TEXT: Final = Words(
    "将该列单元格格式设为“文本”，按原始资料重新填写",
    "format the column as text and enter the code again from its source",
)
KINDS: Final[Mapping[str, Kind]] = {
    "ZEROS": Kind("位数不足，前导零已丢失", "too few digits: leading zeros are lost", *_AS_TEXT),
    "WIDTH": Kind(
        "序号位数与同类序号或资源池不一致，前导零可能已丢失",
        "the serial is not as wide as its neighbours' or its pool's: leading zeros may be lost",
        "将该列单元格格式设为“文本”，按原始资料重新填写；"
        "序号确实如此的，加 --serials-as-written 导入",
        "format the column as text and enter the code again from its source; if the serials are "
        "meant so, import with --serials-as-written",
    ),
    "SCIENTIFIC": Kind(
        "已变为科学记数法", "has become a power of ten (scientific notation)", *_AS_TEXT
    ),
    "ROUNDED": Kind(
        "超过 15 位的数字已被舍入",
        "digits behind the fifteenth were rounded away",
        *_AS_TEXT,
    ),
    "DATE": Kind("已变为日期", "has become a date", *_AS_TEXT),
    "NUMBER": Kind(
        "已变为带小数或分节的数",
        "has become a number with a fraction or groups",
        *_AS_TEXT,
    ),
    "BOOLEAN": Kind("已变为逻辑值", "has become a logical value", *_AS_TEXT),
    "NO_DATE": Kind(
        "是数字而不是日期",
        "is a number where a date belongs",
        "填写日期，如 2026-01-31",
        "enter a date such as 2026-01-31",
    ),
    "FILLED": Kind(
        "代码与名称不符，可能因向下填充而改变",
        "code and name are not of one place or kind; a fill handle may have counted the code on",
        "从下拉列表重新选择",
        "choose it from the list again",
    ),
    "ERROR": Kind(
        "公式出错", "is the error of a formula", "改为值后重新填写", "enter the value itself"
    ),
    "FORMULA": Kind(
        "公式没有保存结果",
        "is a formula whose result the file does not hold",
        "在电子表格软件中打开并保存，或改为值",
        "open and save it in a spreadsheet program, or enter the value itself",
    ),
    "BREAK": Kind(
        "单元格内有换行", "there is a line break inside the cell", "删除换行", "take the break out"
    ),
    "LONG": Kind("单元格过长", "the cell is too long", "缩短内容", "make it shorter"),
    "MERGED": Kind(
        "行在合并单元格之内，其余单元格已失去内容",
        "the row is part of merged cells, which keep the first cell's value alone",
        "取消合并，逐行填写",
        "unmerge the cells and fill in each row",
    ),
    "STRAY": Kind(
        "值在没有列名的列中",
        "there is a value in a column without a head",
        "给出列名，或删除该值",
        "give the column a head, or take the value out",
    ),
}

# Blanks, some of which cannot be seen; none stands at an end of what somebody meant.
_ENDS: Final = " \t\r\n\v\f\u00a0\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200C))
)
_WIDE: Final = {code + 0xFEE0: code for code in range(0x21, 0x7F)}
_BREAK: Final = re.compile("[\r\n\v\f\u0085\u2028\u2029]")
_ERROR: Final = re.compile(
    r"#(?:REF!|N/A|VALUE!|DIV/0!|NAME\?|NUM!|NULL!|SPILL!|CALC!|FIELD!|BLOCKED!|CONNECT!|BUSY!|"
    r"UNKNOWN!|GETTING_DATA|引用!)|#{3,}",
    re.IGNORECASE,
)
_EXPONENT: Final = re.compile(r"-?\d+(?:\.\d+)?[Ee][+-]\d+|-?\d+\.\d+[Ee]\d+", re.ASCII)
_NUMBER_BEGINS: Final = frozenset("-0123456789")
_DAMAGED_MAX: Final = 40  # characters of a number or a date, at most
_GROUPS: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_FRACTION: Final = re.compile(r"-?\d+\.\d+|\d{1,3}(?:,\d{3})+", re.ASCII)
_PERCENT: Final = re.compile(r"(\d{1,3}(?:\.\d{1,7})?)%", re.ASCII)
_MONTHS: Final = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DATE: Final = re.compile(
    rf"\d{{1,4}}[-/.]\d{{1,2}}[-/.]\d{{1,4}}(?: \d.*)?|\d{{1,4}}/\d{{1,2}}|"
    rf"(?:\d{{2,4}}年)?\d{{1,2}}月(?:\d{{1,2}}日)?|"
    rf"\d{{1,4}}-(?:{_MONTHS})(?:-\d{{2,4}})?|(?:{_MONTHS})-\d{{1,4}}",
    re.IGNORECASE | re.ASCII,
)
_DAY: Final = re.compile(
    r"(\d{4})(?:-(\d{1,2})-(\d{1,2})|/(\d{1,2})/(\d{1,2})|\.(\d{1,2})\.(\d{1,2})|"
    r"年(\d{1,2})月(\d{1,2})日)(?:[ T]0{1,2}:00(?::00)?)?",
    re.ASCII,
)
_DIGITS_OF_DAY: Final = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_NAMED: Final = re.compile(r"([0-9A-Za-z]{3,6})[ \t　]+(\D+)", re.ASCII)
_ROUNDED: Final = re.compile(r"\d{15}0{3}", re.ASCII)


class DamageError(RecordError):
    """A cell that has lost what stood there; `kind` is one of KINDS."""

    def __init__(self, field: str, kind: str, reason: str) -> None:
        super().__init__(field, reason)
        self.kind = kind


def error_of(column: str, cell: Broken) -> DamageError:
    """What is told of a spoilt cell."""
    kind = KINDS[cell.kind]
    reason = f"{kind.said}, given {cell.text[:40]!r}; {kind.advice}"
    return DamageError(column, cell.kind, reason)


class Settled(NamedTuple):
    """What a cell comes to: its text, and whether that is another than stood there."""

    text: str
    is_other: bool = False


def settled(column: Column, cell: Cell) -> Settled | Broken:
    """The text of a cell of a column, as the rules of a record take it, or what is wrong with it.

    A text that no spreadsheet made comes back as it is, right or wrong: the rules judge it.
    """
    if isinstance(cell, str):
        if not cell:
            return Settled("")
        return _text(column, cell)
    if isinstance(cell, Broken):
        return cell
    if isinstance(cell, Day):
        return Settled(cell.text) if column.form is Form.DAY else Broken("DATE", cell.text)
    return _number(column, cell)


def _text(column: Column, cell: str) -> Settled | Broken:
    text = cell.strip(_ENDS)
    if text.startswith("#") and _ERROR.fullmatch(text):
        return Broken("ERROR", text)
    if column.name == "endpoints":
        text = " ".join(text.split())
    elif not text.isprintable() and _BREAK.search(text):
        return Broken("BREAK", text)
    found = _BY_FORM[column.form](column, text)
    if isinstance(found, Broken):
        return found
    return Settled(found, found != cell)


def _narrow(text: str) -> str:
    return text if text.isascii() else text.translate(_WIDE)


def _code(column: Column, text: str) -> str | Broken:
    text = _narrow(text)
    if column.words is not None:
        text = column.words().get(folded(text), text)
    named = _NAMED.fullmatch(text) if column.names is not None else None
    if column.names is not None and named is not None:
        text, name = named[1].upper(), named[2]
        known = column.names(text)
        if known is not None and folded(name) not in map(folded, known.split()):
            return Broken("FILLED", f"{text} {name}")
    if text.isalnum() and text.isascii():
        return _digits(column, text)
    if len(text) > _DAMAGED_MAX:
        return text
    if _EXPONENT.fullmatch(text):
        return Broken("SCIENTIFIC", text)
    if _DATE.fullmatch(text):
        return Broken("DATE", text)
    if _FRACTION.fullmatch(text):
        return Broken("NUMBER", text)
    return text


def _digits(column: Column, text: str) -> str | Broken:
    if not column.digits or not text.isdecimal():
        return text
    if len(text) < column.digits:
        return Broken("ZEROS", text)
    if _ROUNDED.fullmatch(text) and column.name == "owner" and not _is_owner(text):
        return Broken("ROUNDED", text)
    return text


def _is_owner(text: str) -> bool:
    try:
        segments.require(scheme.load().segment("owner"), text, 0)
    except IdentifierError:
        return False
    return True


def _figure(column: Column, text: str) -> str | Broken:
    text = _narrow(text)
    percent = _PERCENT.fullmatch(text) if column.name == "green_share" else None
    if percent is not None:
        return _plain(Decimal(percent[1]) / 100)
    if _GROUPS.fullmatch(text):
        return text.replace(",", "")
    if _EXPONENT.fullmatch(text):
        return Broken("SCIENTIFIC", text)
    return text


def _day(_column: Column, text: str) -> str | Broken:
    text = _narrow(text)
    match = _DAY.fullmatch(text)
    if match is None:
        return text
    year, *others = filter(None, match.groups())
    month, day = map(int, others)
    return f"{year}-{month:02}-{day:02}"


def _words(_column: Column, text: str) -> str | Broken:
    is_number = text[:1] in _NUMBER_BEGINS and _EXPONENT.fullmatch(text)
    return Broken("SCIENTIFIC", text) if is_number else text


_BY_FORM: Final = {
    Form.CODE: _code,
    Form.NUMBER: _figure,
    Form.DAY: _day,
    Form.TEXT: _words,
}


def _number(column: Column, cell: Number) -> Settled | Broken:
    if cell.look is Look.DATE:
        return Broken("DATE", cell.text)
    try:
        value = Decimal(cell.text)
    except InvalidOperation:
        return Broken("NUMBER", cell.text)
    if not value.is_finite() or value.adjusted() > 30 or value.adjusted() < -30:
        return Broken("SCIENTIFIC", cell.text)
    if column.form is Form.DAY:
        match = _DIGITS_OF_DAY.fullmatch(cell.text)
        return Settled("-".join(match.groups()), True) if match else Broken("NO_DATE", cell.text)
    # As a spreadsheet shows it: what is behind its fifteenth digit comes from calculating in
    # binary.
    shown = _plain(Decimal(format(value, f".{EXACT_DIGITS - 1}E")))
    if column.form is Form.NUMBER:
        return Settled(shown)
    if cell.look is Look.EXPONENT:
        return Broken("SCIENTIFIC", cell.text)
    if value.adjusted() >= EXACT_DIGITS:
        return Broken("ROUNDED", _plain(value))
    if column.form is Form.TEXT:
        return Settled(shown)
    if value != value.to_integral_value() or value < 0:
        return Broken("NUMBER", shown)
    text = shown.zfill(cell.digits)
    found = _digits(column, text)
    return found if isinstance(found, Broken) else Settled(found, text != shown)


def _plain(value: Decimal) -> str:
    """A number in digits, without an exponent and without zeros at its end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
