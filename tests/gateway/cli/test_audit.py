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
BORN = 2  # leaves of a new data directory


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
    assert (told["change"]["subject"], told["change"]["reason"]) == (second, "首批")


def test_any_change_of_anything_is_proved(node: Node, tmp_path: Path) -> None:
    node.must("location", "retire", "330106", "330108", "--reason", "区划调整")
    node.must("audit", "checkpoint")
    history = {change["leaf"]: change for change in node.run("history", FIRST, "--json").json}
    assert len(history) == 2
    pool = f"{POOL}/0001-000U"
    file, key = tmp_path / "proof", verifier(node)

    def proved(*words: object) -> dict[str, str]:
        assert node.run("audit", "prove", *words, "--output", file).code == 0, words
        (told,) = run("audit", "check", file, "--key", key, "--json").json
        change: dict[str, str] = told["change"]
        return change

    assert proved(FIRST) == history[max(history)]
    for leaf, change in history.items():
        assert proved(FIRST, "--leaf", leaf) == proved("--leaf", leaf) == change
    assert proved(OWNER)["kind"] == "owner.judge"
    assert proved(OWNER, "--leaf", BORN)["kind"] == "owner.add"
    assert proved(pool)["kind"] == "pool.add"
    assert (proved("330106")["kind"], proved("330106")["to"]) == ("location.retire", "330108")
    for words in ((), (FIRST, "--leaf", 0), ("330108",), ("a.cn.",), ("--leaf", 99), ("x" * 600,)):
        ran = node.run("audit", "prove", *words, "--output", tmp_path / "none")
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), words
    assert not (tmp_path / "none").exists()


def test_all_changes_are_proved_into_a_folder(node: Node, tmp_path: Path) -> None:
    node.must("suspend", FIRST)
    note = tmp_path / "checkpoint"
    node.must("audit", "checkpoint", "--output", note)
    node.must("reinstate", FIRST)
    folder = tmp_path / "proofs"
    assert node.run("audit", "prove", FIRST, "--all").code == 2
    ran = node.run("audit", "prove", FIRST, "--all", "--output", folder)
    assert ran.code == 1
    assert "csid audit checkpoint" in ran.err
    names = {path.name for path in folder.iterdir()}
    assert names == {f"{BORN + 3}.tlog-proof", f"{BORN + 34}.tlog-proof"}
    node.must("audit", "checkpoint")
    assert node.run("audit", "prove", FIRST, "--all", "--output", folder).code == 0
    for file in folder.iterdir():
        assert run("audit", "check", file, "--key", verifier(node)).code == 0
    assert len(list(folder.iterdir())) == 3


def test_growth_is_proved_and_judged_from_the_earlier_checkpoint(
    node: Node, tmp_path: Path
) -> None:
    old, new, proof = tmp_path / "old", tmp_path / "new", tmp_path / "proof"
    assert node.run("audit", "grown", old).code == 2
    node.must("audit", "checkpoint", "--output", old)
    node.must("suspend", FIRST)
    node.must("audit", "checkpoint", "--output", new)
    assert node.run("audit", "grown", old, "--output", proof).code == 0
    assert node.run("audit", "grown", old, new).out == proof.read_text()
    key = verifier(node)
    ran = run("audit", "check", proof, "--key", key, "--old", old)
    assert ran.code == 0
    assert "证明成立 the proof holds" in ran.out
    assert run("audit", "check", proof, "--key", key).code == 2
    assert run("audit", "check", proof, "--key", key, "--old", new).code == 1
    assert node.run("audit", "grown", new, old).code == 2
    other = Node(tmp_path / "other")
    other.must("audit", "key", "--new", "example.cn/csid-log")
    other.must("audit", "checkpoint", "--output", tmp_path / "foreign")
    assert node.run("audit", "grown", tmp_path / "foreign").code == 2
    assert node.run("audit", "grown", old, "--key", verifier(other)).code == 2
    assert run("audit", "grown", old, "--published", tmp_path).code == 2


def test_a_log_that_was_changed_since_is_not_said_to_have_grown(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old"
    node.must("audit", "checkpoint", "--output", old)
    fork = node.copy(tmp_path / "fork", monkeypatch)
    node.is_here(monkeypatch)
    node.must("suspend", FIRST)
    node.must("audit", "checkpoint", "--output", tmp_path / "theirs")
    fork.is_here(monkeypatch)
    fork.must("retire", FIRST)
    fork.must("suspend", str(identifier("0002")))
    fork.must("audit", "checkpoint")
    ran = fork.run("audit", "grown", tmp_path / "theirs", "--output", tmp_path / "proof")
    assert (ran.code, (tmp_path / "proof").exists()) == (1, False)
    assert "did not only grow" in ran.err
    assert fork.run("audit", "grown", old).code == 0


def test_a_proof_that_was_touched_does_not_hold(node: Node, tmp_path: Path) -> None:
    node.must("audit", "checkpoint")
    file = tmp_path / "proof"
    node.run("audit", "prove", FIRST, "--output", file)
    text = file.read_text()
    lines = text.split("\n")
    lines[1] = lines[1].replace("extra ", "extra AAAA", 1)
    for broken in ("\n".join(lines), text.replace("index ", "index 1"), text[:-9], ""):
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
    assert (said["sound"], said["size"], said["faults"]) == (True, BORN + 35, [])
    kept = node.run("audit", "verify", "--key", verifier(node), "--checkpoint", note)
    assert kept.code == 0
    assert "完好 sound" in kept.out
    assert node.run("audit", "verify", "--checkpoint", note).code == 0


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
    Node(tmp_path / "other").must("audit", "key", "--new", "elsewhere.cn/log", "--key", other)
    assert node.run("audit", "checkpoint", "--key", other).code == 2
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
