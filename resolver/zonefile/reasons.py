"""What is wrong with an entry of a master file, in words for a person."""

from __future__ import annotations

from typing import Final

from csid.errors import CsidError
from resolver.zonefile.rdata import DataError

_SHOWN_CHARACTERS: Final = 60  # of a wrong line, in its error
_SAID_CHARACTERS: Final = 1_500  # of a reason; it may hold a whole name, each octet \\DDD


def reason_of(error: Exception, line: str) -> str:
    """What is wrong with an entry that begins with `line`, for a person."""
    if not line.isascii() and any(0xD800 <= ord(char) <= 0xDFFF for char in line):
        return "the line is not UTF-8; save the file as UTF-8 or write such octets as \\DDD"
    if isinstance(error, CsidError) and not isinstance(error, DataError):
        return _shortened(str(error), _SAID_CHARACTERS)
    given = "".join(char if char.isprintable() else " " for char in line).strip()
    said = str(error) or "no entry; check its quotes, parentheses and escapes"
    shown = _shortened(given, _SHOWN_CHARACTERS)
    return f"{_shortened(said, _SAID_CHARACTERS)}; given: {shown}"


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "..."
