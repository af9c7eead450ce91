"""How a code is laid out whose parts are one text: as data, since how deployed codes are is not
public, and differs (docs/cpurl.md).

A layout is a line of parts with spaces between:

    name=4      a part of four characters
    F:name      a letter or more, then a number: F1, N100, S10.5
    'X'         this text

Such as `head=27 F:compute S:storage N:network P:p`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.readings import ReadingError

PARTS_MAX: Final = 64
CODE_MAX: Final = 1_000  # characters
_PART: Final = re.compile(
    r"(?P<fixed>[a-z][a-z0-9_]{0,30})=(?P<width>[1-9][0-9]{0,2})"
    r"|(?P<before>[A-Za-z]{1,8}):(?P<number>[a-z][a-z0-9_]{0,30})"
    r"|'(?P<literal>[!-&(-~]{1,20})'"
)
_NUMBER: Final = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,9})?")


class Part(NamedTuple):
    """A part of a code, behind `before`: of a width, or (0) a number, or (no name) nothing."""

    name: str
    width: int
    before: str


class Layout:
    """A layout, which reads codes and writes them."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self._parts = parts

    def read(self, code: str) -> Mapping[str, str] | None:
        """The parts of a code by their names; None if it is not laid out so."""
        found: dict[str, str] = {}
        at = 0
        for name, width, before in self._parts:
            if not code.startswith(before, at):
                return None
            at += len(before)
            if not name:
                continue
            if width:
                said = code[at : at + width]
                if len(said) < width:
                    return None
            else:
                number = _NUMBER.match(code, at)
                if number is None:
                    return None
                said = number[0]
            found[name] = said
            at += len(said)
        return found if at == len(code) else None

    def write(self, parts: Mapping[str, str]) -> str:
        """The code of parts.

        Raises:
            ReadingError: one is missing, or of another form.
        """
        code = []
        for name, width, before in self._parts:
            code.append(before)
            if name:
                said = parts.get(name, "")
                if not (len(said) == width if width else _NUMBER.fullmatch(said)):
                    form = f"{width} characters" if width else "a number"
                    raise ReadingError(f"part {name}={text(said)!r} of a code: expected {form}")
                code.append(said)
        return "".join(code)


@lru_cache(100)
def layout(line: str) -> Layout:
    """The layout that a line describes.

    Raises:
        ReadingError: it describes none.
    """
    parts = []
    for word in line.split():
        found = _PART.fullmatch(word)
        if found is None:
            raise ReadingError(
                f"layout: {text(word)!r}: expected a part such as name=4, F:name or 'X'"
            )
        name = found["fixed"] or found["number"] or ""
        before = found["before"] or found["literal"] or ""
        parts.append(Part(name, int(found["width"] or 0), before))
    names = [part.name for part in parts if part.name]
    if not names or len(set(names)) < len(names) or len(parts) > PARTS_MAX:
        raise ReadingError(f"layout: expected 1 to {PARTS_MAX} parts, each name once")
    return Layout(tuple(parts))
