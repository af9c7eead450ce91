"""A cell of a sheet: a text, or what is known of one that is none."""

from __future__ import annotations

import re
from datetime import date, timedelta
from enum import Enum
from typing import Final, NamedTuple

CELL_CHARACTERS_MAX: Final = 32_767  # of one cell of a spreadsheet


class Look(Enum):
    """What a number is shown as."""

    PLAIN = "plain"
    DATE = "date"
    EXPONENT = "exponent"


class Number(NamedTuple):
    """A number, as the file has it; texts of digits that were typed in are such numbers, too.

    Attributes:
        text: of the file, such as 6450 or 6.45E+3.
        look: what it is shown as.
        digits: how many it is shown with at least, as the format 0000 has it.
    """

    text: str
    look: Look = Look.PLAIN
    digits: int = 0


class Day(NamedTuple):
    """A date. `text` is ISO 8601."""

    text: str


class Broken(NamedTuple):
    """A cell that has lost what stood there. `kind` is one of `damage.KINDS`."""

    kind: str
    text: str


Cell = str | Number | Day | Broken


# What the parts of a number format between its semicolons say (ECMA-376, 18.8.31): the first is
# that of positive numbers. Texts in quotes, escaped characters and what is in brackets say nothing.
_SAYS_NOTHING: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]')
_EXPONENT: Final = re.compile(r"E[+-]", re.IGNORECASE)
_DATE: Final = re.compile(r"[ymdhseg年月日]", re.IGNORECASE)
_ZEROS: Final = re.compile(r"0+")
# Formats that a file names by number only: dates, among them those of East Asia; and exponents.
_DATES_BY_NUMBER: Final = frozenset(
    {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
)
_EXPONENTS_BY_NUMBER: Final = frozenset({11, 48})


def look_of(number: int, code: str | None) -> tuple[Look, int]:
    """What numbers of a format are shown as, and with how many digits at least.

    Args:
        number: of the format.
        code: the format; None where the number alone says it.
    """
    if code is None:
        if number in _DATES_BY_NUMBER:
            return Look.DATE, 0
        return (Look.EXPONENT if number in _EXPONENTS_BY_NUMBER else Look.PLAIN), 0
    first = _SAYS_NOTHING.sub("", code).partition(";")[0]
    if first.strip().lower() == "general":
        return Look.PLAIN, 0
    if _EXPONENT.search(first):
        return Look.EXPONENT, 0
    if _DATE.search(first):
        return Look.DATE, 0
    zeros = first.strip()
    return Look.PLAIN, len(zeros) if _ZEROS.fullmatch(zeros) else 0


def day_of(text: str, from_1904: bool) -> str | None:
    """The date that a number stands for in a file (ECMA-376, 18.17.4), as ISO 8601; None if it is
    none. A time of that day is left out.

    Args:
        from_1904: days are counted from 1904-01-01; else so that 1 is 1900-01-01, and there is a
            1900-02-29, which never was.
    """
    try:
        days = int(float(text))
    except (ValueError, OverflowError):
        return None
    if from_1904:
        begins = date(1904, 1, 1)
    else:
        if days < 1 or days == 60:
            return None
        begins = date(1899, 12, 31) if days < 60 else date(1899, 12, 30)
    try:
        return (begins + timedelta(days)).isoformat()
    except OverflowError:
        return None
