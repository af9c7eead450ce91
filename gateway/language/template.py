"""Texts with holes: a text that was filled in is known again, and its parts are taken out of it."""

from __future__ import annotations

import re
from typing import Final

HOLE: Final = re.compile(r"\{(\w+)\}")
WORD: Final = re.compile("[A-Za-z]+|[\u4e00-\u9fff]+")
_OPENS: Final = ";:,. (="  # what a text begins with that is said behind others
_CLOSES: Final = (" ", ": ", "：", "；")  # what one ends with that is said before others

# Names of the parts around a text that is said behind or before others.
BEFORE: Final = "_before"
BEHIND: Final = "_behind"


class Template:
    """A text with holes.

    Args:
        text: with its holes, as in "{path}: cannot be read: {error}".
    """

    def __init__(self, text: str) -> None:
        pieces = HOLE.split(text)
        self.literals = pieces[::2]
        self.names = pieces[1::2]
        # Two holes with nothing between are taken as one: what fills them is parted by nothing.
        at = 1
        while at < len(self.literals) - 1:
            if self.literals[at]:
                at += 1
            else:
                del self.literals[at], self.names[at]
        if text[:1] and text[0] in _OPENS and self.literals[0].strip():
            self.literals.insert(0, "")
            self.names.insert(0, BEFORE)
        if text.endswith(_CLOSES) and self.literals[-1].strip():
            self.literals.append("")
            self.names.append(BEHIND)

    @property
    def weight(self) -> int:
        """How much of it is not holes; of two that match, the heavier one is meant."""
        return sum(map(len, self.literals))

    def words(self) -> set[str]:
        """Its words that stand by themselves, so that they are words of each text filled in."""
        found: set[str] = set()
        for number, literal in enumerate(self.literals):
            for match in WORD.finditer(literal):
                touches_hole = (match.start() == 0 and number > 0) or (
                    match.end() == len(literal) and number < len(self.names)
                )
                if not touches_hole:
                    found.add(match[0])
        return found

    def match(self, text: str) -> dict[str, str] | None:
        """What its holes were filled with, None if the text is not of it.

        Each literal is looked for from the end of the one before, so that it takes time in
        proportion to the text whoever has chosen it.
        """
        first, *middle, last = self.literals if self.names else (*self.literals, "")
        if not self.names:
            return {} if text == first else None
        end = len(text) - len(last)
        if end < len(first) or not text.startswith(first) or not text.endswith(last):
            return None
        at = len(first)
        parts = []
        for literal in middle:
            found = text.find(literal, at, end)
            if found < 0:
                return None
            parts.append(text[at:found])
            at = found + len(literal)
        parts.append(text[at:end])
        return dict(zip(self.names, parts, strict=True))


def filled(text: str, parts: dict[str, str]) -> str:
    """A text with its holes filled, and what stood around it; a hole without a part is empty."""
    said = HOLE.sub(lambda match: parts.get(match[1], ""), text)
    return f"{parts.get(BEFORE, '')}{said}{parts.get(BEHIND, '')}"
