"""A CSV table as a stream of rows (RFC 4180), each with the number of its line.

No cell of a table of identifiers may hold a line break, so a row is a line: a quote that is left
open spoils its own line and not those behind it.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple, Protocol

from csid.errors import CsidError

BLOCK_OCTETS: Final = 1 << 18  # read at a time
GROUP_OCTETS_MAX: Final = 1 << 25  # of the file: a group that comes to so many ends before its size
TABLE_OCTETS_MAX: Final = 16 << 30  # so that one without an end comes to one
LINE_CHARACTERS_MAX: Final = 32_768  # a row of the longest cells has fewer
ENCODING: Final = "utf-8-sig"
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHANGED: Final = (
    "the table was changed while it was read; what was committed stays: run the import again"
)
_THREE_OCTETS: Final = "\u0800"  # the first character that UTF-8 writes so

Row = tuple[int, list[str]]  # number of its line, from 1; its cells


class Readable(Protocol):
    """A file to be read from where it stands."""

    def read(self, size: int, /) -> bytes:
        """At most `size` octets, none at the end."""


class TableError(CsidError):
    """The table as a whole cannot be read: its header is wrong or missing."""


class Fault(NamedTuple):
    """A row that is not taken, and why.

    Attributes:
        line: from 1.
        reason: in words.
        column: that is at fault, or the segment of the identifier; empty if none is.
        kind: the name of the status the row was refused with, or of what has become of the table on
            its way (`gateway.sheets.damage`); empty for what is said of no row but this.
    """

    line: int
    reason: str
    column: str = ""
    kind: str = ""


class Table:
    """A table being read.

    Attributes:
        header: the cells of the first line.
        octets: how many octets of the file have been taken so far.
    """

    def __init__(self, file: Readable, encoding: str = ENCODING, delimiter: str = ",") -> None:
        """Read the header; `delimiter` stands between cells.

        Raises:
            TableError: there is none, or it is not in this encoding.
        """
        self.octets = 0
        self._file = file
        self._decoder = io.IncrementalNewlineDecoder(_decoder(encoding), translate=True)
        self._encoding = encoding
        self._delimiter = delimiter
        # Finds out whether a table said to be in another encoding is UTF-8 all the same.
        is_utf = encoding.lower().startswith("utf")
        self._other = None if is_utf else codecs.getincrementaldecoder("utf-8")()
        self._blocks = self._lines()
        self._ready = next(self._blocks, [])
        if not self._ready:
            raise TableError("the table is empty; its first line names the columns")
        try:
            self.header = self._cells(self._ready.pop(0))
        except ValueError as error:
            raise TableError(f"line 1: {error}; the first line names the columns") from None

    def groups(
        self, size: int, share: int = 0, of: int = 1
    ) -> Iterator[tuple[list[Row], list[Fault]]]:
        """The rows behind the header, and the lines that are none, `size` lines at a time, the last
        time fewer. Lines without a value are left out.

        Several readers may share a table: with `of` readers, reader `share` (from 0) gets the
        groups whose number leaves that remainder.
        """
        number, first, lines, octets = 0, 2, self._ready, self.octets
        for block in chain(self._blocks, ([],)):
            lines += block
            is_due = not block or self.octets - octets >= GROUP_OCTETS_MAX
            whole = len(lines) if is_due else len(lines) // size * size
            for start in range(0, whole, size):
                group = lines[start : min(start + size, whole)]
                if number % of == share:
                    yield self._rows(group, first)
                number += 1
                first += len(group)
            if whole:
                lines, octets = lines[whole:], self.octets

    def parts(
        self, sizes: Iterable[int], share: int = 0, of: int = 1
    ) -> Iterator[tuple[list[Row], list[Fault]]]:
        """As `groups`, of these sizes.

        Raises:
            TableError: these are not all the lines there are.
        """
        first, lines = 2, self._ready
        for number, size in enumerate(sizes):
            while len(lines) < size:
                block = next(self._blocks, [])
                if not block:
                    raise TableError(_CHANGED)
                lines += block
            if number % of == share:
                yield self._rows(lines[:size], first)
            lines = lines[size:]
            first += size
        if lines or next(self._blocks, []):
            raise TableError(_CHANGED)

    def _rows(self, lines: list[str], first: int) -> tuple[list[Row], list[Fault]]:
        try:
            cells = list(csv.reader(lines, strict=True, delimiter=self._delimiter))
        except csv.Error:
            return self._rows_one_by_one(lines, first)
        if len(cells) != len(lines) or max(map(len, lines)) > LINE_CHARACTERS_MAX:
            return self._rows_one_by_one(lines, first)
        return [row for row in enumerate(cells, first) if any(row[1])], []

    def _rows_one_by_one(self, lines: list[str], first: int) -> tuple[list[Row], list[Fault]]:
        """As `_rows`, where some line is wrong."""
        rows, faults = [], []
        for number, line in enumerate(lines, first):
            try:
                row = self._cells(line)
            except ValueError as error:
                faults.append(Fault(number, str(error)))
                continue
            if any(row):
                rows.append((number, row))
        return rows, faults

    def _cells(self, line: str) -> list[str]:
        """The cells of a line; ValueError if it is no row."""
        if len(line) > LINE_CHARACTERS_MAX:
            raise ValueError(
                f"the line is longer than {LINE_CHARACTERS_MAX:,} characters; a row takes one line"
            )
        if not is_text(line):
            raise ValueError(self.no_text)
        try:
            return next(csv.reader([line], strict=True, delimiter=self._delimiter), [])
        except csv.Error as error:
            raise ValueError(
                f'no row of a CSV table ({error}); a quote " inside a cell is doubled, and a cell '
                f"has no line break"
            ) from None

    @property
    def no_text(self) -> str:
        """What is wrong with a line whose octets are no text."""
        name = "UTF-8" if self._encoding == ENCODING else self._encoding
        return f"the line is not {name}; save the table as UTF-8, or give --encoding gb18030 (GBK)"

    def _lines(self) -> Iterator[list[str]]:
        """The lines without their ends, a block at a time."""
        tail = ""
        block = b"?"
        while block:
            try:
                block = self._file.read(BLOCK_OCTETS)
            except OSError as error:
                raise TableError(f"the table cannot be read: {error.strerror}") from None
            self._require_encoding(block)
            self.octets += len(block)
            if self.octets > TABLE_OCTETS_MAX:
                raise TableError(
                    f"the table has more than {TABLE_OCTETS_MAX:,} octets, the most that is taken "
                    "at once; nothing of it was taken: give it in parts"
                )
            try:
                text = self._decoder.decode(block, final=not block)
            except UnicodeError as error:
                raise TableError(f"the table is not {self._encoding}: {error}") from None
            lines = (tail + text).split("\n")
            # Of a line without end no more is kept than shows that it is too long.
            tail = lines.pop()[: LINE_CHARACTERS_MAX + 1]
            if lines:
                yield lines
        if tail:
            yield [tail]

    def _require_encoding(self, block: bytes) -> None:
        """Refuse a table in an encoding that is plainly another than was said."""
        if not self.octets and self._encoding == ENCODING and block.startswith(_UTF16_MARKS):
            raise TableError("the table is UTF-16; save it as UTF-8, or give --encoding utf-16")
        if self._other is None:
            return
        try:
            text = self._other.decode(block, final=not block)
        except UnicodeError:
            self._other = None  # as was said: the other one is UTF-8 no longer
            return
        # Of a text in GBK a few characters may happen to be well-formed UTF-8 (茅台 does), hardly
        # ever as characters of three octets, and not all of them up to here.
        if not text.isascii() and max(text) >= _THREE_OCTETS:
            raise TableError(f"the table is UTF-8, not {self._encoding}; leave --encoding out")


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    try:
        "".encode(encoding)  # refuses codecs between octets and octets, such as base64
        # Octets that are no text are kept as lone surrogates, to be told with their line.
        decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
        decoder.decode(b"")
    except (LookupError, ValueError):
        raise TableError(f"{encoding!r} is no encoding; give one such as gb18030") from None
    return decoder


def is_text(text: str) -> bool:
    """Whether all of a text could be decoded."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)
