"""Who acts, for other users of the machine: by the kernel's word, not by their own."""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli import whole_parser
from registry.rules.acting import ActingError
from registry.rules.decision import Decision
from registry.rules.requests import Actor, Assign, Request, Retire, Role
from registry.rules.status import Status
from registry.service import Registry
from registry.writer.address import SOCKET, UPDATES
from tests.support.commands import Node, Ran, run
from tests.support.others import as_user
from tests.support.registering import OTHER, OWNER, RECORD, identifier
from tests.support.servers import Server, eventually, serving

ZHANG, PORTAL, STRANGER, GROUP = 4_001, 4_002, 4_003, 4_100
CONFIGURED = f"""
[node]
group = "{{group}}"

[[actor]]
name = "张三"
uid = {ZHANG}
role = "registrar"
owner = "{OWNER.lower()}"

[[actor]]
name = "门户"
uid = {PORTAL}
acts-for = ["registrar"]
"""


@pytest.fixture
def folder(open_folder: Path) -> Path:
    return open_folder


@pytest.fixture
def served(folder: Path) -> Iterator[tuple[Node, Server]]:
    """A node that has registrars, in a directory that is root's."""
    if os.geteuid() != 0:
        pytest.skip("other users are for root")
    node = Node(folder / "data")
    for code in (OWNER, OTHER):
        node.accredit(code)
    file = folder / "csid.toml"
    file.write_text(CONFIGURED.replace("{group}", "daemon"))
    with serving(node.data, "--config", str(file)) as server:
        eventually("the writer is there", lambda: (node.data / SOCKET).exists())
        yield node, server


def asked(node: Node, actor: Actor, body: Assign | Retire) -> Decision:
    """What a process gets that cannot read the directory."""
    with Registry.open(node.data, writable=True) as registry:
        return registry.submit(Request(actor, body))


def by(uid: int, node: Node, actor: Actor, body: Assign | Retire) -> Decision:
    return as_user(uid, lambda: asked(node, actor, body), groups=(DAEMON,))


DAEMON = 1  # the number that the group has on every Debian


def test_a_registrar_is_the_owner_s_that_is_configured(served: tuple[Node, Server]) -> None:
    node, _ = served
    mine, others = identifier("0001"), identifier("0002", OTHER)
    own = Actor("张三", Role.REGISTRAR, OWNER)
    assert by(ZHANG, node, own, Assign(mine, RECORD)).status is Status.DONE
    assert by(ZHANG, node, own, Assign(others, RECORD)).status is Status.OWNER_NOT_YOURS
    for claim in (Actor("root", Role.ADMINISTRATOR), Actor("张三", Role.REGISTRAR, OTHER)):
        with pytest.raises(ActingError, match=f"user id {ZHANG} is 张三, registrar, and may not"):
            by(ZHANG, node, claim, Retire(mine))
    with Registry.open(node.data) as registry:
        (change,) = registry.history(str(mine))
    leaf = change.leaf
    assert (leaf.by, leaf.role, leaf.for_, leaf.peer) == (
        "张三",
        "registrar",
        OWNER,
        f"{ZHANG}/{ZHANG}",
    )


def test_who_may_act_for_others_is_believed_and_stands_beside(served: tuple[Node, Server]) -> None:
    node, _ = served
    code = identifier("0003")
    claim = Actor("王", Role.REGISTRAR, OWNER)
    assert by(PORTAL, node, claim, Assign(code, RECORD)).status is Status.DONE
    with Registry.open(node.data) as registry:
        (change,) = registry.history(str(code))
    assert (change.leaf.by, change.leaf.peer) == ("王", f"{PORTAL}/{PORTAL} 门户")
    with pytest.raises(ActingError, match="may not act for 王, administrator"):
        by(PORTAL, node, Actor("王", Role.ADMINISTRATOR), Retire(code))


def test_others_are_nobody_or_do_not_even_get_there(served: tuple[Node, Server]) -> None:
    node, _ = served
    body = Assign(identifier("0004"), RECORD)
    with pytest.raises(ActingError, match=f"user id {STRANGER} is nobody here.*uid = {STRANGER}"):
        by(STRANGER, node, Actor("root", Role.ADMINISTRATOR), body)
    assert stat.S_IMODE((node.data / SOCKET).stat().st_mode) == 0o660
    assert stat.S_IMODE((node.data / UPDATES).stat().st_mode) == 0o600
    assert stat.S_IMODE((node.data / "data.mdb").stat().st_mode) == 0o600
    assert as_user(ZHANG, lambda: os.access(node.data / SOCKET, os.W_OK)) is False


def test_root_is_what_is_configured_too(served: tuple[Node, Server]) -> None:
    node, _ = served
    file = node.data.with_name("csid.toml")
    ran = run("assign", identifier("0005"), "--data", node.data, "--config", file)
    assert ran.code == 2
    assert "user id 0 (root) is nobody here" in ran.err and 'user = "root"' in ran.err


def test_a_change_of_the_configuration_holds_at_once_and_a_wrong_one_does_not(
    served: tuple[Node, Server],
) -> None:
    node, server = served
    file = node.data.with_name("csid.toml")
    processes = server.workers("resolver.server.worker")
    root = '\n[[actor]]\nname = "管理员"\nuser = "root"\nrole = "administrator"\n'
    file.write_text(file.read_text() + root)

    def who() -> Ran:
        return run("whoami", "--json", "--data", node.data)

    eventually("root is known", lambda: who().code == 0)
    (found,) = who().json
    assert (found["name"], found["role"], found["configured"]) == ("管理员", "administrator", True)
    file.write_text(file.read_text() + "\n[[actor]]\nrole = 7\n")
    eventually("it is told", lambda: "who may act stays as it was" in server.log.read_text())
    assert who().code == 0
    assert server.workers("resolver.server.worker") == processes


def test_without_a_node_that_runs_a_command_goes_by_the_same_rule(folder: Path) -> None:
    node = Node(folder / "data")
    file = folder / "csid.toml"
    file.write_text(f'[[actor]]\nname = "李四"\nuid = {os.geteuid()}\nrole = "auditor"\n')
    configured = ("--data", node.data, "--config", file)
    (found,) = run("whoami", "--json", *configured).json
    assert (found["name"], found["role"], found["acts_for"]) == ("李四", "auditor", [])
    assert "300 ROLE_MAY_NOT" in run("scope", "set", "--location", "33", *configured).err
    refused = run("scope", "set", "--location", "33", "--role", "administrator", *configured)
    assert refused.code == 2
    assert "is 李四, auditor, and may not act" in refused.err
    assert run("audit", "verify", *configured).code == 0
    (own,) = node.run("whoami", "--json").json
    assert (own["role"], own["configured"]) == ("administrator", False)


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in {*action.choices.values()}:
                yield from _commands(one)


def test_every_command_that_somebody_gives_reads_the_configuration() -> None:
    for one in _commands(whole_parser()):
        options = {action.dest for action in one._actions}
        assert "actor" not in options or {"config", "data"} <= options, one.prog


def test_two_actors_are_not_the_same_user(tmp_path: Path) -> None:
    file = tmp_path / "csid.toml"
    file.write_text("[[actor]]\nuid = 1\n[[actor]]\nuid = 1\n")
    ran = run("config", "check", "--config", file)
    assert ran.code == 2
    assert "[[actor]] number 2: is the user, group or certificate of number 1" in ran.err
