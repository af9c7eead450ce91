"""The example table: what its script makes, all of it valid."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from csid.fields import PRECISIONS
from csid.identifier import Identifier
from csid.record import Record, encode
from csid.record_csv import row_reader
from tests.support.servers import CHECKOUT

ROOT = CHECKOUT
TABLE = ROOT / "examples" / "china_regions.csv"
SCRIPT = ROOT / "examples" / "build_table.py"


@pytest.fixture(scope="module")
def resources() -> list[tuple[Identifier, Record]]:
    with TABLE.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        read = row_reader(next(rows), date(2026, 1, 31))
        return [read(row) for row in rows]


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_table_is_what_the_script_makes(shared: Path, tmp_path: Path) -> None:
    made = tmp_path / "made.csv"
    done = run_script("--data", str(shared / "data"), "--out", str(made))
    assert done.returncode == 0, done.stderr
    assert made.read_bytes() == TABLE.read_bytes()


def test_an_unknown_accelerator_stops_the_script(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "accelerators.csv").write_bytes((shared / "data/accelerators.csv").read_bytes())
    (tmp_path / "instance_types.csv").write_text(
        "provider,instance_type,vcpu,memory_mib,gpu,architecture\n"
        "azure,Standard_ND6s,6,114688,1,amd64\n"
    )
    done = run_script("--data", str(tmp_path), "--out", str(tmp_path / "made.csv"))
    assert done.returncode == 1
    assert "Standard_ND6s has 1 accelerators, and 0 rows of chips.csv match it" in done.stderr
    assert not (tmp_path / "made.csv").exists()


def test_the_table_has_ten_thousand_resources_and_no_identifier_twice(
    resources: list[tuple[Identifier, Record]],
) -> None:
    identifiers = [str(identifier) for identifier, _ in resources]
    assert len(identifiers) >= 10_000
    assert [one for one, times in Counter(identifiers).items() if times > 1] == []


def test_owners_are_synthetic_and_each_resource_has_an_endpoint_nobody_owns(
    resources: list[tuple[Identifier, Record]],
) -> None:
    for identifier, record in resources:
        assert identifier.owner.startswith("X")
        assert record.state == "active"
        assert record.endpoints[0].host.endswith(".example")


def test_each_record_leaves_room_in_an_answer(
    resources: list[tuple[Identifier, Record]],
) -> None:
    assert max(len(encode(record)) for _, record in resources) <= 300


def test_the_capability_class_says_what_the_record_says(
    resources: list[tuple[Identifier, Record]],
) -> None:
    for identifier, record in resources:
        precision, performance = identifier.capability[0], int(identifier.capability[1:3])
        if precision == "G":
            stated = record.vcpu
        else:
            assert set(record.gflops) == {precision}, (identifier, PRECISIONS)
            stated = record.gflops[precision]
        assert stated is not None
        # Half a step either way; one more hundredth for figures rounded to whole GFLOPS.
        assert 10 ** ((performance - 0.51) / 10) <= stated <= 10 ** ((performance + 0.51) / 10)
