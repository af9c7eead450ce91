"""Small LMDB environments beside the store's: a few tables each, with a write lock and a pace of
their own, so that nobody who assigns or transfers waits for them.

    lasting   a commit is on the disk when it returns
    passing   nothing waits for the disk. A process that is killed costs nothing, as the kernel has
              what it wrote; after an end of the machine the files may be anything, so they are
              thrown away then.

Any number of processes may write; each transaction is short.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import lmdb

from csid.errors import StoreError
from csid.limits import MAX_READERS
from resolver.store.errors import plain

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class NoRoomError(StoreError):
    """There are no free pages: the environment is full, or a reader keeps them."""


class Tables:
    """An open environment.

    Args:
        file: made with its folder if it is not there.
        names: of the tables.
        map_octets: the most that the file may grow to.
        lasting: as above.

    Raises:
        StoreError: it cannot be used.
    """

    def __init__(self, file: Path, names: Sequence[str], map_octets: int, lasting: bool) -> None:
        self.file = file
        with plainly(file):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _alone(file.parent):
                if not lasting:
                    throw_away_what_is_old(
                        file.with_suffix(".boot"), (file, file.with_name(f"{file.name}-lock"))
                    )
                self._environment = lmdb.open(
                    os.fspath(file),
                    subdir=False,
                    map_size=map_octets,
                    max_dbs=len(names),
                    writemap=not lasting,
                    sync=lasting,
                    metasync=lasting,
                    max_readers=MAX_READERS,
                    readahead=False,
                    max_spare_txns=2,
                    mode=0o600,
                )
                self._tables = {name: self._environment.open_db(name.encode()) for name in names}

    def __getitem__(self, name: str) -> Any:
        """A table, for the `db` of what a transaction is asked."""
        return self._tables[name]

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """A transaction of LMDB; what was written is there, all of it, when the context ends.

        Raises:
            NoRoomError: nothing was written.
            StoreError: the same, for another reason.
        """
        try:
            with self._environment.begin(write=True) as txn:
                yield txn
        except lmdb.MapFullError:
            self._environment.reader_check()  # the dead hold moments, too
            raise NoRoomError(f"{self.file}: there is no room; what is read must end") from None
        except lmdb.Error as error:
            raise plain(self.file, error) from None

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """One moment."""
        with plainly(self.file), self._environment.begin() as txn:
            yield txn

    def number(self) -> int:
        """The number of the last transaction that has written, in whatever process."""
        with plainly(self.file):
            return int(self._environment.info()["last_txnid"])

    def close(self) -> None:
        """End the use."""
        self._environment.close()


class Followed:
    """One table of an environment that others write, which need not be there yet, and may be
    another one later.

    Args:
        file: the environment's.
        name: of the table.
    """

    def __init__(self, file: Path, name: str) -> None:
        self._file = file
        self._name = name.encode()
        self._environment: Any = None
        self._table: Any = None
        self._seen: tuple[int, int] | None = None

    def look(self) -> None:
        """See which file is there."""
        try:
            found = self._file.stat()
        except OSError:
            return self._leave()
        if (found.st_dev, found.st_ino) != self._seen:
            self._leave()
            with suppress(lmdb.Error, OSError):  # it is just being made
                self._open()
                self._seen = found.st_dev, found.st_ino
        return None

    def get(self, key: bytes) -> bytes | None:
        """The row of a key; None if there is none.

        Raises:
            StoreError: it cannot be read.
        """
        if self._environment is None:
            return None
        with plainly(self._file), self._environment.begin(db=self._table) as txn:
            found: bytes | None = txn.get(key)
            return found

    def close(self) -> None:
        """End the use."""
        self._leave()

    def _open(self) -> None:
        environment = lmdb.open(
            os.fspath(self._file),
            subdir=False,
            map_size=0,  # the size the file was made with
            max_dbs=1,
            readonly=True,
            max_readers=MAX_READERS,
            readahead=False,
            max_spare_txns=2,
        )
        try:
            self._table = environment.open_db(self._name, create=False)
        except lmdb.Error:
            environment.close()
            raise
        self._environment = environment

    def _leave(self) -> None:
        if self._environment is not None:
            self._environment.close()
        self._environment = self._table = self._seen = None


def throw_away_what_is_old(note: Path, files: Iterable[Path]) -> None:
    """Remove files that were written before the machine began that runs now.

    Args:
        note: a file that says when the machine began that they were written on.
    """
    boot = _BOOT.read_bytes()
    with suppress(FileNotFoundError):
        if note.read_bytes() == boot:
            return
    for path in files:
        path.unlink(missing_ok=True)
    note.write_bytes(boot)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While files are looked at, thrown away and made."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@contextmanager
def plainly(path: Path) -> Iterator[None]:
    """Say what LMDB and the system say in words an administrator can act on (StoreError)."""
    try:
        yield
    except (lmdb.Error, OSError) as error:
        raise plain(path, error) from None
