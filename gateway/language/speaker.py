"""Texts put into the language of who reads them, where they are shown.

Texts are made in one form, which travels between nodes and stands in the audit log. Here a text is
looked up as it is, else it is known again as one that was filled in, and its parts are looked up in
turn; what is no text of ours stays as it is.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Final

from gateway.language.template import WORD, Template, filled

LOCALE: Final = f"{__file__.rpartition('/')[0]}/locale"
DOMAIN: Final = "csid"
INDEX: Final = f"{DOMAIN}.words"  # beside a catalogue: in each line a word and numbers of texts
_TEXT_MAX: Final = 4_000  # characters; strangers choose some, and what is longer stays as it is
_DEPTH_MAX: Final = 12  # of texts within texts
_LOOKS_MAX: Final = 400  # at parts of a text
_HOLE_WEIGHT: Final = (
    2  # that what was filled in lies where it belongs counts as so many characters
)
_REMEMBERED: Final = 4_096  # texts; tables say the same again and again
# What stands between texts that are put together, and the same in Chinese.
_BETWEEN: Final = "  "
_JOINTS: Final = ("\n", _BETWEEN, ": ", "; ", ". ", ", ", " (", ")", " ")
_WIDE: Final = {": ": "：", "; ": "；", ". ": "。", ", ": "，", " (": "（", ")": "）"}
_CHINESE: Final = re.compile("[\u3001-\u303f\u4e00-\u9fff\uff00-\uffef]")

Said = tuple[str, int]  # a text, and how much of it is ours


class Speaker:
    """Says texts in one language.

    Args:
        language: of which there is a catalogue in `locale/`.
    """

    def __init__(self, language: str) -> None:
        self._folder = f"{LOCALE}/{language}/LC_MESSAGES"
        self._texts = read(self._file(f"{DOMAIN}.mo"))
        self._is_wide = language == "zh"
        self._templates: dict[str, list[tuple[str, Template]]] = {}  # by their rarest word
        self.say = lru_cache(_REMEMBERED)(self._say)

    def _file(self, name: str) -> bytes:
        # A command that says a few words in one language has no other use for pathlib.
        with open(f"{self._folder}/{name}", "rb") as file:  # noqa: PTH123
            return file.read()

    def known(self, text: str) -> str:
        """A text that is looked up as it is, and is not taken apart."""
        return self._texts.get(text, text)

    def _say(self, text: str) -> str:
        """A text in this language."""
        return self._said(text, {}, _DEPTH_MAX)[0] if len(text) <= _TEXT_MAX else text

    def _said(self, text: str, seen: dict[str, Said], depth: int) -> Said:
        """It, and how many of its characters are known to be ours. Of several ways to understand it
        the one that knows the most of them holds; ``seen`` has what was understood already.
        """
        known = self._texts.get(text)
        if known is not None:
            return known, len(text)
        if not depth or len(seen) > _LOOKS_MAX or WORD.search(text) is None:
            return text, 0
        if text not in seen:
            seen[text] = text, 0  # whoever comes here again on the way goes no further
            seen[text] = max(self._readings(text, seen, depth - 1), key=lambda one: one[1])
        return seen[text]

    def _readings(self, text: str, seen: dict[str, Said], depth: int) -> Iterator[Said]:
        """The ways to understand a text, that of a stranger first."""
        yield text, 0
        stripped = text.strip()
        if stripped != text:
            inner, ours = self._said(stripped, seen, depth)
            yield text.replace(stripped, inner, 1), ours
        is_row = _BETWEEN in text.strip()  # of several texts side by side
        for key, template in self._candidates(text):
            if is_row and _BETWEEN not in key:
                continue
            parts = template.match(text)
            if parts is not None:
                said = {name: self._said(part, seen, depth) for name, part in parts.items()}
                ours = (
                    template.weight
                    + _HOLE_WEIGHT * len(parts)
                    + sum(count for _, count in said.values())
                )
                texts = {name: one for name, (one, _) in said.items()}
                yield filled(self._texts[key], texts), ours
        # Single words are ours where a text is in both languages, else whoever's they are.
        for joint in _JOINTS if _CHINESE.search(text) else _JOINTS[:-1]:
            left, mark, right = text.partition(joint)
            if mark:
                before = self._said(left, seen, depth)
                tail = self._texts.get(mark + right)  # what is said behind others alone
                if tail is not None:
                    yield before[0] + tail, before[1] + len(mark + right)
                after = self._said(right, seen, depth)
                yield self._joined(before[0], mark, after[0]), before[1] + after[1]
        zh, _, rest = text.partition(" ")
        en, _, rest = rest.partition(" ")
        known = self._texts.get(f"{zh} {en}")
        if known is not None:  # a word in both languages, and more behind it
            after = self._said(rest, seen, depth)
            yield f"{known} {after[0]}", len(zh) + len(en) + after[1]

    @cached_property
    def _keys(self) -> list[str]:
        return list(self._texts)

    @cached_property
    def _by_word(self) -> dict[str, str]:
        lines = self._file(INDEX).decode().splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def _candidates(self, text: str) -> Iterator[tuple[str, Template]]:
        """Templates whose rarest word is in the text."""
        for word in set(WORD.findall(text)):
            if word in self._by_word:
                yield from self._templates.get(word) or self._made(word)

    def _made(self, word: str) -> list[tuple[str, Template]]:
        keys = [self._keys[int(number)] for number in self._by_word[word].split()]
        found = self._templates[word] = [(key, Template(key)) for key in keys]
        return found

    def _joined(self, left: str, mark: str, right: str) -> str:
        """Two texts with a mark between, which is a Chinese one beside what is Chinese."""
        if self._is_wide and _CHINESE.search(left[-1:] + right[:1]):
            mark = _WIDE.get(mark, mark)
        return left + mark + right


def read(catalogue: bytes) -> dict[str, str]:
    """The texts of a .mo file (GNU gettext manual, 10.3), and what they are in its language, in the
    order of the file; not its head. All of ours are UTF-8 and little-endian.
    """
    count, ids, strings = struct.unpack_from("<3I", catalogue, 8)

    def texts(at: int) -> list[str]:
        places = struct.unpack_from(f"<{2 * count}I", catalogue, at)  # length, start; length, ...
        lengths, starts = places[::2], places[1::2]
        return [
            catalogue[start : start + length].decode("utf-8")
            for length, start in zip(lengths, starts, strict=True)
        ]

    found = dict(zip(texts(ids), texts(strings), strict=True))
    found.pop("", None)
    return found
