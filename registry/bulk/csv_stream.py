"""A CSV table as a stream of rows (RFC 4180), each with the number of its line.

No cell of a table of identifiers may hold a line break, so a row is a line: a quote that is left
open spoils its own line and not those behind it.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple, Protocol

from csid.errors import CsidError

BLOCK_OCTETS: Final = 1 << 18  # read at a time
LINE_CHARACTERS_MAX: Final = 32_768  # a row of the longest cells has fewer
ENCODING: Final = "utf-8-sig"


Row = tuple[int, list[str]]  # number of its line, from 1; its cells


class Readable(Protocol):
    """A file to be read from where it stands."""

    def read(self, size: int, /) -> bytes:
        """At most `size` octets, none at the end."""


class TableError(CsidError):
    """The table as a whole cannot be read: its header is wrong or missing."""


class Fault(NamedTuple):
    """A row that is not taken, and why."""

    line: int  # from 1
    reason: str


class Table:
    """A table being read.

    Attributes:
        header: the cells of the first line.
        octets: how many octets of the file have been taken so far.
    """

    def __init__(self, file: Readable, encoding: str = ENCODING) -> None:
        """Read the header.

        Raises:
            TableError: there is none, or it is not in this encoding.
        """
        self.octets = 0
        self._file = file
        try:
            # Octets that are no text are kept as lone surrogates, to be told with their line.
            decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
        except LookupError:
            raise TableError(f"{encoding!r} is no encoding; give one such as gb18030") from None
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True)
        self._encoding = encoding
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
        number, lines = 0, self._ready
        for block in chain(self._blocks, ([],)):
            lines += block
            whole = len(lines) // size * size if block else len(lines)
            for start in range(0, whole, size):
                if number % of == share:
                    yield self._rows(lines[start : start + size], 2 + number * size)
                number += 1
            lines = lines[whole:]

    def _rows(self, lines: list[str], first: int) -> tuple[list[Row], list[Fault]]:
        try:
            cells = list(csv.reader(lines, strict=True))
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
            return next(csv.reader([line], strict=True), [])
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
            block = self._file.read(BLOCK_OCTETS)
            self.octets += len(block)
            lines = (tail + self._decoder.decode(block, final=not block)).split("\n")
            # Of a line without end no more is kept than shows that it is too long.
            tail = lines.pop()[: LINE_CHARACTERS_MAX + 1]
            if lines:
                yield lines
        if tail:
            yield [tail]


def is_text(text: str) -> bool:
    """Whether all of a text could be decoded."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)
