"""Checkpoints of the log of a data directory: signed where the private key is, kept by the writer,
which judges them itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Final

from registry.audit import AuditError, Fault, KeyChain, Log, SigningKey, VerifierKey
from registry.audit.verify import MAX_FAULTS
from registry.rules.acting import Acting
from registry.rules.requests import Actor
from registry.signing import kept
from registry.signing.keys import Told, chain_of, propose, stray_keys
from registry.tables.transaction import AuditStore
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction

Perform = Callable[[str, Any], Any]
SET_KEY: Final = "audit.key"  # the units
KEEP: Final = "checkpoint"
_ATTEMPTS: Final = 5  # others may sign at the same time


def sign(store: Store, perform: Perform, key: SigningKey, actor: Actor, reason: str = "") -> str:
    """Sign the log as it stands and have the checkpoint kept; returns it as a text.

    A log without a key gets this one first, as a leaf of its own.

    Args:
        perform: has a unit carried out.

    Raises:
        AuditError: the key is not the one in force, the last checkpoint does not hold, or the log
            is not what it said: nothing is signed.
        StoreError: the store is full or fails.
    """
    for _ in range(_ATTEMPTS):
        with store.read() as read:
            chain = chain_of(read)
            note = _checkpoint(read, chain, key) if chain.links else propose(read, key, None)
        done = perform(KEEP if chain.links else SET_KEY, Told(note, actor, reason).packed())
        if chain.links and done:
            return note
    raise AuditError("others signed the log at the same time, again and again; try again")


def _checkpoint(read: ReadTransaction, chain: KeyChain, key: SigningKey) -> str:
    in_force = chain.links[-1].key
    if key.verifier != in_force:
        raise AuditError(
            f"the key given is {key.verifier.label}, the log is signed by {in_force.label} now: "
            "give the private key of that with --key"
        )
    previous = kept.require_last(read, chain)
    if fault := kept.changed(read):
        raise AuditError(f"{fault}: nothing is signed; verify the log")
    return Log(AuditStore(read)).checkpoint(key, previous)


def keep(store: Store, args: Any, by: Acting) -> bool:
    """Unit `checkpoint`: keep a signed checkpoint. False if a larger log was signed meanwhile.

    Raises:
        AuditError: the role may not; or it is not signed by the key in force at its size, is no
            checkpoint of this log, or the last one kept does not hold: nothing is kept.
    """
    told = Told.of(args, by)
    with store.write() as txn:
        chain = chain_of(txn)
        point = chain.open(told.note)
        kept.require_covered(Log(AuditStore(txn)), point)
        before = kept.require_last(txn, chain)
        if before is not None and point.size <= before.size:
            return point.size == before.size
        signer = chain.at(point.size)
        assert signer is not None  # it has signed
        kept.keep(txn, point.size, signer, told.note)
    return True


def check_kept(read: ReadTransaction, trusted: Sequence[VerifierKey]) -> list[Fault]:
    """What is wrong with the keys and checkpoints of the log: at most MAX_FAULTS findings.

    Whether the log is what the checkpoints say is for `registry.audit.verify`, given `kept.points`.

    Args:
        trusted: the keys that somebody vouches for: each must have signed this log; none if
            signatures are judged by what the log itself says of its keys alone.
    """
    try:
        chain = chain_of(read)
        found = [
            Fault(0, 0, f"key {key.label} is none of this log")
            for key in (chain.strangers(trusted) if chain.links else ())
        ]
        found += [
            Fault(index, index + 1, "names a key of the log that the one before has not signed")
            for index in stray_keys(read, chain)[:MAX_FAULTS]
        ]
        found += islice(kept.faults(read, chain, trusted), MAX_FAULTS)
    except AuditError as error:
        return [Fault(0, 0, str(error))]
    return found[:MAX_FAULTS]
