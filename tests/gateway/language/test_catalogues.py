"""Every text for people is there in both languages, in the terms of the glossary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from gettext import GNUTranslations
from pathlib import Path
from typing import NamedTuple

import pytest
from babel.messages import Catalog
from babel.messages.pofile import read_po

from gateway.language import update
from gateway.language.sources import CHINESE, NOT_TEXTS, texts
from gateway.language.speaker import LOCALE, read
from gateway.language.template import HOLE
from tests.support.servers import CHECKOUT

RENEW = "python -m gateway.language.update brings them up to date"
# Holes that say in English what another one of the text says in Chinese.
IN_ENGLISH = frozenset({"en", "do_en", "record", "word"})
# What programs read: commands, options, what is filled in.
FOR_PROGRAMS = re.compile(r"csid( [a-z-]+)+|--[\w-]+|\{\w+\}|\$\w+|[\w.]+\.\w+|^\w+: |[A-Z-]{4,}")


class Term(NamedTuple):
    """A row of the glossary."""

    zh: list[str]
    english: list[str]
    unused: list[str]


def stored(language: str) -> Catalog:
    with (Path(LOCALE) / language / "LC_MESSAGES" / "csid.po").open("rb") as file:
        return read_po(file, locale=language)


def messages(language: str) -> dict[str, str]:
    return {one.id: one.string for one in stored(language) if one.id}


def glossary() -> Iterator[Term]:
    page = (CHECKOUT / "docs" / "glossary.md").read_text(encoding="utf-8")
    for line in page.splitlines():
        if line.startswith("| ") and not line.startswith(("| 中文", "|---")):
            zh, english, _, unused = (cell.strip() for cell in line.strip("|").split("|"))
            yield Term(
                zh.split(" / "),
                re.findall(r"\*\*(.*?)\*\*", english),
                list(filter(None, unused.split(", "))),
            )


@pytest.mark.parametrize("language", ["zh", "en"])
def test_catalogues_have_what_the_sources_say_and_nothing_else(language: str) -> None:
    there = messages(language)
    wanted = update.wanted(texts(), language)
    missing = sorted(set(wanted) - set(there)) + [one for one, said in there.items() if not said]
    assert missing == [], RENEW
    assert sorted(set(there) - set(wanted)) == [], RENEW


@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_programs_read_is_what_people_wrote(language: str) -> None:
    folder = Path(LOCALE) / language / "LC_MESSAGES"
    written = (folder / "csid.po").read_bytes()
    compiled = update.mo(language, written)
    assert (folder / "csid.mo").read_bytes() == compiled, RENEW
    assert (folder / "csid.words").read_bytes() == update.index(compiled), RENEW


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_catalogue_is_read_as_gettext_reads_it(language: str) -> None:
    file = Path(LOCALE) / language / "LC_MESSAGES" / "csid.mo"
    with file.open("rb") as opened:
        theirs = GNUTranslations(opened)
    ours = read(file.read_bytes())
    assert len(ours) > 1_000 and "" not in ours
    assert all(theirs.gettext(text) == said for text, said in ours.items())


def test_what_is_no_text_stands_in_the_sources() -> None:
    lines = NOT_TEXTS.read_text(encoding="utf-8").splitlines()
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_translation_has_the_holes_of_its_text(language: str) -> None:
    wrong = []
    for text, said in messages(language).items():
        own, filled = set(HOLE.findall(text)), set(HOLE.findall(said))
        names = {one.rstrip("0123456789") for one in filled}
        spared = {one for one in own if one.rstrip("0123456789") in names}
        spared |= IN_ENGLISH if "zh" in filled else {"zh"} if "en" in filled else set()
        # A name of a file format, which the text about its contents needs not say twice.
        if filled - own or own - filled - spared - {"name"}:
            wrong.append((text, said))
        if re.findall(r"%\(\w+\)s", text) != re.findall(r"%\(\w+\)s", said):
            wrong.append((text, said))
    assert wrong == []


def test_english_has_nothing_chinese() -> None:
    chinese = {text for text, said in messages("en").items() if CHINESE.search(said)}
    assert {one for one in chinese if not re.search("昇腾", messages("en")[one])} == set()


def test_chinese_is_chinese() -> None:
    """Of texts in words, that is; those of a single one may be the name of something."""
    same = [
        text
        for text, said in messages("zh").items()
        if not CHINESE.search(said) and re.search("[a-z]{2,} [a-z]{2,} [a-z]{2,}", text)
    ]
    assert [one for one in same if not FOR_PROGRAMS.match(one)] == []


def test_texts_use_the_terms_of_the_glossary() -> None:
    own = update.known(texts(), "zh")  # names of things, shorter than what they are in English
    wrong = []
    for term in glossary():
        for text, said in messages("zh").items():
            bare = FOR_PROGRAMS.sub("", text)
            wrong += [(one, text, said) for one in term.unused if one in said]
            for english in term.english:
                is_there = re.search(rf"(?<![\w-]){english}s?(?![\w-])", bare)
                taken_over = {*term.zh, english}  # a word that is typed stays as it is
                if is_there and text not in own and not any(one in said for one in taken_over):
                    wrong.append((english, text, said))
    assert wrong == []
