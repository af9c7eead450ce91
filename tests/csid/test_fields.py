"""What the texts of records and requests may hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.errors import RecordError
from csid.fields import hidden_in
from csid.record import Record

UNSEEN = {
    0x00: "",
    0x1B: "",
    0x7F: "",
    0x85: "",
    0xAD: "SOFT HYPHEN",
    0x034F: "COMBINING GRAPHEME JOINER",
    0x061C: "ARABIC LETTER MARK",
    0x115F: "HANGUL CHOSEONG FILLER",
    0x180E: "MONGOLIAN VOWEL SEPARATOR",
    0x200B: "ZERO WIDTH SPACE",
    0x200D: "ZERO WIDTH JOINER",
    0x200F: "RIGHT-TO-LEFT MARK",
    0x2028: "LINE SEPARATOR",
    0x2029: "PARAGRAPH SEPARATOR",
    0x202E: "RIGHT-TO-LEFT OVERRIDE",
    0x2060: "WORD JOINER",
    0x2066: "LEFT-TO-RIGHT ISOLATE",
    0x2800: "BRAILLE PATTERN BLANK",
    0x3164: "HANGUL FILLER",
    0xD800: "",
    0xE000: "",
    0xFE0F: "VARIATION SELECTOR-16",
    0xFEFF: "ZERO WIDTH NO-BREAK SPACE",
    0xFFFE: "",
    0xE0041: "TAG LATIN CAPITAL LETTER A",
    0x2FFFF: "",
    0x10FFFD: "",
}
FILLERS = "\u115f\u1160\u3164\uffa0"  # letters of Hangul, and blank


@pytest.mark.parametrize(("code", "name"), UNSEEN.items())
def test_a_character_that_nobody_sees_is_told_with_its_place(code: int, name: str) -> None:
    said = f"character 3 is U+{code:04X} {name}".rstrip()
    assert hidden_in(f"云a{chr(code)}b") == said
    for field in ("name", "chip", "fabric"):
        with pytest.raises(RecordError) as caught:
            Record({"state": "active", field: f"云a{chr(code)}b"})
        assert str(caught.value).endswith(said)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "杭州一号池",
        "a b",
        "全角\u3000空格",
        "a\xa0b",
        "e\u0301",
        "\U0002a6d6",
        "\U000323b0",
        "€＝",
        "\u0378",
    ],
)
def test_what_can_be_seen_is_taken(text: str) -> None:
    assert hidden_in(text) == ""


@given(st.characters(categories=("Cc", "Cf", "Cs", "Co", "Zl", "Zp")))
def test_no_character_of_these_categories_is_taken(char: str) -> None:
    assert f"U+{ord(char):04X}" in hidden_in(char)


@given(
    st.characters(categories=("L", "Nd", "P", "Sc", "Zs")).filter(lambda char: char not in FILLERS)
)
def test_letters_digits_signs_and_spaces_are_taken(char: str) -> None:
    assert hidden_in(char) == ""


@pytest.mark.parametrize("space", [" ", "\u3000", "\xa0"])
def test_no_space_stands_at_an_end(space: str) -> None:
    for text in (space, f"{space}a", f"a{space}"):
        with pytest.raises(RecordError, match="space at the ends"):
            Record({"state": "active", "name": text})
