"""Options of a source, read as numbers."""

from __future__ import annotations

import pytest

from gateway.systems.aggregation.adapters import options
from gateway.systems.aggregation.readings import ReadingError
from tests.support.adapters import source


@pytest.mark.parametrize("said", ["0000000005009999999", "3601", "", "-1", "1e3", "٣", "9" * 5_000])
def test_an_option_is_read_as_it_is_checked(said: str) -> None:
    of = source("slurm", soon=said)
    if not said:
        assert options.number(of, "soon", 60, 0, 3_600) == 60
        return
    with pytest.raises(ReadingError, match="expected a number from 0 to 3600"):
        options.number(of, "soon", 60, 0, 3_600)


def test_zeros_in_front_of_an_option_are_of_no_account() -> None:
    assert options.number(source("slurm", soon="00000000000060"), "soon", 1, 0, 3_600) == 60
