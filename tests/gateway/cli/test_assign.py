"""`csid assign`: what it gives, and what its record is made of."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.commands import Node
from tests.support.registering import PLACE, identifier

FIRST = str(identifier("0001"))
URI = "https://a.example:8443"


def test_an_identifier_is_assigned_once(node: Node) -> None:
    words = ("assign", FIRST, "--endpoint", URI, "--chip", "昇腾 910B", "--count", "8")
    first = node.run(*words, "--bf16-gflops", "313000.5", "--reason", "首批")
    assert (first.code, first.out, first.err) == (0, f"{FIRST}\n", "")
    (found,) = node.run("list", "--json").json
    assert found["record"] == {
        "endpoints": [URI],
        "chip": "昇腾 910B",
        "count": 8,
        "gflops": {"B": 313000.5},
        "state": "active",
    }
    again = node.run(*words)
    assert again.code == 1
    assert "200 EXISTS 已存在" in again.err
    assert node.run("show", FIRST, "--json").json[0]["record"] == found["record"]


def test_an_identifier_may_be_given_without_its_check_but_not_with_a_wrong_one(node: Node) -> None:
    assert node.must("assign", f"{PLACE.lower()}/h60m07a1-0001", "--endpoint", URI) == FIRST
    wrong = node.run("assign", f"{PLACE}/H60M07A1-0002-00", "--endpoint", URI)
    assert wrong.code == 2
    assert not wrong.out


def test_a_record_comes_from_a_file_and_options_go_over_it(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    file.write_text(json.dumps({"state": "reserved", "count": 4, "name": "甲", "gflops": {"B": 1}}))
    node.must("assign", FIRST, "--record", file, "--name", "乙", "--fp16-gflops", "2")
    (found,) = node.run("list", "--json").json
    expected = {"state": "reserved", "count": 4, "name": "乙", "gflops": {"B": 1, "H": 2}}
    assert found["record"] == expected
    file.write_text("[]")
    assert node.run("assign", FIRST, "--record", file).code == 2
    assert node.run("assign", FIRST, "--record", tmp_path / "none.json").code == 2
    wrong = node.run("assign", FIRST, "--count", "eight")
    assert wrong.code == 2
    assert "--count" in wrong.err
