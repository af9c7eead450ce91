"""`csid pool`: blocks of codes, and codes minted in them."""

from __future__ import annotations

import pytest

from gateway.cli.commands import pool as pool_command
from registry.writer import plans
from tests.support.commands import Node
from tests.support.registering import OWNER, PLACE, POOL, identifier

FIRST = str(identifier("0001"))
URI = "https://a.example:8443"


def test_a_pool_gives_its_codes_one_by_one_or_all_at_once(node: Node) -> None:
    words = ("pool", "add", PLACE, "--class", "H60M07A1", "--count", "5", "--quota", "4")
    pool = node.must(*words)
    assert pool == f"{POOL}/0001-0005"
    one = node.must("assign", POOL, "--endpoint", URI)
    assert one == FIRST
    two = node.run("pool", "mint", pool, "--number", "2", "--endpoint", URI)
    assert two.lines == [str(identifier("0002")), str(identifier("0003"))]
    rest = node.run("pool", "mint", pool, "--all", "--endpoint", URI)
    assert rest.lines == [str(identifier("0004"))]
    none = node.run("pool", "mint", pool, "--all", "--endpoint", URI)
    assert (none.code, none.out) == (0, "")
    more = node.run("pool", "mint", pool, "--number", "2", "--endpoint", URI)
    assert (more.code, more.out) == (1, "")
    assert more.err.count("407 POOL_QUOTA 超出资源池配额") == 1
    (shown,) = node.run("pool", "show", pool, "--json").json
    assert (shown["codes"], shown["quota"], shown["assigned"]) == (5, 4, 4)


def test_serials_may_be_chosen_and_never_overlap(node: Node) -> None:
    words = ("pool", "add", PLACE, "--class", "H60M07A1")
    assert node.must(*words, "--serials", "A00-A0Z") == f"{POOL}/A00-A0Z"
    over = node.run(*words, "--serials", "A0Z-A10", "--count", "2")
    assert over.code == 1
    assert "204 OVERLAP" in over.err
    assert node.run(*words).code == 2
    assert node.run(*words, "--serials", "A-?").code == 2
    assert node.run("pool", "show", f"{POOL}/000-001").code == 1
    node.must(*words, "--count", "3")
    listed = node.run("pool", "list", OWNER, "--json").json
    assert [one["pool"] for one in listed] == [f"{POOL}/A00-A0Z", f"{POOL}/0001-0003"]
    page = node.run("pool", "list", "--limit", "1")
    assert f"--after {POOL}/A00-A0Z" in page.err
    (second,) = node.run("pool", "list", "--after", f"{POOL}/A00-A0Z", "--json").json
    assert second["pool"] == f"{POOL}/0001-0003"


def test_what_is_only_tried_ends_where_it_would_end(node: Node) -> None:
    pool = node.must("pool", "add", PLACE, "--class", "H60M07A1", "--count", "5")
    words = ("pool", "mint", pool, "--number", "999999999999", "--endpoint", URI)
    tried, done = node.run(*words, "--dry-run"), node.run(*words)
    assert tried.code == done.code == 1
    assert "done 5, 未变 unchanged 0, 未办理 refused 1" in tried.err + tried.out
    assert "done 5, 未变 unchanged 0, 未办理 refused 1" in done.err
    assert node.run(*words[:4], "9" * 20, "--dry-run").code == 2
    assert node.run("pool", "list", "--limit", "9" * 20).code == 2
    assert node.run("list", "--limit", "999999999999").code == 0


def test_minting_that_was_interrupted_goes_on_under_its_key(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "COMMIT_SECONDS", 0)
    pool = node.must("pool", "add", PLACE, "--class", "H60M07A1", "--count", "99")
    words = ("pool", "mint", pool, "--number", "40", "--endpoint", URI, "--key", "batch")
    seen: list[str] = []
    printed = pool_command._print

    def interrupted(subjects: tuple[str, ...]) -> None:
        seen.extend(subjects)
        if len(seen) > 15:
            raise KeyboardInterrupt

    monkeypatch.setattr(pool_command, "_print", interrupted)
    stopped = node.run(*words)
    assert stopped.code == 130
    assert "已中断" in stopped.err
    monkeypatch.setattr(pool_command, "_print", printed)
    again = node.run(*words)
    assert again.code == 0
    assert len(again.lines) == 40
    assert again.lines[: len(seen)] == seen
    assert node.run("pool", "show", pool, "--json").json[0]["assigned"] == 40


def test_all_that_is_left_is_minted_once_under_a_key(node: Node) -> None:
    node.must("pool", "add", PLACE, "--class", "H60M07A1", "--count", "3")
    words = ("pool", "mint", POOL, "--all", "--endpoint", URI)
    first = node.run(*words, "--key", "k")
    assert (first.code, len(first.lines)) == (0, 3)
    node.must("pool", "add", PLACE, "--class", "H60M07A1", "--count", "2")
    for trial in ((), ("--dry-run",)):
        again = node.run(*words, "--key", "k", *trial)
        assert (again.code, again.lines) == (0, [])
        assert "unchanged 1" in again.err
    assert node.run("pool", "mint", POOL, "--all", "--key", "k").code == 1  # of another record
    assert len(node.run(*words).lines) == 2
    nothing = node.run(*words, "--key", "later")
    assert (nothing.code, nothing.lines) == (0, [])
