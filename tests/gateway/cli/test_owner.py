"""`csid owner`: participants and their accreditation."""

from __future__ import annotations

from pathlib import Path

from tests.support.commands import Node
from tests.support.registering import OTHER, OWNER


def test_an_accreditation_goes_from_applied_to_ended(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    facts = ("--kind", "resource", "--kind", "resale", "--name", "甲", "--contact", "a@b")
    assert node.run("owner", "add", OWNER.lower(), *facts).code == 0
    assert "无变化" in node.run("owner", "add", OWNER, *facts).out
    for action, standing in (
        ("accredit", "accredited"),
        ("suspend", "suspended"),
        ("reinstate", "accredited"),
        ("end", "ended"),
    ):
        node.must("owner", action, OWNER)
        (shown,) = node.run("owner", "show", OWNER, "--json").json
        assert shown["standing"] == standing
    ended = node.run("owner", "accredit", OWNER)
    assert (ended.code, ended.out) == (1, "")
    assert "203 STATE_PROHIBITS 当前状态不允许" in ended.err


def test_what_is_registered_of_an_owner_changes_in_parts(node: Node) -> None:
    node.must("owner", "update", OWNER, "--name", "新名", "--quota", "2", "--kind", "resale")
    node.must("owner", "update", OWNER, "--contact", "new@a.cn")
    node.must("owner", "qualify", OWNER)
    (shown,) = node.run("owner", "show", OWNER, "--json").json
    assert shown["name"] == "新名"
    assert shown["contact"] == "new@a.cn"
    assert (shown["quota"], shown["kinds"], shown["qualified"]) == (2, ["resale"], True)
    node.must("owner", "update", OWNER, "--quota", "none")
    node.must("owner", "qualify", OWNER, "--withdraw")
    (shown,) = node.run("owner", "show", OWNER, "--json").json
    assert (shown["quota"], shown["qualified"]) == (None, False)
    assert node.run("owner", "update", "X00000000000000015", "--name", "x").code == 1
    assert node.run("owner", "show", "X00000000000000015").code == 1


def test_owners_are_listed_by_what_they_are_page_by_page(node: Node) -> None:
    assert [one["owner"] for one in node.run("owner", "list", "--json").json] == [OWNER, OTHER]
    page = node.run("owner", "list", "--limit", "1")
    assert OWNER in page.out
    assert f"--after {OWNER}" in page.err
    (second,) = node.run("owner", "list", "--after", OWNER, "--json").json
    assert second["owner"] == OTHER
    (found,) = node.run("owner", "list", "--name", "fujian", "--json").json
    assert found["owner"] == OTHER
    assert not node.run("owner", "list", "--standing", "ended", "--json").json
    assert not node.run("owner", "list", "--kind", "line", "--json").json


def test_only_a_resale_provider_is_qualified(node: Node) -> None:
    refused = node.run("owner", "qualify", OWNER)
    assert refused.code == 1
    assert "402 KIND_MAY_NOT 该类主体无此资格" in refused.err
