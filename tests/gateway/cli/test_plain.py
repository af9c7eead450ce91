"""What is printed without rich is printed as with it."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from csid.record import Record
from csid.vocabulary import FIELDS, STATES
from gateway.cli.plain import columns, facts_of, print_facts
from tests.support.records import FULL

TEXTS = [
    *map(str, FIELDS.values()),
    *map(str, STATES.values()),
    "标识 Identifier",
    "，（）",
    "é",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_label_is_as_wide_as_rich_has_it(text: str) -> None:
    assert columns(text) == cell_len(text)


def test_values_stand_below_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(facts_of(Record(FULL)))
    print_facts(rows)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(rows)
    starts = set()
    for line, (label, value) in zip(lines, rows, strict=True):
        assert line.startswith(label) and line.endswith(value)
        assert "\x1b" not in line  # no colour where no terminal is
        starts.add(columns(line.removesuffix(value)))
    assert len(starts) == 1
