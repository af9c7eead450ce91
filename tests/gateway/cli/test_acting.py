"""Who acts at a node: whom its configuration knows by user and group, whatever they say."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from csid.errors import CsidError
from registry.rules.requests import Actor, Request, Role, SetScope
from registry.service import Registry
from registry.writer.address import peer_of
from registry.writer.client import connected
from tests.support.commands import NOBODY, Node, as_nobody, run
from tests.support.registering import CLASS, OWNER, PLACE
from tests.support.servers import serving

REGISTRAR = f'name = "张三"\nuid = {NOBODY}\nrole = "registrar"\nowner = "{OWNER}"\n'


@pytest.fixture
def node(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node of root, that others of a group may write to."""
    if os.geteuid() != 0:
        pytest.skip("only root becomes another user")
    made = Node(open_folder / "node")
    made.accredit(OWNER)
    made.must("pool", "add", PLACE, "--class", CLASS, "--count", 100)
    made.data.chmod(0o2770)
    for file in made.data.iterdir():
        file.chmod(0o660)
    state = open_folder / "state"
    state.mkdir()
    state.chmod(0o777)
    monkeypatch.setenv("CSID_STATE", str(state))
    monkeypatch.setenv("CSID_CONFIG", str(open_folder / "csid.toml"))
    configure(made)
    return made


def configure(node: Node, *actors: str) -> None:
    """Have a configuration with some actors."""
    file = node.data.with_name("csid.toml")
    file.write_text(
        '[serve]\nlisten = "127.0.0.1:0"\n' + "".join(f"[[actor]]\n{one}" for one in actors)
    )
    file.chmod(0o644)


def test_whom_nobody_knows_writes_nothing(node: Node) -> None:
    with as_nobody():
        refused = node.run("assign", f"{PLACE}/{CLASS}")
    assert (refused.code, "is nobody here" in refused.err) == (2, True), refused
    assert node.run("list", PLACE).out == ""


def test_who_is_known_acts_as_the_configuration_says(node: Node) -> None:
    configure(node, REGISTRAR)
    with as_nobody():
        assigned = node.must("assign", f"{PLACE}/{CLASS}")
        for words in (("--role", "administrator"), ("--as", "李四"), ("--role", "auditor")):
            refused = node.run("assign", f"{PLACE}/{CLASS}", *words)
            assert (refused.code, "may not act for" in refused.err) == (2, True), refused
        assert node.run("owner", "accredit", OWNER).code == 1  # a registrar does not
    (change,) = node.run("history", assigned.split()[0], "--json").json
    assert (change["by"], change["role"], change["for"]) == ("张三", "registrar", OWNER)
    assert change["peer"].startswith(f"{NOBODY}/")


def test_a_claim_of_who_acts_for_others_has_the_true_name_beside_it(node: Node) -> None:
    configure(node, f'name = "desk"\nuid = {NOBODY}\nacts-for = ["registrar"]\n')
    with as_nobody():
        words = ("--as", "王", "--role", "registrar", "--owner", OWNER)
        assigned = node.must("assign", f"{PLACE}/{CLASS}", *words)
        assert node.run("assign", f"{PLACE}/{CLASS}").code == 1  # itself it only reads
    (change,) = node.run("history", assigned.split()[0], "--json").json
    assert (change["by"], change["role"]) == ("王", "registrar")
    assert change["peer"] == f"{NOBODY}/{os.getegid()} desk"


def test_the_writer_of_a_running_node_asks_the_kernel(node: Node) -> None:
    configure(node, REGISTRAR)
    claim = Request(Actor("root", Role.ADMINISTRATOR), SetScope(("33",), ()))
    with serving(node.data):
        with as_nobody():
            client = connected(node.data)
            assert client is not None
            with pytest.raises(CsidError, match="may not act for"):
                client.submit([claim])
            with pytest.raises(CsidError, match="may not act for"):
                client.perform("zone.drop", (("root", "administrator", "", "0/0", ""), "x."))
            client.close()
            assert node.must("assign", f"{PLACE}/{CLASS}")
        refused = node.run("scope", "set", "--location", "33")  # root, who is not configured
        assert (refused.code, "user id 0 (root) is nobody here" in refused.err) == (2, True)
    with Registry.open(node.data) as registry, registry.view() as seen:
        assert seen.leaves() > 0


def test_all_groups_of_a_process_are_known() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_of(ours)[:3] == (os.geteuid(), os.getegid(), frozenset(os.getgroups()))


@pytest.mark.parametrize(
    ("actor", "said"),
    [
        ('name = "a"\n', "expected one of user, uid, group, gid"),
        ("uid = 5\ngid = 5\n", "expected one of user, uid, group, gid"),
        ('name = "a"\nuid = 5\nrole = "registrar"\n', 'expected owner = "CODE" for a registrar'),
        (f'name = "a"\nuid = 5\nowner = "{OWNER}"\n', 'expected owner = "CODE" for a registrar'),
        ('uid = 5\nacts-for = ["node"]\n', "expected one of"),
        ('user = "no-such-user"\n', "there is no user 'no-such-user' here"),
        ('group = "no-such-group"\n', "there is no group 'no-such-group' here"),
        ('name = "a"\nuid = 5\nrole = "node"\n', "expected one of"),
        ('name = "a"\nuid = 5\nrole = "registrar"\nowner = "X"\n', "expected the code of an owner"),
        ('name = "a\\u0007"\nuid = 5\n', "expected a name"),
    ],
)
def test_an_actor_that_cannot_be_is_told_of(tmp_path: Path, actor: str, said: str) -> None:
    file = tmp_path / "csid.toml"
    file.write_text(f"[[actor]]\n{actor}")
    checked = run("config", "check", "--config", file)
    assert (checked.code, "[[actor]] number 1" in checked.err) == (2, True), checked
    assert said in checked.err
