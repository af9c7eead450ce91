"""Letters of a name in another case: the same name, and hard to guess."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from csid import names
from csid.client import wire

NAMES = st.lists(st.text("abcz019-", min_size=1, max_size=63), min_size=1, max_size=3).map(
    lambda labels: names.from_text(".".join([*labels, "example."]))
)


@given(NAMES, st.binary(max_size=40))
def test_a_name_with_other_letters_is_the_same_name(name: bytes, random: bytes) -> None:
    made = wire.with_letters(name, random)
    assert made.lower() == name
    assert names.labels_of(made.lower()) == names.labels_of(name)
    changed = sum(one != other for one, other in zip(made, name, strict=True))
    assert changed <= sum(octet.bit_count() for octet in random)


@given(NAMES)
def test_each_letter_has_a_bit_of_its_own(name: bytes) -> None:
    letters = sum(97 <= octet <= 122 for octet in name)
    made = wire.with_letters(name, b"\xff" * 40)
    assert sum(65 <= octet <= 90 for octet in made) == letters
    question = wire.question(made, 16)
    answer = b"\0\0\x80\0\0\1" + bytes(6) + wire.question(name, 16)
    assert wire.answers(answer, question)
    assert wire.repeats(answer, question) == (letters == 0)
