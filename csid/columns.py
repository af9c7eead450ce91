"""The columns of a table of identifiers: their heads, the form of their cells, and in words what
belongs there.

One table for the examination of a table that comes in, for the notes of a template, and for the
advice on a row that comes back.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cache
from itertools import product
from typing import Final, NamedTuple

from csid import codes, scheme, vocabulary
from csid.fields import FIELDS, PRECISIONS, STATES

SEGMENT_COLUMNS: Final = ("owner", "industry", "location", "type", "class", "serial")
ID_COLUMN: Final = "identifier"
RECORD_COLUMNS: Final = (
    *(field.name for field in FIELDS if field.key != "fl"),
    *PRECISIONS.values(),
)
COLUMNS: Final = (ID_COLUMN, *SEGMENT_COLUMNS, *RECORD_COLUMNS)
# Chinese heads: the names of the fields and of the segments, and what else people write.
ALIASES: Final = {
    "标识": ID_COLUMN,
    "算力标识": ID_COLUMN,
    **{
        segment.title.zh: "class" if segment.name == "spec" else segment.name
        for segment in scheme.load().segments
    },
    "规格类": "class",
    "序号": "serial",
    "序列号": "serial",
    **{vocabulary.FIELDS[field.name].zh: field.name for field in FIELDS if field.key != "fl"},
    "端点": "endpoints",
    "芯片型号": "chip",
    "数量": "count",
}
# Chinese heads of the columns of PRECISIONS, whose field has one head for all.
PRECISION_HEADS: Final = {
    column: f"{column.partition('_')[0].upper()}算力" for column in PRECISIONS.values()
}
_UNIT: Final = re.compile(r"[(（][^()（）]*[)）]")  # behind a head: 内存（GiB）


class Form(Enum):
    """What kind of value a cell is meant to hold."""

    CODE = "code"  # characters of which each counts, though they may look like a number
    NUMBER = "number"
    DAY = "day"
    TEXT = "text"


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        name: in English, as `csid.record_csv.COLUMNS` has it.
        head: in Chinese.
        form: of its cells.
        zh: what belongs there.
        en: the same in English.
        digits: how many a code has that is of digits alone; 0 if that is open.
        words: what may be written for a value, folded; and the value.
        names: what a code is called that stands before its name, None if it is none.
    """

    name: str
    head: str
    form: Form
    zh: str
    en: str
    digits: int = 0
    words: Callable[[], Mapping[str, str]] | None = None
    names: Callable[[str], str | None] | None = None

    def __str__(self) -> str:
        return f"{self.head} {self.name}"


def folded(word: str) -> str:
    """A word without case, width, spaces and punctuation."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", word).casefold()))


# -- heads


def column_named(head: str) -> str | None:
    """The column that a head means: its name, its Chinese or English head or both side by side,
    with or without a unit in brackets, whatever the case, width, spaces and punctuation; None if it
    means none.
    """
    heads = _heads()
    return heads.get(folded(head)) or heads.get(folded(_UNIT.sub("", head)))


@cache
def _heads() -> Mapping[str, str]:
    """Folded heads and the columns they mean."""
    heads: dict[str, str] = {}
    for column in COLUMNS:
        chinese = {zh for zh, name in ALIASES.items() if name == column}
        chinese |= {PRECISION_HEADS[column]} if column in PRECISION_HEADS else set()
        english = {column, *_english(column)}
        both = {f"{zh}{en}" for zh in chinese for en in english}
        heads |= dict.fromkeys(map(folded, chinese | english | both), column)
    return heads


def _english(column: str) -> Iterator[str]:
    if column in vocabulary.FIELDS:
        yield vocabulary.FIELDS[column].en
    for segment in scheme.load().segments:
        if column == ("class" if segment.name == "spec" else segment.name):
            yield segment.title.en


# -- names of codes


@cache
def types() -> Mapping[str, vocabulary.Words]:
    """The codes of the type segment and what each means."""
    (form,) = scheme.load().segment("type").forms
    meanings = [part.values for part in form.parts]
    return {
        "".join(letters): vocabulary.Words(
            "".join(part[x].zh for part, x in zip(meanings, letters, strict=True)),
            " ".join(part[x].en for part, x in zip(meanings, letters, strict=True)),
        )
        for letters in product(*meanings)
    }


def divisions_on(year: int) -> Iterator[tuple[str, str]]:
    """The division codes in force in a year, and their names."""
    table = codes.divisions()
    for code in table:
        division = table.at(code, year)
        if division is not None:
            yield code, division.name


def industries() -> Iterator[tuple[str, str]]:
    """The four-digit codes of industries, and their names."""
    return ((code, entry.zh) for code, entry in codes.industries().items() if code.isdecimal())


def _industry(code: str) -> str | None:
    entry = codes.industries().get(code)
    return entry and entry.zh


def _location(code: str) -> str | None:
    history = codes.divisions().history(code)
    return " ".join({one.name: None for one in history}) if history else None


def _type(code: str) -> str | None:
    words = types().get(code)
    return words and words.zh


# -- words for values


@cache
def _type_words() -> Mapping[str, str]:
    words = {folded(text): code for code, both in types().items() for text in both}
    return words | {folded(f"{code}{both.zh}"): code for code, both in types().items()}


def _number(name: str, zh: str, en: str) -> Column:
    return Column(name, _head(name), Form.NUMBER, zh, en)


def _head(name: str) -> str:
    return PRECISION_HEADS.get(name) or vocabulary.FIELDS[name].zh


def _segment_head(name: str) -> str:
    return next(zh for zh, column in ALIASES.items() if column == name)


_DAY_ZH: Final = "日期，如 2026-01-31"
_DAY_EN: Final = "a date such as 2026-01-31"
_COLUMNS: Final = (
    Column(ID_COLUMN, "标识", Form.CODE, "完整的算力标识，含校验码", "a whole identifier"),
    Column(
        "owner",
        _segment_head("owner"),
        Form.CODE,
        "18 位统一社会信用代码，单元格设为文本",
        "the 18 characters of the owner's code, in a cell formatted as text",
        digits=18,
    ),
    Column(
        "industry",
        _segment_head("industry"),
        Form.CODE,
        "4 位行业代码，不限行业为 0000",
        "an industry code of 4 digits; 0000 for none in particular",
        digits=4,
        names=_industry,
    ),
    Column(
        "location",
        _segment_head("location"),
        Form.CODE,
        "6 位行政区划代码，大陆以外为 5 位 UN/LOCODE",
        "a division code of 6 digits; outside the mainland a UN/LOCODE of 5 characters",
        digits=6,
        names=_location,
    ),
    Column(
        "type",
        _segment_head("type"),
        Form.CODE,
        "3 个字母的类型代码，如 ACV 智算云虚拟机",
        "a type code of 3 letters, such as ACV",
        words=_type_words,
        names=_type,
    ),
    Column(
        "class",
        _segment_head("class"),
        Form.CODE,
        "8 位能力级，如 H60M07A1",
        "a capability class of 8 characters, such as H60M07A1",
    ),
    Column(
        "serial",
        "序号",
        Form.CODE,
        "1 至 12 位序号，前导零要保留，同类序号位数一致",
        "a serial of 1 to 12 characters, with its leading zeros, as wide as its neighbours'",
    ),
    Column("name", _head("name"), Form.TEXT, "1 至 60 个字符", "1 to 60 characters"),
    Column(
        "state",
        _head("state"),
        Form.CODE,
        "、".join(vocabulary.STATES[state] for state in STATES) + " 之一",
        "one of " + ", ".join(STATES),
    ),
    Column(
        "endpoints",
        _head("endpoints"),
        Form.TEXT,
        "1 至 8 个网址，以空格分开，如 https://a.example:8443",
        "1 to 8 URIs with spaces between, such as https://a.example:8443",
    ),
    Column("chip", _head("chip"), Form.TEXT, "芯片型号，如 昇腾 910B", "the model of the chip"),
    _number("count", "整数，芯片片数", "a whole number of chips"),
    _number("chip_memory_gib", "数，单位 GiB", "a number of GiB"),
    _number("vcpu", "数，虚拟处理器个数", "a number of virtual processors"),
    _number("memory_gib", "数，单位 GiB", "a number of GiB"),
    *(
        _number(
            name,
            f"数，标称稠密 {name.partition('_')[0].upper()} 性能，单位 "
            f"{name.partition('_')[2].upper()}",
            "a number, of the nominal dense performance",
        )
        for name in PRECISION_HEADS
    ),
    _number("bandwidth_gbps", "数，单位 Gbit/s", "a number of Gbit/s"),
    Column("fabric", _head("fabric"), Form.TEXT, "网络，如 RoCE v2", "a text such as RoCE v2"),
    _number(
        "price",
        "金额，如 12.50；价格、币种、计价单位同时填写",
        "an amount such as 12.50; price, currency and price_unit come together",
    ),
    Column(
        "currency",
        _head("currency"),
        Form.TEXT,
        "币种代码，如 CNY",
        "a currency code such as CNY",
    ),
    Column(
        "price_unit",
        _head("price_unit"),
        Form.TEXT,
        "计价单位的英文，如 hour、month",
        "what the price buys one of, such as hour",
    ),
    _number("green_share", "0 至 1 的数或百分数", "a number from 0 to 1, or a percentage"),
    _number("trust", "1 至 5 的整数", "a whole number from 1 to 5"),
    Column("valid_from", _head("valid_from"), Form.DAY, _DAY_ZH, _DAY_EN),
    Column("valid_until", _head("valid_until"), Form.DAY, _DAY_ZH, _DAY_EN),
    Column(
        "ended",
        _head("ended"),
        Form.DAY,
        f"{_DAY_ZH}；仅用于状态 终止",
        f"{_DAY_EN}; with state retired, and only with it",
    ),
    Column("reason", _head("reason"), Form.TEXT, "终止的原因", "why it ended"),
    Column(
        "successor",
        _head("successor"),
        Form.CODE,
        "替代它的完整标识",
        "the whole identifier that takes its place",
    ),
)
BY_NAME: Final[Mapping[str, Column]] = {column.name: column for column in _COLUMNS}
assert set(BY_NAME) == set(COLUMNS) and set(SEGMENT_COLUMNS) < set(BY_NAME)
