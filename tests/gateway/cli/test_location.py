"""`csid location`: codes that are retired."""

from __future__ import annotations

from tests.support.commands import Node
from tests.support.registering import identifier

URI = "https://a.example:8443"


def test_a_location_is_retired_and_what_is_there_re_homed(node: Node) -> None:
    for serial in ("0001", "0002"):
        node.must("assign", identifier(serial), "--endpoint", URI)
    taken = node.must("assign", identifier("0001", location="330108"), "--endpoint", URI)
    done = node.run("location", "retire", "330106", "330108", "--json", "--reason", "区划调整")
    assert (done.code, done.json[0]["done"], done.json[0]["refused"]) == (0, 3, 0)
    assert "405 LOCATION_RETIRED" in node.run("assign", identifier("0009")).err
    targets = {one["target"] for one in node.run("list", "--location", "330106", "--json").json}
    assert taken not in targets
    assert len(targets) == 2
    (listed,) = node.run("location", "list", "--json").json
    assert (listed["old"], listed["new"]) == ("330106", "330108")
    assert "330108" in node.run("location", "list").out
    assert node.run("location", "retire", "330106", "330109").code == 1
