"""Catalogues brought up to date with the sources: `python -m gateway.language.update`.

Texts that are new get an empty translation, which the tests do not let pass; texts that are gone
go. What stands in the sources in both languages needs none of anybody, nor do heads such as
"标识 Identifier". .po files are for people; .mo files are what programs read, and .words files, by
which they find a text with holes.
"""

from __future__ import annotations

import io
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from csid.vocabulary import STATES
from gateway.language.sources import CHINESE, LATIN, Texts, texts
from gateway.language.speaker import DOMAIN, INDEX, LOCALE, read
from gateway.language.template import HOLE, Template

_HEAD: Final = re.compile(
    "([\u3001-\u303f\u4e00-\u9fff\uff00-\uffef]+) ([A-Za-z][A-Za-z ,'/]*)|"
    "([A-Za-z][A-Za-z ]*) ([\u3001-\u303f\u4e00-\u9fff\uff00-\uffef]+)$"
)
# A hole that says in English what the one beside it says in Chinese, or the other way round.
_TWICE: Final = re.compile(r"\{(?:record|word)\} (?=\{zh\})|(?<=\{zh\}) \{word\}| \(\{zh\}\)")
_SENTENCES: Final = re.compile(" ?[\u3001-\u303f\u4e00-\u9fff\uff00-\uffef]+(?=\\s|$|[.,:;()])")
WIDTH: Final = 98


def known(said: Texts, language: str) -> dict[str, str]:
    """What needs no translation of anybody: text -> the same in the language."""
    is_chinese = language == "zh"
    found = {}
    words = sorted(said.words, key=lambda word: (word[0] not in STATES, word))
    for en, zh in (*said.pairs.items(), *words):
        if HOLE.search(en):
            continue
        mine = zh if is_chinese else en
        found[f"{zh} {en}"] = found[f"{en} {zh}"] = mine
        if not is_chinese:
            found.setdefault(zh, en)
    if is_chinese:
        # What begins with the word of programs is said to those who are to write that.
        found |= {text: text for en, zh in said.words if (text := f"{en} {zh}") not in said.found}
    if is_chinese:
        found |= said.pairs
    for text in said.found:
        if is_chinese and not LATIN.search(HOLE.sub("", text)):
            found[text] = text
        if not is_chinese and not CHINESE.search(text) and HOLE.search(text):
            found[text] = _TWICE.sub("", text)
        head = _HEAD.fullmatch(text)
        if head is not None:
            zh, en = (head[1], head[2]) if head[1] else (head[4], head[3])
            if head[1] or not is_chinese:
                found[text] = zh if is_chinese else en
    return found


def wanted(said: Texts, language: str) -> dict[str, str]:
    """Each text that a catalogue has, with its translation as far as it follows by itself."""
    own = known(said, language)
    # In English, too, texts with holes are needed: to find out what others were filled into them.
    needs = (
        text for text in said.found if language == "zh" or CHINESE.search(text) or HOLE.search(text)
    )
    return dict.fromkeys(needs, "") | own


def english(text: str) -> str:
    """A text in both languages without what is Chinese: a first draft of its translation."""
    said = _SENTENCES.sub("", text)
    ends = len(text) - len(text.rstrip(" "))
    starts = len(text) - len(text.lstrip(" "))
    return f"{' ' * starts}{said.strip(' ')}{' ' * ends}"


def updated(language: str, said: Texts) -> Catalog:
    """The catalogue as it is to be, with the translations it has."""
    path = Path(LOCALE) / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    before = Catalog(locale=language)
    if path.exists():
        with path.open("rb") as file:
            before = read_po(file, locale=language)
    catalog = Catalog(
        locale=language, project="csid", header_comment="# Texts of csid.", fuzzy=False
    )
    for text, own in sorted(wanted(said, language).items()):
        old = before.get(text)
        draft = english(text) if language == "en" else ""
        string = own or (str(old.string) if old is not None else "") or draft
        catalog.add(text, string, auto_comments=sorted(said.found.get(text, ())))
    return catalog


def po(catalog: Catalog) -> bytes:
    """As a .po file has it."""
    file = io.BytesIO()
    write_po(file, catalog, width=WIDTH, no_location=True, omit_header=True)
    head = b'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
    return head + file.getvalue()


class _Compiled(Catalog):
    """A catalogue whose head says its encoding, and neither when nor by what it was made."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        return [("Content-Type", "text/plain; charset=utf-8")]

    @mime_headers.setter
    def mime_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """What a file says of itself is not taken over."""


def mo(language: str, packed: bytes) -> bytes:
    """What a .po file holds, as a .mo file has it: the same octets whenever it is made."""
    compiled = _Compiled(locale=language, fuzzy=False)
    for message in read_po(io.BytesIO(packed), locale=language):
        if message.id:
            compiled[message.id] = message
    file = io.BytesIO()
    write_mo(file, compiled)
    return file.getvalue()


def index(compiled: bytes) -> bytes:
    """Of the texts with holes of a .mo file, a line for each word: the word, and the numbers of
    the texts of which it is the one that the fewest of them have.
    """
    texts = list(read(compiled))
    words = {
        number: Template(text).words() for number, text in enumerate(texts) if HOLE.search(text)
    }
    uses = Counter(word for own in words.values() for word in own)
    found: dict[str, list[int]] = {}
    for number, own in words.items():
        if own:
            found.setdefault(min(own, key=lambda word: (uses[word], word)), []).append(number)
    lines = (" ".join((word, *map(str, numbers))) for word, numbers in sorted(found.items()))
    return "".join(f"{line}\n" for line in lines).encode()


def main() -> int:
    """Write them; exit code 1 if translations are missing."""
    said = texts()
    missing = 0
    for language in ("zh", "en"):
        catalog = updated(language, said)
        folder = Path(LOCALE) / language / "LC_MESSAGES"
        folder.mkdir(parents=True, exist_ok=True)
        packed = po(catalog)
        (folder / f"{DOMAIN}.po").write_bytes(packed)
        compiled = mo(language, packed)
        (folder / f"{DOMAIN}.mo").write_bytes(compiled)
        (folder / INDEX).write_bytes(index(compiled))
        for message in catalog:
            if message.id and not message.string:
                missing += 1
                print(f"{language}: {message.id!r}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
