"""Serials are numbers of base 36."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.rules.serials import number, text, width_for


@given(st.integers(1, 12), st.data())
def test_serials_count_in_base_36_and_keep_their_width(width: int, data: st.DataObject) -> None:
    a, b = (data.draw(st.integers(0, 36**width - 1)) for _ in "ab")
    assert number(text(a, width)) == a
    assert len(text(a, width)) == width
    assert (text(a, width) < text(b, width)) == (a < b)
    assert 36 ** width_for(a) > a


def test_a_number_that_needs_more_characters_is_refused() -> None:
    with pytest.raises(ValueError, match="that large"):
        text(36, 1)
