"""The lines of a master file with their numbers, and entries that go over several of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Final, Protocol

import dns.tokenizer

from csid.limits import MAX_ENTRY_CHARACTERS
from resolver.zonefile.tokens import TextError, tokenizer

_TEXT_OF: Final = itemgetter(1)  # of a numbered line


class Lines(Protocol):
    """What lines are read from: a file, or something like it."""

    def readline(self, size: int, /) -> str: ...


class Source:
    """An open master file: its lines with their numbers, and how deep it is included."""

    def __init__(self, file: Lines, path: Path, includer: Source | None) -> None:
        # A line too long is cut, and refused by what reads it; each is short enough to be held.
        self.numbered = enumerate(iter(partial(file.readline, MAX_ENTRY_CHARACTERS + 1), ""), 1)
        self.path = path
        self.shown = str(path)
        self.depth: int = 1 if includer is None else includer.depth + 1

    def entry_tokens(self, line: str) -> dns.tokenizer.Tokenizer:
        """A tokenizer over a line taken from this source and, if asked for, those behind it."""
        return tokenizer(_Characters(chain((line,), map(_TEXT_OF, self.numbered))))


class _Characters:
    """Lines as a file that is read one character at a time, never a line too far."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._characters = chain.from_iterable(lines)
        self._left = MAX_ENTRY_CHARACTERS

    def read(self, size: int) -> str:
        if not self._left:
            raise TextError(
                f"an entry of more than {MAX_ENTRY_CHARACTERS} characters; "
                "is a parenthesis or a quote not closed?"
            )
        self._left -= 1
        return next(self._characters, "")
