"""Texts put into the language of who reads them, where they are shown.

Texts are made in one form, which travels between nodes and stands in the audit log. Here a text is
looked up as it is, else it is known again as one that was filled in, and its parts are looked up in
turn; what is no text of ours stays as it is.
"""

from __future__ import annotations

import gettext
import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from gateway.language.template import HOLE, WORD, Template, filled

LOCALE: Final = Path(__file__).with_name("locale")
DOMAIN: Final = "csid"
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
        folder = LOCALE / language / "LC_MESSAGES"
        with (folder / f"{DOMAIN}.mo").open("rb") as file:
            found = gettext.GNUTranslations(file)
        self._is_wide = language == "zh"
        catalog: dict[str, str] = vars(found)["_catalog"]  # for what there is no public name
        self._texts = {key: text for key, text in catalog.items() if key}
        self.say = lru_cache(_REMEMBERED)(self._say)

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
    def _by_word(self) -> dict[str, list[tuple[str, Template]]]:
        return _index(self._texts)

    def _candidates(self, text: str) -> Iterator[tuple[str, Template]]:
        """Templates whose rarest word is in the text."""
        for word in set(WORD.findall(text)):
            yield from self._by_word.get(word, ())

    def _joined(self, left: str, mark: str, right: str) -> str:
        """Two texts with a mark between, which is a Chinese one beside what is Chinese."""
        if self._is_wide and _CHINESE.search(left[-1:] + right[:1]):
            mark = _WIDE.get(mark, mark)
        return left + mark + right


def _index(texts: dict[str, str]) -> dict[str, list[tuple[str, Template]]]:
    """Templates by that of their words that the fewest of them have."""
    templates = [(text, Template(text)) for text in texts if HOLE.search(text)]
    own_words = [template.words() for _, template in templates]
    uses = Counter(word for words in own_words for word in words)
    found: dict[str, list[tuple[str, Template]]] = {}
    for one, words in zip(templates, own_words, strict=True):
        if words:
            found.setdefault(min(words, key=lambda word: (uses[word], word)), []).append(one)
    return found
