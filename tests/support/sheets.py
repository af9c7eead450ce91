"""Sheets for the tests: written by openpyxl, as programs write them, and damaged by hand."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import openpyxl

from csid.cells import Cell
from gateway.sheets.source import opened
from gateway.sheets.xlsx import Line, Seen
from registry.bulk.csv_stream import Fault
from tests.support.registering import CLASS, OWNER

SEGMENT_HEADS = ("所属主体", "行业", "位置", "类型", "规格", "序号", "状态", "名称")
STRINGS_PART = "xl/sharedStrings.xml"
RELATIONS_PART = "xl/_rels/workbook.xml.rels"
SHEET_PART = "xl/worksheets/sheet1.xml"


def row(serial: object, name: object = "", state: object = "有效", **other: object) -> list[object]:
    """A row under SEGMENT_HEADS."""
    owner, industry = other.get("owner", OWNER), other.get("industry", "6450")
    location, kind = other.get("location", "330106"), other.get("kind", "ACV")
    return [owner, industry, location, kind, CLASS, serial, state, name]


def sheet(
    path: Path,
    rows: Iterable[Sequence[object]],
    heads: Sequence[object] = SEGMENT_HEADS,
    change: Callable[[Any], None] | None = None,
) -> Path:
    """A workbook with these rows, and what `change` does to its sheet."""
    book = openpyxl.Workbook()
    for values in (heads, *rows):
        book.active.append(list(values))
    if change is not None:
        change(book.active)
    book.save(path)
    return path


def with_part(octets: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """An archive in which one part is another; or which has it, where there was none."""
    changed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(octets)) as old,
        zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        parts = {other: old.read(other) for other in old.namelist()}
        parts[name] = change(parts.get(name, b""))
        for other, part in parts.items():
            new.writestr(other, part)
    return changed.getvalue()


_INLINE = re.compile(rb't="inlineStr"><is><t(?: xml:space="preserve")?>(.*?)</t></is>', re.DOTALL)
_NAMES = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def with_shared_texts(octets: bytes) -> bytes:
    """The same workbook with its texts where a spreadsheet program has them: in a part of their
    own.
    """
    texts: list[bytes] = []

    def share(match: re.Match[bytes]) -> bytes:
        texts.append(match[1])
        return b't="s"><v>%d</v>' % (len(texts) - 1)

    octets = with_part(octets, SHEET_PART, lambda part: _INLINE.sub(share, part))
    items = b"".join(b'<si><t xml:space="preserve">%s</t></si>' % text for text in texts)
    octets = with_part(octets, RELATIONS_PART, _with_strings)
    return with_part(octets, STRINGS_PART, lambda _: b"<sst %s>%s</sst>" % (_NAMES, items))


def _with_strings(relations: bytes) -> bytes:
    kind = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    one = b'<Relationship Type="%s" Target="sharedStrings.xml" Id="texts"/>' % kind
    return relations.replace(b"</Relationships>", one + b"</Relationships>")


def read(file: Path, name: str | None = None) -> tuple[list[tuple[int, list[Cell]]], Seen]:
    """The rows of a sheet, and what it has beside them."""
    with ExitStack() as stack:
        source = opened(str(file), None, name, None, stack)
        found = list(source.lines())
        assert not any(isinstance(one, Fault) for one in found)
        return [(one.number, one.cells) for one in found if isinstance(one, Line)], source.seen


def table(file: Path) -> list[list[str]]:
    """The cells of a sheet as openpyxl reads them, as texts."""
    active = openpyxl.load_workbook(file, data_only=True).worksheets[0]
    return [
        ["" if value is None else str(value) for value in values]
        for values in active.iter_rows(values_only=True)
    ]
