"""How a text file of cells is written: its encoding, and what stands between its cells."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final, NamedTuple

from csid.columns import ID_COLUMN, column_named
from registry.bulk.csv_stream import ENCODING, LINE_CHARACTERS_MAX, TableError

HEAD_ROWS: Final = 10  # the heads stand in one of these; titles may stand before
HEADS_LEAST: Final = 2  # known ones, in a row that is taken for the heads
GB18030: Final = "gb18030"
UTF_16: Final = "utf-16"
_MARKS: Final = (
    (codecs.BOM_UTF8, ENCODING),
    (codecs.BOM_UTF16_LE, UTF_16),
    (codecs.BOM_UTF16_BE, UTF_16),
)
_DELIMITERS: Final = (",", "\t", ";")  # in the order in which they are tried
# Some characters of GB 18030 are two octets that UTF-8 has, too (茅台 are), hardly any are three.
_THREE_OCTETS: Final = "\u0800"
_BLOCK: Final = 1 << 20
_HEAD_OCTETS: Final = 4 * LINE_CHARACTERS_MAX


class Written(NamedTuple):
    """How a text file is written.

    Attributes:
        encoding: as Python calls it.
        delimiter: between cells.
        is_direct: an import takes it as it is: its first line has the heads, it has whole
            identifiers, whose check characters tell of damage, and no column that is not known. Or
            there are no heads at all, which an import tells of.
    """

    encoding: str
    delimiter: str
    is_direct: bool


def written(file: BinaryIO, encoding: str | None) -> Written:
    """How a file is written; an encoding that is given is believed.

    Args:
        file: that can be sought in; it is left at its start.

    Raises:
        TableError: it cannot be read.
    """
    try:
        file.seek(0)
        encoding = encoding or _encoding(file)
        file.seek(0)
        head = file.read(_HEAD_OCTETS)
        file.seek(0)
    except OSError as error:
        raise TableError(f"the table cannot be read: {error.strerror}") from None
    try:
        "".encode(encoding)  # refuses codecs between octets and octets
        lines = codecs.getincrementaldecoder(encoding)("replace").decode(head).splitlines()
    except (LookupError, ValueError):
        return Written(encoding, ",", True)  # whoever reads it tells of it
    tops = {one: [_heads(line, one) for line in lines[:HEAD_ROWS]] for one in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda one: max(map(known_heads, tops[one]), default=0))
    first, *others = tops[delimiter] or [[]]
    is_known = ID_COLUMN in first and None not in first
    is_hopeless = not any(first) and not any(known_heads(one) >= HEADS_LEAST for one in others)
    return Written(encoding, delimiter, delimiter == "," and (is_known or is_hopeless))


def known_heads(columns: Sequence[str | None]) -> int:
    """How many columns the heads of a line mean."""
    return len(set(filter(None, columns)))


def _heads(line: str, delimiter: str) -> list[str | None]:
    """The columns that the heads of a line mean, None for one that means none."""
    try:
        cells = next(csv.reader([line.removeprefix("\ufeff")], delimiter=delimiter), [])
    except csv.Error:
        return []
    return [column_named(cell) for cell in cells]


def _encoding(file: BinaryIO) -> str:
    """UTF-8 unless a mark says otherwise, or the lines that are no UTF-8 are all GB 18030, and more
    than those that plainly are. The whole file is looked at: a long table may be ASCII but for its
    last name.
    """
    start = file.read(4)
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while block := file.read(_BLOCK):
            decoder.decode(block)
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        file.seek(0)
        return _by_line(file)
    return ENCODING


def _by_line(file: BinaryIO) -> str:
    as_utf8 = others = 0
    for line in _lines(file):
        if line.isascii():
            continue
        if _is(line, "utf-8"):
            as_utf8 += max(line.decode()) >= _THREE_OCTETS
        elif _is(line, GB18030):
            others += 1
        else:
            return ENCODING
    return GB18030 if others > as_utf8 else ENCODING


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines; of one that is longer than any row, its parts."""
    tail = b""
    while block := file.read(_BLOCK):
        *whole, tail = (tail + block).split(b"\n")
        yield from whole
        if len(tail) > _HEAD_OCTETS:
            yield tail
            tail = b""
    yield tail


def _is(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
