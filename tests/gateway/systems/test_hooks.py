"""What systems add to a node's own processes: on each way to an answer or a change."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rcode
import pytest

from csid.protocol import SERVFAIL
from gateway.configuration.load import load
from gateway.systems.hooks import guarded, stages_of
from gateway.systems.known import UnknownSystemError
from resolver.answer.reply import Reply
from resolver.answer.source import Stages
from tests.support.commands import Node, Ran, run
from tests.support.servers import Server, serving
from tests.support.systems import made

OWNER = "91330106673959654P"
ID = f"{OWNER}/6450/330106/ACV/H60M07A1-0001-FY"
FROZEN = ('systems = ["remark"]', "[remark]", f'frozen = ["{OWNER}"]')


def configured(folder: Path, *lines: str) -> Path:
    file = folder / "csid.toml"
    said = ["[systems]", f'folders = ["{folder}"]', "[serve]", *lines]
    file.write_text("\n".join(said), "utf-8")
    return file


def assign(node: Node, file: Path, *more: object) -> Ran:
    return run("--config", file, "assign", ID, "--data", node.data, *more)


def asked(server: Server, name: str = "csid.internal.", over_tcp: bool = False) -> dns.rcode.Rcode:
    query = dns.message.make_query(name, "SOA")
    ask = dns.query.tcp if over_tcp else dns.query.udp
    return ask(query, "127.0.0.1", 10, server.port).rcode()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    found = Node(tmp_path / "node")
    found.accredit(OWNER)
    return found


def test_a_change_that_a_system_refuses_is_not_made_whoever_writes(
    tmp_path: Path, node: Node
) -> None:
    file = configured(made(tmp_path), *FROZEN)
    alone = assign(node, file)
    tried = assign(node, file, "--dry-run")
    with serving(node.data, "--config", str(file)):
        by_the_writer = assign(node, file)
    for ran in (alone, tried, by_the_writer):
        assert ran.code == 1, ran
        assert "is frozen by the system remark" in ran.err + ran.out
    assert assign(node, configured(tmp_path, "nsid = ''")).code == 0  # without it, it is


def test_a_node_does_not_start_with_a_system_that_is_not_there(tmp_path: Path, node: Node) -> None:
    for name, said in (
        ("nothing", "no such system"),
        ("selection", "adds nothing to a node's own"),
    ):
        file = configured(tmp_path, f'systems = ["{name}"]')
        ran = run("--config", file, "serve", "--data", node.data, "--listen", "127.0.0.1:0")
        assert (ran.code, said in ran.err) == (2, True), ran


HOOKS = """
from csid.protocol import REFUSED
from resolver.answer.source import Stages


def stages(settings):
    def admit(reply):
        if reply.name.startswith(b"\\x04fail"):
            raise RuntimeError("on purpose")
        if reply.name.startswith(b"\\x02no"):
            reply.rcode = REFUSED

    return Stages(admit=(admit,))
"""


def test_questions_are_refused_over_udp_and_tcp_and_a_fault_is_a_servfail(
    tmp_path: Path, node: Node
) -> None:
    file = configured(made(tmp_path), 'systems = ["remark"]')
    (tmp_path / "remark" / "hooks.py").write_text(HOOKS)
    with serving(node.data, "--config", str(file)) as server:
        for over_tcp in (False, True):
            assert asked(server, "csid.internal.", over_tcp) == dns.rcode.NOERROR
            assert asked(server, "no.csid.internal.", over_tcp) == dns.rcode.REFUSED
            assert asked(server, "fail.csid.internal.", over_tcp) == dns.rcode.SERVFAIL
            assert asked(server, "csid.internal.", over_tcp) == dns.rcode.NOERROR
        assert "system remark: admit failed: RuntimeError: on purpose" in server.log.read_text()


def fails(*_: object) -> str:
    raise RuntimeError("on purpose")


def ends(*_: object) -> str:
    sys.exit(3)


@pytest.mark.parametrize("fails", [fails, ends])
def test_what_fails_refuses_and_what_looks_on_is_passed_over(fails: Callable[..., Any]) -> None:
    found = guarded(Stages((fails,), (fails,), (fails,), (fails,)), "remark")
    for hook in (*found.admit, *found.shape):
        reply = Reply(dns.message.make_query("a.", "A").to_wire(), b"\x7f\x00\x00\x01", False)
        hook(reply)
        assert reply.rcode == SERVFAIL
    assert "check failed" in found.check[0](None, None)
    found.observe[0](None)


def test_to_interrupt_a_process_is_nobody_s_fault() -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    found = guarded(Stages((), (), (interrupted,), ()), "remark")
    with pytest.raises(KeyboardInterrupt):
        found.check[0](None, None)


def test_hooks_that_end_the_process_while_they_are_loaded_are_said(tmp_path: Path) -> None:
    file = configured(made(tmp_path), 'systems = ["remark"]')
    (tmp_path / "remark" / "hooks.py").write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(
        UnknownSystemError, match=r"remark\.hooks:stages cannot be loaded: SystemExit"
    ):
        stages_of(load(file))
