"""What each segment of an identifier means, in Chinese and English, as rows to print."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from csid import capability, codes, scheme
from csid.codes import NEVER, Division
from csid.identifier import Identifier
from csid.scheme import Part, Segment, Words

NATIONAL = "100000"  # registered with the national authority, GB 32100-2015
_BEGIN_ZH, _BEGIN_EN = "1981 年前", "before 1981"  # where the history of codes begins
_REMEMBERED = 4_096  # of segments, and of their parts
_NEVER_AGAIN = ("serial", "check")  # parts that no two identifiers have in common
_PREFIXES = ("G", "T", "P", "E", "Z", "Y")  # each a thousand times the one before
_MEMORY_UNITS = ("GiB", "TiB", "PiB", "EiB")
_ENDED_BY = {
    "同名改码": "recoded",
    "更名": "renamed",
    "撤销": "abolished",
    "码位改派": "code reassigned",
}


@dataclass(frozen=True, slots=True)
class Row:
    """The meaning of one part: ``part`` of ``segment`` is written ``code``, and means zh, en."""

    segment: str
    part: str
    code: str
    zh: str
    en: str


def explain(identifier: Identifier) -> list[Row]:
    """Return the meanings of all parts, in the order in which they are written.

    The whole segment comes first (part empty), its parts after it; a location whose code has a
    history has a part "history" for each earlier meaning.
    """
    rows: list[Row] = []
    for segment in scheme.load().segments:
        text = getattr(identifier, segment.name)
        known = segment.name != scheme.load().segments[-1].name
        rows += _remembered(segment.name, text) if known else _explain(segment, text)
    return rows


@lru_cache(_REMEMBERED)
def _remembered(name: str, text: str) -> list[Row]:
    """Owners, places and the like, which many identifiers have in common."""
    return _explain(scheme.load().segment(name), text)


def _explain(segment: Segment, text: str) -> list[Row]:
    which, parts = _split(segment, text)
    form = segment.forms[which]
    zh = f"{segment.title.zh}（{form.title.zh}，{form.source}）"
    rows = [Row(segment.name, "", text, zh, f"{segment.title.en} ({form.title.en}, {form.source})")]
    offset = 0
    for number, (part, code) in enumerate(zip(form.parts, parts, strict=True)):
        offset += len(code)
        if part.name in _NEVER_AGAIN:
            rows.append(_row(segment.name, part, code, text))
        elif part.name:
            rows.append(_remembered_row(segment.name, which, number, code, text[:offset]))
        if part.table == "divisions":
            rows += _history(segment.name, code)
    return rows


def _split(segment: Segment, text: str) -> tuple[int, tuple[str, ...]]:
    """In which form a segment is written, and its parts."""
    for which in range(len(segment.forms)):
        match = _pattern(segment.name, which).fullmatch(text)
        if match is not None:
            return which, match.groups()
    raise ValueError(f"{text} was not made by parse: {segment.name} is malformed")


@cache
def _pattern(segment: str, form: int) -> re.Pattern[str]:
    parts = scheme.load().segment(segment).forms[form].parts
    return re.compile("".join(f"({part.pattern})" for part in parts))


@lru_cache(_REMEMBERED)
def _remembered_row(segment: str, form: int, part: int, code: str, written: str) -> Row:
    found = scheme.load().segment(segment).forms[form].parts[part]
    return _row(segment, found, code, written)


def _row(segment: str, part: Part, code: str, written: str) -> Row:
    meaning = _meaning(segment, part, code, written)
    zh, en = f"{part.title.zh}：{meaning.zh}", f"{part.title.en}: {meaning.en}"
    return Row(segment, part.name, code, zh, en)


def _meaning(segment: str, part: Part, code: str, written: str) -> Words:
    """``written`` is the segment up to and with the part, on which its meaning may rest."""
    if part.values:
        return part.values[code]
    special = _SPECIAL.get((segment, part.name))
    return special(written) if special else Words(code, code)


def _owner_authority(written: str) -> Words:
    for code, (authority, _) in codes.owner_classes().items():
        if code[0] == written:
            return Words(authority.zh, authority.en)
    return Words("无（境外或测试主体）", "none (foreign or test party)")


def _owner_class(written: str) -> Words:
    known = codes.owner_classes().get(written)
    return Words(known[1].zh, known[1].en) if known else Words("未列类别", "class not listed")


def _owner_division(written: str) -> Words:
    code = written[-6:]
    if code == NATIONAL:
        return Words("国家登记机关", "national registration authority")
    return _place(code)


def _place(code: str) -> Words:
    divisions = codes.divisions()
    if code not in divisions:
        return Words("区划代码表中没有", "not in the table of division codes")
    last = divisions.last(code)
    path = divisions.path(last)
    # Chinese addresses go from the large to the small, English ones from the small up.
    zh = " ".join(division.name for division in path)
    en = ", ".join(division.name_en for division in reversed(path))
    if last.end == NEVER:
        return Words(zh, en)
    return Words(f"{zh}（{_end_zh(last)}）", f"{en} ({_end_en(last)})")


def _history(segment: str, code: str) -> list[Row]:
    earlier = [d for d in codes.divisions().history(code) if d.end != NEVER]
    return [
        Row(
            segment,
            "history",
            code,
            f"沿革：{_since_zh(division)}起为{division.name}，{_end_zh(division)}",
            f"history: from {division.start or _BEGIN_EN} {division.name_en}, {_end_en(division)}",
        )
        for division in earlier
    ]


def _since_zh(division: Division) -> str:
    return f"{division.start} 年" if division.start else _BEGIN_ZH


def _end_zh(division: Division) -> str:
    after = _successor(division)
    how = f"{division.end} 年{division.ended_by}"
    return f"{how}，继任 {after.code} {after.name}" if after else how


def _end_en(division: Division) -> str:
    after = _successor(division)
    how = f"{_ENDED_BY.get(division.ended_by, 'retired')} in {division.end}"
    return f"{how}, successor {after.code} {after.name_en}" if after else how


def _successor(division: Division) -> Division | None:
    return codes.divisions().standing_successor(division.successor)


def _country(written: str) -> Words:
    country = codes.countries()[written]
    return Words(country.zh, country.en)


def _place_abroad(written: str) -> Words:
    return Words(f"{written}（地点名称见 UN/LOCODE）", f"{written} (place named by UN/LOCODE)")


def _industry(written: str) -> Words:
    """Section, division, group and class; English down to the division."""
    industries = codes.industries()
    levels = [industries[written].group, *(written[:n].ljust(4, "0") for n in (2, 3, 4))]
    names: dict[str, str] = {}  # ordered: a group of one class has the class's code and name
    for code in levels:
        if code in industries:
            names.setdefault(industries[code].zh, industries[code].en)
    return Words(" › ".join(names), " › ".join(dict.fromkeys(filter(None, names.values()))))


def _performance(written: str) -> Words:
    tenths = int(written[1:])
    unit = capability.precisions()[written[0]].unit
    exact = "=" if tenths % 10 == 0 else "≈"
    amount = _scaled(tenths, unit) if unit.startswith("G") else f"{10 ** (tenths / 10):.3g} {unit}"
    text = f"10^{tenths / 10:.1f} {unit} {exact} {amount}"
    return Words(text, text)


def _scaled(tenths: int, unit: str) -> str:
    """Write 10^(tenths/10) of a unit in G with the prefix that leaves 1 to 999 of it."""
    thousands = min(tenths // 30, len(_PREFIXES) - 1)
    return f"{10 ** (tenths / 10 - 3 * thousands):.3g} {_PREFIXES[thousands]}{unit[1:]}"


def _memory(written: str) -> Words:
    doublings = int(written[-2:])
    step = min(doublings // 10, len(_MEMORY_UNITS) - 1)
    text = f"{2 ** (doublings - 10 * step)} {_MEMORY_UNITS[step]}"
    return Words(text, text)


def _chip_family(written: str) -> Words:
    family = codes.chip_families()[written[-2:]]
    chinese, _, english = family.group.partition(" ")
    zh = " ".join(filter(None, [chinese, family.zh]))
    return Words(zh, " ".join(filter(None, [english or chinese, family.en])))


def _serial(written: str) -> Words:
    serial = written.split("-")[1]
    return Words(f"{serial}（主体自编）", f"{serial} (given by the owner)")


def _holds(_written: str) -> Words:
    return Words("成立", "holds")


_SPECIAL: Mapping[tuple[str, str], Callable[[str], Words]] = {
    ("owner", "authority"): _owner_authority,
    ("owner", "class"): _owner_class,
    ("owner", "division"): _owner_division,
    ("owner", "check"): _holds,
    ("industry", "industry"): _industry,
    ("location", "division"): _place,
    ("location", "country"): _country,
    ("location", "place"): _place_abroad,
    ("spec", "performance"): _performance,
    ("spec", "memory"): _memory,
    ("spec", "family"): _chip_family,
    ("spec", "serial"): _serial,
    ("spec", "check"): _holds,
}
