"""Lists as Slurm writes them: commas between items, which may have commas in brackets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

ROUND: Final = re.compile(r",|\([^()]*\)")
SQUARE: Final = re.compile(r",|\[[^\[\]]*\]")


def split(said: str, brackets: re.Pattern[str]) -> Iterator[str]:
    """The items of a list; a bracket without its other half is part of the item it stands in.

    Args:
        brackets: which there are: ROUND, SQUARE.
    """
    begin = 0
    for match in brackets.finditer(said):
        if match[0] == ",":
            yield said[begin : match.start()].strip()
            begin = match.end()
    yield said[begin:].strip()
