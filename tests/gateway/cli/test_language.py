"""What people read is in the language they ask for: help, tables, errors."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

import pytest

from gateway.cli import whole_parser
from gateway.language import speak
from gateway.language.width import columns
from tests.support.commands import Node, run
from tests.support.registering import OWNER, identifier

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


# A command, and what it says in Chinese and in English.
TOLD = [
    ("lst", "没有命令 'lst'；是否指 list？", "there is no command 'lst'; did you mean list?"),
    ("list --limit", "参数 --limit：应给出一个值", "argument --limit: expected one argument"),
    ("list --limt 3", "是否指 --limit？", "did you mean --limit?"),
    ("list --limit x", "应为 0 至", "expected a number from 0 to"),
    (
        "list --data /nowhere",
        "不是数据目录；用 csid init --data /nowhere 建立",
        "no data directory",
    ),
    ("id check 1/2", "标识：应有 5 段", "identifier: expected 5 segments"),
    ("config check --config /nowhere", "/nowhere：", "/nowhere: "),
    ("list", "哪个数据目录？请给出 --data DIR", "which data directory? Give --data DIR"),
]


@pytest.mark.parametrize(("words", "zh", "en"), TOLD)
def test_errors_are_told_in_the_language(words: str, zh: str, en: str) -> None:
    in_chinese = run("--lang", "zh", *words.split())
    assert zh in in_chinese.err
    assert not PROSE.search(in_chinese.err.rpartition("csid")[2])
    in_english = run("--lang=en", *words.split())
    assert en in in_english.err
    assert not CHINESE.search(in_english.err)
    assert in_chinese.code == in_english.code != 0


def test_what_the_registry_says_is_told_in_the_language(node: Node) -> None:
    name = node.must("assign", identifier("0001"))
    refused = ("assign", name, "--data", node.data)
    in_chinese, in_english = run(*refused, "--lang", "zh"), run(*refused, "--lang", "en")
    assert "200 EXISTS 已存在" in in_chinese.err
    assert "已存在 exists" not in in_chinese.err
    assert "200 EXISTS exists already" in in_english.err
    shown = run("show", name, "--data", node.data, "--lang", "zh").out
    assert re.search(r"^状态 +有效$", shown, re.MULTILINE)
    shown = run("show", name, "--data", node.data, "--lang", "en").out
    assert re.search(r"^State +active$", shown, re.MULTILINE)
    shown = run("show", name, "--data", node.data).out
    assert re.search(r"^状态 State +有效 active$", shown, re.MULTILINE)


def test_the_example_of_the_configuration_is_in_the_language() -> None:
    in_chinese = run("config", "show", "--example", "--lang", "zh").out
    in_english = run("config", "show", "--example", "--lang", "en").out
    options = [
        [line.lstrip("# ").partition(" =")[0] for line in text.splitlines() if " = " in line]
        for text in (in_chinese, in_english)
    ]
    assert options[0] == options[1]
    assert "# 数据目录\n" in in_chinese
    assert "# the data directory\n" in in_english


def test_json_is_the_same_in_every_language(node: Node) -> None:
    asked = ("owner", "show", OWNER, "--data", node.data, "--json")
    assert run(*asked, "--lang", "zh").out == run(*asked, "--lang", "en").out == run(*asked).out


def test_names_of_people_stay_as_they_are(node: Node) -> None:
    node.must("owner", "update", OWNER, "--name", "node", "--contact", "不存在 does not exist yet")
    told = run("owner", "show", OWNER, "--data", node.data, "--lang", "zh").out
    assert "does not exist yet" in told


@pytest.mark.parametrize(
    ("environ", "words", "title"),
    [
        ({}, "", "both"),
        ({"LANG": "zh_CN.UTF-8"}, "", "赋码"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "", "both"),
        ({"LC_MESSAGES": "zh_TW"}, "", "赋码"),
        ({"LANG": "en_GB.UTF-8"}, "", "assign"),
        ({"LANG": "zhx"}, "", "both"),
        ({"LANG": "zh_CN.UTF-8", "CSID_LANG": "en"}, "", "assign"),
        ({"CSID_LANG": "en"}, "--lang zh", "赋码"),
        ({}, "--lang zh --lang both", "both"),
    ],
)
def test_the_language_is_that_of_the_option_the_environment_or_the_locale(
    environ: dict[str, str], words: str, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    told = run(*words.split(), "--help").out
    line = re.search("^  assign +(.*)$", told, re.MULTILINE)
    assert line is not None
    expected = "assign an identifier 赋码" if title == "both" else title
    assert line[1].startswith(expected)
    assert (line[1] == expected) or title == "assign"


def test_a_language_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "invalid choice: 'fr'" in run("list", "--lang", "fr").err
    monkeypatch.setenv("CSID_LANG", "fr")
    told = run("list")
    assert told.code == 2
    assert "$CSID_LANG: 'fr' is no language; use one of zh, en, both" in told.err
