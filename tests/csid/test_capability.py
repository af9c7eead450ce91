"""A capability class says performance and memory to the rounding of its digits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.capability import decode, encode
from csid.errors import IdentifierError


@pytest.mark.parametrize(
    ("precision", "performance", "memory_gib", "family", "written"),
    [
        ("H", 1e6, 128, "A1", "H60M07A1"),
        ("D", 1e9, 2**20, "S1", "D90M20S1"),
        ("G", 32, 32, "X6", "G15M05X6"),
        ("G", 1, 0.5, "X6", "G00M00X6"),
    ],
)
def test_a_class_is_written_as_in_the_design(
    precision: str, performance: float, memory_gib: float, family: str, written: str
) -> None:
    assert encode(precision, performance, memory_gib, family) == written


def test_the_unit_follows_the_precision() -> None:
    assert [decode(f"{p}10M01X6").unit for p in "HNG"] == ["GFLOPS", "GOPS", "vCPU"]


@given(st.sampled_from("DSHBENG"), st.floats(1, 8.9e9), st.floats(1, 1e12))
def test_a_class_is_within_its_rounding(precision: str, performance: float, memory: float) -> None:
    found = decode(encode(precision, performance, memory, "00"))
    assert abs(10 * math.log10(found.performance / performance)) <= 0.5001
    assert abs(math.log2(found.memory_gib / memory)) <= 0.5001


@pytest.mark.parametrize(
    ("precision", "performance", "memory_gib", "position"),
    [("Z", 1, 1, 1), ("H", 0, 1, 2), ("H", 1e11, 1, 2), ("H", 1, -4, 5), ("H", math.nan, 1, 2)],
)
def test_what_two_digits_cannot_say_is_refused(
    precision: str, performance: float, memory_gib: float, position: int
) -> None:
    with pytest.raises(IdentifierError) as caught:
        encode(precision, performance, memory_gib, "X6")
    assert caught.value.position == position
