"""Texts of others as one line of a terminal."""

from __future__ import annotations

from typing import Final

SHOWN: Final = 1_000  # characters of a line; a path has up to 4,096, an argument 131,072


def one_line(text: str) -> str:
    """A text without what would break the line, move the cursor or hide something, which is
    escaped, and without the middle of what is too long.
    """
    if len(text) > SHOWN:
        half = SHOWN // 2
        text = f"{text[:half]} ... {text[-half:]}"
    return "".join(
        char if char.isprintable() or char == "\u3000" else ascii(char)[1:-1] for char in text
    )
