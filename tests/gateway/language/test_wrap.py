"""Lines that fit the columns of a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.language.width import columns
from gateway.language.wrap import wrapped

NEVER_FIRST = set("，。、；：）”")


@given(st.text(alphabet="区名，。（）ab- ", max_size=120), st.integers(8, 40))
def test_nothing_is_lost_and_no_line_is_too_wide(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines:
        # What must not be parted, as marks behind a character, may be wider than a line.
        parts = [one for one in line.split(" ") if one]
        assert columns(line) <= width or len(parts) == 1


@given(st.text(alphabet="区名节点，。", min_size=1, max_size=120))
def test_no_line_begins_with_a_mark_that_ends_something(text: str) -> None:
    _, *others = wrapped(text.lstrip("，。") or "区", 20)
    assert all(line[0] not in NEVER_FIRST for line in others)


def test_words_stay_whole() -> None:
    assert wrapped("由 csid audit verify 核验，用法见 README.zh.md。", 20) == [
        "由 csid audit verify",
        "核验，用法见",
        "README.zh.md。",
    ]
