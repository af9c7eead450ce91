"""A node made anew from a backup: whole and looked through, or not at all.

It has the identity of the node that it is a copy of, and nothing is written to it until somebody
says what came after the backup (`registry.resume`): the node may live on elsewhere, and codes may
have been given since.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from registry.audit import Log, VerifierKey
from registry.backup import pages, shelf
from registry.backup.errors import BackupError
from registry.backup.manifest import Manifest, read_head
from registry.backup.packing import Unpacked
from registry.backup.sealing import Opener
from registry.signing import kept
from registry.tables.rollback import RESTORED
from registry.tables.transaction import AuditStore, open_tables
from registry.verify import Progress, Report, in_silence, verify
from resolver.files import PRIVATE, folder_whole
from resolver.store.environment import Store
from resolver.store.meta import SCHEMA_VERSION

DATA_FILE: Final = "data.mdb"
_LOCK_FILE: Final = "lock.mdb"
_READ: Final = 1 << 20
_FAULTS_TOLD: Final = 3

# One backup after the other, the full one first: its name, and its file, read up to the content.
Input = Iterator[tuple[str, Manifest, BinaryIO]]


class FaultyError(BackupError):
    """What was restored is not what its audit log says; nothing is left of it."""

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True, slots=True)
class Restored:
    """What was made.

    Attributes:
        manifest: of the backup that it is.
        report: of the verification.
    """

    manifest: Manifest
    report: Report


def newest(folder: Path, node: str = "") -> Path:
    """The newest backup in a folder.

    Args:
        node: what the id of its node begins with.

    Raises:
        BackupError: there is none, or there are some of several nodes.
        FileError: the folder cannot be read.
    """
    found = [one for one in shelf.backups_in(folder) if one[1].node.startswith(node)]
    if not found:
        of_node = f" of node {node}" if node else ""
        raise BackupError(f"{folder}: has no backup{of_node} that csid backup has made")
    nodes = sorted({manifest.node for _, manifest in found})
    if len(nodes) > 1:
        raise BackupError(
            f"{folder}: has backups of nodes {', '.join(nodes)}: say which with --node, or give "
            "the file"
        )
    return found[-1][0]


def of_file(path: Path) -> Input:
    """A backup in a file, and those that it stands on, beside it."""
    for one, _ in shelf.chain_of(path, shelf.manifest_of(path)):
        with one.open("rb") as file:
            yield str(one), read_head(file, str(one)), file


def of_stream(file: BinaryIO) -> Input:
    """A full backup from a stream."""
    manifest = read_head(file, "stdin")
    if manifest.base is not None:
        raise BackupError(
            f"stdin: is the difference from {manifest.base.name}: put both into one folder and "
            "give the file"
        )
    yield "stdin", manifest, file


def restore(
    given: Input,
    path: Path,
    opener: Opener,
    keys: Callable[[Path], list[VerifierKey]] = lambda _folder: [],
    progress: Progress = in_silence,
    despite_faults: bool = False,
) -> Restored:
    """Make a data directory from a backup.

    Args:
        given: as `of_file` or `of_stream` gives it.
        path: of the new directory: free, or an empty folder.
        keys: of the log, that somebody vouches for, where the directory is given.
        despite_faults: also if verification finds something, where there is nothing better.

    Raises:
        BackupError: the backup cannot be decrypted, is cut off, was altered, or is not what it
            says; or verification finds something (FaultyError).
        FileError: the directory is there already, or cannot be written.
        StoreError: what is in it cannot be used by this program.
    """
    with folder_whole(path) as folder:
        manifest, name = _unpack(given, folder, opener)
        with Store.open(folder, writable=True) as store:
            open_tables(store)
            _require_same(store, manifest, name)
            with store.read() as read:
                report = verify(read, keys(folder), (), progress)
            if report.faults and not despite_faults:
                raise FaultyError(_said(name, report), report)
            with store.write() as txn:
                txn.table(b"meta").put(RESTORED, str(manifest.size).encode("ascii"))
        (folder / _LOCK_FILE).unlink(missing_ok=True)
    return Restored(manifest, report)


def _said(name: str, report: Report) -> str:
    first = "; ".join(str(one) for one in report.faults[:_FAULTS_TOLD])
    return (
        f"{name}: what it holds is not what its audit log says, so nothing was restored: {first}. "
        "Take an older backup, or --despite-faults if there is none"
    )


def _require_same(store: Store, manifest: Manifest, name: str) -> None:
    """Refuse what is not the node that the manifest names, or not as far."""
    settings = store.settings()
    with store.read() as read:
        log = Log(AuditStore(read))
        held = (settings.node.hex(), settings.suffix, log.size, log.root().hex(), kept.last(read))
    said = (manifest.node, manifest.suffix, manifest.size, manifest.root, manifest.checkpoint)
    if held != said:
        raise BackupError(
            f"{name}: its manifest speaks of node {said[0]} for {said[1]} with {said[2]:,} leaves, "
            f"its content is node {held[0]} for {held[1]} with {held[2]:,}: it was altered"
        )


def _unpack(given: Input, folder: Path, opener: Opener) -> tuple[Manifest, str]:
    """Write the files of a directory; gives the manifest of the last backup, and its name."""
    with ExitStack() as stack:
        base: BinaryIO | None = None
        before: Manifest | None = None
        for name, manifest, file in given:
            if manifest.schema != str(SCHEMA_VERSION):
                raise BackupError(
                    f"{name}: is of schema version {manifest.schema}, this program has "
                    f"{SCHEMA_VERSION}: restore it with the version that made it, then csid migrate"
                )
            if before is not None and before.page != manifest.page:
                raise BackupError(f"{name}: has other pages than {before.name}: it was altered")
            out = stack.enter_context(tempfile.TemporaryFile(dir=folder))
            with tempfile.TemporaryFile(dir=folder) as clear:
                content = Unpacked(opener.open(manifest, name, file, clear), name)
                _data(content, manifest, name, base, out)
                files = [content.read(one.octets) for one in manifest.files]
                content.end()
            base, before = out, manifest
        if base is None or before is None:
            raise BackupError("nothing was given to restore")
        for one, octets in zip(before.files, files, strict=True):
            if sha256(octets).hexdigest() != one.sha256:
                raise BackupError(f"{name}: {one.name} in it was altered")
            _put(folder / one.name, [octets])
        base.seek(0)
        _put(folder / DATA_FILE, iter(lambda: base.read(_READ), b""))
    return before, name


def _data(
    content: Unpacked, manifest: Manifest, name: str, base: BinaryIO | None, out: BinaryIO
) -> None:
    """Put the data of a backup together, and make sure that it is that."""
    if manifest.base is None:
        base = None
    try:
        pages.put_together(content.read, manifest.page, manifest.pages, base, out)
    except BackupError as error:
        told = str(error)
        raise BackupError(
            told if told.startswith(name) else f"{name}: was altered: {told}"
        ) from None
    out.flush()
    out.seek(0)
    total = sha256()
    while octets := out.read(_READ):
        total.update(octets)
    if total.hexdigest() != manifest.sha256:
        raise BackupError(
            f"{name}: its content has not the sum that its manifest says: it was altered; take "
            "another copy of it, or another backup"
        )


def _put(path: Path, pieces: Iterator[bytes] | list[bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        for octets in pieces:
            file.write(octets)
