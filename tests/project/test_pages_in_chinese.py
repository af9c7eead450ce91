"""The pages are there in both languages, and show the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.servers import CHECKOUT

DOCS = CHECKOUT / "docs"
# The glossary is one page in both.
PAGES = sorted(path.name for path in DOCS.glob("*.md") if path.name != "glossary.md")
PAIRS = [(DOCS / name, DOCS / "zh" / name) for name in PAGES]
ALL = [(CHECKOUT / "README.md", CHECKOUT / "README.zh.md"), *PAIRS]
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


def name_of(pair: tuple[Path, Path]) -> str:
    return pair[0].name


def test_each_page_is_there_in_chinese() -> None:
    assert [path.name for path in sorted((DOCS / "zh").glob("*.md"))] == PAGES


@pytest.mark.parametrize("pair", ALL, ids=name_of)
def test_both_show_the_same_commands(pair: tuple[Path, Path]) -> None:
    english, chinese = (path.read_text(encoding="utf-8") for path in pair)
    assert FENCED.findall(chinese) == FENCED.findall(english)


@pytest.mark.parametrize("pair", ALL, ids=name_of)
def test_both_have_the_same_sections(pair: tuple[Path, Path]) -> None:
    english, chinese = (FENCED.sub("", path.read_text(encoding="utf-8")) for path in pair)
    heads = [re.findall(r"^(#+) ", text, re.MULTILINE) for text in (english, chinese)]
    assert heads[0] == heads[1]


@pytest.mark.parametrize("pair", ALL, ids=name_of)
def test_links_lead_somewhere(pair: tuple[Path, Path]) -> None:
    for page in pair:
        for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
            assert link.startswith("http") or (page.parent / link).exists(), (page, link)


def test_the_figures_are_the_same() -> None:
    english, chinese = (path.read_text(encoding="utf-8") for path in ALL[0])
    tables = [
        text.partition(head)[2] for text, head in ((english, "## Figures"), (chinese, "## 性能"))
    ]
    figures = [sorted(re.findall(r"\d+(?:[.,]\d+)*", text)) for text in tables]
    assert figures[0] == figures[1]
