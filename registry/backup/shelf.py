"""The backups in a folder: what is there, what belongs together, and what may go.

Beside a backup stands `NAME.pages`, which tells its pages apart, for the next difference; it is
not needed to restore. A file that has no name of its own yet (`resolver/files.py`) is no backup.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from csid.errors import FileError
from registry.backup.errors import BackupError
from registry.backup.manifest import Kind, Manifest, read_head
from resolver.files import PRIVATE, UNFINISHED, write_whole

PAGES: Final = ".pages"
CHAIN_MAX: Final = 1_000  # differences on one full backup
LEFT_SECONDS: Final = 86_400  # a file that is unfinished for so long is nobody's any more
_PAGES_MAGIC: Final = b"csid pages 1\n"
_SUFFIXES: Final = tuple(f".{kind.value}" for kind in Kind)


def manifest_of(path: Path) -> Manifest:
    """The manifest of a backup.

    Raises:
        BackupError: it is none.
        FileError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return read_head(file, str(path))
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None


def backups_in(folder: Path) -> list[tuple[Path, Manifest]]:
    """The backups in a folder, the oldest first; what cannot be read is none.

    Raises:
        FileError: the folder cannot be read.
    """
    try:
        paths = [one for one in folder.iterdir() if one.suffix in _SUFFIXES]
    except OSError as error:
        raise FileError(f"{folder}: cannot be read: {error.strerror}") from None
    found = []
    for path in paths:
        with suppress(BackupError, FileError):
            found.append((path, manifest_of(path)))
    return sorted(found, key=lambda one: one[1].time)


def chain_of(path: Path, manifest: Manifest) -> list[tuple[Path, Manifest]]:
    """What a backup is restored from: a full one, and the differences up to it, in order.

    Raises:
        BackupError: one of them is missing, or another one has its name.
        FileError: one of them cannot be read.
    """
    chain = [(path, manifest)]
    while (base := chain[0][1].base) is not None:
        if len(chain) > CHAIN_MAX:
            raise BackupError(f"{path}: stands on more than {CHAIN_MAX} differences")
        before = path.with_name(base.name)
        if not before.is_file():
            raise BackupError(
                f"{chain[0][0]}: is the difference from {base.name}, which is not in "
                f"{path.parent}: put it there, or take an older backup"
            )
        found = manifest_of(before)
        if (found.sha256, found.size, found.root) != (base.sha256, base.size, base.root) or (
            found.node != manifest.node
        ):
            raise BackupError(
                f"{before}: is not the backup that {chain[0][0].name} is the difference from: it "
                "was altered, or another one has its name"
            )
        chain.insert(0, (before, found))
    return chain


def keep(
    found: list[tuple[Path, Manifest]], most: int, of_log: Callable[[Manifest], bool]
) -> list[Path]:
    """Remove backups but the newest, and what these stand on; gives what is gone.

    A backup that stands on another goes before it, so that none is ever left without.

    Args:
        found: of one node, the oldest first.
        most: how many are kept.
        of_log: whether one has the log that goes on today; one that has another is left, as it may
            be all that there is of what was lost.
    """
    by_name: Mapping[str, Manifest] = {path.name: manifest for path, manifest in found}
    needed: set[str] = set()
    for path, _ in found[-most:]:
        name: str | None = path.name
        while name is not None and name not in needed:
            needed.add(name)
            base = by_name[name].base if name in by_name else None
            name = None if base is None else base.name
    gone = []
    for path, manifest in reversed(found):
        if path.name not in needed and of_log(manifest):
            path.unlink()
            path.with_name(path.name + PAGES).unlink(missing_ok=True)
            gone.append(path)
    return gone


def tidy(folder: Path) -> None:
    """Remove what backups that were killed have left."""
    for path in folder.iterdir():
        of_none = path.suffix == PAGES and not path.with_suffix("").exists()
        left = path.name.startswith(UNFINISHED) and path.is_file() and _is_old(path)
        if of_none or left:
            path.unlink(missing_ok=True)


def _is_old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > LEFT_SECONDS


def note_pages(path: Path, manifest: Manifest, digests: bytes) -> None:
    """Write what tells the pages of a backup apart, beside where the backup is to be."""
    with write_whole(path.with_name(path.name + PAGES), PRIVATE) as file:
        for part in _pages_file(manifest, digests):
            file.buffer.write(part)


def pages_of(path: Path, manifest: Manifest) -> bytes | None:
    """What tells the pages of a backup apart; None if that is not there or not whole."""
    try:
        octets = path.with_name(path.name + PAGES).read_bytes()
    except OSError:
        return None
    head, sum_, _ = _pages_file(manifest, b"")
    digests = octets[len(head) + len(sum_) :]
    return digests if octets == b"".join(_pages_file(manifest, digests)) else None


def _pages_file(manifest: Manifest, digests: bytes) -> Iterator[bytes]:
    yield _PAGES_MAGIC + manifest.sha256.encode("ascii") + b"\n"
    yield sha256(manifest.sha256.encode("ascii") + digests).digest()
    yield digests
