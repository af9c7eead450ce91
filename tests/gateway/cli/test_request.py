"""What all commands that ask something share: who acts, keys, dry runs, JSON."""

from __future__ import annotations

import pytest

from tests.support.commands import Node
from tests.support.registering import OTHER, OWNER, PLACE, POOL, identifier

FIRST = str(identifier("0001"))
URI = "https://a.example:8443"


def test_the_same_request_under_its_key_is_done_once(node: Node) -> None:
    node.must("pool", "add", PLACE, "--class", "H60M07A1", "--count", "9")
    words = ("assign", POOL, "--endpoint", URI)
    first = node.must(*words, "--key", "order-1")
    again = node.run(*words, "--key", "order-1")
    assert (again.code, again.out) == (0, f"{first}\n")
    assert "102 REPLAYED 同一请求此前已办理" in again.err
    assert node.must(*words, "--key", "order-2") != first
    assert "502 KEY_REUSED" in node.run("assign", FIRST, "--key", "order-2").err


def test_a_dry_run_says_what_would_be_and_keeps_nothing(node: Node) -> None:
    ran = node.run("assign", FIRST, "--endpoint", URI, "--dry-run")
    assert (ran.code, ran.out) == (0, f"{FIRST}\n")
    assert "试运行" in ran.err
    refused = node.run("suspend", FIRST, "--dry-run", "--json")
    assert refused.code == 1
    assert (refused.json[0]["name"], refused.json[0]["dry_run"]) == ("NOT_FOUND", True)
    assert not node.run("list").out


def test_decisions_are_json_for_scripts(node: Node) -> None:
    (done,) = node.run("assign", FIRST, "--json").json
    assert done["subject"] == FIRST
    assert (done["status"], done["success"], done["epp"]) == (100, True, 1000)
    refused = node.run("assign", FIRST, "--json")
    assert refused.code == 1
    assert (refused.json[0]["status"], refused.json[0]["epp"]) == (200, 2302)
    assert FIRST in refused.json[0]["detail"]


def test_a_registrar_acts_for_one_owner(node: Node) -> None:
    registrar = ("--as", "王", "--role", "registrar", "--owner", OWNER)
    node.must("assign", FIRST, *registrar)
    other = node.run("assign", identifier(owner=OTHER), *registrar)
    assert other.code == 1
    assert "301 OWNER_NOT_YOURS" in other.err
    assert "300 ROLE_MAY_NOT 该角色无此权限" in node.run("suspend", FIRST, *registrar).err
    assert node.run("assign", FIRST, "--role", "registrar").code == 2
    assert "ROLE_MAY_NOT" in node.run("assign", identifier("2"), "--role", "read-only").err
    (change,) = node.run("history", FIRST, "--json").json
    assert (change["by"], change["role"], change["for"]) == ("王", "registrar", OWNER)


def test_who_acts_may_stand_in_the_environment(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSID_ACTOR", "zhao")
    monkeypatch.setenv("CSID_ROLE", "registrar")
    monkeypatch.setenv("CSID_OWNER", OWNER.lower())
    node.must("assign", FIRST)
    (change,) = node.run("history", FIRST, "--json").json
    assert (change["by"], change["role"], change["for"]) == ("zhao", "registrar", OWNER)
    monkeypatch.setenv("CSID_ROLE", "king")
    assert node.run("assign", FIRST).code == 2
