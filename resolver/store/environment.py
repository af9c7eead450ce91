"""The data directory: one LMDB environment, read by every worker, written in one place at a time.

Sub-databases (described in schemas/store.md):
    meta    what the directory is: schema version, suffix, secrets, the last generation given out
    apexes  00 + canonical key of an apex -> generation(8) wildcards(8) journal(8) [flags(1)]
    tree    generation(8) + canonical key below the apex -> node blob (resolver/store/node.py)
    pointers    which names lead to which hosts of their zone (resolver/store/pointers.py)
    doomed  generation(8) -> journal(8) of a zone that was dropped, else empty: trees being built
            or taken down; those that no living process has claimed (resolver/store/build_locks.py)
            are swept by whoever writes next
    journal what each zone held before its last serials (resolver/store/journal.py)
    sync.*  keys, rights, and the zones that follow others (resolver/sync/settings.py)

Whoever writes the tree may keep tables of its own beside these (`Store.open_tables`), changed in
the same transactions.

This module alone imports lmdb; what it raises for callers is `StoreError`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import lmdb

from csid import names
from csid.errors import StoreError
from csid.limits import MAP_OCTETS, MAX_READERS, REMOVALS_PER_COMMIT, WRITE_WAIT_SECONDS
from resolver.answer.lookup import Snapshot, Zone
from resolver.answer.resolve import TreeSource
from resolver.store.access import (
    check_data,
    check_reader_slot,
    file_mode,
    has_data,
    make_directory,
    opening,
    set_mode,
    sole_maker,
)
from resolver.store.build_locks import Claims
from resolver.store.commits import Commits
from resolver.store.copying import copied
from resolver.store.errors import plain
from resolver.store.meta import DATABASES, SYNC_DATABASES, Content, check, fill, taken
from resolver.store.read import ReadTransaction
from resolver.store.scratch import Scratch
from resolver.store.seek import Below, Floor
from resolver.store.watch import Watch
from resolver.store.write import Nodes, WriteTransaction
from resolver.store.write_lock import WriteLock

_FILES: Final = ("data.mdb", "lock.mdb")


class Settings(NamedTuple):
    """What a data directory is for: set when it is made, read by everyone who opens it."""

    suffix: str  # DNS suffix of the deployment, with its final dot
    handle_authority: str  # naming authority before the owner in a Handle
    cookie_secret: bytes  # 16 octets (RFC 9018)
    node: bytes  # 16 random octets that tell this directory from all others


class Reader(NamedTuple):
    """A slot of a reader."""

    pid: int
    moment: int | None  # the commit it reads at now; no page freed since can be used again


class Swept(NamedTuple):
    """What a part of a sweep came to, in generations."""

    gone: int
    left: int  # for the next part


class Identity(NamedTuple):
    """Which files stand in a data directory: their device and number in it."""

    data: tuple[int, int]
    lock: tuple[int, int] | None


def identity(path: Path) -> Identity | None:
    """What stands at a path now; None if it is no data directory, or none that may be seen."""
    data, lock = (_file_identity(path / name) for name in ("data.mdb", "lock.mdb"))
    return data and Identity(data, lock)


def _file_identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class Store:
    """An open data directory.

    Made with `create` or `open`. Many threads may read from it at once; each transaction belongs
    to one of them. Not to be carried across a fork (LMDB forbids it).

    Attributes:
        path: where it is.
        patience: seconds to wait for others to end what they write.
        watch: is asked before each write transaction.
        live: says the statuses of names where queries are answered (`resolver.status.live`).
    """

    def __init__(self, path: Path, environment: Any) -> None:
        self.path = path
        self.watch: Watch | None = None
        self.live: Any = None
        self._environment = environment
        self._is_writable = not environment.flags()["readonly"]
        self._claims = Claims(path)
        self._lock = WriteLock(path)
        self._commits = Commits(path) if self._is_writable else None
        self.patience = WRITE_WAIT_SECONDS
        self._databases: dict[bytes, Any] = {}
        # The zones of the moment last seen, with the number of its transaction: one reference, so
        # that no thread takes the zones of one moment for those of another.
        self._known: tuple[int, dict[bytes, Zone]] = (-1, {})

    @classmethod
    def create(
        cls,
        path: Path,
        suffix: str,
        handle_authority: str,
        map_octets: int = MAP_OCTETS,
        first_zone: Nodes = (),
        tables: Iterable[bytes] = (),
        also: Callable[[WriteTransaction], None] | None = None,
    ) -> Store:
        """Make a data directory and open it for writing.

        All that it is to hold comes with one commit. What an attempt has left that was killed on
        the way there is made anew or completed.

        Args:
            map_octets: the most that the data file may grow to.
            first_zone: nodes of the zone at the suffix (`resolver.store.build`).
            tables: names of further tables, made with the rest.
            also: writes what they are to hold, after all else; raises what keeps the directory
                from being made.

        Raises:
            StoreError: something is there already, or it may not be written.
            ZoneError: the zone cannot be built.
        """
        names.from_text(suffix)
        make_directory(path)
        with sole_maker(path):
            begun = _clear_unfinished(path)
            try:
                store = cls(path, _open_environment(path, _whole_pages(map_octets), writable=True))
                for name in _FILES:
                    set_mode(path / name, file_mode(path))
                content = Content(suffix, handle_authority, first_zone, tuple(tables), also)
                with _plain_errors(path), store._lock if begun else nullcontext():
                    fill(path, store._environment, content)
            except BaseException:
                if not begun:  # so that nothing is left of it
                    _remove(path)
                raise
        store._open_databases()
        return store

    @classmethod
    def open(
        cls,
        path: Path,
        writable: bool = False,
        sync: bool = True,
        patience: float = WRITE_WAIT_SECONDS,
    ) -> Store:
        """Open a data directory.

        With ``sync`` False a commit does not wait for the disk: should the machine fail before the
        next `sync`, the directory may be lost. ``patience`` as the attribute.

        Raises:
            BusyError: to be opened for writing it needs the write lock, which others have.
            StoreError: it is missing, not ours, of another version, or may not be used.
        """
        check_data(path)
        with opening(path):
            store = cls(path, _open_environment(path, 0, writable, sync))
        store.patience = patience
        try:
            store.check_readers()  # slots of the dead may be all there are
            store._open_databases()
        except BaseException:
            store.close()
            raise
        return store

    def _open_databases(self) -> None:
        with _plain_errors(self.path), self._turn():
            for name in DATABASES:
                try:
                    self._databases[name] = self._environment.open_db(name, create=False)
                except lmdb.NotFoundError:
                    raise StoreError(
                        f"{self.path}: an LMDB file, but not one of csid (no {name.decode()!r} in "
                        f"it); give the directory that csid init made"
                    ) from None
                if name == b"meta":  # which tells what else there is
                    check(self.path, self._meta())
        self.open_tables(SYNC_DATABASES)

    def open_tables(self, names: Iterable[bytes]) -> None:
        """Make tables usable in transactions; those that are not there yet are made if the store is
        open for writing, else they look empty.
        """
        with _plain_errors(self.path), self._turn():
            missing = []
            for name in names:
                try:
                    self._databases[name] = self._environment.open_db(name, create=False)
                except lmdb.NotFoundError:
                    missing.append(name)
            if not missing or not self._is_writable:
                return
            with self._environment.begin(write=True) as txn:
                made = {name: self._environment.open_db(name, txn=txn) for name in missing}
            self._databases.update(made)

    def _meta(self) -> dict[bytes, bytes]:
        with self._environment.begin(db=self._databases[b"meta"]) as txn:
            return {bytes(key): bytes(value) for key, value in txn.cursor()}

    def settings(self) -> Settings:
        """What the directory is for.

        Raises:
            StoreError: it does not say so any more.
        """
        with _plain_errors(self.path):
            meta = self._meta()
        try:
            return Settings(
                meta[b"suffix"].decode(),
                meta[b"handle"].decode(),
                meta[b"cookie-secret"],
                meta[b"node"],
            )
        except (KeyError, UnicodeDecodeError) as error:
            raise StoreError(
                f"{self.path}: what it says of itself is damaged ({error}); put back a copy"
            ) from None

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """One moment of the store, held while the context lasts."""
        with _plain_errors(self.path), self.moment() as txn:
            yield self.snapshot_in(txn)

    def moment(self) -> Any:
        """A read transaction on the tree, to be ended by the caller (a context manager).

        Raises:
            StoreError: the store can no longer be read.
        """
        try:
            return self._environment.begin(db=self._databases[b"tree"])
        except lmdb.Error as error:
            raise plain(self.path, error) from None

    def snapshot_in(self, txn: Any) -> Snapshot:
        """The snapshot that a transaction from `moment` sees."""
        known = self._known
        moment = txn.id()
        if moment != known[0]:
            known = self._known = (moment, {})
        return Snapshot(txn.get, Below(txn), Floor(txn, self._databases[b"apexes"]), known[1])

    def source_in(self, txn: Any) -> TreeSource:
        """What queries are answered from, as a transaction from `moment` sees it."""
        return TreeSource(self.snapshot_in(txn), txn, self.live)

    @contextmanager
    def read(self) -> Iterator[ReadTransaction]:
        """One moment of the store, to be read in order."""
        with _plain_errors(self.path), self.moment() as txn:
            yield self.reading(txn)

    def reading(self, txn: Any) -> ReadTransaction:
        """What a transaction from `moment` sees, to be read in order."""
        return ReadTransaction(txn, self._databases, self.snapshot_in(txn))

    @property
    def page_octets(self) -> int:
        """Octets of a page of the data file."""
        return int(self._environment.stat()["psize"])

    @contextmanager
    def copied(self) -> Iterator[tuple[Store, BinaryIO]]:
        """One moment of the store as a store of its own, to be read, and the file that it is in.

        Nobody who writes waits for it; it is compact, has no name, and is gone when the context
        ends (`resolver.store.copying`).

        Raises:
            StoreError: there is no room for it beside the data.
        """

        def copy(descriptor: int) -> None:
            with _plain_errors(self.path):
                self._environment.copyfd(descriptor, compact=True)

        with copied(self.path, copy) as file:
            with _plain_errors(self.path):
                environment = lmdb.open(
                    f"/proc/self/fd/{file.fileno()}",
                    subdir=False,
                    readonly=True,
                    lock=False,
                    max_dbs=64,
                )
            store = Store(self.path, environment)
            try:
                store._open_databases()
                yield store, file
            finally:
                store.close()

    @contextmanager
    def write(self, keep: bool = True, watched: bool = True) -> Iterator[WriteTransaction]:
        """The one write transaction; committed when the context ends well, undone when not, or if
        it is only tried (`keep` False).

        Others who want to write wait meanwhile, so it is kept short.

        Args:
            keep: False undoes it at the end.
            watched: False does not ask `watch`: for who sets right what it refuses.

        Raises:
            StoreError: the file system or the map is full, the file may not be written, `watch`
                refuses, or others have been writing for too long (`resolver/store/write_lock.py`).
        """
        watch, reached = self.watch if watched else None, 0
        with self._turn(), _plain_errors(self.path):
            txn = self._environment.begin(write=True, db=self._databases[b"tree"])
            try:
                writing = WriteTransaction(txn, self._databases, int(time.time()))
                if watch is not None:
                    watch.admit(writing)
                yield writing
                if watch is not None:
                    reached = watch.reached(writing)
            except BaseException:
                txn.abort()
                raise
            if not keep:
                txn.abort()
                return
            txn.commit()
            if self._commits is not None:
                self._commits.tell()
            if watch is not None:
                watch.committed(reached)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The right to write, which LMDB takes for each transaction that may write, also for that
        in which it opens a table; nothing where it will say that it may not be written.
        """
        if not self._is_writable:
            yield
            return
        self._lock.acquire(self.patience)
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def building(self) -> Iterator[bytes]:
        """A new generation, to be built in several transactions and published by one.

        No sweep takes it while the context lasts; afterwards, if it was not published, the next
        one does.
        """
        with self.write() as txn:
            generation = txn.begin_generation()
            self._claims.claim(generation)  # before others can see that it is there
        try:
            yield generation
        finally:
            self._claims.release(generation)

    def sweep(self, most: int = REMOVALS_PER_COMMIT) -> int:
        """Remove all that is doomed and not being built, at most `most` nodes in a transaction.

        Returns how many generations are gone.
        """
        gone = 0
        while True:
            swept = self.sweep_some(most)
            gone += swept.gone
            if not swept.left:
                return gone

    def sweep_some(self, most: int) -> Swept:
        """As `sweep`, in one transaction: at most `most` nodes."""
        with self.write() as txn:
            doomed = [one for one in txn.doomed() if not self._claims.is_claimed(one)]
            gone = txn.sweep(doomed, most)
            return Swept(gone, len(doomed) - gone)

    def check_readers(self) -> int:
        """Free the reader slots of processes that died; returns how many."""
        with _plain_errors(self.path):
            return int(self._environment.reader_check())

    def readers(self) -> list[Reader]:
        """The reader slots in use, but for those of this process."""
        with _plain_errors(self.path):
            rows = [line.split() for line in self._environment.readers().splitlines()[1:]]
        return [
            Reader(int(pid), None if txn == "-" else int(txn))
            for pid, _, txn in rows
            if int(pid) != os.getpid()
        ]

    def usage(self) -> dict[str, int]:
        """Octets used and available, tree entries, readers, and the number of the last commit."""
        info, stat = self._environment.info(), self._environment.stat()
        with self._environment.begin() as txn:
            nodes = txn.stat(self._databases[b"tree"])["entries"]
        return {
            "octets": (info["last_pgno"] + 1) * stat["psize"],
            "map_octets": info["map_size"],
            "nodes": nodes,
            "readers": info["num_readers"],
            "last": info["last_txnid"],
        }

    def sync(self) -> None:
        """Write everything committed to disk, after commits that did not wait for it."""
        with _plain_errors(self.path):
            self._environment.sync(True)

    def close(self) -> None:
        """End the use of the directory."""
        self._claims.close()
        self._lock.close()
        if self._commits is not None:
            self._commits.close()
        self._environment.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def scratch(names: Iterable[bytes]) -> Iterator[Scratch]:
    """Tables of these names in a temporary directory (TMPDIR) that is gone when the context ends:
    for work that would not fit into memory. Nothing of it survives a crash.

    Raises:
        StoreError: the directory cannot be made or is full.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="csid-")
    except OSError as error:
        raise StoreError(f"no temporary directory: {error.strerror}; set TMPDIR") from None
    with folder as path, _plain_errors(Path(path)):
        given = tuple(names)
        environment = lmdb.open(
            path, map_size=MAP_OCTETS, max_dbs=len(given), sync=False, lock=False, readahead=False
        )
        try:
            work = Scratch(environment, {name: environment.open_db(name) for name in given})
            try:
                yield work
            finally:
                work.close()
        finally:
            environment.close()


def _whole_pages(octets: int) -> int:
    page = os.sysconf("SC_PAGE_SIZE")
    return -(-octets // page) * page


def _open_environment(path: Path, map_octets: int, writable: bool, sync: bool = True) -> Any:
    if not writable:
        check_reader_slot(path)
    with _plain_errors(path):
        try:
            return lmdb.open(
                os.fspath(path),
                map_size=map_octets,  # 0: the size the file was made with
                max_dbs=64,
                max_readers=MAX_READERS,
                readonly=not writable,
                sync=sync,
                readahead=False,
                max_spare_txns=2,
                mode=file_mode(path),
            )
        except (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError):
            raise StoreError(
                f"{path}/data.mdb: is no LMDB file this program can read; give the directory that "
                f"csid init made"
            ) from None


def _clear_unfinished(path: Path) -> bool:
    """Remove what an attempt to make a directory left before its commit; whether more is there.

    Raises:
        StoreError: it is no data of ours.
    """
    if not has_data(path):
        return False
    if (path / "data.mdb").stat().st_size:
        try:
            environment = _open_environment(path, 0, writable=False)
        except StoreError:
            raise taken(path) from None
        committed = environment.info()["last_txnid"]
        environment.close()
        if committed:
            return True
    _remove(path)
    return False


def _remove(path: Path) -> None:
    for name in _FILES:
        (path / name).unlink(missing_ok=True)


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """Say what LMDB says in words an administrator can act on."""
    try:
        yield
    except (lmdb.Error, PermissionError) as error:
        raise plain(path, error) from None
