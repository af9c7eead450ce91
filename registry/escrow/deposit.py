"""Making a deposit: one moment of what is registered, beside whoever writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from csid.errors import FileError
from registry.audit import AuditError, Log, SigningKey
from registry.backup import Sealer, Sealing
from registry.backup.manifest import now
from registry.backup.packing import packed
from registry.backup.sealing import Writes
from registry.escrow import statement
from registry.escrow.errors import EscrowError
from registry.escrow.objects import Object, objects
from registry.escrow.statement import Kind, Statement
from registry.signing.keys import chain_of
from registry.tables.transaction import AuditStore, TransactionView, open_tables
from resolver.files import PRIVATE, alone_in, write_whole
from resolver.store.environment import Store

CHAIN_MAX: Final = 1_000
_DELETED: Final = ""  # counted beside the kinds of objects


class _Before(NamedTuple):
    """The deposit before."""

    statement: Statement
    sha256: str
    since_full: int  # deposits since the last full one, that one included


@dataclass(frozen=True, slots=True)
class Deposited:
    """A deposit that was made; ``path`` is its statement."""

    path: Path
    statement: Statement


def deposit(
    store: Store,
    folder: Path,
    key: SigningKey,
    sealer: Sealer,
    full_every: int = 1,
) -> Deposited:
    """Make a deposit: a full one, or what changed since the newest in the folder.

    Args:
        key: in force for the audit log.
        sealer: to recipients, or to nobody.
        full_every: of so many deposits one is full.

    Raises:
        EscrowError: the log does not go on from the deposit before, or the key is another: nothing
            is deposited.
        AuditError: the log is damaged.
        StoreError: there is no room for a copy of the data.
        FileError: the folder cannot be written to.
    """
    time = now()
    with alone_in(folder), store.copied() as (copy, _):
        open_tables(copy)
        settings = copy.settings()
        node = settings.node.hex()
        before = _before(folder, node)
        with copy.read() as read:
            links = chain_of(read).links
            if not links or links[-1].key != key.verifier:
                raise EscrowError(
                    f"{key.verifier.label}: is not the key that is in force for the audit log; "
                    "give that with --key, or make one with csid audit key --new"
                )
            log = Log(AuditStore(read))
            size, root = log.size, log.root().hex()
            growth = _growth(log, before)
            is_full = before is None or before.since_full >= full_every
            kind = Kind.FULL if is_full else Kind.DIFFERENTIAL
            name = statement.name_of(time, node, size, kind)
            ending = ".jsonl.gz.age" if sealer.sealing is Sealing.AGE else ".jsonl.gz"
            content = folder / f"{name}{ending}"
            counts: Counter[str] = Counter()
            since = 0 if is_full or before is None else before.statement.size
            lines = _lines(objects(TransactionView(read), since), counts)
            with write_whole(content, PRIVATE, new=True) as file:
                written = _Summed(file.buffer)
                sealer.write(packed(lines), written)
        deleted = counts.pop(_DELETED, 0)
        made = Statement(
            kind=kind,
            id=name,
            previous="" if before is None else before.statement.id,
            previous_sha256="" if before is None else before.sha256,
            time=time,
            node=node,
            suffix=settings.suffix,
            size=size,
            root=root,
            previous_size=0 if before is None else before.statement.size,
            growth=growth,
            content=content.name,
            octets=written.octets,
            sha256=written.sum.hexdigest(),
            objects=dict(counts),
            deleted=deleted,
        )
        path = folder / f"{name}{statement.SUFFIX}"
        with write_whole(path, PRIVATE, new=True) as file:
            file.write(made.signed(key))
    return Deposited(path, made)


def _before(folder: Path, node: str) -> _Before | None:
    """The newest deposit of a node in a folder."""
    found: list[tuple[Statement, str]] = []
    for path in folder.glob(f"*{statement.SUFFIX}"):
        with suppress(EscrowError, FileError):
            note = statement.note_in(path)
            said = statement.read(note, path.name, None)
            if said.node == node and (folder / said.content).exists():
                found.append((said, sha256(note.encode()).hexdigest()))
    if not found:
        return None
    found.sort(key=lambda one: one[0].time, reverse=True)
    kinds = [said.kind for said, _ in found]
    since = kinds.index(Kind.FULL) + 1 if Kind.FULL in kinds else CHAIN_MAX
    return _Before(*found[0], since)


def _growth(log: Log, before: _Before | None) -> tuple[str, ...]:
    """The proof that the log goes on from the deposit before.

    Raises:
        EscrowError: it does not.
    """
    if before is None:
        return ()
    said = before.statement
    try:
        goes_on = said.size <= log.size and log.root(said.size).hex() == said.root
    except AuditError:
        goes_on = False
    if not goes_on:
        raise EscrowError(
            f"{said.id}: the audit log does not go on from this deposit: an older copy was put "
            "back, or the log was changed. Verify it, tell whoever has the deposits, and begin "
            "anew in an empty folder"
        )
    return tuple(digest.hex() for digest in log.consistency(said.size))


def _lines(found: Iterator[Object], counts: Counter[str]) -> Iterator[bytes]:
    for one in found:
        counts[one["object"]] += 1
        counts[_DELETED] += "deleted" in one
        yield json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class _Summed:
    """A file that is written, with its sum."""

    def __init__(self, file: Writes) -> None:
        self._file = file
        self.octets = 0
        self.sum = sha256()

    def write(self, octets: bytes) -> int:
        self._file.write(octets)
        self.sum.update(octets)
        self.octets += len(octets)
        return len(octets)

    def flush(self) -> None:
        self._file.flush()
