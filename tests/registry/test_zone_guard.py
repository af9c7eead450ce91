"""A zone file cannot undo what the registry has assigned."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli import main

ONE = "X0000000000000101T/6450/110000/GCV/G12M05R8-N1B0002-Q6"
ZONE = "csid.internal. 300 IN SOA ns1 host 9 3600 900 604800 60\n@ 300 IN NS ns.example.\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    assert main(["init", "--data", str(data)]) == 0
    table = tmp_path / "table.csv"
    table.write_text(f"identifier,state\n{ONE},active\n")
    assert main(["import", str(table), "--data", str(data)]) == 0
    return data


def load(data: Path, text: str) -> int:
    path = data.parent / "zone"
    path.write_text(text)
    return main(["zone", "load", str(path), "--data", str(data)])


def test_a_file_without_an_assigned_name_is_refused(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load(data, f"$ORIGIN csid.internal.\n{ZONE}") == 1
    assert ONE in capsys.readouterr().err
    assert main(["show", ONE, "--data", str(data)]) == 0


def test_an_edited_dump_is_loaded(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["zone", "dump", "csid.internal", "--data", str(data)]) == 0
    dumped = capsys.readouterr().out
    assert load(data, dumped + "extra.csid.internal. 300 IN A 192.0.2.7\n") == 0
    assert main(["audit", "verify", "--data", str(data)]) == 0
    changed = "\n".join(line for line in dumped.splitlines() if "TYPE65347" not in line)
    assert load(data, changed + "\n") == 1


def test_other_zones_are_nobody_elses_business(data: Path) -> None:
    assert load(data, f"$ORIGIN other.example.\n{ZONE.replace('csid.internal.', '@')}") == 0
