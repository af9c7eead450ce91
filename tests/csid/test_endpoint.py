"""What is an endpoint by the quick look of `require` is one as it is read, and nothing else."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from csid import endpoint
from tests.support.records import endpoints

MARKS = ":/.|[]-_%?#@ aA0\u00e9"


@st.composite
def nearly(draw: st.DrawFn) -> str:
    """Endpoints, some with a character more or less, or far too long."""
    text = draw(endpoints)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(MARKS)) + text[at + draw(st.integers(0, 2)) :]
    if draw(st.booleans()):
        text = text.replace("example", "x" * draw(st.integers(55, 70)) + ".example", 3)
    return text


@given(st.lists(nearly(), min_size=1, max_size=3))
@example(["https://a.1:1", "https://1.2.3.4:1", "https://1.2.3.04:1", "x://a.b", "ssh://a.b"])
@example(["https://a.b:65536", "https://a.b:65535", "https://a-.b:1", "https://a.b-:1"])
@example([f"https://a.b/{'x' * n}" for n in (226, 227, 228, 229)])
@example(["https://" + "a." * 115 + "b:1", "https://a.b|", "https://a.b|1.2.3.4|1.2.3.4"])
def test_what_is_required_is_what_is_read(texts: list[str]) -> None:
    for text in texts:
        assert refusal(endpoint.require, text) == refusal(endpoint.parse, text)


def refusal(read: object, text: str) -> str:
    """Why it is none; empty if it is one."""
    assert callable(read)
    try:
        read(text)
    except ValueError as error:
        return str(error)
    return ""
