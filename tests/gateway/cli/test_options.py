"""What several commands mean by a day and by a TTL."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, date, datetime

import pytest

from gateway.cli import options
from tests.support.commands import Node
from tests.support.registering import identifier


def test_today_is_the_day_it_is_in_china(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    eve = datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC).timestamp()
    code = node.must("assign", identifier("0001"))
    for seconds, day in ((0, date(2026, 12, 31)), (1, date(2027, 1, 1))):
        monkeypatch.setattr(time, "time", lambda seconds=seconds: eve + seconds)
        assert options.today() == day
    node.must("retire", code)
    (found,) = node.run("show", code, "--json").json
    assert found["record"]["ended"] == "2027-01-01"


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("300", 300), ("2147483647", 2**31 - 1)])
def test_a_ttl(text: str, seconds: int) -> None:
    assert options.ttl(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "2147483648", "1.5", "٣", "9" * 5_000])
def test_what_is_no_ttl(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected seconds from 0 to 2147483647"):
        options.ttl(text)
