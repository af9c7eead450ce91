"""`csid history`: each change, when, by whom and why."""

from __future__ import annotations

from tests.support.commands import Node
from tests.support.inventory import SECOND
from tests.support.registering import OTHER, OWNER, identifier


def test_a_history_says_when_by_whom_and_why(filled: Node) -> None:
    filled.must("reinstate", SECOND, "--as", "李", "--reason", "修好")
    moved = filled.must("transfer", SECOND, "--to", OTHER)
    lines = filled.run("history", SECOND).lines
    assert len(lines) == 4
    assert "检修" in lines[1]
    assert "suspended" in lines[1]
    assert "李 (administrator)  修好" in lines[2]
    assert f"→ {moved}" in lines[3]
    changes = filled.run("history", moved, "--json").json
    assert [one["kind"] for one in changes] == ["assign", "advance", "advance", "move"]
    assert changes[1]["record"]["state"] == "suspended"
    assert changes[-1]["to"] == moved
    owner = filled.run("history", OWNER, "--json").json
    assert [one["kind"] for one in owner] == ["owner.add", "owner.judge"]
    assert filled.run("history", str(identifier("7"))).code == 1
    assert filled.run("history", "甲").code == 2
