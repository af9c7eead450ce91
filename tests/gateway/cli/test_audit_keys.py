"""`csid audit key`: the first key, the ones that succeed it, and that nothing is ever half done."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from registry.service import Registry
from registry.tables import log_entry
from tests.support.commands import Node, run
from tests.support.cut_off import cut_off
from tests.support.registering import OWNER
from tests.support.servers import serving

NAME = "example.cn/csid-log"
BORN = 2  # leaves of a new data directory


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node with an accredited owner and a key, which has signed."""
    made = Node(tmp_path / "node")
    made.accredit(OWNER)
    made.must("audit", "key", "--new", NAME)
    made.must("audit", "checkpoint")
    return made


def keys(node: Node) -> list[str]:
    return node.run("audit", "key").lines


def files(node: Node) -> list[str]:
    return sorted(path.name for path in node.data.glob("audit-key*"))


def is_sound(node: Node, *given: object) -> bool:
    words = [word for key in given for word in ("--key", key)]
    (told,) = node.run("audit", "verify", "--json", *words).json
    return bool(told["sound"])


def test_a_key_succeeds_another_and_all_is_judged_by_either(node: Node, tmp_path: Path) -> None:
    (first,) = keys(node)
    pem = (node.data / "audit-key.pem").read_bytes()
    old = tmp_path / "old"
    node.must("audit", "checkpoint", "--output", old)
    ran = node.run("audit", "key", "--rotate", "--reason", "每年")
    assert (ran.code, ran.lines[1]) == (0, first)
    assert files(node) == ["audit-key.pem", "audit-key.pem.1", "audit-key.pem.pub"]
    assert (node.data / "audit-key.pem.1").read_bytes() == pem
    assert (node.data / "audit-key.pem").stat().st_mode & 0o777 == 0o600
    node.must("audit", "key", "--rotate", "example.cn/csid-log-2")
    assert [line.partition("+")[0] for line in keys(node)] == [NAME + "-2", NAME, NAME]
    new = tmp_path / "new"
    node.must("audit", "checkpoint", "--output", new)
    assert is_sound(node)
    for key in keys(node):
        assert is_sound(node, key)
    assert is_sound(node, *keys(node))
    for note in (old, new):
        assert node.run("audit", "verify", "--checkpoint", note, "--key", first).code == 0
    assert node.run("audit", "grown", old).out.startswith("old ")


def test_a_file_of_somebody_else_is_not_written_over(node: Node) -> None:
    aside = node.data / "audit-key.pem.1"
    aside.write_text("mine")
    before = (node.data / "audit-key.pem").read_bytes()
    node.must("audit", "key", "--rotate")
    assert aside.read_text() == "mine"
    assert (node.data / "audit-key.pem.2").read_bytes() == before
    node.must("audit", "checkpoint")
    assert is_sound(node)


def test_who_signs_with_a_key_that_was_succeeded_is_told(node: Node) -> None:
    node.must("audit", "key", "--rotate")
    shutil.copy(node.data / "audit-key.pem.1", node.data / "audit-key.pem")
    ran = node.run("audit", "checkpoint")
    assert ran.code == 2
    assert "the log is signed by" in ran.err
    assert len(node.run("audit", "key", "--rotate").lines) == 0
    assert is_sound(node)


def test_a_log_has_one_first_key(node: Node, tmp_path: Path) -> None:
    for words in ((), ("--key", tmp_path / "other.pem")):
        ran = node.run("audit", "key", "--new", "other", *words)
        assert ran.code == 2
        assert "--rotate" in ran.err
    assert not list(tmp_path.glob("other*"))
    assert node.run("audit", "key", "--new", "a", "--rotate").code == 2


@pytest.mark.parametrize("name", ["a b", "a+b", "", " ", "x" * 256])
def test_a_name_that_cannot_be_one_makes_no_key(node: Node, tmp_path: Path, name: str) -> None:
    bare = Node(tmp_path / "bare")
    assert bare.run("audit", "key", "--new", name).code == 2
    assert files(bare) == []
    before = files(node)
    if name:
        assert node.run("audit", "key", "--rotate", name).code == 2
    assert files(node) == before
    node.must("audit", "key", "--rotate")


def test_a_key_elsewhere_is_succeeded_there(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    pem = tmp_path / "safe" / "log.pem"
    pem.parent.mkdir()
    node.must("audit", "key", "--new", NAME, "--key", pem)
    node.must("audit", "checkpoint", "--key", pem)
    node.must("audit", "key", "--rotate", "--key", pem)
    node.must("audit", "checkpoint", "--key", pem)
    assert sorted(path.name for path in pem.parent.iterdir()) == [
        "log.pem",
        "log.pem.1",
        "log.pem.pub",
    ]
    assert files(node) == ["audit-key.pem.pub"]
    assert (node.data / "audit-key.pem.pub").read_text() == Path(f"{pem}.pub").read_text()
    assert is_sound(node)


@pytest.mark.parametrize("words", [("--rotate",), ("--rotate", "example.cn/b")])
def test_a_rotation_that_was_killed_anywhere_is_whole_or_goes_on(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    (first,) = keys(node)
    number, killed, in_force = 0, True, []
    while killed:
        copy = node.copy(tmp_path / str(number), monkeypatch)
        command = ("audit", "key", *words, "--data", copy.data)
        killed = cut_off(number, copy.data, *command)
        assert is_sound(copy, first)
        signs_on = copy.copy(tmp_path / f"{number}-signs-on", monkeypatch)
        signs_on.must("audit", "checkpoint")  # with whichever key is in force
        in_force.append(len(keys(signs_on)))
        assert is_sound(signs_on) and is_sound(signs_on, first)
        copy.is_here(monkeypatch)
        if killed:
            copy.must(*command[:-2])
        assert len(keys(copy)) == 2 and keys(copy)[1] == first
        assert files(copy) == ["audit-key.pem", "audit-key.pem.1", "audit-key.pem.pub"]
        assert is_sound(copy) and is_sound(copy, *keys(copy))
        copy.must("audit", "checkpoint")
        number += 1
    assert in_force == sorted(in_force) and set(in_force) == {1, 2}
    assert number > 6


def test_a_first_key_that_was_killed_anywhere_is_whole_or_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = Node(tmp_path / "bare")
    number, killed = 0, True
    while killed:
        copy = bare.copy(tmp_path / str(number), monkeypatch)
        command = ("audit", "key", "--new", NAME, "--data", copy.data)
        killed = cut_off(number, copy.data, *command)
        if killed:
            assert run(*command).code == 0
        assert len(keys(copy)) == 1
        assert files(copy) == ["audit-key.pem", "audit-key.pem.pub"]
        copy.must("audit", "checkpoint")
        assert is_sound(copy)
        number += 1
    assert number > 4


def test_an_auditor_makes_keys_and_is_in_the_log(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    auditor = ("--as", "审计", "--role", "auditor")
    node.must("audit", "key", "--new", NAME, "--reason", "启用", *auditor)
    node.must("audit", "checkpoint", *auditor)
    proof = tmp_path / "proof"
    node.must("audit", "prove", "--leaf", BORN, "--output", proof)
    (told,) = run("audit", "check", proof, "--key", keys(node)[0], "--json").json
    change = told["change"]
    assert (change["kind"], change["subject"], change["by"]) == ("audit.key", NAME, "审计")
    assert (change["role"], change["reason"]) == ("auditor", "启用")


def test_the_writer_of_a_running_node_keeps_what_the_command_signs(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    with serving(node.data):
        node.must("audit", "key", "--new", NAME)
        node.must("audit", "checkpoint")
        node.must("audit", "key", "--rotate")
        node.must("audit", "checkpoint")
        assert is_sound(node, *keys(node))
    assert is_sound(node)
    with Registry.open(node.data) as registry:
        assert len(registry.checkpoints()) == 2
        with registry.log() as log:
            leaves = [log_entry.decode(log.leaf(link.leaf)) for link in registry.keys().links]
    assert [leaf.peer for leaf in leaves] == [f"{os.geteuid()}/{os.getegid()}"] * 2
