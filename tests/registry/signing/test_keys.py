"""Which keys sign the log of a data directory: what the units take, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry.audit import AuditError, Checkpoint, KeyStatement, SigningKey, sign_checkpoint
from registry.audit.store import KEPT_KEY
from registry.audit.succession import sign_statement
from registry.rules.requests import AddOwner, Request
from registry.service import Registry
from registry.signing import kept
from registry.signing.keys import Told, propose
from registry.signing.sign import KEEP, SET_KEY, check_kept
from registry.tables import codec, log_entry, transaction
from registry.tables.enums import Kind
from resolver.store.environment import Store
from tests.support.registering import ADMINISTRATOR, AUDITOR, READER, REGISTRAR

NAME = "registry.example/log"
FIRST, SECOND, THIRD, STRANGER = (SigningKey.generate(NAME) for _ in range(4))
CODES = ("91330106673959654P", "91350100M000100Y43", "X00000000000000015")


def made(path: Path) -> Registry:
    Store.create(path, "csid.example.", "86.1000").close()
    return Registry.open(path, writable=True)


def grow(registry: Registry, number: int = 0) -> None:
    """One leaf more."""
    body = AddOwner(CODES[number], (Kind.RESOURCE_PROVIDER,), "杭州", "noc@example.cn")
    assert registry.submit(Request(ADMINISTRATOR, body)).status.success


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A log of four leaves: an owner, a key, an owner, another key; a checkpoint by each."""
    with made(tmp_path / "node") as opened:
        grow(opened)
        opened.set_key(FIRST, None, ADMINISTRATOR)
        grow(opened, 1)
        opened.checkpoint(FIRST, ADMINISTRATOR)
        opened.set_key(SECOND, FIRST, AUDITOR, "轮换")
        opened.checkpoint(SECOND, ADMINISTRATOR)
        yield opened


def faults(registry: Registry, *trusted: SigningKey) -> list[str]:
    with registry.store.read() as read:
        return [fault.reason for fault in check_kept(read, [key.verifier for key in trusted])]


def keep(registry: Registry, note: str, actor: Any = ADMINISTRATOR) -> bool:
    told: bool = registry.perform(KEEP, Told(note, actor).packed())
    return told


def at(registry: Registry, size: int, key: SigningKey) -> str:
    with registry.log() as log:
        return sign_checkpoint(Checkpoint(NAME, size, log.root(size)), key)


def test_the_key_in_force_is_told_by_the_size_of_the_log(registry: Registry) -> None:
    chain = registry.keys()
    assert chain.keys == (SECOND.verifier, FIRST.verifier)
    by_size = [chain.at(size) for size in range(6)]
    assert by_size == [FIRST.verifier] * 4 + [SECOND.verifier] * 2
    assert [chain.open(note).size for note in registry.checkpoints()] == [3, 4]
    with registry.log() as log:
        leaf = log_entry.decode(log.leaf(3))
    assert (leaf.kind, leaf.on, leaf.prev, leaf.by) == ("audit.key", NAME, 1, AUDITOR.name)
    assert (leaf.why, leaf.status) == ("轮换", 100)
    assert faults(registry) == faults(registry, FIRST) == faults(registry, SECOND) == []
    assert registry.verify([FIRST.verifier]).agrees and registry.verify([SECOND.verifier]).agrees
    assert faults(registry, STRANGER) == [f"key {STRANGER.verifier.label} is none of this log"]


@pytest.mark.parametrize("key", [FIRST, STRANGER])
def test_only_the_key_in_force_signs(registry: Registry, key: SigningKey) -> None:
    grow(registry, 2)
    with pytest.raises(AuditError, match="is signed by"):
        registry.checkpoint(key, ADMINISTRATOR)
    with pytest.raises(AuditError, match="not signed by"):
        keep(registry, at(registry, 5, key))
    assert len(registry.checkpoints()) == 2


def test_what_was_signed_before_a_rotation_that_came_between_is_kept(registry: Registry) -> None:
    grow(registry, 2)
    note = at(registry, 5, SECOND)
    registry.set_key(THIRD, SECOND, ADMINISTRATOR)
    assert keep(registry, note)
    registry.checkpoint(THIRD, ADMINISTRATOR)
    assert [kept.parsed(one).size for one in registry.checkpoints()] == [3, 4, 5, 6]
    assert registry.verify([FIRST.verifier, THIRD.verifier]).agrees


def test_a_checkpoint_is_kept_once_and_no_smaller_one_after_it(registry: Registry) -> None:
    before = registry.checkpoints()
    assert registry.checkpoint(SECOND, ADMINISTRATOR) == before[-1]
    assert not keep(registry, at(registry, 2, FIRST))
    assert registry.checkpoints() == before


def test_a_checkpoint_of_another_log_is_not_kept(registry: Registry) -> None:
    grow(registry, 2)
    root = bytes(32)
    for note in (
        sign_checkpoint(Checkpoint(NAME, 5, root), SECOND),
        sign_checkpoint(Checkpoint(NAME, 99, root), SECOND),
        sign_checkpoint(Checkpoint("other", 5, root), SECOND),
        "no note",
    ):
        with pytest.raises(AuditError):
            keep(registry, note)
    assert len(registry.checkpoints()) == 2


@pytest.mark.parametrize("actor", [READER, REGISTRAR])
@pytest.mark.parametrize("unit", [KEEP, SET_KEY])
def test_the_units_ask_for_the_role_themselves(registry: Registry, actor: Any, unit: str) -> None:
    with pytest.raises(AuditError, match="is for: administrator, auditor"):
        registry.perform(unit, Told("", actor).packed())


@pytest.mark.parametrize(
    "args",
    [
        None,
        {},
        {"note": "", "actor": ["a"], "reason": ""},
        {"note": b"", "actor": ["a", "auditor", "", ""], "reason": ""},
        {"note": "", "actor": ["a", "king", "", ""], "reason": ""},
        {"note": "", "actor": ["a\n", "auditor", "", ""], "reason": ""},
    ],
)
@pytest.mark.parametrize("unit", [KEEP, SET_KEY])
def test_what_is_malformed_is_refused_in_words(registry: Registry, unit: str, args: Any) -> None:
    with pytest.raises(AuditError):
        registry.perform(unit, args)


def statement(registry: Registry, **changed: Any) -> KeyStatement:
    with registry.log() as log:
        values = {"key": THIRD.verifier, "size": log.size, "root": log.root(), "before": 3}
    return KeyStatement(**(values | changed))


@pytest.mark.parametrize(
    ("changed", "signers", "reason"),
    [
        ({}, (THIRD, None), "not signed by"),
        ({}, (THIRD, FIRST), "not signed by"),
        ({}, (SECOND, None), "not signed by"),
        ({"before": 1}, (THIRD, SECOND), "follows leaf 1"),
        ({"before": -1}, (THIRD, SECOND), "follows leaf -1"),
        ({"size": 99}, (THIRD, SECOND), "of 99 leaves"),
        ({"size": 2}, (THIRD, SECOND), "of 2 leaves"),
        ({"root": bytes(32)}, (THIRD, SECOND), "another root"),
        ({"key": FIRST.verifier}, (FIRST, SECOND), "has signed here before"),
        ({"key": SECOND.verifier}, (SECOND, SECOND), "has signed here before"),
    ],
)
def test_a_key_comes_into_force_by_the_one_before_and_for_this_place_alone(
    registry: Registry, changed: dict[str, Any], signers: tuple[Any, Any], reason: str
) -> None:
    note = sign_statement(statement(registry, **changed), *signers)
    with pytest.raises(AuditError, match=reason):
        registry.perform(SET_KEY, Told(note, ADMINISTRATOR).packed())
    assert registry.keys().keys[0] == SECOND.verifier
    assert registry.verify().agrees


def test_a_statement_may_wait_while_others_write_and_is_taken_once(registry: Registry) -> None:
    with registry.store.read() as read:
        note = propose(read, THIRD, SECOND)
    grow(registry, 2)
    told = Told(note, ADMINISTRATOR).packed()
    assert registry.perform(SET_KEY, told) == registry.perform(SET_KEY, told) == 5
    assert registry.keys().links[-1].leaf == 5


def test_a_statement_for_one_log_holds_in_no_other(registry: Registry, tmp_path: Path) -> None:
    with made(tmp_path / "other") as other:
        other.set_key(FIRST, None, ADMINISTRATOR)
        grow(other)
        with registry.log() as log:
            first, second = (log_entry.decode(log.leaf(index)) for index in (1, 3))
        for leaf in (first, second):
            note = codec.decode_audit_key(leaf.after).note
            with pytest.raises(AuditError, match=r"another place|another root"):
                other.perform(SET_KEY, Told(note, ADMINISTRATOR).packed())


def test_a_log_signed_before_keys_had_leaves_gets_its_key_at_the_next_checkpoint(
    tmp_path: Path,
) -> None:
    with made(tmp_path / "node") as opened:
        grow(opened)
        with opened.store.write() as txn:  # as version 1 has it
            table = txn.table(transaction.CHECKPOINTS)
            table.put((1).to_bytes(8, "big"), at(opened, 1, FIRST).encode())
            assert kept.migrate_checkpoints(txn) == 1
            assert kept.migrate_checkpoints(txn) == 0
        assert opened.verify([FIRST.verifier]).agrees
        assert not opened.verify([SECOND.verifier]).agrees
        with pytest.raises(AuditError, match="not signed by"):
            opened.set_key(SECOND, None, ADMINISTRATOR)
        opened.checkpoint(FIRST, ADMINISTRATOR)
        assert [kept.parsed(one).size for one in opened.checkpoints()] == [1, 2]
        assert opened.keys().keys == (FIRST.verifier,)
        opened.set_key(SECOND, FIRST, ADMINISTRATOR)
        assert opened.verify([FIRST.verifier]).agrees and opened.verify([SECOND.verifier]).agrees


def test_a_damaged_checkpoint_of_version_1_is_carried_over_and_found(tmp_path: Path) -> None:
    with made(tmp_path / "node") as opened:
        with opened.store.write() as txn:
            txn.table(transaction.CHECKPOINTS).put(bytes(8), b"\xff")
            assert kept.migrate_checkpoints(txn) == 1
        assert len(faults(opened)) == 1


def rows(registry: Registry) -> dict[bytes, bytes]:
    with registry.store.read() as read:
        return dict(kept.rows(read))


def test_every_octet_of_the_kept_checkpoints_counts(registry: Registry) -> None:
    for key, note in rows(registry).items():
        for number in range(len(key)):
            changed = key[:number] + bytes((key[number] ^ 1,)) + key[number + 1 :]
            _found(registry, {key: None, changed: note})
        for number in range(len(note)):
            changed = note[:number] + bytes((note[number] ^ 1,)) + note[number + 1 :]
            _found(registry, {key: changed})
        _found(registry, {key: None})
        _found(registry, {key[:8]: note})
        _found(registry, {key: note[:-1]})
    assert faults(registry) == []


def _found(registry: Registry, changed: dict[bytes, bytes | None]) -> None:
    """What differs in the table is found, and nothing is signed meanwhile."""
    before = rows(registry)
    grow_needed = registry.checkpoints()
    _write(registry, changed)
    assert faults(registry), changed
    with pytest.raises(AuditError):
        registry.checkpoint(SECOND, ADMINISTRATOR)
    _write(registry, {key: before.get(key) for key in changed})
    assert registry.checkpoints() == grow_needed


def _write(registry: Registry, changed: dict[bytes, bytes | None]) -> None:
    with registry.store.write() as txn:
        table = txn.table(transaction.CHECKPOINTS)
        for key, value in changed.items():
            if value is None:
                table.delete(key)
            else:
                table.put(key, value)


def test_every_octet_of_the_count_counts(registry: Registry) -> None:
    with registry.store.read() as read:
        value = transaction.AuditStore(read).get(KEPT_KEY)
    assert value is not None
    for number in range(len(value)):
        changed = value[:number] + bytes((value[number] ^ 1,)) + value[number + 1 :]
        with registry.store.write() as txn:
            transaction.AuditStore(txn).put_many([(KEPT_KEY, changed)])
        assert faults(registry)
    with registry.store.write() as txn:
        transaction.AuditStore(txn).put_many([(KEPT_KEY, b"")])
    assert faults(registry)


def test_a_row_of_the_key_that_another_tool_changed_is_found(registry: Registry) -> None:
    with registry.log() as log:
        first = log_entry.decode(log.leaf(1)).after
    for value in (None, b"", b"\xc0", first[:-1], first, codec.encode(("", 0, 0))):
        with registry.store.write() as txn:
            settings = transaction.TransactionView(txn).table(codec.SETTINGS)
            before = settings.get(codec.AUDIT_KEY)
            assert before is not None
            if value is None:
                settings.delete(codec.AUDIT_KEY)
            else:
                settings.put(codec.AUDIT_KEY, value)
        assert faults(registry, FIRST, SECOND), value
        with registry.store.write() as txn:
            transaction.TransactionView(txn).table(codec.SETTINGS).put(codec.AUDIT_KEY, before)
    assert faults(registry) == []
