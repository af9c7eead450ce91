"""Making a backup: one moment of the data, beside whoever writes.

The moment is copied first (`Store.copied`); all else is done with the copy, which nobody waits for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import BinaryIO, Final, NamedTuple

from registry.audit import AuditError, Log
from registry.backup import manifest, packing, pages, shelf
from registry.backup.errors import BackupError
from registry.backup.manifest import Base, KeyFile, Kind, Manifest
from registry.backup.sealing import Sealer, Writes
from registry.signing import kept
from registry.tables.transaction import AuditStore, open_tables
from resolver.files import PRIVATE, alone_in, write_whole
from resolver.store.environment import Store
from resolver.store.meta import SCHEMA_VERSION

KEY_FILES: Final = "audit-key.pem*"
_PURPOSE: Final = b"csid backup pages"
_READ: Final = 1 << 20


class Moment(NamedTuple):
    """A copy of the data."""

    store: Store
    file: BinaryIO
    key_files: tuple[bytes, ...]
    key: bytes  # of the digests of pages
    time: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup that was made.

    Attributes:
        manifest: of it.
        octets: of its file.
        new_pages: pages that it gives; the others are named.
        gone: backups that were removed since newer ones are kept.
        why_full: why it is no difference, in words; empty if it is one, or none was wanted.
    """

    manifest: Manifest
    octets: int
    new_pages: int
    gone: tuple[Path, ...] = ()
    why_full: str = ""


def to_stream(store: Store, out: BinaryIO, sealer: Sealer) -> Taken:
    """Write a full backup to a stream.

    Raises:
        StoreError: there is no room for the copy.
        BackupError: the data have what cannot be backed up.
        OSError: the stream takes no more.
    """
    with _moment(store) as moment:
        found, _ = _look(moment, sealer, wants_pages=False)
        written = _Counted(out)
        _write(moment, found, [-1] * found.pages, sealer, written)
        out.flush()
    return Taken(found, written.octets, found.pages)


def to_folder(
    store: Store,
    folder: Path,
    sealer: Sealer,
    full_every: int = 1,
    keep: int = 0,
) -> Taken:
    """Write a backup into a folder: a full one, or the difference from the newest there.

    Args:
        full_every: of so many backups one is full.
        keep: how many are kept; 0: all.

    Raises:
        StoreError: there is no room for the copy.
        BackupError: the data have what cannot be backed up.
        FileError: the folder cannot be written to; it has what it had.
    """
    with alone_in(folder):
        shelf.tidy(folder)
        with _moment(store) as moment:
            found, digests = _look(moment, sealer, wants_pages=True)
            known = [one for one in shelf.backups_in(folder) if one[1].node == found.node]
            with moment.store.read() as read:
                log = Log(AuditStore(read))
                base, why_full = _base(known, found, log, full_every)
                found, places = _against(base, found, digests)
                path = folder / found.name
                shelf.note_pages(path, found, digests)
                with write_whole(path, PRIVATE, new=True) as file:
                    written = _Counted(file.buffer)
                    _write(moment, found, places, sealer, written)
                gone = (
                    shelf.keep([*known, (path, found)], keep, lambda one: _goes_on(one, log))
                    if keep
                    else []
                )
        new = places.count(-1)
        if base is not None and found.kind is Kind.FULL:
            why_full = "most of the data have changed"
        return Taken(found, written.octets, new, tuple(gone), why_full)


def _base(
    known: list[tuple[Path, Manifest]], found: Manifest, log: Log, full_every: int
) -> tuple[tuple[Base, bytes] | None, str]:
    """The backup to start from with the digests of its pages; or None, and why there is none."""
    if not known or full_every <= 1:
        return None, ""
    path, before = known[-1]
    if not _goes_on(before, log):
        return None, (
            f"the audit log does not go on from that of {path.name}: an older copy was put back, "
            "or the log was changed; verify it"
        )
    try:
        chain = shelf.chain_of(path, before)
    except BackupError as error:
        return None, str(error)
    if len(chain) >= full_every:
        return None, ""
    if before.whom != found.whom:
        return None, f"{path.name} is not encrypted as this one is"
    digests = shelf.pages_of(path, before)
    if digests is None or before.page != found.page:
        return None, f"what tells the pages of {path.name} apart is not there or not whole"
    return (Base(path.name, before.sha256, before.size, before.root), digests), ""


def _goes_on(before: Manifest, log: Log) -> bool:
    """Whether a log goes on from that of a backup."""
    try:
        return before.size <= log.size and log.root(before.size).hex() == before.root
    except AuditError:
        return False


def _against(
    base: tuple[Base, bytes] | None, found: Manifest, digests: bytes
) -> tuple[Manifest, list[int]]:
    """The manifest, and where each page is in the base; a full one where little would be saved."""
    if base is not None:
        places = pages.places(base[1], digests)
        if places.count(-1) * 2 <= len(places):
            return replace(found, kind=Kind.DIFFERENCE, base=base[0]), places
    return found, [-1] * found.pages


@contextmanager
def _moment(store: Store) -> Iterator[Moment]:
    secret, time = store.settings().cookie_secret, manifest.now()
    with store.copied() as (copy, file):
        open_tables(copy)
        key = sha256(_PURPOSE + secret).digest()
        yield Moment(copy, file, tuple(_key_files(store.path)), key, time)


def _key_files(folder: Path) -> Iterator[bytes]:
    """The files of the key of the log, each as its name, 00 and its octets."""
    for path in sorted(folder.glob(KEY_FILES)):
        if not path.is_file() or not manifest.FILE_NAME.fullmatch(path.name):
            continue
        octets = path.read_bytes()
        if len(octets) > manifest.KEY_FILE_MAX:
            raise BackupError(
                f"{path}: has {len(octets):,} octets, a file of keys has at most "
                f"{manifest.KEY_FILE_MAX:,}: put it elsewhere"
            )
        yield path.name.encode() + b"\0" + octets


def _look(moment: Moment, sealer: Sealer, wants_pages: bool) -> tuple[Manifest, bytes]:
    """What a copy is, and what tells its pages apart."""
    page = moment.store.page_octets
    sums: list[str] = []
    summing = Thread(target=lambda: sums.append(_sum(moment.file)))
    summing.start()
    try:
        digests = b""
        if wants_pages:
            digests = b"".join(pages.digests(moment.file, page, moment.key))
        files = tuple(_key_file(one) for one in moment.key_files)
        settings = moment.store.settings()
        with moment.store.read() as read:
            log = Log(AuditStore(read))
            size, root, point = log.size, log.root(), kept.last(read)
    finally:
        summing.join()
    found = Manifest(
        kind=Kind.FULL,
        time=moment.time,
        node=settings.node.hex(),
        suffix=settings.suffix,
        schema=str(SCHEMA_VERSION),
        size=size,
        root=root.hex(),
        checkpoint=point,
        page=page,
        pages=os.fstat(moment.file.fileno()).st_size // page,
        sha256=sums[0],
        files=files,
        sealing=sealer.sealing,
        key=sealer.key,
        whom=sha256(moment.key + sealer.sealing.value.encode() + b"\0" + sealer.whom).hexdigest(),
    )
    return found, digests


def _key_file(one: bytes) -> KeyFile:
    name, _, octets = one.partition(b"\0")
    return KeyFile(name.decode(), len(octets), sha256(octets).hexdigest())


def _sum(file: BinaryIO) -> str:
    """SHA-256 of a file, which others may read at the same time."""
    total, place = sha256(), 0
    while octets := os.pread(file.fileno(), _READ, place):
        total.update(octets)
        place += len(octets)
    return total.hexdigest()


def _write(
    moment: Moment, found: Manifest, places: list[int], sealer: Sealer, out: _Counted
) -> None:
    def records() -> Iterator[bytes]:
        yield from pages.difference(moment.file, found.page, places)
        for one in moment.key_files:
            yield one.partition(b"\0")[2]

    out.write(found.head())
    sealer.write(packing.packed(records()), out)


class _Counted:
    """A file that is written, and how much of it was."""

    def __init__(self, file: Writes) -> None:
        self._file = file
        self.octets = 0

    def write(self, octets: bytes) -> int:
        self._file.write(octets)
        self.octets += len(octets)
        return len(octets)

    def flush(self) -> None:
        self._file.flush()
