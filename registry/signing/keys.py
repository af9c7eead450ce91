"""The keys that sign the log of a data directory: which there are, and how one succeeds another.

A key is a leaf of the log (kind `audit.key`; its ``after`` is the row `audit-key` of the settings).
The statement in it is signed where the private keys are, in the command; the unit that writes it
judges it inside its transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from registry.audit import AuditError, KeyChain, KeyStatement, Log, SigningKey
from registry.audit.succession import NO_KEY_BEFORE, sign_statement
from registry.rules.acting import Acting
from registry.rules.policy import MAY_AUDIT
from registry.rules.requests import ACTOR_MAX, TEXT_MAX, Actor
from registry.rules.status import Status
from registry.rules.texts import text_fault
from registry.signing import kept
from registry.tables import codec, log_entry, view
from registry.tables.log_entry import EntryWriter, LogEntry
from registry.tables.rows import NO_LEAF, AuditKey
from registry.tables.transaction import AuditStore, TransactionView, append_leaves
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.store.write import WriteTransaction

KIND: Final = "audit.key"  # of the leaf of a key
_MARK: Final = b"\xa9" + KIND.encode("ascii")  # as msgpack has it, to find such leaves quickly


class Told(NamedTuple):
    """What a unit of this room is asked: a signed note, by whom, and why."""

    note: str
    actor: Actor
    reason: str = ""

    def packed(self) -> dict[str, Any]:
        """As a unit gets it."""
        actor = self.actor
        return {
            "note": self.note,
            "actor": [actor.name, actor.role.value, actor.owner, actor.peer],
            "reason": self.reason,
        }

    @classmethod
    def of(cls, args: Any, by: Acting) -> Told:
        """What was packed, by somebody who may ask this.

        Raises:
            ActingError: it is somebody else.
            AuditError: it is malformed, or the role may not.
        """
        try:
            name, role, owner, _ = args["actor"]
            told = cls(args["note"], by.actor(name, role, owner), args["reason"])
            "".join((told.note, name, owner, told.reason))  # all of them text
        except (TypeError, KeyError, ValueError):
            raise AuditError(
                "expected note, actor (name, role, owner, peer) and reason, as text"
            ) from None
        if told.actor.role not in MAY_AUDIT:
            allowed = ", ".join(sorted(one.value for one in MAY_AUDIT))
            raise AuditError(f"{name} is {told.actor.role.value}; the audit log is for: {allowed}")
        fault = (
            text_fault("the actor's name", name, ACTOR_MAX)
            or text_fault("the actor's owner", owner, ACTOR_MAX, 0)
            or text_fault("the reason", told.reason, TEXT_MAX, 0)
        )
        if fault:
            raise AuditError(fault.detail)
        return told


def chain_of(txn: ReadTransaction | WriteTransaction) -> KeyChain:
    """The keys of the log, each judged by the one before.

    Raises:
        AuditError: a leaf of theirs is missing, is not what the row says, or does not hold.
    """
    value = TransactionView(txn).get(codec.SETTINGS, codec.AUDIT_KEY)
    if value is None:
        return KeyChain()
    log = Log(AuditStore(txn))
    leaves = list(_back(log, _decoded(value).leaf))
    if leaves[0][1].after != value:
        raise AuditError(
            f"the key of the audit log is not the one of leaf {leaves[0][0]}: the row was changed "
            "by another tool; verify the log"
        )
    chain = KeyChain()
    for index, entry in reversed(leaves):
        chain = chain.follow(index, _decoded(entry.after).note, log.root)
    return chain


def _back(log: Log, index: int) -> Iterator[tuple[int, LogEntry]]:
    """The leaves of the keys from one back to the first."""
    while index != NO_LEAF:
        entry = _entry(log.leaf(index))
        if entry is None or entry.prev >= index:
            raise AuditError(f"leaf {index} of the audit log should be that of a key; verify it")
        yield index, entry
        index = entry.prev


def _entry(leaf: bytes) -> LogEntry | None:
    try:
        entry = log_entry.decode(leaf)
    except ValueError:
        return None
    return entry if entry.kind == KIND and isinstance(entry.prev, int) else None


def _decoded(value: bytes) -> AuditKey:
    try:
        row = codec.decode_audit_key(value)
        if isinstance(row.note, str) and isinstance(row.leaf, int) and row.leaf >= 0:
            return row
    except (ValueError, TypeError):
        pass
    raise AuditError(f"no row of a key of the audit log: {value[:40].hex()}; verify the log")


def stray_keys(txn: ReadTransaction, chain: KeyChain) -> list[int]:
    """The leaves that name a key of the log without being in its chain; reads all leaves."""
    known = {link.leaf for link in chain.links}
    return [
        index
        for index, leaf in enumerate(AuditStore(txn).leaves())
        if _MARK in leaf and index not in known and _entry(leaf) is not None
    ]


def propose(
    txn: ReadTransaction | WriteTransaction, new: SigningKey, old: SigningKey | None
) -> str:
    """The signed statement that puts a key in force in the log as it stands; ``old`` is the key
    that is in force now, None for the first.
    """
    log = Log(AuditStore(txn))
    links = chain_of(txn).links
    before = links[-1].leaf if links else NO_KEY_BEFORE
    statement = KeyStatement(new.verifier, log.size, log.root(), before)
    return sign_statement(statement, new, old)


def set_key(store: Store, args: Any, by: Acting) -> int:
    """Unit `audit.key`: put a key in force by its statement; the index of its leaf.

    Asked again with the same statement, it says so again.

    Raises:
        AuditError: the role may not, or the statement does not hold here: nothing is changed.
    """
    told = Told.of(args, by)
    with store.write() as txn:
        seen = TransactionView(txn)
        before = view.get_audit_key(seen)
        if before is not None and before.note == told.note:
            return before.leaf
        log = Log(AuditStore(txn))
        index, tree = log.state()
        chain = chain_of(txn).follow(index, told.note, log.root)
        key = chain.links[-1].key
        if key.algorithm.tree_hash != tree.name:
            raise AuditError(
                f"the audit log is hashed with {tree.name}, a key for {key.algorithm.name} signs "
                f"trees of {key.algorithm.tree_hash}: use a key of the log's kind"
            )
        if before is None:
            kept.require_last(txn, chain)  # what was signed before keys had leaves is its work
        now = int(time.time())
        row = codec.encode(AuditKey(told.note, index, now))
        actor = told.actor
        writer = EntryWriter(
            actor.name, actor.role.value, actor.owner, KIND, now, told.reason, 0, actor.peer
        )
        prev = NO_LEAF if before is None else before.leaf
        leaf = writer.entry(key.name, row, prev, "", Status.DONE.number)
        seen.table(codec.SETTINGS).put(codec.AUDIT_KEY, row)
        append_leaves(txn, [leaf], index + 1)
    return index
