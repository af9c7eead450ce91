"""What the sheets of an .xlsx file are called, which are hidden, and how numbers are shown in them
(ECMA-376 part 1, 18.2 and 18.8).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Final, NamedTuple

from csid.cells import Look, look_of
from gateway.sheets.package import NO_SHEET, Package
from registry.bulk.csv_stream import TableError

BOOK: Final = "xl/workbook.xml"
SHEETS_MAX: Final = 1_000
NAME_MAX: Final = 255  # characters of a name or a path; a spreadsheet allows 31 of a sheet's
STYLES_MAX: Final = 65_536  # a spreadsheet allows 65,490

Looks = list[tuple[Look, int]]  # of each style: what its numbers are shown as, with how many digits


class Sheet(NamedTuple):
    """A sheet: its name, its part of the file, and whether people see it."""

    name: str
    part: str
    is_visible: bool


class Book(NamedTuple):
    """A workbook: its sheets in order; whether its days are counted from 1904; the parts of the
    file that have its shared texts and its styles, empty if there is none.
    """

    sheets: list[Sheet]
    from_1904: bool
    strings: str
    styles: str


def book_of(package: Package) -> Book:
    """The workbook of a file.

    Raises:
        TableError: it is none.
    """
    part = _main_part(package)
    found: list[tuple[str, str, bool]] = []
    from_1904 = False

    def begins(tag: str, attributes: dict[str, str]) -> None:
        nonlocal from_1904
        if tag == "workbookPr":
            from_1904 = attributes.get("date1904", "") in ("1", "true", "on")
        elif tag == "sheet" and len(found) < SHEETS_MAX:
            number = next((attributes[x] for x in attributes if x.endswith(":id")), "")
            seen = attributes.get("state", "visible") == "visible"
            found.append((attributes.get("name", "")[:NAME_MAX], number[:NAME_MAX], seen))

    _read(package, part, begins)
    parts = _targets(package, part)
    sheets = [
        Sheet(name, parts[number], seen)
        for name, number, seen in found
        if number in parts and "/worksheets/" in parts[number]
    ]
    if not sheets:
        raise TableError(f"the file has no sheet of cells; {NO_SHEET}")
    others = [
        next((one for one in parts.values() if one.endswith(name)), "")
        for name in ("sharedStrings.xml", "styles.xml")
    ]
    return Book(sheets, from_1904, *others)


def _main_part(package: Package) -> str:
    """The workbook's part of the file, which a relation of the whole names."""
    for target in _targets(package, "").values():
        if target.endswith(".bin"):
            raise TableError(f"the file is an .xlsb; {NO_SHEET}")
        if posixpath.basename(target).startswith("workbook"):
            return target
    return BOOK


def looks_of(package: Package, part: str) -> Looks:
    """What numbers are shown as, by the number of their style; `part` has the styles."""
    codes: dict[int, str] = {}
    known: dict[tuple[int, str | None], tuple[Look, int]] = {}  # few formats have many styles
    looks: Looks = []
    formats = 0
    is_of_cells = False

    def begins(tag: str, attributes: dict[str, str]) -> None:
        nonlocal is_of_cells, formats
        if tag == "numFmt" and formats < package.limits.formats:
            formats += 1
            codes[_number(attributes, "numFmtId")] = attributes.get("formatCode", "")[:256]
        elif tag in ("cellXfs", "cellStyleXfs"):
            is_of_cells = tag == "cellXfs"
        elif tag == "xf" and is_of_cells and len(looks) < STYLES_MAX:
            number = _number(attributes, "numFmtId")
            code = codes.get(number)
            look = known.get((number, code))
            if look is None:
                look = known[number, code] = look_of(number, code)
            looks.append(look)

    if package.has(part):
        _read(package, part, begins)
    return looks


def _number(attributes: dict[str, str], name: str) -> int:
    text = attributes.get(name, "0")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _targets(package: Package, part: str) -> dict[str, str]:
    """The parts that a part refers to, by the names it has for them."""
    folder, name = posixpath.split(part)
    relations = posixpath.join(folder, "_rels", f"{name}.rels")
    found: dict[str, str] = {}

    def begins(tag: str, attributes: dict[str, str]) -> None:
        if tag == "Relationship" and len(found) < SHEETS_MAX:
            target = posixpath.join("/", folder, attributes.get("Target", "")[:NAME_MAX])
            found[attributes.get("Id", "")[:NAME_MAX]] = posixpath.normpath(target).lstrip("/")

    if package.has(relations):
        _read(package, relations, begins)
    return found


def _read(package: Package, part: str, begins: Callable[[str, dict[str, str]], None]) -> None:
    for _ in package.events(part, begins, _nothing, _nothing):
        pass


def _nothing(_: str) -> None:
    """Of the text between elements nothing is wanted."""
