"""Texts that were filled in are known again, and said in the language."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.language import speaker_of
from gateway.language.choose import preferred
from gateway.language.template import HOLE, Template, filled

TEXTS = [
    "{path}: cannot be read: {strerror}",
    "expected {count} segments ({names}), found {value}",
    "; did you mean {near}?",
    "{shown} 已删除 removed",
    "no hole at all",
    "{a}{b} is there twice",
]


@pytest.mark.parametrize("text", TEXTS)
@given(st.data())
def test_a_text_is_of_the_template_it_was_made_by(text: str, data: st.DataObject) -> None:
    names = HOLE.findall(text)
    parts = {name: data.draw(st.text(max_size=12)) for name in names}
    said = filled(text, parts)
    found = Template(text).match(said)
    assert found is not None
    assert filled(text, found) == said


@given(st.text(max_size=200))
def test_what_is_none_of_ours_has_an_end(text: str) -> None:
    assert isinstance(speaker_of("zh").say(text), str)


@given(st.text(alphabet="0123456789ABCDEFGH/-.", max_size=80))
def test_codes_stay_as_they_are(code: str) -> None:
    for language in ("zh", "en"):
        assert speaker_of(language).say(code) == code


SAID = [
    (
        "9133/6450  403 OUT_OF_SCOPE 超出本节点管辖范围 outside the scope of this node  "
        "location 330106: this node assigns for 31 only",
        "9133/6450  403 OUT_OF_SCOPE 超出本节点管辖范围  位置 330106：本节点只为 31 赋码",
        "9133/6450  403 OUT_OF_SCOPE outside the scope of this node  "
        "location 330106: this node assigns for 31 only",
    ),
    (
        "127.0.0.1:5300 does not hold x.; it refers to a.b: ask there, or go from the root with "
        "--root",
        "127.0.0.1:5300 不持有 x.；它转介到 a.b：请向那里查询，或用 --root 从根开始",
        None,
    ),
    (
        "试运行，未写入 dry run, nothing kept: 办理 done 5, 未变 unchanged 3, 未办理 refused 1",
        "试运行，未写入：办理 5，未变 3，未办理 1",
        "dry run, nothing kept: done 5, unchanged 3, refused 1",
    ),
    (
        "/a b/c: cannot be read: No such file or directory",
        "/a b/c：无法读取：没有该文件或目录",
        None,
    ),
    (
        "csid: 9133/6450  203 STATE_PROHIBITS 当前状态不允许 its state does not allow this  "
        "is reserved 预留; suspend does not follow from that",
        "csid: 9133/6450  203 STATE_PROHIBITS 当前状态不允许  为预留；不能由此 suspend",
        "csid: 9133/6450  203 STATE_PROHIBITS its state does not allow this  "
        "is reserved; suspend does not follow from that",
    ),
    ("待报 wanted 2026-11-26 19:12", "待报 2026-11-26 19:12", "wanted 2026-11-26 19:12"),
    ("有效 active", "有效", "active"),
    ("接入地址 Endpoint", "接入地址", "Endpoint"),
    ("Fujian node operations", "Fujian node operations", None),
    ("浙江 Zhejiang", "浙江 Zhejiang", None),
]


@pytest.mark.parametrize(("text", "zh", "en"), SAID)
def test_texts_are_said(text: str, zh: str, en: str | None) -> None:
    assert speaker_of("zh").say(text) == zh
    assert speaker_of("en").say(text) == (en or text)


def test_texts_of_strangers_take_a_bounded_time() -> None:
    hostile = [
        "a: " * 1_300,
        "expected " * 400,
        "is (is; is, is. " * 250,
        "identifier: expected, " * 180,
    ]
    started = time.process_time()
    for text in hostile:
        speaker_of("zh").say(text)
    assert time.process_time() - started < 2  # they take 0.2 s; without bounds, years


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB, zh;q=0.5", "en"),
        ("fr, zh;q=0.1", "zh"),
        ("zh;q=0", "en"),
        ("zh;q=nan, zh;q=9e9", "en"),
        ("*", "en"),
    ],
)
def test_the_language_that_a_browser_prefers(accepted: str, language: str) -> None:
    assert preferred(accepted) == language
