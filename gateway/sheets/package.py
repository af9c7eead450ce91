"""The container of an .xlsx file (ECMA-376 part 2): a ZIP archive of XML parts, read in bounded
memory and time, since it may come from a stranger.

Nothing is unpacked to the disk, no part is read whole, and what is expanded is counted. XML with a
document type is refused, so there are no entities (CVE-2003-1564) and nothing outside is read.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple
from xml.parsers import expat

from registry.bulk.csv_stream import TableError

FILE_OCTETS_MAX: Final = 1 << 30
EXPANDED_MAX: Final = 4 << 30  # octets of all parts that are read
RATIO_MAX: Final = 100  # octets expanded for each of the file; sheets have up to 30
EXPANDED_FREE: Final = 64 << 20  # which a small file may come to whatever its ratio
DIRECTORY_OCTETS_MAX: Final = 1 << 20  # of the archive; each part takes about 100
TOKEN_OCTETS_MAX: Final = 1 << 20  # of one tag; expat holds it until its end
DEPTH_MAX: Final = 64  # of elements
_BLOCK: Final = 1 << 16
_END: Final = b"PK\x05\x06"  # of the archive (APPNOTE.TXT 4.3.16)
_END_OCTETS: Final = 22
_COMMENT_OCTETS_MAX: Final = 1 << 16
_LOCATOR: Final = b"PK\x06\x07"  # of the end of a ZIP64 archive
_LOCATOR_OCTETS: Final = 20
_OLD: Final = b"\xd0\xcf\x11\xe0"  # .xls, and any file that has a password
ZIP: Final = b"PK"
NO_SHEET: Final = "save it as .xlsx or as CSV in a spreadsheet program"


class Limits(NamedTuple):
    """How much of a file is read at most. What nobody has asked for, and is read again and again,
    is given less than what somebody waits for.

    Attributes:
        octets: of all parts that are read, expanded.
        ratio: so many more of them for each octet of the file.
        elements: of XML, of all parts that are read; None is any number.
        cells: of a sheet, with those left out before others; None is any number.
        characters: of the cells of a sheet, those of a text that some share once for each of them;
            None is any number.
        formats: of numbers, that are looked at.
    """

    octets: int = EXPANDED_FREE
    ratio: int = RATIO_MAX
    elements: int | None = None
    cells: int | None = None
    characters: int | None = None
    formats: int = 65_536


OF_IMPORTS: Final = Limits()


class Package:
    """An .xlsx file; a context manager that leaves the file open."""

    def __init__(self, file: BinaryIO, limits: Limits = OF_IMPORTS) -> None:
        """Of a file that can be sought in.

        Raises:
            TableError: it is no such archive, or larger than is taken.
        """
        self.limits = limits
        size = _checked(file)
        self._limit = min(EXPANDED_MAX, limits.octets + limits.ratio * size)
        self._expanded = 0
        self._elements = 0
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError, struct.error, RuntimeError) as error:
            raise TableError(f"the file is no whole .xlsx: {error}; {NO_SHEET}") from None
        self._names = {name.casefold(): name for name in self._zip.namelist()}

    def __enter__(self) -> Package:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def has(self, name: str) -> bool:
        """Whether there is a part of that name, such as xl/workbook.xml."""
        return name.casefold() in self._names

    def blocks(self, name: str) -> Iterator[bytes]:
        """The octets of a part, some at a time.

        Raises:
            TableError: there is none, it is damaged, or comes to more than is taken.
        """
        try:
            info = self._zip.getinfo(self._names.get(name.casefold(), name))
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise TableError(f"the file is no .xlsx: {name} is packed in another way")
            with self._zip.open(info) as part:
                while block := part.read(_BLOCK):
                    self._expanded += len(block)
                    if self._expanded > self._limit:
                        raise TableError(
                            f"the file expands to more than {self._limit:,} octets, the most that "
                            "is taken of one of its size; give it in parts, or as CSV"
                        )
                    yield block
        except KeyError:
            raise TableError(f"the file is no whole .xlsx: it has no {name}; {NO_SHEET}") from None
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            RuntimeError,
            ValueError,
        ) as error:
            raise TableError(f"the file is damaged: {name}: {error}; {NO_SHEET}") from None

    def events(
        self,
        name: str,
        begins: Callable[[str, dict[str, str]], None],
        ends: Callable[[str], None],
        text: Callable[[str], None],
    ) -> Iterator[None]:
        """Parse a part: elements and texts are told by their local names; comes back after each
        block, so that what was found can be taken away.

        Raises:
            TableError: as `blocks`; or it is no XML, or XML of a kind that no such part is.
        """
        parser = expat.ParserCreate()
        depth = elements = 0

        def begin(tag: str, attributes: dict[str, str]) -> None:
            nonlocal depth, elements
            depth += 1
            elements += 1
            if depth > DEPTH_MAX:
                raise TableError(f"the file is no .xlsx: {name} is nested too deeply")
            begins(tag.rpartition(":")[2] if ":" in tag else tag, attributes)

        def end(tag: str) -> None:
            nonlocal depth
            depth -= 1
            ends(tag.rpartition(":")[2] if ":" in tag else tag)

        def refuse(*_: object) -> None:
            raise TableError(
                f"the file is refused: {name} has a document type (DTD), which no .xlsx has"
            )

        parser.StartElementHandler = begin
        parser.EndElementHandler = end
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = refuse
        parser.buffer_text = True
        fed = 0
        try:
            for block in self.blocks(name):
                parser.Parse(block, False)
                fed += len(block)
                if fed - max(parser.CurrentByteIndex, 0) > TOKEN_OCTETS_MAX:
                    raise TableError(f"the file is no .xlsx: {name} has too long a tag")
                self._count(elements)
                elements = 0
                yield
            parser.Parse(b"", True)
            self._count(elements)
        except expat.ExpatError as error:
            raise TableError(f"the file is damaged: {name}: {error}; {NO_SHEET}") from None
        yield

    def _count(self, elements: int) -> None:
        self._elements += elements
        most = self.limits.elements
        if most is not None and self._elements > most:
            raise TableError(
                f"the file has more than {most:,} elements of XML, the most that is read of one; "
                "give it in parts, or as CSV"
            )


def _checked(file: BinaryIO) -> int:
    """The octets of a file that can be such an archive."""
    size = file.seek(0, os.SEEK_END)
    if size > FILE_OCTETS_MAX:
        raise TableError(
            f"the file has {size:,} octets; at most {FILE_OCTETS_MAX:,} are taken as .xlsx: give "
            "it in parts, or as CSV"
        )
    file.seek(0)
    begins = file.read(4)
    if begins == _OLD:
        raise TableError(
            f"the file is an .xls of before 2007, or has a password; {NO_SHEET}, without a password"
        )
    # Python reads the directory of an archive whole, so its size is looked at before. Archives of
    # over 4 GB have another end, which would stand for this one.
    tail_octets = min(size, _END_OCTETS + _COMMENT_OCTETS_MAX + _LOCATOR_OCTETS)
    file.seek(size - tail_octets)
    tail = file.read(tail_octets)
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_OCTETS:
        raise TableError(f"the file is no .xlsx, or was cut short; {NO_SHEET}")
    directory = int.from_bytes(tail[at + 12 : at + 16], "little")
    if directory > DIRECTORY_OCTETS_MAX or _LOCATOR in tail[max(0, at - _LOCATOR_OCTETS) : at]:
        raise TableError("the file is refused: it has more parts than any .xlsx")
    file.seek(0)
    return size
