"""Moments are ISO 8601 with their zone, and read back as what they were."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.moments import iso, iso_or_none, stamp


@pytest.mark.parametrize(
    ("seconds", "timespec", "text"),
    [
        (0, "seconds", "1970-01-01T00:00:00Z"),
        (1_764_149_931, "seconds", "2025-11-26T09:38:51Z"),
        (0.5, "milliseconds", "1970-01-01T00:00:00.500Z"),
    ],
)
def test_a_moment_is_in_utc(seconds: float, timespec: str, text: str) -> None:
    assert iso(seconds, timespec) == text


@given(st.integers(0, 4_102_444_800))
def test_what_is_written_is_read_back(seconds: int) -> None:
    assert datetime.fromisoformat(iso(seconds)).timestamp() == seconds


@pytest.mark.parametrize("never", [None, 0])
def test_a_moment_that_has_not_been_is_none(never: int | None) -> None:
    assert iso_or_none(never) is None


@pytest.mark.parametrize("text", ["2026-11-26T17:38:51+08:00", "2026-11-26T09:38:51Z"])
def test_names_of_files_have_it_in_utc(text: str) -> None:
    assert stamp(text) == "20261126T093851.000000Z"
