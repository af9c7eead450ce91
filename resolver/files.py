"""Files that appear whole or not at all, and lines of others in bounded memory."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, Final

from csid.errors import FileError

_REST_OCTETS: Final = 1 << 16  # of a line that is too long, taken at a time
READABLE: Final = 0o666  # by all whom the umask lets
PRIVATE: Final = 0o600
UNFINISHED: Final = ".csid-"  # what the name of a file begins with until it is whole


@contextmanager
def write_whole(
    path: Path, mode: int = READABLE, new: bool = False, sync: bool = True
) -> Iterator[TextIOWrapper]:
    """A file to write, UTF-8 with line ends as given; octets go to its `buffer`.

    It takes its name at the end, when all of it is on the disk; after any error there is what was
    there before. A link is followed, and what is no plain file (a pipe, /dev/stdout) is written to
    where it stands.

    Args:
        path: where it is to appear; what is there keeps its permissions.
        mode: permissions of a file that was not there.
        new: the path must be free.
        sync: False does not wait for the disk: for many files, with `sync_all` behind the last.

    Raises:
        FileError: it cannot be written, or is there already.
    """
    try:
        if new and os.path.lexists(path):
            raise FileExistsError
        target = Path(os.path.realpath(path))
        before = target.stat().st_mode if target.exists() else None
        if before is not None and not stat.S_ISREG(before):
            with target.open("w", encoding="utf-8", newline="") as file:
                yield file
            return
        kept = mode if before is None else stat.S_IMODE(before)
        with _named_at_end(target, kept, new, sync) as file:
            yield file
    except FileExistsError:
        raise FileError(f"{path}: is there already and is not written over") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from None


@contextmanager
def _named_at_end(target: Path, mode: int, new: bool, sync: bool) -> Iterator[TextIOWrapper]:
    unfinished = target.with_name(f"{UNFINISHED}{secrets.token_hex(8)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            if target.exists():
                os.fchmod(descriptor, mode)  # the umask is not asked a second time
            yield file
            file.flush()
            if sync:
                os.fsync(descriptor)
        if new:
            os.link(unfinished, target)  # fails where another has come first
        else:
            unfinished.replace(target)
        if sync:
            _sync(target.parent)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()


@contextmanager
def folder_whole(path: Path) -> Iterator[Path]:
    """A folder to fill, which takes its name at the end, when all of it is on the disk; after any
    error there is nothing of it. Its user alone may look into it.

    Args:
        path: where it is to appear: free, or an empty folder.

    Raises:
        FileError: it cannot be made, or something is there already.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise FileError(f"{path}: is there already and is not written over")
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=target.parent))
        try:
            yield unfinished
            for one in unfinished.iterdir():
                _sync(one)
            _sync(unfinished)
            unfinished.replace(target)
            _sync(target.parent)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from None


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until nobody else holds a folder so, and hold it while the context lasts.

    Raises:
        FileError: it cannot be made or opened.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise FileError(f"{folder}: is no folder to write in: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def take_place(new: Path, path: Path, aside: Path) -> None:
    """A file takes the name of another, which is kept under a third.

    Killed at any moment and done again, it ends the same.

    Raises:
        FileError: another file has the third name, or a name cannot be changed.
    """
    try:
        if path.exists() and not is_copy(aside, path):
            os.link(path, aside)
        new.replace(path)
        _sync(path.parent)
    except OSError as error:
        reason = error.strerror or error
        raise FileError(f"{path}: cannot be kept as {aside} and replaced: {reason}") from None


def is_copy(path: Path, other: Path) -> bool:
    """Whether two small files are there and have the same octets."""
    return path.exists() and other.exists() and path.read_bytes() == other.read_bytes()


def sync_all() -> None:
    """Bring all that was written to the disk, with the names of files and folders."""
    os.sync()


def _sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def bounded_lines(file: BinaryIO, most: int) -> Iterator[bytes]:
    """The lines of a file, each with its end; of one longer than ``most`` octets no more than
    ``most`` + 1 are kept, which tells it apart.
    """
    while line := file.readline(most + 1):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(_REST_OCTETS)
        yield line
