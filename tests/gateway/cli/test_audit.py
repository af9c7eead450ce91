"""`csid audit`: keys, checkpoints, proofs that hold anywhere, and any change of the past found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from tests.support.commands import Node, run
from tests.support.registering import OWNER, PLACE, POOL, identifier

FIRST = str(identifier("0001"))
URI = "https://a.example:8443"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node with thirty identifiers and a key."""
    made = Node(tmp_path / "node")
    made.accredit(OWNER)
    made.must("pool", "add", PLACE, "--class", "H60M07A1", "--count", "30")
    made.must("pool", "mint", POOL, "--all", "--endpoint", URI, "--reason", "首批")
    made.must("audit", "key", "--new", "example.cn/csid-log")
    return made


def verifier(node: Node) -> Path:
    """The file of the verifier key."""
    return node.data / "audit-key.pem.pub"


def test_a_key_is_made_once_and_is_its_users_alone(node: Node) -> None:
    pem = node.data / "audit-key.pem"
    assert pem.stat().st_mode & 0o777 == 0o600
    line = node.must("audit", "key")
    assert line == verifier(node).read_text().strip()
    assert line.startswith("example.cn/csid-log+")
    before = pem.read_bytes()
    assert node.run("audit", "key", "--new", "other").code == 2
    assert pem.read_bytes() == before


def test_a_proof_is_judged_with_the_key_alone(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "first.tlog-proof"
    early = node.run("audit", "prove", FIRST, "--output", file)
    assert early.code == 2
    assert "csid audit checkpoint" in early.err
    note = tmp_path / "checkpoint"
    assert node.run("audit", "checkpoint", "--output", note).code == 0
    node.must("suspend", FIRST)  # not covered by that checkpoint, its predecessors are
    assert node.run("audit", "prove", FIRST, "--checkpoint", note).code == 2
    second = str(identifier("0002"))
    assert node.run("audit", "prove", second, "--checkpoint", note, "--output", file).code == 0
    key = verifier(node).read_text().strip()
    elsewhere = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "audit", "check", str(file), "--key", key],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert elsewhere.returncode == 0, elsewhere.stderr
    assert "证明成立 the proof holds" in elsewhere.stdout
    assert second in elsewhere.stdout
    (told,) = run("audit", "check", file, "--key", verifier(node), "--json").json
    assert told["holds"]
    assert (told["change"]["on"], told["change"]["why"]) == (second, "首批")


def test_a_proof_that_was_touched_does_not_hold(node: Node, tmp_path: Path) -> None:
    node.must("audit", "checkpoint")
    file = tmp_path / "proof"
    node.run("audit", "prove", FIRST, "--output", file)
    text = file.read_text()
    lines = text.split("\n")
    lines[1] = lines[1].replace("extra ", "extra AAAA", 1)
    for broken in ("\n".join(lines), text.replace("index 5", "index 6"), text[:-9], ""):
        file.write_text(broken)
        ran = run("audit", "check", file, "--key", verifier(node))
        assert (ran.code, ran.out) == (1, "")
        assert "证明不成立 the proof does not hold" in ran.err
    assert run("audit", "check", tmp_path / "none", "--key", verifier(node)).code == 2
    assert run("audit", "check", file, "--key", "no key").code == 2


def test_verify_finds_a_sound_log_sound(node: Node, tmp_path: Path) -> None:
    note = tmp_path / "checkpoint"
    node.must("audit", "checkpoint", "--output", note)
    node.must("suspend", FIRST)
    (said,) = node.run("audit", "verify", "--json").json
    assert (said["sound"], said["size"], said["faults"]) == (True, 36, [])
    kept = node.run("audit", "verify", "--key", verifier(node), "--checkpoint", note)
    assert kept.code == 0
    assert "完好 sound" in kept.out
    assert node.run("audit", "verify", "--checkpoint", note).code == 2


@pytest.mark.parametrize("table", [b"registry.leaves", b"registry.assignments"])
def test_verify_finds_what_another_tool_changed(node: Node, table: bytes) -> None:
    node.must("audit", "checkpoint")
    with lmdb.open(str(node.data), max_dbs=32) as environment:
        database = environment.open_db(table)
        with environment.begin(write=True, db=database) as txn:
            key, value = next(
                (key, value)
                for key, value in txn.cursor()
                if b"a.example" in value and FIRST.encode() in key + value
            )
            txn.put(key, value.replace(b"a.example", b"b.example"))
    ran = node.run("audit", "verify", "--key", verifier(node))
    assert ran.code == 1
    assert "不一致 NOT SOUND" in ran.out
    assert ran.err


def test_the_log_is_for_auditors_and_administrators(node: Node) -> None:
    reader = ("--as", "客", "--role", "read-only")
    for action in (("checkpoint",), ("verify",), ("prove", FIRST), ("key",)):
        ran = node.run("audit", *action, *reader)
        assert ran.code == 2
        assert "the audit log is for: administrator, auditor" in ran.err
    assert node.run("audit", "verify", "--role", "auditor").code == 0


def test_another_key_signs_and_proves_nothing_here(node: Node, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    node.must("audit", "key", "--new", "elsewhere.cn/log", "--key", other)
    node.must("audit", "checkpoint")
    file = tmp_path / "proof"
    node.run("audit", "prove", FIRST, "--output", file)
    ran = run("audit", "check", file, "--key", f"{other}.pub")
    assert ran.code == 1
    Path(f"{other}.pub").write_text(verifier(node).read_text())
    mixed = node.run("audit", "checkpoint", "--key", other)
    assert mixed.code == 2
    assert "is not the private key of" in mixed.err


@pytest.mark.parametrize("key", ["", ".", "/dev/full", "/dev/null"])
def test_what_is_no_key_file_is_told(node: Node, key: str) -> None:
    for words in (("audit", "key"), ("audit", "checkpoint"), ("audit", "key", "--new", "a.cn/log")):
        ran = node.run(*words, f"--key={key}")
        assert (ran.code, ran.err.count("\n")) == (2, 1), (words, ran)


def test_a_key_is_made_for_a_log_that_is_there(tmp_path: Path) -> None:
    ran = run("audit", "key", "--new", "a.cn/log", "--data", tmp_path)
    assert ran.code == 2 and "csid init" in ran.err and not list(tmp_path.iterdir())
