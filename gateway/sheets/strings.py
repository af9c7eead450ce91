"""The texts that the cells of an .xlsx share (ECMA-376 part 1, 18.4), kept in a file: there may be
as many as cells, and only those of a few rows are needed at a time.
"""

from __future__ import annotations

import re
from array import array
from mmap import ACCESS_READ, mmap
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from csid.cells import CELL_CHARACTERS_MAX
from csid.errors import StoreError
from gateway.sheets.package import Package
from registry.bulk.csv_stream import TableError

STRINGS_MAX: Final = 1 << 25  # 8 octets each are kept in memory
_ESCAPED: Final = re.compile("_x([0-9A-Fa-f]{4})_")  # a character XML cannot hold (22.9.2.19)


def _unescaped(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return match[0] if "\ud800" <= character <= "\udfff" else character


class Collector:
    """The text of an element `is` or `si`, put together from its runs; of one that is too long no
    more is kept than shows that it is. Phonetic hints (`rPh`) are no part of it.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._in_text = False
        self._in_hint = False

    @property
    def text(self) -> str:
        """What came since `clear`."""
        text = "".join(self._parts)
        return _ESCAPED.sub(_unescaped, text) if "_x" in text else text

    def clear(self) -> None:
        """Begin another text."""
        self._parts.clear()
        self._size = 0
        self._in_text = self._in_hint = False

    def begins(self, tag: str) -> None:
        """An element begins."""
        if tag == "t":
            self._in_text = not self._in_hint
        elif tag == "rPh":
            self._in_hint = True

    def ends(self, tag: str) -> None:
        """An element ends."""
        if tag == "t":
            self._in_text = False
        elif tag == "rPh":
            self._in_hint = False

    def add(self, text: str) -> None:
        """Characters, some of a text."""
        if self._in_text and self._size <= CELL_CHARACTERS_MAX:
            self._size += len(text)
            self._parts.append(text[: CELL_CHARACTERS_MAX + 1])


class Strings:
    """The shared texts by number; a context manager."""

    def __init__(self, package: Package, part: str, folder: Path | None) -> None:
        """Read them all from a part of the file; an empty name is none.

        Raises:
            TableError: the part is damaged.
            StoreError: there is no room for them.
        """
        self._ends = array("Q", [0])
        self._octets: mmap | bytes = b""
        try:
            self._file = TemporaryFile(dir=folder)  # noqa: SIM115  closed by __exit__
            if package.has(part):
                self._read(package, part)
            self._file.flush()
            if self._ends[-1]:
                self._octets = mmap(self._file.fileno(), 0, access=ACCESS_READ)
        except OSError as error:
            raise StoreError(f"the texts of the table cannot be kept: {error.strerror}") from None

    def __enter__(self) -> Strings:
        return self

    def __exit__(self, *_: object) -> None:
        if isinstance(self._octets, mmap):
            self._octets.close()
        self._file.close()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        """The text of a number; IndexError if there is none."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        octets = self._octets[self._ends[number] : self._ends[number + 1]]
        return octets.decode()

    def _read(self, package: Package, part: str) -> None:
        collector = Collector()
        at = held = 0
        waiting: list[bytes] = []

        def begins(tag: str, _: dict[str, str]) -> None:
            if tag == "si":
                collector.clear()
            else:
                collector.begins(tag)

        def ends(tag: str) -> None:
            nonlocal at, held
            collector.ends(tag)
            if tag == "si":
                octets = collector.text.encode()
                at += len(octets)
                held += len(octets)
                waiting.append(octets)
                if len(self._ends) > STRINGS_MAX:
                    raise TableError(
                        f"the file has more than {STRINGS_MAX:,} texts; give it in parts"
                    )
                self._ends.append(at)

        for _ in package.events(part, begins, ends, collector.add):
            if held:
                self._file.write(b"".join(waiting))
                waiting.clear()
                held = 0
