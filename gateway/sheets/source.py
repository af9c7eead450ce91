"""A table in a file, whatever it was written with: its rows as cells, again and again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, BinaryIO, Final, Protocol

from csid.errors import StoreError
from gateway.sheets.package import OF_IMPORTS, ZIP, Limits, Package
from gateway.sheets.strings import Strings
from gateway.sheets.workbook import Book, Sheet, book_of, looks_of
from gateway.sheets.written import Written, written
from gateway.sheets.xlsx import Line, Seen, lines
from registry.bulk.csv_stream import TABLE_OCTETS_MAX, Fault, Table, TableError, is_text

STDIN: Final = "-"
_ROWS: Final = 1_000  # of a text file, read at a time
_BLOCK: Final = 1 << 20


class Source(Protocol):
    """A table in a file.

    Attributes:
        file: that it is in, at its start.
        size: octets of it.
        seen: what it has beside cells, as far as it was read.
    """

    file: BinaryIO
    size: int
    seen: Seen

    def lines(self) -> Iterator[Line | Fault]:
        """The lines in their order, the heads among them; a fault is a line that is no row.

        Raises:
            TableError: the table as a whole cannot be read.
        """


class TextSource:
    """A text file of cells with something between them."""

    def __init__(self, file: BinaryIO, size: int, encoding: str | None) -> None:
        self.file, self.size, self.seen = file, size, Seen()
        self.written: Written = written(file, encoding)

    def lines(self) -> Iterator[Line | Fault]:
        """As `Source.lines`."""
        self.file.seek(0)
        table = Table(self.file, self.written.encoding, self.written.delimiter)
        yield Line(1, list(table.header))
        for rows, faults in table.groups(_ROWS):
            both: list[Line | Fault] = [
                Line(number, list(cells))
                if all(map(is_text, cells))
                else Fault(number, table.no_text)
                for number, cells in rows
            ]
            both += faults
            yield from sorted(both, key=itemgetter(0)) if faults else both


class SheetSource:
    """A sheet of an .xlsx file: the one of a name, or the first that people see."""

    def __init__(
        self,
        file: BinaryIO,
        size: int,
        folder: Path | None,
        name: str | None,
        stack: ExitStack,
        limits: Limits = OF_IMPORTS,
    ) -> None:
        """Raises TableError if it is no such file, or has no such sheet."""
        self.file, self.size, self.seen = file, size, Seen()
        self._package = stack.enter_context(Package(file, limits))
        self._book = book_of(self._package)
        self.sheet = _chosen(self._book, name)
        self._looks = looks_of(self._package, self._book.styles)
        self._strings = stack.enter_context(Strings(self._package, self._book.strings, folder))

    @property
    def others(self) -> list[str]:
        """The names of the other sheets that people see."""
        return [one.name for one in self._book.sheets if one.is_visible and one != self.sheet]

    def lines(self) -> Iterator[Line | Fault]:
        """As `Source.lines`."""
        self.seen = Seen()
        return lines(
            self._package,
            self.sheet.part,
            self._strings,
            self._looks,
            self._book.from_1904,
            self.seen,
        )


def _chosen(book: Book, name: str | None) -> Sheet:
    for sheet in book.sheets:
        if sheet.name == name or (name is None and sheet.is_visible):
            return sheet
    names = ", ".join(repr(sheet.name) for sheet in book.sheets[:20])
    if name is None:
        raise TableError(f"all sheets of the file are hidden; give --sheet one of {names}")
    raise TableError(f"the file has no sheet {name!r}; it has {names}")


def opened(
    name: str, encoding: str | None, sheet: str | None, folder: Path | None, stack: ExitStack
) -> TextSource | SheetSource:
    """The table of a file, or of stdin (`-`), which is kept in a file first.

    Args:
        name: of the file; what it is, its first octets say.
        encoding: of a text file; None finds it out.
        sheet: of an .xlsx file; None is the first that people see.
        folder: for files without a name; None is the system's.
        stack: ends with what was opened.

    Raises:
        TableError: it cannot be read.
        StoreError: there is no room for what has to be kept.
    """
    file, size = _file(name, folder, stack)
    try:
        begins = file.read(4)
        file.seek(0)
    except OSError as error:
        raise TableError(f"{name}: cannot be read: {error.strerror}") from None
    is_text = not begins.startswith((ZIP, b"\xd0\xcf\x11\xe0"))
    if is_text and sheet is not None:
        raise TableError(f"{name}: --sheet is for .xlsx; this is a text file")
    if is_text:
        return TextSource(file, size, encoding)
    return SheetSource(file, size, folder, sheet, stack)


def _file(name: str, folder: Path | None, stack: ExitStack) -> tuple[BinaryIO, int]:
    """A file that can be sought in, and its octets."""
    if name == STDIN:
        return _kept(sys.stdin.buffer, folder, stack)
    path = Path(name)
    try:
        file = stack.enter_context(path.open("rb"))
        is_file = path.is_file()
    except OSError as error:
        raise TableError(f"{name}: cannot be read: {error.strerror}") from None
    if not is_file:
        return _kept(file, folder, stack)
    return file, os.fstat(file.fileno()).st_size


def spill(folder: Path | None, stack: ExitStack) -> BinaryIO:
    """A file without a name, in a folder, where one may write there.

    Raises:
        StoreError: there can be none.
    """
    try:
        # Whoever may ask the writer need not be able to write in its directory.
        folder = folder if folder is not None and os.access(folder, os.W_OK) else None
        return stack.enter_context(TemporaryFile(dir=folder))
    except OSError as error:
        raise StoreError(f"the table cannot be kept: {error.strerror}") from None


def _kept(stream: IO[bytes], folder: Path | None, stack: ExitStack) -> tuple[BinaryIO, int]:
    """What a stream has, in a file without a name."""
    file = spill(folder, stack)
    while True:
        try:
            block = stream.read(_BLOCK)
        except OSError as error:
            raise TableError(f"the table cannot be read: {error.strerror}") from None
        if not block:
            break
        try:
            file.write(block)
        except OSError as error:
            raise StoreError(f"the table cannot be kept: {error.strerror}") from None
        if file.tell() > TABLE_OCTETS_MAX:
            raise TableError(
                f"the table has more than {TABLE_OCTETS_MAX:,} octets, the most that is taken at "
                "once; nothing of it was taken: give it in parts"
            )
    file.flush()
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return file, size
