"""What people read is in the language they ask for: help, tables, errors."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

import pytest

from gateway.cli import COMMANDS, whole_parser
from gateway.language import speak
from gateway.language.choose import language_of
from gateway.language.wrap import columns
from tests.support.commands import Node, run
from tests.support.registering import OTHER, OWNER, identifier

CHINESE = re.compile("[\u3001-\u303f\u4e00-\u9fff\uff00-\uffef]")
PROSE = re.compile(r"(?<![-\w])(?!csid )[a-z]{2,} (?!csid )[a-z]{2,} [a-z]{2,}(?![-\w])")
WIDTH = 80


@pytest.fixture(autouse=True)
def nobody_asks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("CSID_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    yield
    speak("both")


def helps(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """The help of a parser and of all below it."""
    yield parser.prog, parser.format_help()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from helps(below)


@pytest.mark.parametrize("language", ["zh", "en", "both"])
def test_help_fits_the_terminal(language: str) -> None:
    speak(language)
    wide = [
        (prog, line)
        for prog, text in helps(whole_parser())
        for line in text.splitlines()
        if columns(line) > WIDTH
    ]
    assert wide == []


def test_help_in_english_has_nothing_chinese() -> None:
    speak("en")
    found = [
        (prog, line)
        for prog, text in helps(whole_parser())
        for line in text.splitlines()
        if CHINESE.search(line)
    ]
    assert found == []


def test_help_in_chinese_has_no_english_sentence() -> None:
    speak("zh")
    found = [
        (prog, line)
        for prog, text in helps(whole_parser())
        for line in text.splitlines()
        if PROSE.search(line) and not line.startswith("用法")
    ]
    assert found == []
