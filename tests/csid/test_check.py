"""The two check systems let no single substitution and no adjacent transposition through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc

from csid import check

PRINTED = (
    "91330106673959654P/6450/330106/ACV/H60M07A1-0001-FY",
    "91350100M000100Y43/6450/110108/ACB/H71M10N4-A100-I4",
    "X00000000000000015/0000/640502/GCV/G15M05X6-7-K0",
    "N2110101MF00000012/0111/USNYC/SCP/D90M20S1-ZZ9-OA",
)
owner_bodies = st.text(check.GB32100_ALPHABET, min_size=17, max_size=17)
bodies = st.text(check.BASE36, min_size=30, max_size=54)


def compact(identifier: str) -> str:
    return identifier.replace("/", "").replace("-", "")


def test_the_vector_of_the_standard_has_its_check_character() -> None:
    assert check.gb32100_check("91350100M000100Y4") == "3"


@pytest.mark.parametrize("identifier", PRINTED)
def test_both_checks_of_a_printed_identifier_hold(identifier: str) -> None:
    text = compact(identifier)
    assert check.gb32100_holds(text[:18])
    assert check.mod1271_36_holds(text)
    assert check.gb32100_check(text[:17]) == text[17]
    assert check.mod1271_36_check(text[:-2]) == text[-2:]


@given(owner_bodies)
def test_an_owner_with_its_check_appended_holds(body: str) -> None:
    assert check.gb32100_holds(body + check.gb32100_check(body))


@given(bodies)
def test_a_text_with_its_check_appended_holds(body: str) -> None:
    assert check.mod1271_36_holds(body + check.mod1271_36_check(body))


@given(st.from_regex(r"[159][1239][0-9]{6}", fullmatch=True), st.data())
def test_the_owner_check_agrees_with_python_stdnum_for_common_codes(
    start: str, data: st.DataObject
) -> None:
    digits = data.draw(st.text(check.GB32100_ALPHABET, min_size=9, max_size=9))
    assert check.gb32100_check(start + digits) == uscc.calc_check_digit(start + digits)


@pytest.mark.parametrize("identifier", PRINTED)
def test_every_single_substitution_is_caught(identifier: str) -> None:
    text = compact(identifier)
    for place, right in enumerate(text):
        for wrong in check.BASE36:
            if wrong != right:
                assert not check.mod1271_36_holds(text[:place] + wrong + text[place + 1 :])
    owner = text[:18]
    for place, right in enumerate(owner):
        for wrong in check.GB32100_ALPHABET:
            if wrong != right:
                assert not check.gb32100_holds(owner[:place] + wrong + owner[place + 1 :])


def swapped(text: str, place: int) -> str:
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


@pytest.mark.parametrize("identifier", PRINTED)
def test_every_adjacent_transposition_is_caught(identifier: str) -> None:
    text = compact(identifier)
    for place in range(len(text) - 1):
        if text[place] != text[place + 1]:
            assert not check.mod1271_36_holds(swapped(text, place))
    owner = text[:18]
    for place in range(17):
        if owner[place] != owner[place + 1]:
            assert not check.gb32100_holds(swapped(owner, place))


@given(bodies, st.data())
def test_any_substitution_or_transposition_in_any_text_is_caught(
    body: str, data: st.DataObject
) -> None:
    text = body + check.mod1271_36_check(body)
    place = data.draw(st.integers(0, len(text) - 2))
    wrong = data.draw(st.sampled_from(check.BASE36.replace(text[place], "")))
    assert not check.mod1271_36_holds(text[:place] + wrong + text[place + 1 :])
    if text[place] != text[place + 1]:
        assert not check.mod1271_36_holds(swapped(text, place))


@given(bodies)
def test_a_text_has_exactly_one_check(body: str) -> None:
    pairs = (high + low for high in check.BASE36 for low in check.BASE36)
    assert sum(check.mod1271_36_holds(body + pair) for pair in pairs) == 1
