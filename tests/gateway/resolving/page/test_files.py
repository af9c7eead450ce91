"""The files of the page: whole, of no other host, with what keeps them so."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from csid.identifier import parse
from csid.vocabulary import FIELDS
from gateway.resolving.page import files, is_held
from resolver.recursion.reading import ALIAS, ANSWER, LAME, NO_DATA, NO_NAME, REFERRAL
from resolver.recursion.steps import SILENT

FILES = files()
TEXT = {path: file.octets.decode() for path, file in FILES.items()}
_ENTRY = re.compile(r'^  "?([\w ]+)"?: \[\s*"([^"]+)",\s*"([^"]+)",?\s*\],$', re.MULTILINE)
TEXTS = {key: (zh, en) for key, zh, en in _ENTRY.findall(TEXT["/page/texts.js"])}
CHINESE = re.compile("[\u3001-\u303f\u4e00-\u9fff\uff00-\uffef]")
SAME_IN_BOTH = {"handle"}
# Words of programs, shown in the language of who reads: of health, kinds of capacity, of a step.
OF_PROGRAMS = {"ok", "degraded", "failed", "maintenance", "chips", "vcpu", "memory_gib"}
OF_PROGRAMS |= {ANSWER, ALIAS, NO_NAME, NO_DATA, REFERRAL, LAME, SILENT}


class Links(HTMLParser):
    """What a page loads, and what it has that a strict policy forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.forbidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "script" and "src" not in found:
            self.forbidden.append("a script in the page")
        self.forbidden += [name for name in found if name == "style" or name.startswith("on")]
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href")]


def test_what_the_page_loads_is_there() -> None:
    links = Links()
    links.feed(TEXT["/"])
    assert links.forbidden == []
    assert {one for one in links.loaded if one[:1] == "/"} - {"/openapi.json"} <= set(FILES)
    for path, text in TEXT.items():
        for name in re.findall(r'from "\./([\w.]+)"', text):
            assert f"/page/{name}" in FILES, path


def test_the_example_is_an_identifier() -> None:
    (example,) = re.findall("<code>(.+)</code>", TEXT["/"])
    assert str(parse(example)) == example


@pytest.mark.parametrize("path", list(FILES))
def test_no_file_names_another_host(path: str) -> None:
    hosts = set(re.findall(r"(?:https?:)?//([\w-]+\.[\w.-]+)", TEXT[path]))
    assert hosts <= {"www.w3.org"}  # the name of SVG, which nobody asks for


@pytest.mark.parametrize("path", list(FILES))
def test_each_is_sent_under_a_policy_that_lets_nothing_else_in(path: str) -> None:
    headers = FILES[path].headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"unsafe|data:|\*|https?:", policy)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"]


@pytest.mark.parametrize(
    ("condition", "held"),
    [
        ("", False),
        ('"other"', False),
        ("{}", True),
        ('"other", {}', True),
        ("W/{}", True),
        ("*", True),
    ],
)
def test_who_has_a_file_is_not_sent_it_again(condition: str, held: bool) -> None:
    file = FILES["/"]
    assert is_held({"if-none-match": condition.format(file.headers["ETag"])}, file) is held
    assert not is_held({}, file)


def test_files_that_differ_have_tags_that_differ() -> None:
    assert len({file.headers["ETag"] for file in FILES.values()}) == len(FILES)


def test_fields_are_called_what_the_program_calls_them() -> None:
    named = json.loads(FILES["/page/fields.json"].octets)
    assert {one: (pair["zh"], pair["en"]) for one, pair in named.items()} == FIELDS


def test_each_text_is_in_both_languages() -> None:
    entries = len(re.findall(r'^  "?[\w ]+"?: \[', TEXT["/page/texts.js"], re.MULTILINE))
    assert len(TEXTS) == entries
    for key, (zh, en) in TEXTS.items():
        assert key in SAME_IN_BOTH or CHINESE.search(zh), key
        assert not CHINESE.search(en), key
        assert sorted(re.findall(r"\{\w+\}", zh)) == sorted(re.findall(r"\{\w+\}", en)), key


def test_each_text_that_is_asked_for_is_there_and_asked_for() -> None:
    every = "\n".join(text for path, text in TEXT.items() if path != "/page/texts.js")
    asked = set(re.findall(r'\btext\(\s*"(\w+)"', every + TEXT["/page/texts.js"]))
    asked |= set(re.findall(r'data-text="(\w+)"', every))
    assert asked <= TEXTS.keys()
    unused = {key for key in TEXTS if not re.search(rf'"{key}"|\b{key}\b', every)}
    assert unused <= OF_PROGRAMS <= TEXTS.keys()
