"""Text broken into lines of a terminal: a Chinese character takes two columns, and may be followed
by a break without a space.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gateway.language.width import columns

_NOT_FIRST: Final = "，。、；：？！）”』」》…·"  # what begins no line
_NOT_LAST: Final = "（“『「《"  # what ends none
_WIDE: Final = "[\u2e80-\u9fff\uff00-\uffef“”…·]"
# A unit that is not broken: a space, a wide character with the marks that cling to it, or a word.
_UNITS: Final = re.compile(
    f" +|[{_NOT_LAST}]*{_WIDE}[{_NOT_FIRST}]*|(?:(?!{_WIDE})[^ ])+[{_NOT_FIRST}]*"
)


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a text, spaces aside as it stands; a word that is wider than a line has one to
    itself, and is not broken.
    """
    lines: list[str] = []
    line = ""
    for unit in _units(" ".join(text.split())):
        if line and columns(line + unit.rstrip()) > width:
            lines.append(line.rstrip())
            line = unit.lstrip()
        else:
            line += unit
    return [*lines, line.rstrip()] if line.strip() else lines


def _units(text: str) -> Iterator[str]:
    return (match[0] for match in _UNITS.finditer(text))
