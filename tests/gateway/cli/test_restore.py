"""`csid restore`: lines that are wrong are told, the others go in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import Node
from tests.support.inventory import FIRST, SECOND, THIRD
from tests.support.registering import FOREIGN, OTHER, identifier


@pytest.mark.parametrize("has_ended", [False, True])
def test_what_was_moved_while_it_was_on_hold_is_restored_as_an_alias(
    filled: Node, copy: Node, tmp_path: Path, has_ended: bool
) -> None:
    moved = filled.must("transfer", SECOND, "--to", OTHER)
    if has_ended:
        filled.must("reinstate", moved)
    file = tmp_path / "all.jsonl"
    filled.must("export", "--output", file)
    again = filled.run("restore", file, "--json")
    assert (again.code, again.json[0]["done"], again.json[0]["refused"]) == (0, 0, 0)
    for _ in range(2):
        restored = copy.run("restore", file, "--json")
        assert (restored.code, restored.json[0]["refused"]) == (0, 0)
    assert restored.json[0]["done"] == 0
    assert copy.state(moved) == ("active" if has_ended else "suspended")
    assert copy.state(SECOND) == "superseded"


def test_locks_go_along_and_keep_nothing_from_being_restored(
    filled: Node, copy: Node, tmp_path: Path
) -> None:
    filled.must("lock", "add", FIRST, SECOND)
    filled.must("lock", "add", FIRST, "--lock", "renew", "--of", "owner")
    file = tmp_path / "all.jsonl"
    filled.must("export", "--output", file)
    for _ in range(2):
        assert copy.run("restore", file, "--json").json[0]["refused"] == 0
    listed = [
        [{**one, "since": ""} for one in node.run("lock", "list", "--json").json]
        for node in (filled, copy)
    ]
    assert listed[0] == listed[1]
    assert len(listed[0]) == 2


def test_lines_that_are_wrong_are_told_and_the_others_go_in(copy: Node, tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    good = {"identifier": FIRST, "record": {"state": "active"}}
    circle = [
        {"identifier": SECOND, "record": {"state": "active"}, "alias": THIRD},
        {"identifier": THIRD, "record": {"state": "active"}, "alias": SECOND},
    ]
    foreign = {"identifier": str(identifier(owner=FOREIGN)), "record": {"state": "active"}}
    lines = [
        json.dumps(one)
        for one in (good, *circle, foreign, {"identifier": 1}, [], {"identifier": FIRST})
    ]
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
