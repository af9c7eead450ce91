"""`csid filing move`, and what is shown of a cut on its way."""

from __future__ import annotations

from pathlib import Path

from registry.rules.requests import Actor, DeclineCut, FileCut, FreezeCut, Request, Role
from registry.service import Registry
from tests.support.commands import run
from tests.support.moving import CUT, HOSTS, make


def said_by(data: Path, node: str, *bodies: FileCut | FreezeCut | DeclineCut) -> None:
    with Registry.open(data, writable=True) as registry:
        for body in bodies:
            request = Request(Actor(node, Role.NODE, node), body, "400 OWNER_UNKNOWN")
            assert registry.submit(request).status.success


def test_a_move_is_shown_until_it_is_over_or_taken_back(tmp_path: Path) -> None:
    make(tmp_path, {name: (host, 5300) for name, host in HOSTS.items()})
    root = tmp_path / "root"
    said_by(root, "zhejiang", FileCut(CUT, "zhejiang"))
    at = ("--data", root)
    tried = run("filing", "move", CUT, "--to", "hangzhou", "--dry-run", *at)
    assert tried.code == 0 and "dry run" in tried.out
    assert run("filing", "show", CUT, "--json", *at).json[0]["move"] is None
    assert run("filing", "move", CUT, "--to", "hangzhou", "--reason", "撤并", *at).code == 0
    assert "until zhejiang changes nothing" in run("filing", "list", *at).out
    [shown] = run("filing", "show", CUT, "--json", *at).json
    assert shown["node"] == "zhejiang"
    move = shown["move"]
    assert (move["from"], move["to"], move["serial"]) == ("zhejiang", "hangzhou", None)
    said_by(root, "zhejiang", FreezeCut(CUT, "zhejiang", move["number"], 41))
    assert "until hangzhou has serial 41" in run("filing", "show", CUT, *at).out
    said_by(root, "hangzhou", DeclineCut(CUT, "hangzhou", move["number"]))
    assert "is held up: 400 OWNER_UNKNOWN" in run("filing", "show", CUT, *at).out
    other = run("filing", "move", CUT, "--to", "sum", *at)
    assert other.code == 1 and "425 CUT_MOVES" in other.err and "--cancel" in other.err
    withdrawn = run("filing", "withdraw", CUT, *at)
    assert withdrawn.code == 1 and f"csid filing move {CUT} --cancel" in withdrawn.err
    assert run("filing", "move", CUT, "--cancel", *at).code == 0
    assert "hangzhou" not in run("filing", "show", CUT, *at).out
    history = run("history", CUT, *at).out
    assert "取消变更节点 cut.keep" in history and "撤并" in history
    assert run("audit", "verify", *at).code == 0


def test_what_is_asked_wrongly_is_told(tmp_path: Path) -> None:
    make(tmp_path, {name: (host, 5300) for name, host in HOSTS.items()})
    at = ("--data", tmp_path / "root")
    for words in ((), ("--to", "hangzhou", "--cancel")):
        ran = run("filing", "move", CUT, *words, *at)
        assert ran.code == 2 and "--cancel" in ran.err
    ran = run("filing", "move", CUT, "--to", "hangzhou", *at)
    assert ran.code == 1 and "201 NOT_FOUND" in ran.err
    ran = run("filing", "move", CUT, "--to", "hangzhou", "--data", tmp_path / "zhejiang")
    assert ran.code == 1 and "411 NOT_NATIONAL" in ran.err
