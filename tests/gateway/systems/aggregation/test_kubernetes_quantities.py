"""Amounts as Kubernetes writes them; the official client is the oracle."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from gateway.systems.aggregation.adapters.bodies import AMOUNT_MAX
from gateway.systems.aggregation.adapters.kubernetes.quantities import quantity
from gateway.systems.aggregation.readings import ReadingError

NUMBERS = st.decimals(0, 10**6, places=3).map(lambda x: format(x, "f"))
SUFFIXES = st.sampled_from(
    ["", *"numkMGTPE", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E-2", "e+1"]
)


@given(st.tuples(NUMBERS, SUFFIXES).map("".join))
@example("100m")
@example("1Ki")
@example("1.5Gi")
@example("1e3")
@example("5.")
@example(".5")
@example("+2")
def test_amounts_are_what_the_official_client_reads(said: str) -> None:
    expected = min(parse_quantity(said), Decimal(AMOUNT_MAX))
    assert quantity(said) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize(
    "said", ["", "-1", "1ki", "1 Gi", "Gi", "1e", "1GiB", "١", "1" * 60, "NaN", "inf"]
)
def test_what_is_no_amount_is_refused(said: str) -> None:
    with pytest.raises(ReadingError, match="expected one such as 100m"):
        quantity(said)


def test_numbers_are_amounts_and_what_is_beyond_all_bounds_is_cut() -> None:
    assert quantity(3) == 3 and quantity(0.5) == 0.5
    assert quantity("1e9999") == quantity("9E") == AMOUNT_MAX
