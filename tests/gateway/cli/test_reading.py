"""The commands that read the registry: search, export and history."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry.service import Registry
from registry.tables.view import assignments
from tests.support.clinode import Node
from tests.support.registering import FOREIGN, OTHER, OWNER, PLACE, identifier

FIRST = str(identifier("0001"))
SECOND = str(identifier("0002"))
THIRD = str(identifier("0003"))
OTHERS = str(identifier("0001", OTHER))
URI = "https://a.example:8443"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node with identifiers in every state that a record can say."""
    made = Node(tmp_path / "node")
    made.accredit(OWNER, "杭州算力")
    made.accredit(OTHER, "Fujian Compute")
    facts = ("--endpoint", URI, "--bf16-gflops", "1.5", "--price", "3.50", "--currency", "CNY")
    for code in (FIRST, SECOND, THIRD, OTHERS):
        made.must("assign", code, *facts, "--price-unit", "hour", "--name", '甲, "乙"')
    made.must("assign", identifier("0004"), "--state", "reserved")
    made.must("assign", identifier("0005"), "--state", "filing", "--green-share", "0.25")
    made.must("suspend", SECOND, "--reason", "检修")
    made.must("retire", THIRD, "--successor", FIRST, "--reason", "到期")
    return made


def found(node: Node, *words: str) -> list[str]:
    """The identifiers that a search finds."""
    return [one["id"] for one in node.run("search", *words, "--json").json]


def test_a_search_takes_a_prefix_of_any_segment_and_attributes(node: Node) -> None:
    assert len(found(node)) == 6
    assert found(node, OWNER.lower(), "--state", "suspended") == [SECOND]
    assert found(node, "*/*/3301", "--owner-name", "fujian") == [OTHERS]
    assert found(node, "--state", "retired", "--location", "33", "--chip", "昇腾") == [THIRD]
    assert found(node, f"0.EXAMPLE.{OTHER}/64") == [OTHERS]
    assert found(node, f"330106.6450.{OTHER.lower()}.csid.internal") == [OTHERS]
    assert found(node, "--type", "G") == []
    assert node.run("search", "--location", "33/").code == 2
    assert node.run("search", "--state", "lost").code == 2


def test_a_search_goes_on_behind_the_last_one_shown(node: Node) -> None:
    page = node.run("search", "--location", "330106", "--limit", "4")
    assert len(page.lines) == 4
    last = page.lines[-1].split()[0]
    assert f"--after {last}" in page.err
    rest = node.run("search", "--location", "330106", "--after", last)
    assert len(rest.lines) == 2
    assert not rest.err
    assert "暂停 suspended" in page.out + rest.out


def test_a_history_says_when_by_whom_and_why(node: Node) -> None:
    node.must("reinstate", SECOND, "--as", "李", "--reason", "修好")
    moved = node.must("transfer", SECOND, "--to", OTHER)
    lines = node.run("history", SECOND).lines
    assert len(lines) == 4
    assert "检修" in lines[1]
    assert "suspended" in lines[1]
    assert "李 (administrator)  修好" in lines[2]
    assert f"→ {moved}" in lines[3]
    changes = node.run("history", moved, "--json").json
    assert [one["kind"] for one in changes] == ["assign", "advance", "advance", "move"]
    assert changes[1]["record"]["state"] == "suspended"
    assert changes[-1]["to"] == moved
    owner = node.run("history", OWNER, "--json").json
    assert [one["kind"] for one in owner] == ["owner.add", "owner.judge"]
    assert node.run("history", str(identifier("7"))).code == 1
    assert node.run("history", "甲").code == 2


def contents(node: Node) -> dict[str, tuple[int, bytes, str]]:
    """What the registry says of every identifier, without times."""
    with Registry.open(node.data) as registry, registry.view() as seen:
        return {
            name: (row.state, row.record, row.target)
            for owner in (OWNER, OTHER)
            for name, row in assignments(seen, owner)
        }


@pytest.fixture
def copy(tmp_path: Path) -> Node:
    """A node with the same owners and no identifiers."""
    made = Node(tmp_path / "copy")
    made.accredit(OWNER)
    made.accredit(OTHER)
    return made


def test_what_is_exported_as_csv_is_the_same_state_when_it_is_imported_again(
    node: Node, copy: Node, tmp_path: Path
) -> None:
    table = tmp_path / "all.csv"
    assert node.run("export", "--output", table).code == 0
    first = copy.run("import", table, "--json")
    assert (first.code, first.json[0]["added"]) == (0, 6)
    assert contents(copy) == contents(node)
    again = copy.run("import", table, "--json")
    assert (again.code, again.json[0]["unchanged"]) == (0, 6)
    part = node.run("export", OTHER, "--state", "active")
    assert [line.split(",")[0] for line in part.lines] == ["identifier", OTHERS]


def test_json_lines_carry_aliases_and_what_a_table_cannot(
    node: Node, copy: Node, tmp_path: Path
) -> None:
    record = tmp_path / "record.json"
    record.write_text(json.dumps({"state": "active", "extra": {"zz": [1, None]}}))
    code = node.must("assign", identifier("0009"), "--record", record)
    # A chain of aliases that ends at an identifier that has ended.
    node.must("alias", FIRST, SECOND)
    moved = node.must("transfer", SECOND, "--to", OTHER)
    node.must("retire", moved, "--successor", OTHERS, "--reason", "到期")
    refused = node.run("export")
    assert (refused.code, len(refused.lines)) == (1, 1 + 5)
    assert "--format jsonl" in refused.err
    file = tmp_path / "all.jsonl"
    assert node.run("export", "--output", file).code == 0
    values = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert {one["id"]: one.get("alias") for one in values if "alias" in one} == {
        FIRST: SECOND,
        SECOND: moved,
    }
    assert code in {one["id"] for one in values}

    trial = copy.run("restore", file, "--dry-run")
    assert (trial.code, contents(copy)) == (0, {})
    done = copy.run("restore", file, "--json", "--reason", "恢复")
    assert (done.code, done.json[0]["refused"]) == (0, 0)
    assert contents(copy) == contents(node)
    again = copy.run("restore", file, "--json")
    assert again.json[0] == {
        "done": 0,
        "unchanged": len(values) + 2,
        "refused": 0,
        "dry_run": False,
        "errors": [],
    }
    assert copy.run("audit", "verify").code == 0


def test_lines_that_are_wrong_are_told_and_the_others_go_in(copy: Node, tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    good = {"id": FIRST, "record": {"state": "active"}}
    circle = [
        {"id": SECOND, "record": {"state": "active"}, "alias": THIRD},
        {"id": THIRD, "record": {"state": "active"}, "alias": SECOND},
    ]
    foreign = {"id": str(identifier(owner=FOREIGN)), "record": {"state": "active"}}
    lines = [json.dumps(one) for one in (good, *circle, foreign, {"id": 1}, [], {"id": FIRST})]
    file.write_text("\n".join([*lines, "no json", "", "[" * 9_999]), encoding="utf-8")
    ran = copy.run("restore", file, "--json")
    assert ran.code == 1
    (said,) = ran.json
    assert (said["done"], said["refused"]) == (3, 8)
    told = "\n".join(said["errors"])
    assert "400 OWNER_UNKNOWN" in told
    assert "line 8" in told
    assert f"{SECOND}: its aliases run in a circle" in told
    assert copy.run("restore", tmp_path / "none.jsonl").code == 2


def test_an_export_replaces_a_file_only_when_it_is_whole(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "all.csv"
    table.write_text("before")
    assert node.run("export", "--location", "?", "--output", table).code == 2
    monkeypatch.setattr("csid.record.decode", lambda packed: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        node.run("export", "--output", table)
    assert table.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["all.csv"]
    monkeypatch.undo()
    assert node.run("export", "--output", tmp_path / "no" / "all.csv").code == 2
    assert PLACE in node.run("export").out
