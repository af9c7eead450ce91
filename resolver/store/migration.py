"""The data of an older schema version, and the new data that is made beside it and takes its place.

    DIR/data.mdb               the old data until the one rename that ends it, then the new
    DIR/migrating/data.mdb     the new data while it is made: table by table, in the order of keys
    DIR/migrating/source       what it is made of: file and last transaction of the old data
    DIR/migrating/ready        the same, once it is whole; behind it what the migration came to
    DIR/data.version-1.mdb     the old data afterwards

It is made while nobody else has the old data open, or while others answer from them and nobody
writes (`OldData` that is holding them); its place it takes when nobody has them open.

Whoever is killed on the way leaves the old data as it was. Given again, copying goes on behind the
last row that was committed, or begins anew if the old data was changed in between.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final

import lmdb

from csid.errors import StoreError
from resolver.files import write_whole
from resolver.store.access import open_shared, opening, set_mode
from resolver.store.errors import plain
from resolver.store.meta import DATABASES, MAGIC

FOLDER: Final = "migrating"
OCTETS_PER_COMMIT: Final = 32 << 20  # of keys and values; what is dirty lies in memory until then
WAIT_SECONDS: Final = 0.05  # between two looks for others that have old data open
_MARK: Final = "source"
_READY: Final = "ready"
_DATA: Final = "data.mdb"
LOCK: Final = "lock.mdb"
_FLOCK: Final = struct.Struct("hhqqi")  # type, whence, start, length, process id: fcntl(2)

Row = tuple[bytes, bytes]
Change = Callable[[bytes, bytes], Row | None]


def kept_name(version: str) -> str:
    """What the data file of an old version is called once another has taken its place."""
    return f"data.version-{version}.mdb"


@contextmanager
def sole_use(path: Path) -> Iterator[None]:
    """While the context lasts, nobody else has a data directory open, and nobody can open it.

    Programs of this version are told so, older ones wait.

    Raises:
        StoreError: somebody has; it says which process.
    """
    with opening(path, alone=True):
        # LMDB's own lock: who has the directory open keeps the first octet of this file locked.
        try:
            fd = open_shared(path / LOCK)
        except OSError as error:
            raise StoreError(f"{path / LOCK}: cannot be opened: {error.strerror}") from None
        try:
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
            except OSError:
                raise StoreError(
                    f"{path}: process {_holder(fd)} has it open; end csid serve and all commands "
                    f"on it, then give this again"
                ) from None
            yield
        finally:
            os.close(fd)


def _holder(fd: int) -> str:
    """The process that has a data directory open, by a descriptor of its lock file."""
    kind, pid = _lock_there(fd)
    return str(pid) if kind != fcntl.F_UNLCK and pid > 0 else "(in another container)"


def _lock_there(fd: int) -> tuple[int, int]:
    """The kind of lock that another process has on the first octet, and the process."""
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
    kind, *_, pid = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, asked)[: _FLOCK.size])
    return kind, pid


def wait_for_others(fd: int, tell: Callable[[str], None]) -> None:
    """Wait until no other process has a data directory open.

    Args:
        fd: of its lock file. To close it ends what this process has locked there, so it is kept
            open until the data are closed.
        tell: told of each process that is waited for, once.
    """
    told = ""
    while _is_held(fd):
        if (holder := _holder(fd)) != told:
            told = holder
            tell(holder)
        time.sleep(WAIT_SECONDS)


def _is_held(fd: int) -> bool:
    return _lock_there(fd)[0] != fcntl.F_UNLCK


class OldData:
    """The data of an older version, for reading: at one moment, whoever else uses it.

    Args:
        path: the data directory.
        alone: it is in `sole_use`, so no lock is taken.
        holding: nobody else writes them meanwhile: who would, waits.
    """

    def __init__(self, path: Path, alone: bool, holding: bool = False) -> None:
        self._path = path
        try:
            with nullcontext() if alone else opening(path):
                self._environment = lmdb.open(
                    os.fspath(path),
                    map_size=0,  # that of the file
                    readonly=not holding,
                    create=False,
                    max_dbs=64,
                    lock=not alone,
                )
            self._txn = self._environment.begin(write=holding)
            self._databases = {
                bytes(name): self._environment.open_db(name, txn=self._txn, create=False)
                for name, _ in self._txn.cursor()
            }
        except lmdb.Error as error:
            raise plain(path, error) from None

    def tables(self) -> dict[bytes, int]:
        """How many rows each table has."""
        return {
            name: int(self._txn.stat(database)["entries"])
            for name, database in self._databases.items()
        }

    def rows(self, table: bytes, start: bytes = b"") -> Iterator[Row]:
        """The rows of a table from the key `start` on, in the order of their keys."""
        if table not in self._databases:
            return
        cursor = self._txn.cursor(self._databases[table])
        if not (cursor.set_range(start) if start else cursor.first()):
            return
        yield from cursor

    def get(self, table: bytes, key: bytes) -> bytes | None:
        """One value."""
        database = self._databases.get(table)
        value: bytes | None = None if database is None else self._txn.get(key, db=database)
        return value

    def version(self) -> str:
        """The schema version.

        Raises:
            StoreError: it is no data of ours.
        """
        if self.get(b"meta", b"kind") != MAGIC:
            raise StoreError(f"{self._path}: an LMDB file, but not one of csid")
        return (self.get(b"meta", b"schema") or b"?").decode("ascii", "replace")

    def mark(self) -> str:
        """Which data it is, and at what moment."""
        found = (self._path / _DATA).stat()
        return f"{found.st_dev} {found.st_ino} {self._environment.info()['last_txnid']}\n"

    def map_octets(self) -> int:
        """The most that its file may grow to."""
        return int(self._environment.info()["map_size"])

    def octets(self) -> int:
        """How large its file is."""
        return (self._path / _DATA).stat().st_size

    def close(self) -> None:
        """End the use."""
        self._txn.abort()
        self._environment.close()

    def __enter__(self) -> OldData:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def copy(
    old: OldData, path: Path, changes: Mapping[bytes, Change], last: Mapping[bytes, bytes]
) -> Iterator[int]:
    """Copy the tables of old data to the new, or go on with it.

    Args:
        old: what is copied.
        path: the data directory; it is in `sole_use`.
        changes: of a table what each row becomes, None to leave it out; the order of keys must
            stay. Tables that are not named here are copied as they are.
        last: the rows of `meta`, which come when all others are there.

    Yields:
        How many rows are there, after each commit.
    """
    folder = path / FOLDER
    _begin(old, folder)
    with _new(folder, old.map_octets()) as environment:
        done = 0
        for table, entries in old.tables().items():
            if table == b"meta":
                continue
            database = environment.open_db(table)
            change = changes.get(table, _same)
            for copied in _copy_table(environment, database, old, table, change):
                yield done + copied
            done += entries
            yield done
        for table in DATABASES:
            environment.open_db(table)
        meta = environment.open_db(b"meta")
        with environment.begin(write=True, db=meta) as txn:
            if not txn.cursor().first():
                for key, value in last.items():
                    txn.put(key, value)


def _same(key: bytes, value: bytes) -> Row:
    return key, value


def _copy_table(
    environment: Any, database: Any, old: OldData, table: bytes, change: Change
) -> Iterator[int]:
    with environment.begin(db=database) as txn:
        cursor = txn.cursor()
        last = bytes(cursor.key()) if cursor.last() else b""
        copied = int(txn.stat(database)["entries"])
    rows = old.rows(table, last)
    while True:
        with environment.begin(write=True, db=database) as txn:
            octets = 0
            for key, value in rows:
                row = change(key, value) if key != last else None
                if row is None:
                    continue
                if not txn.put(*row, append=True):
                    raise StoreError(f"{table.decode()}: its rows are not in the order of keys")
                copied += 1
                octets += len(key) + len(value)
                if octets > OCTETS_PER_COMMIT:
                    break
            else:
                return
        yield copied


def _begin(old: OldData, folder: Path) -> None:
    """Have a folder in which new data is made of just this old data."""
    with suppress(FileNotFoundError):
        if (folder / _MARK).read_bytes() == old.mark().encode():
            return
    discard(folder.parent)
    folder.mkdir(mode=0o700)
    with write_whole(folder / _MARK) as file:
        file.write(old.mark())


@contextmanager
def _new(folder: Path, map_octets: int) -> Iterator[Any]:
    try:
        with lmdb.open(os.fspath(folder), map_size=map_octets, max_dbs=64) as environment:
            _give_to(folder / _DATA, folder.parent / _DATA)
            yield environment
    except lmdb.Error as error:
        raise plain(folder, error) from None


def _give_to(new: Path, like: Path) -> None:
    """Let a file have the owner and the permissions of another."""
    wanted, found = like.stat(), new.stat()
    if (found.st_uid, found.st_gid) != (wanted.st_uid, wanted.st_gid):
        os.chown(new, wanted.st_uid, wanted.st_gid)
    set_mode(new, stat.S_IMODE(wanted.st_mode))


def swap(path: Path, version: str) -> Path:
    """Let the new data take the place of the old; returns where the old is from now on.

    The directory is in `sole_use`, and nobody has the new data open.
    """
    kept = path / kept_name(version)
    if not is_kept(path, version):  # as it is where an attempt was killed here
        os.link(path / _DATA, kept)
        _sync(path)
    (path / FOLDER / _DATA).rename(path / _DATA)
    _sync(path)
    # What `lock.mdb` says of the last transaction is that of the old data until somebody opens it
    # who is alone.
    lmdb.open(os.fspath(path), map_size=0, readonly=True, create=False).close()
    discard(path)
    return kept


def is_kept(path: Path, version: str) -> bool:
    """Whether old data has its second name already.

    Raises:
        StoreError: another file has it.
    """
    kept = path / kept_name(version)
    if not kept.exists():
        return False
    if not kept.samefile(path / _DATA):
        raise StoreError(
            f"{kept}: is there, from an earlier migration, and the old data would get this name; "
            f"move it away first"
        )
    return True


def note_ready(path: Path, mark: str, note: str) -> None:
    """New data are made whole of just these old data; ``note`` is what is to be known of that."""
    with write_whole(path / FOLDER / _READY) as file:
        file.write(f"{mark}{note}")


def ready(path: Path, mark: str) -> str | None:
    """What `note_ready` was told of new data made of these old data; None if there are none."""
    with suppress(FileNotFoundError):
        found = (path / FOLDER / _READY).read_text("utf-8")
        if found.startswith(mark):
            return found.removeprefix(mark)
    return None


def made_octets(path: Path) -> int:
    """How large the new data are that were made so far."""
    try:
        return (path / FOLDER / _DATA).stat().st_size
    except FileNotFoundError:
        return 0


def discard(path: Path) -> bool:
    """Take away what a migration has left; whether there was anything."""
    if not (path / FOLDER).exists():
        return False
    shutil.rmtree(path / FOLDER, ignore_errors=True)  # another may be at it as well
    return True


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
