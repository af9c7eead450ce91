"""Serials behind all that changes which are lost may have led to (RFC 1982)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry.zones.serials import behind, is_ahead
from resolver.store.build import next_serial


@given(st.one_of(st.integers(1, 2**32 - 1), st.integers(2**32 - 20, 2**32 - 1)), st.integers(0, 20))
def test_a_serial_lies_behind_all_that_are_lost_also_past_the_end(serial: int, steps: int) -> None:
    found = behind(serial, steps)
    for _ in range(steps):
        assert serial != found and is_ahead(found, serial)
        serial = next_serial(serial)
    assert found != 0 and is_ahead(found, serial)
