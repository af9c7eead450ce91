"""`csid escrow`: deposits say what is registered, and go on from each other or do not verify."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest

from csid.record import encode
from registry.audit import SigningKey, VerifierKey
from registry.audit.note import Note, sign_note
from registry.escrow.objects import objects
from registry.tables import codec
from registry.tables.changes import Changes
from registry.tables.enums import State
from registry.tables.overlay import Overlay
from registry.tables.rows import Assignment
from registry.tables.view import EMPTY
from tests.support.commands import Node, Ran, run
from tests.support.inventory import fill
from tests.support.registering import OTHER, OWNER, PLACE, RECORD, identifier


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(tmp_path / "node")
    made.accredit(OWNER)
    made.accredit(OTHER, "福州")
    fill(made)
    made.must("pool", "add", PLACE, "--class", "H61M07A1", "--count", 10)
    made.must("audit", "key", "--new", "example.cn/log")
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "escrow"


def verified(node: Node, folder: Path) -> Ran:
    return run("escrow", "verify", folder, "--key", node.data / "audit-key.pem.pub", "--json")


def deposits(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.deposit"))


def said_by(path: Path) -> Any:
    return json.loads(path.read_text().split("\n")[1])


def put_together(folder: Path) -> dict[tuple[str, str], Any]:
    """What all deposits say, by any program that can read JSON."""
    found: dict[tuple[str, str], Any] = {}
    for path in deposits(folder):
        said = said_by(path)
        if said["kind"] == "full":
            found.clear()
        for line in gzip.decompress((folder / said["content"]).read_bytes()).splitlines():
            one = json.loads(line)
            key = (one["object"], one["id"])
            if one.get("deleted"):
                found.pop(key, None)
            else:
                found[key] = one
    return found


def exported(node: Node) -> dict[str, Any]:
    return {one["identifier"]: one for one in node.run("export", "--format", "jsonl").json}


def compare(node: Node, folder: Path) -> None:
    """What is deposited is what the node says."""
    found = put_together(folder)
    identifiers = {id: one for (word, id), one in found.items() if word == "identifier"}
    listed = exported(node)
    assert {id: (one["record"], one["ttl"]) for id, one in identifiers.items()} == {
        id: (one["record"], one["ttl"]) for id, one in listed.items()
    }
    owners = {id: one["standing"] for (word, id), one in found.items() if word == "owner"}
    assert owners == {
        one["owner"]: one["standing"] for one in node.run("owner", "list", "--json").json
    }
    pools = {id for word, id in found if word == "pool"}
    assert pools == {one["pool"] for one in node.run("pool", "list", "--json").json}


def test_deposits_put_together_are_what_is_registered(node: Node, folder: Path) -> None:
    (first,) = node.run("escrow", "deposit", folder, "--json").json
    assert (first["kind"], first["previous"]) == ("full", None)
    compare(node, folder)
    node.must("suspend", identifier("0001"))
    node.must("assign", identifier("0009"))
    node.must("owner", "suspend", OTHER)
    (second,) = node.run("escrow", "deposit", folder, "--json").json
    assert second["kind"] == "differential"
    assert second["objects"] == {"owner": 1, "identifier": 2}
    compare(node, folder)
    (third,) = node.run("escrow", "deposit", folder, "--json").json
    assert (third["kind"], third["objects"]) == ("differential", {})
    ran = verified(node, folder)
    assert (ran.code, ran.json[0]["deposits"], ran.json[0]["faults"]) == (0, 3, [])
    (fourth,) = node.run("escrow", "deposit", folder, "--full", "--json").json
    assert fourth["kind"] == "full"
    compare(node, folder)
    assert verified(node, folder).code == 0


def test_of_so_many_deposits_one_is_full(node: Node, folder: Path) -> None:
    kinds = [
        node.run("escrow", "deposit", folder, "--full-every", 3, "--json").json[0]["kind"]
        for _ in range(5)
    ]
    assert kinds == ["full", "differential", "differential", "full", "differential"]
    assert verified(node, folder).code == 0


def test_an_identifier_that_has_moved_away_is_deleted() -> None:
    seen = Overlay(EMPTY)
    row = codec.encode(Assignment(State.ACTIVE, 7, 0, 0, 0, encode(RECORD), ""))
    key = str(identifier("0001")).encode()
    seen.apply(Changes(((codec.GONE, key, row),), (), None))
    assert list(objects(seen, 8)) == []
    assert list(objects(seen, 0)) == []  # a full deposit has what there is
    (gone,) = objects(seen, 7)
    assert gone == {"object": "identifier", "leaf": 7, "id": key.decode(), "deleted": True}
    seen.apply(Changes(((codec.ASSIGNMENTS, key, row),), (), None))  # it has come back
    (back,) = objects(seen, 7)
    assert "deleted" not in back


def alter_content(folder: Path) -> None:
    path = folder / said_by(deposits(folder)[1])["content"]
    content = gzip.decompress(path.read_bytes()).replace(b"suspended", b"activated")
    path.write_bytes(gzip.compress(content))


def alter_statement(folder: Path) -> None:
    path = deposits(folder)[1]
    path.write_text(path.read_text().replace('"deleted": 0', '"deleted": 1'))


def lose_one(folder: Path) -> None:
    deposits(folder)[1].unlink()


def lose_first(folder: Path) -> None:
    deposits(folder)[0].unlink()


def lose_content(folder: Path) -> None:
    (folder / said_by(deposits(folder)[2])["content"]).unlink()


def rename_one(folder: Path) -> None:
    path = deposits(folder)[2]
    path.rename(path.with_name("20300101T000000.000000Z-00000000-1-full.deposit"))


def sign_by_another(folder: Path) -> None:
    path = deposits(folder)[2]
    text = Note.parse(path.read_text()).text
    path.write_text(sign_note(text, SigningKey.generate("example.cn/log")))


ALTERED: list[Callable[[Path], None]] = [
    alter_content,
    alter_statement,
    lose_one,
    lose_first,
    lose_content,
    rename_one,
    sign_by_another,
]


@pytest.mark.parametrize("alter", ALTERED, ids=lambda one: one.__name__)
def test_deposits_that_were_altered_or_have_a_gap_do_not_verify(
    node: Node, folder: Path, alter: Callable[[Path], None]
) -> None:
    node.must("escrow", "deposit", folder)
    node.must("suspend", identifier("0001"))
    node.must("escrow", "deposit", folder)
    node.must("assign", identifier("0009"))
    node.must("escrow", "deposit", folder)
    assert verified(node, folder).code == 0
    alter(folder)
    ran = verified(node, folder)
    assert (ran.code, bool(ran.json[0]["faults"])) == (1, True), ran


def test_old_deposits_may_go_up_to_a_full_one(node: Node, folder: Path) -> None:
    for words in ((), (), ("--full",), ()):
        node.must("escrow", "deposit", folder, *words)
    for path in deposits(folder)[:2]:
        (folder / said_by(path)["content"]).unlink()
        path.unlink()
    assert verified(node, folder).code == 0


def signed_by_holder(node: Node, path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Sign a statement that says something else with the right key."""
    line = (node.data / "audit-key.pem.pub").read_text()
    pem = (node.data / "audit-key.pem").read_bytes()
    key = SigningKey.from_pem(VerifierKey.parse(line).name, pem)
    header, said, _ = Note.parse(path.read_text()).text.split("\n")
    values = json.loads(said)
    change(values)
    path.write_text(sign_note(f"{header}\n{json.dumps(values)}\n", key))


@pytest.mark.parametrize(
    "said",
    [
        {"root": "0" * 64},
        {"growth": []},
        {"previous_size": 1},
        {"previous": "x"},
        {"previous_sha256": "0" * 64},
        {"node": "0" * 32},
        {"size": 1},
        {"objects": {"identifier": 7}},
        {"kind": "full", "growth": []},
        {"content": "../node/data.mdb"},
        {"more": 1},
        {"octets": True},
    ],
)
def test_even_who_has_the_key_cannot_say_what_does_not_follow(
    node: Node, folder: Path, said: dict[str, Any]
) -> None:
    node.must("escrow", "deposit", folder)
    node.must("suspend", identifier("0001"))
    node.must("escrow", "deposit", folder)
    signed_by_holder(node, deposits(folder)[1], lambda values: values.update(said))
    assert verified(node, folder).code == 1


def test_an_older_copy_deposits_nothing_behind_what_it_does_not_know(
    node: Node, folder: Path
) -> None:
    copy = node.data.with_name("copy")
    shutil.copytree(node.data, copy)
    node.must("assign", identifier("0009"))
    node.must("escrow", "deposit", folder)
    before = sorted(folder.iterdir())
    ran = run("escrow", "deposit", folder, "--data", copy)
    assert (ran.code, "does not go on from this deposit" in ran.err) == (2, True), ran
    assert sorted(folder.iterdir()) == before


def test_deposits_go_on_through_a_change_of_the_key(node: Node, folder: Path) -> None:
    node.must("escrow", "deposit", folder)
    node.must("audit", "key", "--rotate")
    node.must("escrow", "deposit", folder)
    assert verified(node, folder).code == 0


def test_what_is_encrypted_is_verified_without_being_read_and_read_with_the_identity(
    node: Node, folder: Path, tmp_path: Path
) -> None:
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "identity").write_text(str(identity))
    node.must("escrow", "deposit", folder, "--recipient", identity.to_public())
    content = folder / said_by(deposits(folder)[0])["content"]
    assert content.suffix == ".age"
    assert OWNER.encode() not in content.read_bytes()
    opened = gzip.decompress(pyrage.decrypt(content.read_bytes(), [identity]))
    assert OWNER.encode() in opened
    ran = verified(node, folder)
    assert (ran.code, ran.json[0]["unread"]) == (0, 1)
    key = node.data / "audit-key.pem.pub"
    read = run(
        "escrow", "verify", folder, "--key", key, "--identity", tmp_path / "identity", "--json"
    )
    assert (read.code, read.json[0]["unread"]) == (0, 0)
    (tmp_path / "other").write_text(str(pyrage.x25519.Identity.generate()))
    wrong = run(
        "escrow", "verify", folder, "--key", key, "--identity", tmp_path / "other", "--json"
    )
    assert (wrong.code, "cannot be decrypted" in wrong.json[0]["faults"][0]["reason"]) == (1, True)


def test_what_cannot_be_done_is_told_with_what_to_do(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    ran = node.run("escrow", "deposit", tmp_path / "escrow")
    assert (ran.code, "csid audit key --new" in ran.err) == (2, True)
    (tmp_path / "empty").mkdir()
    node.must("audit", "key", "--new", "example.cn/log")
    ran = verified(node, tmp_path / "empty")
    assert (ran.code, "has no deposit" in ran.err) == (2, True)
    ran = verified(node, tmp_path / "none")
    assert (ran.code, "cannot be read" in ran.err) == (2, True)
