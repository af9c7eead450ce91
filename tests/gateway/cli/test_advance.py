"""`csid file`, `activate`, `withdraw`, `suspend`, `reinstate` and `retire`."""

from __future__ import annotations

from tests.support.commands import Node
from tests.support.registering import identifier

FIRST = str(identifier("0001"))
URI = "https://a.example:8443"


def test_an_identifier_lives_from_reserved_to_retired(node: Node) -> None:
    node.must("assign", FIRST, "--state", "reserved", "--endpoint", URI)
    for verb, after in (
        ("file", "filing"),
        ("withdraw", "reserved"),
        ("file", "filing"),
        ("activate", "active"),
        ("suspend", "suspended"),
        ("reinstate", "active"),
    ):
        node.must(verb, FIRST)
        assert node.state(FIRST) == after
    second = node.must("assign", identifier("0002"), "--endpoint", URI)
    node.must("retire", FIRST, "--successor", second, "--reason", "搬迁")
    record = node.run("show", FIRST, "--json").json[0]["record"]
    assert (record["state"], record["successor"], record["reason"]) == ("retired", second, "搬迁")
    again = node.run("assign", FIRST, "--endpoint", URI)
    assert again.code == 1
    assert "202 NEVER_AGAIN 标识已终止，永不再用" in again.err
    assert node.run("update", FIRST, "--chip", "A").code == 1
    assert "无变化" in node.must("retire", FIRST, "--successor", second)
