"""The commands that change the registry, through the real store: what they print and refuse."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

import gateway.cli.commands.pool
import gateway.cli.request
from registry import service
from registry.service import Outcome, Registry
from tests.support.clinode import Node
from tests.support.registering import OTHER, OWNER, PLACE, POOL, identifier

FIRST = str(identifier("0001"))
URI = "https://a.example:8443"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node with two accredited resource providers."""
    made = Node(tmp_path / "node")
    made.accredit(OWNER)
    made.accredit(OTHER, "Fujian Compute")
    return made


def state(node: Node, code: str) -> str:
    """The state that a search shows of an identifier."""
    (found,) = node.run("list", code, "--json").json
    assert isinstance(found["state"], str)
    return found["state"]


# -- participants


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


# -- identifiers


def test_an_identifier_is_assigned_once(node: Node) -> None:
    words = ("assign", FIRST, "--endpoint", URI, "--chip", "昇腾 910B", "--count", "8")
    first = node.run(*words, "--bf16-gflops", "313000.5", "--reason", "首批")
    assert (first.code, first.out, first.err) == (0, f"{FIRST}\n", "")
    (found,) = node.run("list", "--json").json
    assert found["record"] == {
        "endpoints": [URI],
        "chip": "昇腾 910B",
        "count": 8,
        "gflops": {"B": 313000.5},
        "state": "active",
    }
    again = node.run(*words)
    assert again.code == 1
    assert "200 EXISTS 已存在" in again.err
    assert node.run("show", FIRST, "--json").json[0]["record"] == found["record"]


def test_an_identifier_may_be_given_without_its_check_but_not_with_a_wrong_one(node: Node) -> None:
    assert node.must("assign", f"{PLACE.lower()}/h60m07a1-0001", "--endpoint", URI) == FIRST
    wrong = node.run("assign", f"{PLACE}/H60M07A1-0002-00", "--endpoint", URI)
    assert wrong.code == 2
    assert not wrong.out


def test_a_record_comes_from_a_file_and_options_go_over_it(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    file.write_text(json.dumps({"state": "reserved", "count": 4, "name": "甲", "gflops": {"B": 1}}))
    node.must("assign", FIRST, "--record", file, "--name", "乙", "--fp16-gflops", "2")
    (found,) = node.run("list", "--json").json
    expected = {"state": "reserved", "count": 4, "name": "乙", "gflops": {"B": 1, "H": 2}}
    assert found["record"] == expected
    file.write_text("[]")
    assert node.run("assign", FIRST, "--record", file).code == 2
    assert node.run("assign", FIRST, "--record", tmp_path / "none.json").code == 2
    wrong = node.run("assign", FIRST, "--count", "eight")
    assert wrong.code == 2
    assert "--count" in wrong.err


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
        assert state(node, FIRST) == after
    second = node.must("assign", identifier("0002"), "--endpoint", URI)
    node.must("retire", FIRST, "--successor", second, "--reason", "搬迁")
    record = node.run("show", FIRST, "--json").json[0]["record"]
    assert (record["state"], record["successor"], record["reason"]) == ("retired", second, "搬迁")
    again = node.run("assign", FIRST, "--endpoint", URI)
    assert again.code == 1
    assert "202 NEVER_AGAIN 标识已终止，永不再用" in again.err
    assert node.run("update", FIRST, "--chip", "A").code == 1
    assert "无变化" in node.must("retire", FIRST, "--successor", second)


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


# -- who may


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


# -- pools


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


def test_minting_that_was_interrupted_goes_on_under_its_key(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "STEPS_PER_COMMIT", 10)
    pool = node.must("pool", "add", PLACE, "--class", "H60M07A1", "--count", "99")
    words = ("pool", "mint", pool, "--number", "40", "--endpoint", URI, "--key", "batch")
    seen: list[str] = []
    printed = gateway.cli.commands.pool._print

    def interrupted(subjects: tuple[str, ...]) -> None:
        seen.extend(subjects)
        if len(seen) > 15:
            raise KeyboardInterrupt

    monkeypatch.setattr(gateway.cli.commands.pool, "_print", interrupted)
    stopped = node.run(*words)
    assert stopped.code == 130
    assert "已中断" in stopped.err
    monkeypatch.setattr(gateway.cli.commands.pool, "_print", printed)
    again = node.run(*words)
    assert again.code == 0
    assert len(again.lines) == 40
    assert again.lines[: len(seen)] == seen
    assert node.run("pool", "show", pool, "--json").json[0]["assigned"] == 40


# -- moves


def test_an_alias_leads_to_an_identifier_that_lives(node: Node) -> None:
    new = str(identifier("0002"))
    node.must("assign", FIRST, "--endpoint", URI)
    refused = node.run("alias", FIRST, new)
    assert refused.code == 1
    assert "206 TARGET_UNUSABLE 目标标识不可用" in refused.err
    node.must("assign", new, "--endpoint", URI)
    node.must("alias", FIRST, new)
    assert "无变化" in node.must("alias", FIRST, new)
    assert state(node, FIRST) == "superseded"
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


def test_an_identifier_or_all_below_a_prefix_goes_to_another_owner(node: Node) -> None:
    for serial in ("0001", "0002", "0003"):
        node.must("assign", identifier(serial), "--endpoint", URI)
    assert node.must("transfer", FIRST, "--to", OTHER) == str(identifier(owner=OTHER))
    trial = node.run("transfer", OWNER, "--to", OTHER, "--dry-run")
    assert trial.code == 0
    assert "办理 done 2" in trial.out
    assert state(node, str(identifier("0002"))) == "active"
    done = node.run("transfer", f"{OWNER}/6450", "--to", OTHER, "--json")
    assert (done.code, done.json[0]["done"]) == (0, 2)
    moved = node.run("list", OTHER, "--json").json
    assert [one["id"] for one in moved] == [
        str(identifier(serial, OTHER)) for serial in ("0001", "0002", "0003")
    ]
    unknown = node.run("transfer", OTHER, "--to", "X00000000000000015", "--json")
    assert (unknown.code, unknown.json[0]["refused"]) == (1, 3)
    assert unknown.json[0]["refusals"][0]["name"] == "OWNER_UNKNOWN"


def test_a_transfer_that_was_interrupted_goes_on_where_it_was(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "STEPS_PER_COMMIT", 10)
    node.must("pool", "add", PLACE, "--class", "H60M07A1", "--count", "40")
    node.must("pool", "mint", POOL, "--all", "--endpoint", URI)
    run = Registry.run

    def interrupted(self: Registry, *words: object) -> Outcome:
        *given, on_progress = words
        assert callable(on_progress)

        def stop(outcome: Outcome) -> None:
            on_progress(outcome)
            if outcome.done > 10:
                raise KeyboardInterrupt

        return run(self, *given, stop)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Registry, "run", interrupted)
        assert node.run("transfer", OWNER, "--to", OTHER).code == 130
    moved = len(node.run("list", OTHER, "--limit", "0").lines)
    assert 10 < moved < 40
    done = node.run("transfer", OWNER, "--to", OTHER, "--json").json[0]
    assert done["done"] == 40 - moved
    assert len(node.run("list", OTHER, "--limit", "0").lines) == 40


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


def test_a_node_assigns_in_its_scope_only(node: Node) -> None:
    assert node.run("scope", "show", "--json").json == [{"locations": [], "industries": []}]
    node.must("scope", "set", "--location", "11", "--location", "12", "--industry", "64")
    assert "11 12" in node.run("scope", "show").out
    outside = node.run("assign", FIRST)
    assert outside.code == 1
    assert "403 OUT_OF_SCOPE 超出本节点管辖范围" in outside.err
    node.must("scope", "set")
    node.must("assign", FIRST)


# -- as a command


def test_the_command_itself_prints_plainly_and_ends_with_its_code(node: Node) -> None:
    def csid(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gateway.cli", *words, "--data", str(node.data)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    done = csid("assign", FIRST, "--endpoint", URI)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{FIRST}\n", "")
    refused = csid("assign", FIRST)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "200 EXISTS" in refused.stderr
    assert "\x1b" not in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    listed = csid("owner", "list")
    assert "\x1b" not in listed.stdout
    assert OTHER in listed.stdout
    assert csid("assign", "nonsense").returncode == 2


def on_a_terminal(node: Node, *words: str) -> str:
    """What a command shows on a terminal of 100 columns."""
    terminal, command_side = pty.openpty()
    fcntl.ioctl(command_side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *words, "--data", str(node.data)],
        stdin=command_side,
        stdout=command_side,
        stderr=command_side,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(command_side)
    shown = b""
    with contextlib.suppress(OSError):  # how Linux says that the other side is closed
        while block := os.read(terminal, 65_536):
            shown += block
    os.close(terminal)
    assert process.wait(60) == 0, shown
    return shown.decode()


def test_a_terminal_gets_colours_and_a_bar(node: Node) -> None:
    node.must("assign", FIRST, "--endpoint", URI)
    listed = on_a_terminal(node, "owner", "list")
    assert "\x1b[" in listed
    assert OWNER in listed
    moved = on_a_terminal(node, "transfer", OWNER, "--to", OTHER)
    assert "1/1" in moved
    assert "办理 done 1" in moved
