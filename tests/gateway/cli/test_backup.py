"""`csid backup` and `csid restore-node`: what they print, and who may write to what comes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest

from gateway.configuration import places
from tests.support.commands import Node, Ran, run
from tests.support.registering import CLASS, OWNER, PLACE
from tests.support.servers import serving
from tests.support.shelves import held


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node with a key and a pool of which one code was given."""
    made = Node(tmp_path / "node")
    made.accredit(OWNER)
    made.must("pool", "add", PLACE, "--class", CLASS, "--count", 100)
    made.must("assign", f"{PLACE}/{CLASS}")
    made.must("audit", "key", "--new", "example.cn/log")
    made.must("audit", "checkpoint")
    return made


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    return tmp_path / "shelf"


def elsewhere(node: Node, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node made of the newest backup, on a machine that knows of no other."""
    made = Node.__new__(Node)
    made.data = node.data.with_name("new")
    made.is_here(monkeypatch)
    ran = run("restore-node", shelf, "--data", made.data)
    assert ran.code == 0, ran
    assert "csid audit resume" in ran.out
    return made


def test_a_running_node_is_backed_up_and_its_copy_answers(node: Node, shelf: Path) -> None:
    with serving(node.data):
        code = node.must("assign", f"{PLACE}/{CLASS}")
        (told,) = node.run("backup", shelf, "--json").json
    assert (told["kind"], told["encryption"], told["why_full"]) == ("full", "none", None)
    assert Path(told["backup"]).stat().st_size == told["octets"]
    new = node.data.with_name("new")
    (made,) = run("restore-node", shelf, "--data", new, "--json").json
    assert (made["verdict"], made["size"], made["root"]) == ("sound", told["size"], told["root"])
    assert held(new) == held(node.data)
    assert (new / "audit-key.pem").read_bytes() == (node.data / "audit-key.pem").read_bytes()
    with serving(new) as server:
        asked = run("resolve", code, "--server", f"127.0.0.1:{server.port}")
        assert (asked.code, code in asked.out) == (0, True)


def test_nothing_is_written_to_a_node_that_was_restored_until_somebody_says_how(
    node: Node, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.must("backup", shelf)
    new = elsewhere(node, shelf, monkeypatch)
    before = held(new.data)
    for words in (
        ("assign", f"{PLACE}/{CLASS}"),
        ("owner", "suspend", OWNER),
        ("scope", "set", "--location", "33"),
        ("audit", "checkpoint"),
    ):
        refused = new.run(*words)
        assert (refused.code, "was restored from a backup" in refused.err) == (2, True), refused
    assert held(new.data) == before
    with serving(new.data):
        refused = new.run("assign", f"{PLACE}/{CLASS}")
        assert (refused.code, "was restored from a backup" in refused.err) == (2, True), refused
        assert new.run("list", PLACE).code == 0
    assert new.run("audit", "resume").code == 1
    assert new.run("audit", "resume", "--json").json == [{"missing": 0, "restored": True}]
    assert new.run("audit", "verify").code == 0
    new.must("audit", "resume", "--accept", "--reason", "迁移")
    new.must("assign", f"{PLACE}/{CLASS}")
    assert new.run("audit", "resume").code == 0
    assert new.run("audit", "verify").code == 0


def given_after(node: Node, number: int) -> list[str]:
    """Codes that the node gives once it was backed up."""
    return [node.must("assign", f"{PLACE}/{CLASS}") for _ in range(number)]


def test_the_newest_checkpoint_says_what_came_after_the_backup(
    node: Node, shelf: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    node.must("backup", shelf)
    given = given_after(node, 3)
    node.must("audit", "checkpoint", "--output", tmp_path / "newest")
    new = elsewhere(node, shelf, monkeypatch)
    said = new.must("audit", "resume", "--checkpoint", tmp_path / "newest")
    assert "without 3 " in said
    assert new.must("assign", f"{PLACE}/{CLASS}") not in given


def test_where_no_checkpoint_is_known_so_many_as_are_said_are_passed_over(
    node: Node, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.must("backup", shelf)
    given = given_after(node, 3)
    new = elsewhere(node, shelf, monkeypatch)
    assert "without 5 " in new.must("audit", "resume", "--lost", 5)
    assert new.must("assign", f"{PLACE}/{CLASS}") not in given
    assert new.run("audit", "verify").code == 0


def test_on_the_machine_of_the_node_what_it_has_seen_is_passed_over(
    node: Node, shelf: Path
) -> None:
    node.must("backup", shelf)
    given = given_after(node, 2)
    new = node.data.with_name("new")
    assert run("restore-node", shelf, "--data", new).code == 0
    refused = run("assign", f"{PLACE}/{CLASS}", "--data", new)
    assert "lacks 2 of the leaves" in refused.err
    assert "without 2 " in run("audit", "resume", "--accept", "--data", new).out
    assert run("assign", f"{PLACE}/{CLASS}", "--data", new).lines[-1] not in given


def test_a_copy_may_be_another_node(node: Node, shelf: Path) -> None:
    node.must("backup", shelf)
    new = node.data.with_name("new")
    assert run("restore-node", shelf, "--data", new).code == 0
    assert run("audit", "resume", "--new-node", "--data", new).code == 0
    assert run("assign", f"{PLACE}/{CLASS}", "--data", new).code == 0
    node.must("assign", f"{PLACE}/{CLASS}")
    assert run("audit", "verify", "--data", new).code == 0


def csid(*words: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """A command in a process of its own, which has octets for stdin and stdout."""
    command = [sys.executable, "-m", "gateway.cli", *map(str, words)]
    return subprocess.run(command, input=given, capture_output=True, check=False)


def test_a_backup_goes_through_a_pipe(node: Node) -> None:
    sent = csid("backup", "-", "--data", node.data, "--json")
    assert (sent.returncode, b'"kind": "full"' in sent.stderr) == (0, True), sent.stderr
    new = node.data.with_name("new")
    taken = csid("restore-node", "-", "--data", new, given=sent.stdout)
    assert taken.returncode == 0, taken.stderr
    assert held(new) == held(node.data)
    cut = csid("restore-node", "-", "--data", new.with_name("cut"), given=sent.stdout[:-9])
    assert (cut.returncode, b"cut off" in cut.stderr) == (2, True)
    assert not new.with_name("cut").exists()


def test_whoever_goes_away_from_a_pipe_is_no_fault_of_the_node(node: Node) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "gateway.cli", "backup", "-", "--data", str(node.data)]
    with os.fdopen(writer, "wb") as out:
        ended = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, b"Traceback" in ended.stderr) == (141, False), ended.stderr
    node.must("assign", f"{PLACE}/{CLASS}")


def test_the_configuration_says_where_to_and_for_whom(
    node: Node, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "identity").write_text(f"# of the escrow\n{identity}\n")
    (tmp_path / "csid.toml").write_text(
        f'[backup]\nto = "{shelf}"\nkeep = 2\nfull-every = 1\n'
        f'recipients = ["{identity.to_public()}"]\n'
    )
    monkeypatch.setenv(places.FILE_VARIABLE, str(tmp_path / "csid.toml"))
    for _ in range(3):
        (told,) = node.run("backup", "--json").json
    assert (told["kind"], told["encryption"], len(told["removed"])) == ("full", "age", 1)
    new = node.data.with_name("new")
    refused = run("restore-node", shelf, "--data", new)
    assert (refused.code, "--identity" in refused.err) == (2, True)
    ran = run("restore-node", shelf, "--data", new, "--identity", tmp_path / "identity")
    assert ran.code == 0, ran
    (told,) = node.run("backup", "--unencrypted", "--json").json
    assert told["encryption"] == "none"


def refused(ran: Ran, told: str) -> None:
    assert ran.code == 2, ran
    assert told in ran.err, ran


def test_what_cannot_be_done_is_told_with_what_to_do(node: Node, tmp_path: Path) -> None:
    shelf, new = tmp_path / "shelf", tmp_path / "new"
    refused(node.run("backup"), "where to?")
    refused(node.run("backup", shelf, "--recipient", "age1nobody"), "no recipient")
    refused(node.run("backup", shelf, "--passphrase-file", tmp_path / "none"), "cannot be read")
    (tmp_path / "empty").write_text("\n")
    refused(node.run("backup", shelf, "--passphrase-file", tmp_path / "empty"), "a passphrase")
    refused(node.run("backup", shelf, "--full-every", 0), "from 1 to")
    refused(node.run("backup", shelf, "--role", "registrar", "--owner", OWNER), "audit log is for")
    refused(run("restore-node", tmp_path / "none", "--data", new), "cannot be read")
    refused(run("restore-node", tmp_path, "--data", new), "has no backup")
    refused(run("restore-node", tmp_path / "empty", "--data", new), "no backup")
    (tmp_path / "file").write_text("a file")
    refused(node.run("backup", tmp_path / "file"), "no folder to write in")
    assert not shelf.exists()
    assert not new.exists()
