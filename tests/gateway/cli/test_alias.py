"""`csid alias`: of one identifier and of a subtree."""

from __future__ import annotations

from tests.support.commands import Node
from tests.support.registering import OWNER, PLACE, identifier

FIRST = str(identifier("0001"))
URI = "https://a.example:8443"


def test_an_alias_leads_to_an_identifier_that_lives(node: Node) -> None:
    new = str(identifier("0002"))
    node.must("assign", FIRST, "--endpoint", URI)
    refused = node.run("alias", FIRST, new)
    assert refused.code == 1
    assert "206 TARGET_UNUSABLE 目标标识不可用" in refused.err
    node.must("assign", new, "--endpoint", URI)
    node.must("alias", FIRST, new)
    assert "无变化" in node.must("alias", FIRST, new)
    assert node.state(FIRST) == "superseded"
    assert f"→ {new}" in node.run("list", FIRST).out
    assert node.run("alias", FIRST, OWNER).code == 2
    assert node.run("alias", OWNER, PLACE).code == 2


def test_a_subtree_becomes_an_alias_once_its_counterparts_are_there(node: Node) -> None:
    old, new = PLACE, PLACE.replace("/330106", "/330108")
    for serial in ("0001", "0002"):
        node.must("assign", identifier(serial), "--endpoint", URI)
    node.must("assign", identifier("0001", location="330108"), "--endpoint", URI)
    half = node.run("alias", old, new)
    assert half.code == 1
    assert "206 TARGET_UNUSABLE" in half.err
    assert "205 ASSOCIATED" in half.err
    node.must("assign", identifier("0002", location="330108"), "--endpoint", URI)
    whole = node.run("alias", old, new, "--json")
    assert (whole.code, whole.json[0]["done"]) == (0, 2)
    assert "409 SUBTREE_ALIASED" in node.run("assign", identifier("0003")).err
