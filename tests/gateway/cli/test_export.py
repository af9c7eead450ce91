"""`csid export`: what goes out comes in again as the same state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry.service import Registry
from registry.tables.view import assignments
from tests.support.commands import Node
from tests.support.inventory import FIRST, OTHERS, SECOND
from tests.support.registering import OTHER, OWNER, PLACE, identifier


def contents(node: Node) -> dict[str, tuple[int, bytes, str, int]]:
    """What the registry says of every identifier, without times."""
    with Registry.open(node.data) as registry, registry.view() as seen:
        return {
            name: (row.state, row.record, row.target, row.ttl)
            for owner in (OWNER, OTHER)
            for name, row in assignments(seen, owner)
        }


def test_what_is_exported_as_csv_is_the_same_state_when_it_is_imported_again(
    filled: Node, copy: Node, tmp_path: Path
) -> None:
    filled.must("update", FIRST, "--name", "=1+1", "--chip", "'@x", "--fabric=-RoCE")
    table = tmp_path / "all.csv"
    assert filled.run("export", "--output", table).code == 0
    assert "'=1+1" in table.read_text() and "''@x" in table.read_text()
    first = copy.run("import", table, "--json")
    assert (first.code, first.json[0]["added"]) == (0, 6)
    assert contents(copy) == contents(filled)
    filled.must("update", FIRST, "--ttl", "60")
    told = filled.run("export", "--output", table)
    assert (told.code, "1 条的缓存时间" in told.err) == (0, True)
    again = copy.run("import", table, "--json")
    assert (again.code, again.json[0]["unchanged"]) == (0, 6)
    part = filled.run("export", OTHER, "--state", "active")
    assert [line.split(",")[0] for line in part.lines] == ["identifier", OTHERS]


def test_json_lines_carry_aliases_and_what_a_table_cannot(
    filled: Node, copy: Node, tmp_path: Path
) -> None:
    record = tmp_path / "record.json"
    record.write_text(json.dumps({"state": "active", "extra": {"zz": [1, None]}}))
    code = filled.must("assign", identifier("0009"), "--record", record)
    for name, ttl in ((FIRST, 60), (SECOND, 0)):
        filled.must("update", name, "--ttl", ttl)
    # A chain of aliases that ends at an identifier that has ended.
    filled.must("alias", FIRST, SECOND)
    moved = filled.must("transfer", SECOND, "--to", OTHER)
    filled.must("retire", moved, "--successor", OTHERS, "--reason", "到期")
    refused = filled.run("export")
    assert (refused.code, len(refused.lines)) == (1, 1 + 5)
    assert "--format jsonl" in refused.err
    file = tmp_path / "all.jsonl"
    assert filled.run("export", "--output", file).code == 0
    values = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert {one["identifier"]: one.get("alias") for one in values if "alias" in one} == {
        FIRST: SECOND,
        SECOND: moved,
    }
    assert code in {one["identifier"] for one in values}

    trial = copy.run("restore", file, "--dry-run")
    assert (trial.code, contents(copy)) == (0, {})
    done = copy.run("restore", file, "--json", "--reason", "恢复")
    assert (done.code, done.json[0]["refused"]) == (0, 0)
    assert contents(copy) == contents(filled)
    again = copy.run("restore", file, "--json")
    assert again.json[0] == {
        "done": 0,
        "unchanged": len(values) + 2,
        "refused": 0,
        "dry_run": False,
        "errors": [],
    }
    assert copy.run("audit", "verify").code == 0


def test_an_export_replaces_a_file_only_when_it_is_whole(
    filled: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "all.csv"
    table.write_text("before")
    assert filled.run("export", "--location", "?", "--output", table).code == 2
    monkeypatch.setattr("gateway.cli.commands.export.decode", lambda packed: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        filled.run("export", "--output", table)
    assert table.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["all.csv"]
    monkeypatch.undo()
    assert filled.run("export", "--output", tmp_path / "no" / "all.csv").code == 2
    assert PLACE in filled.run("export").out
