"""`csid gateway enrol`, `list`, `remove`: whose reports a node takes, in the log as all else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.http.tokens import named
from tests.support.commands import Node
from tests.support.registering import OWNER, PLACE


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(tmp_path / "node")
    made.accredit(OWNER)
    return made


def test_a_gateway_is_enrolled_listed_and_removed_and_the_log_has_it(node: Node) -> None:
    key = node.must("gateway", "enrol", "gw-hz", "--prefix", PLACE, "--prefix", f"{OWNER}/6510")
    found = named(key)
    assert found is not None and found[0] == "gw-hz"
    assert key.rpartition("_")[2].encode() not in (node.data / "data.mdb").read_bytes()
    (listed,) = node.run("gateway", "list", "--json").json
    assert listed["name"] == "gw-hz" and listed["prefixes"] == [PLACE, f"{OWNER}/6510"]
    assert (listed["last_seen"], listed["until"], listed["revoked"]) == (None, None, False)
    assert "算力标识网关" in node.must("token", "list")
    node.must("gateway", "remove", "gw-hz", "--reason", "退网")
    assert "removed" in node.must("gateway", "list")
    assert node.run("gateway", "remove", "gw-hz").code == 0  # it is so already
    kinds = [one["kind"] for one in node.run("history", "token/gw-hz", "--json").json]
    assert kinds == ["token.add", "token.revoke"]
    node.must("audit", "key", "--new", "example.cn/log")
    assert node.run("audit", "verify").code == 0


def test_a_key_that_was_made_before_is_taken_from_its_file(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("csid_gw-hz_" + "s" * 43 + "\n")
    ran = node.run("gateway", "enrol", "gw-hz", "--prefix", PLACE, "--key-file", file)
    assert ran.code == 0 and "s" * 43 not in ran.out
    for text in ("", "csid_other_" + "s" * 43, "\xff"):
        file.write_bytes(text.encode("latin-1"))
        ran = node.run("gateway", "enrol", "gw-2", "--prefix", PLACE, "--key-file", file)
        assert ran.code != 0 and "csid_gw-2_SECRET" in ran.err
    assert node.run("gateway", "enrol", "gw-2", "--prefix", PLACE, "--key-file", "none").code != 0


def test_what_is_wrong_is_said(node: Node) -> None:
    assert node.run("gateway", "enrol", "gw-1").code == 2  # no prefix
    assert node.run("gateway", "enrol", "GW", "--prefix", PLACE).code == 1
    assert node.run("gateway", "enrol", "gw-1", "--prefix", "x").code == 1
    assert node.run("gateway", "remove", "gw-1").code == 1
    node.must("token", "add", "panel", "--role", "read-only")
    ran = node.run("gateway", "remove", "panel")
    assert ran.code != 0 and "csid token revoke" in ran.err
    assert node.run("gateway", "list", "--json").json == []
