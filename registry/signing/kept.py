"""The checkpoints that were signed here: kept for ever, none written over, none gone unnoticed.

Table `registry.checkpoints`: size(8) key id(4) -> the note. Beside the log's tiles stands how many
there are with a chain of hashes over them: count(8), then SHA-256(chain before, key, note), which
begins with 32 octets of zero.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final

from registry.audit import (
    AuditError,
    Checkpoint,
    Fault,
    KeyChain,
    Log,
    NoteError,
    VerifierKey,
)
from registry.audit.keys import KEY_ID_SIZE
from registry.audit.note import Note
from registry.audit.store import KEPT_KEY
from registry.tables.transaction import CHECKPOINTS, AuditStore
from resolver.store.read import ReadTransaction
from resolver.store.write import WriteTransaction

Transaction = ReadTransaction | WriteTransaction

_COUNT: Final = struct.Struct(">Q32s")
_KEY: Final = struct.Struct(f">Q{KEY_ID_SIZE}s")
_KEY_1: Final = struct.Struct(">Q")  # of version 1


def rows(txn: Transaction) -> Iterator[tuple[bytes, bytes]]:
    """The table as it is stored, the smallest log first."""
    return txn.table(CHECKPOINTS).scan(b"")


def notes(txn: Transaction) -> list[str]:
    """The checkpoints that were signed here, the oldest first."""
    return [note.decode("utf-8", "replace") for _, note in rows(txn)]


def points(txn: Transaction) -> list[Checkpoint]:
    """What they say; their signatures, and those that say nothing, are for `faults`."""
    found = []
    for note in notes(txn):
        try:
            found.append(parsed(note))
        except NoteError:
            continue
    return found


def parsed(note: str) -> Checkpoint:
    """A checkpoint whose signatures are not looked at."""
    return Checkpoint.parse(Note.parse(note).text)


def last(txn: Transaction) -> str:
    """The checkpoint that was signed last, empty if there is none."""
    row = txn.table(CHECKPOINTS).last(b"")
    return "" if row is None else row[1].decode("utf-8", "replace")


def require_last(txn: Transaction, chain: KeyChain) -> Checkpoint | None:
    """The checkpoint that was signed last, once it holds; None if there is none.

    Raises:
        AuditError: it is not signed by the key in force then, the log is not what it says, or
            checkpoints were taken away.
    """
    count, _ = _count(txn)
    held = txn.table(CHECKPOINTS).entries()
    if count != held:
        raise AuditError(
            f"{count} checkpoints were signed here and {held} are kept: some were taken away or "
            "put in by another tool; nothing is signed; verify the log"
        )
    note = last(txn)
    if not note:
        return None
    try:
        point = chain.open(note)
    except NoteError as error:
        raise AuditError(
            f"the last checkpoint kept here does not hold, nothing is signed: {error}"
        ) from None
    require_covered(Log(AuditStore(txn)), point)
    return point


def require_covered(log: Log, point: Checkpoint) -> None:
    """Whether the log is, as far as it goes, what a checkpoint says.

    Raises:
        AuditError: it is shorter, or other leaves stand there.
    """
    size = log.size
    if point.size > size or log.root(point.size) != point.root:
        raise AuditError(
            f"the first {point.size} leaves of the audit log ({size} leaves) are not those of "
            "a checkpoint: nothing is signed or published; verify the log"
        )


def keep(txn: WriteTransaction, size: int, key: VerifierKey, note: str) -> None:
    """Keep a checkpoint that was judged; it is larger than all there are."""
    count, chain = _count(txn)
    row = (_KEY.pack(size, key.key_id), note.encode())
    txn.table(CHECKPOINTS).put(*row)
    AuditStore(txn).put_many([(KEPT_KEY, _COUNT.pack(count + 1, _linked(chain, row)))])


def faults(txn: Transaction, chain: KeyChain, trusted: Sequence[VerifierKey]) -> Iterator[Fault]:
    """What is wrong with the checkpoints kept here; whether the log agrees with `points` is for
    `registry.audit.verify`.

    Args:
        chain: the keys of the log.
        trusted: what judges them while the log itself names no key.
    """
    for number, row in enumerate(rows(txn), 1):
        fault = _fault(row, chain, trusted)
        if fault:
            yield Fault(0, 0, f"checkpoint {number} kept here: {fault}")
    if fault := changed(txn):
        yield Fault(0, 0, fault)


def changed(txn: Transaction) -> str:
    """How the checkpoints kept here differ from those that were signed here, empty if they do not;
    no signature is looked at.
    """
    count, digest = _count(txn)
    held, linked = 0, bytes(32)
    for row in rows(txn):
        held, linked = held + 1, _linked(linked, row)
    if held != count:
        return f"{count} checkpoints were signed here and {held} are kept"
    return "" if linked == digest else "the checkpoints kept here are not those that were signed"


def migrate_checkpoints(txn: WriteTransaction) -> int:
    """Bring the table of version 1 (size(8) -> note) into the form of version 2; how many there
    are. Where that was done before nothing is changed.
    """
    if AuditStore(txn).get(KEPT_KEY) is not None:
        return 0
    table = txn.table(CHECKPOINTS)
    old = [row for row in rows(txn) if len(row[0]) == _KEY_1.size]
    for key, note in old:
        table.delete(key)
        table.put(key + _signer_id(note), note)
    count, chain = 0, bytes(32)
    for row in rows(txn):
        count, chain = count + 1, _linked(chain, row)
    AuditStore(txn).put_many([(KEPT_KEY, _COUNT.pack(count, chain))])
    return len(old)


def _signer_id(note: bytes) -> bytes:
    """The id of the key that a checkpoint's first signature says it is of; zero in a damaged one,
    which `faults` tells.
    """
    try:
        return Note.parse(note.decode()).signatures[0].key_id
    except (NoteError, UnicodeDecodeError):
        return bytes(KEY_ID_SIZE)


def _count(txn: Transaction) -> tuple[int, bytes]:
    """How many checkpoints were signed here, and the chain over them."""
    value = AuditStore(txn).get(KEPT_KEY)
    if value is None:
        return 0, bytes(32)
    if len(value) != _COUNT.size:
        raise AuditError("the count of the checkpoints kept here is damaged; verify the log")
    count, chain = _COUNT.unpack(value)
    return count, chain


def _linked(chain: bytes, row: tuple[bytes, bytes]) -> bytes:
    return sha256(chain + row[0] + row[1]).digest()


def _fault(row: tuple[bytes, bytes], chain: KeyChain, trusted: Sequence[VerifierKey]) -> str | None:
    """What is wrong with one of them."""
    key, value = row
    try:
        note = Note.parse(value.decode())
        point = Checkpoint.parse(note.text)
        if chain.links or trusted:
            chain.open(value.decode(), trusted)
    except (NoteError, UnicodeDecodeError) as error:
        return str(error)
    if key not in {_KEY.pack(point.size, one.key_id) for one in note.signatures}:
        return f"is kept under {key.hex()}, not under its size {point.size} and key"
    return None
