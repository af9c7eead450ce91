"""`csid scope`: what the node assigns for."""

from __future__ import annotations

from tests.support.commands import Node
from tests.support.registering import identifier

FIRST = str(identifier("0001"))


def test_a_node_assigns_in_its_scope_only(node: Node) -> None:
    assert node.run("scope", "show", "--json").json == [{"locations": [], "industries": []}]
    node.must("scope", "set", "--location", "11", "--location", "12", "--industry", "64")
    assert "11 12" in node.run("scope", "show").out
    outside = node.run("assign", FIRST)
    assert outside.code == 1
    assert "403 OUT_OF_SCOPE 超出本节点管辖范围" in outside.err
    node.must("scope", "set")
    node.must("assign", FIRST)
