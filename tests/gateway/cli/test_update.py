"""`csid update`: facts changed and taken away."""

from __future__ import annotations

from tests.support.commands import Node
from tests.support.registering import identifier

FIRST = str(identifier("0001"))
URI = "https://a.example:8443"


def test_update_changes_facts_and_takes_them_away(node: Node) -> None:
    node.must("assign", FIRST, "--endpoint", URI, "--count", "8", "--bf16-gflops", "5")
    node.must("update", FIRST, "--chip", "A", "--count", "", "--bf16-gflops", "", "--trust", "3")
    (found,) = node.run("list", "--json").json
    expected = {"endpoints": [URI], "chip": "A", "trust": 3, "state": "active"}
    assert found["record"] == expected
    assert "无变化" in node.must("update", FIRST, "--chip", "A")
    assert node.run("update", FIRST).code == 2
    missing = node.run("update", str(identifier("0002")), "--chip", "A")
    assert missing.code == 1
    assert "不存在" in missing.err
