"""Serials as numbers: of one width, 0-9 before A-Z, which is counting in base 36.

Serials of different widths are different codes (1 is not 0001) and never compared.
"""

from __future__ import annotations

from typing import Final

from csid.check import BASE36

WIDTH_MAX: Final = 12
WIDTH_USUAL: Final = 4  # of a pool whose serials the administrator did not choose


def number(serial: str) -> int:
    """The number that a serial of 0-9 A-Z is."""
    return int(serial, 36)


def text(count: int, width: int) -> str:
    """The serial of a number; ValueError if it needs more characters."""
    digits = ""
    for _ in range(width):
        count, digit = divmod(count, 36)
        digits = BASE36[digit] + digits
    if count:
        raise ValueError(f"no serial of {width} characters is that large")
    return digits


def width_for(count: int) -> int:
    """The width of serials that hold ``count`` numbers from 1 on, at least the usual."""
    width = WIDTH_USUAL
    while 36**width <= count:
        width += 1
    return width
