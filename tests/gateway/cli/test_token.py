"""`csid token`: a token is shown once, and the registry has a digest of it alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.http.tokens import is_its, named
from registry.service import Registry
from registry.tables.view import get_token
from tests.support.commands import Node
from tests.support.registering import OWNER


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(tmp_path / "node")
    made.accredit(OWNER)
    return made


def test_a_token_is_made_listed_and_revoked_and_the_log_has_it(node: Node) -> None:
    token = node.must("token", "add", "desk", "--role", "registrar", "--for-owner", OWNER)
    found = named(token)
    assert found is not None
    with Registry.open(node.data) as registry, registry.view() as seen:
        row = get_token(seen, "desk")
    assert found[0] == "desk"
    assert is_its(row, found[1])
    assert not is_its(row, bytes(32))
    assert not is_its(None, bytes(32))
    secret = token.rpartition(f"{found[0]}_")[2].encode()
    assert secret not in (node.data / "data.mdb").read_bytes()
    (listed,) = node.run("token", "list", "--json").json
    assert (listed["name"], listed["role"], listed["owner"]) == ("desk", "registrar", OWNER)
    assert listed["until"] > listed["since"]
    node.must("token", "revoke", "desk", "--reason", "泄露")
    assert "revoked" in node.must("token", "list")
    kinds = [one["kind"] for one in node.run("history", "token/desk", "--json").json]
    assert kinds == ["token.add", "token.revoke"]
    node.must("audit", "key", "--new", "example.cn/log")
    assert node.run("audit", "verify").code == 0


def test_no_token_is_an_administrator_unless_that_is_said(node: Node) -> None:
    assert node.run("token", "add", "desk").code == 2
    assert node.run("token", "add", "desk", "--role", "registrar").code == 1


@pytest.mark.parametrize("text", ["", "csid", "csid__x", "csid_A_x", "x_desk_y", "csid_desk_" * 30])
def test_what_is_no_token_is_none(text: str) -> None:
    assert named(text) is None
