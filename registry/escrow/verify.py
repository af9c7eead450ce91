"""Judging deposits with nothing but their files and a public key."""

from __future__ import annotations

import gzip
import json
import tempfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from csid.errors import FileError
from registry.audit import ProofError, VerifierKey
from registry.audit.merkle import tree_hash, verify_consistency
from registry.backup import BackupError, Opener
from registry.backup.sealing import decrypt
from registry.escrow import statement
from registry.escrow.errors import EscrowError
from registry.escrow.objects import WORDS_IN_ORDER
from registry.escrow.statement import Kind, Statement

LINE_MAX: Final = 1 << 20  # octets of an object
_READ: Final = 1 << 20
_AGE: Final = ".age"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as a deposit says; ``where`` is its file."""

    where: str
    reason: str

    def __str__(self) -> str:
        """Both, for people."""
        return f"{self.where}: {self.reason}"


@dataclass(slots=True)
class Report:
    """What verification found.

    Attributes:
        deposits: whose statements are signed, the oldest first.
        faults: what is wrong.
        unread: deposits whose content is encrypted, and was not looked into.
    """

    deposits: list[Statement] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unread: int = 0


def verify(folder: Path, keys: Sequence[VerifierKey], opener: Opener) -> Report:
    """Look at all deposits in a folder.

    Args:
        keys: of the audit log: one of them has signed each deposit.
        opener: to look into what is encrypted; the sums of the files are compared without.

    Raises:
        EscrowError: there is no deposit.
        FileError: the folder cannot be read.
    """
    report = Report()
    sums: dict[str, str] = {}
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise FileError(f"{folder}: cannot be read: {error.strerror}") from None
    notes = [path for path in paths if path.suffix == statement.SUFFIX]
    if not notes:
        raise EscrowError(f"{folder}: has no deposit (no file that ends in {statement.SUFFIX})")
    for path in notes:
        try:
            note = statement.note_in(path)
            said = statement.read(note, path.name, tuple(keys))
        except (EscrowError, FileError) as error:
            report.faults.append(Fault(path.name, str(error).removeprefix(f"{path.name}: ")))
            continue
        if path.name != f"{said.id}{statement.SUFFIX}":
            report.faults.append(Fault(path.name, f"was renamed: it is deposit {said.id}"))
        sums[said.id] = sha256(note.encode()).hexdigest()
        report.deposits.append(said)
        _content(folder, said, opener, report)
    report.deposits.sort(key=lambda one: one.time)
    _continuity(report, keys, sums)
    return report


def _content(folder: Path, said: Statement, opener: Opener, report: Report) -> None:
    """Compare the objects of a deposit with what it says of them."""
    try:
        with (folder / said.content).open("rb") as file:
            octets, total = 0, sha256()
            while some := file.read(_READ):
                octets += len(some)
                total.update(some)
            if (octets, total.hexdigest()) != (said.octets, said.sha256):
                raise EscrowError(
                    f"has {octets:,} octets with SHA-256 {total.hexdigest()}, the deposit says "
                    f"{said.octets:,} with {said.sha256}"
                )
            file.seek(0)
            if not said.content.endswith(_AGE):
                _objects(file, said)
            elif not opener.identities:
                report.unread += 1
            else:
                with tempfile.TemporaryFile() as clear:
                    decrypt(opener.identities, said.content, file, clear)
                    clear.seek(0)
                    _objects(clear, said)
    except OSError as error:
        report.faults.append(Fault(said.content, f"cannot be read: {error.strerror or error}"))
    except (EscrowError, BackupError) as error:
        told = str(error).removeprefix(f"{said.content}: ")
        report.faults.append(Fault(said.content, told))


def _objects(file: BinaryIO, said: Statement) -> None:
    """Look at each object.

    Raises:
        EscrowError: they are not what the deposit says.
    """
    first = said.previous_size if said.kind is Kind.DIFFERENTIAL else 0
    counts: Counter[str] = Counter()
    deleted, number, before = 0, 0, (False, -1, "")
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as lines:
            while line := lines.readline(LINE_MAX):
                number += 1
                one = json.loads(line)
                is_gone = one.get("deleted", False)
                place = (is_gone, WORDS_IN_ORDER[one["object"]], one["object"])
                if place < before:
                    raise EscrowError(f"line {number}: is out of order")
                if not first <= one["leaf"] < said.size:
                    raise EscrowError(
                        f"line {number}: {one['id']} is of leaf {one['leaf']}, expected one from "
                        f"{first} to {said.size - 1}"
                    )
                if is_gone and said.kind is Kind.FULL:
                    raise EscrowError(f"line {number}: is no more, in a full deposit")
                before = place
                counts[one["object"]] += 1
                deleted += is_gone
    except (ValueError, TypeError, KeyError, AttributeError, EOFError, zlib.error) as error:
        raise EscrowError(f"line {number}: is no object of a deposit: {error!r}") from None
    if (dict(counts), deleted) != (said.objects, said.deleted):
        raise EscrowError(
            f"has {dict(counts)}, {deleted} of them deleted; the deposit says {said.objects}, "
            f"{said.deleted}"
        )


def _continuity(report: Report, keys: Sequence[VerifierKey], sums: dict[str, str]) -> None:
    """Each deposit goes on from the one before; the oldest, where it is full, need not."""
    tree = tree_hash(keys[0].algorithm.tree_hash)
    by_id = {said.id: said for said in report.deposits}
    followed: dict[str, str] = {}

    def fault(said: Statement, reason: str) -> None:
        report.faults.append(Fault(f"{said.id}{statement.SUFFIX}", reason))

    for place, said in enumerate(report.deposits):
        if not said.previous:
            if place:
                fault(said, f"begins anew, though {report.deposits[place - 1].id} was before it")
            continue
        before = by_id.get(said.previous)
        if before is None:
            if place or said.kind is Kind.DIFFERENTIAL:
                fault(said, f"goes on from {said.previous}, which is not here or not signed")
            continue
        if said.previous in followed:
            fault(said, f"goes on from {said.previous}, as does {followed[said.previous]}")
        followed[said.previous] = said.id
        if sums[before.id] != said.previous_sha256:
            fault(said, f"goes on from another {before.id} than the one that is here")
        if (before.node, before.suffix) != (said.node, said.suffix):
            fault(said, f"is of another node than {before.id}")
        if before.size != said.previous_size:
            fault(said, f"says {said.previous_size} leaves of {before.id}, which has {before.size}")
            continue
        old, new = bytes.fromhex(before.root), bytes.fromhex(said.root)
        path = [bytes.fromhex(one) for one in said.growth]
        try:
            verify_consistency(tree, before.size, old, said.size, new, path)
        except ProofError as error:
            fault(said, f"its log does not go on from that of {before.id}: {error}")
