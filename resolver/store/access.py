"""Who may use the files of a data directory, and who is using them right now.

`data.mdb` holds the cookie secret, and a reader writes its slot into `lock.mdb`, so the files are
their owner's alone, or, in a directory with the set-group-ID bit, also the group's.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from csid.errors import StoreError

DIRECTORY_MODE: Final = 0o700
_MOUNTS: Final = Path("/proc/self/mountinfo")  # proc(5)
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")  # how it writes blanks and backslashes


def file_mode(folder: Path) -> int:
    """The permissions of new files in a data directory."""
    return 0o660 if folder.stat().st_mode & stat.S_ISGID else 0o600


def has_data(path: Path) -> bool:
    """Whether there is a data file in a directory, ours or not.

    Raises:
        StoreError: we may not look into it.
    """
    try:
        return (path / "data.mdb").exists()
    except OSError as error:
        raise StoreError(
            f"{path}: {(error.strerror or str(error)).lower()}; run as the user that owns it, or "
            f"change its mode"
        ) from None


def check_data(path: Path) -> None:
    """Make sure that there is a data file in a directory, ours or not.

    Raises:
        StoreError: there is none, or nothing in it, or we may not look.
    """
    if not has_data(path):
        raise StoreError(f"{path}: no data directory; make one with: csid init --data {path}")
    if not (path / "data.mdb").stat().st_size:
        raise StoreError(
            f"{path}/data.mdb: is empty; put a copy in its place, or complete a csid init that "
            f"was ended on its way by running it again"
        )


def make_directory(path: Path) -> None:
    """Make a directory for data, unless it is there; what is above it is made as any other.

    Raises:
        StoreError: it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: cannot be made: {error.strerror}") from None


@contextmanager
def sole_maker(path: Path) -> Iterator[None]:
    """While the context lasts, nobody else makes a data directory of this one.

    Raises:
        StoreError: it cannot be opened.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@contextmanager
def opening(path: Path, alone: bool = False) -> Iterator[None]:
    """While the context lasts, the data of a directory are opened, which others do as well; or they
    are made anew (``alone``), which nobody else does, nor opens them.

    Raises:
        StoreError: somebody else is at it, or they cannot be opened.
    """
    data = path / "data.mdb"
    try:
        fd = os.open(data, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(f"{data}: cannot be opened: {error.strerror}") from None
    try:
        try:
            fcntl.flock(fd, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            what = "opened or migrated" if alone else "migrated"
            raise StoreError(
                f"{path}: is being {what} by another process; try again when that is through"
            ) from None
        yield
    finally:
        os.close(fd)


def set_mode(path: Path, mode: int) -> None:
    """Let a file of ours have just these permissions, whatever the umask is."""
    if stat.S_IMODE(path.stat().st_mode) != mode:
        path.chmod(mode)


def open_shared(path: Path) -> int:
    """A descriptor of a file in a data directory that all who write there open; made if need be.

    Raises:
        OSError: it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, flags)
    set_mode(path, file_mode(path.parent))
    return fd


def check_reader_slot(path: Path) -> None:
    """Make sure that a reader of a data directory can tell writers what it reads.

    Without a slot in `lock.mdb`, writers would use pages again that are being read. Only where
    nobody can write, on a file system that is read-only as a whole, LMDB goes without.

    Raises:
        StoreError: no slot can be taken here.
    """
    lock = path / "lock.mdb"
    if os.access(lock if lock.exists() else path, os.W_OK, effective_ids=True):
        return
    if not os.statvfs(path).f_flag & os.ST_RDONLY:
        raise StoreError(
            f"{path}: permission denied: who reads writes its slot into lock.mdb. Run as the user "
            f"that owns it, or let a group you are in read data.mdb and write lock.mdb "
            f"(chgrp GROUP, chmod g+r data.mdb, chmod g+rw lock.mdb)"
        )
    if not _is_frozen(path):
        raise StoreError(
            f"{path}: is mounted read-only here, but can be written elsewhere, and who reads "
            f"writes its slot into lock.mdb; mount it so that it can be written"
        )


def readable_by_others(path: Path) -> bool:
    """Whether the secret in a data directory is open to everybody on the machine."""
    return bool((path / "data.mdb").stat().st_mode & stat.S_IROTH) and bool(
        path.stat().st_mode & stat.S_IXOTH
    )


def _is_frozen(path: Path) -> bool:
    """Whether the whole file system that holds a path is read-only, not just this mount of it."""
    real = path.resolve()
    options, deepest = "", -1
    for line in _MOUNTS.read_text("utf-8", "surrogateescape").splitlines():
        fields = line.split(" ")
        point = Path(_ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        depth = len(point.parts)
        if depth >= deepest and real.is_relative_to(point):  # of two at one place the later hides
            options, deepest = fields[-1], depth
    return "ro" in options.split(",")
