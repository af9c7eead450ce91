"""The data directory: one LMDB environment, read by every worker, written in one place at a time.

Sub-databases (described in schemas/store.md):
    meta    what the directory is: schema version, suffix, secrets, the last generation given out
    apexes  00 + canonical key of an apex -> generation(8) wildcards(8)
    tree    generation(8) + canonical key below the apex -> node blob (resolver/store/node.py)
    doomed  generation(8) -> empty: trees being built or taken down; those that no living process
            has claimed (resolver/store/build_locks.py) are swept by whoever writes next
    journal what each zone held before its last serials (resolver/store/journal.py)

Whoever writes the tree may keep tables of its own beside these (`Store.open_tables`), changed in
the same transactions.

This module alone imports lmdb; what it raises for callers is `StoreError`.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import lmdb

from csid import names
from csid.errors import StoreError
from csid.limits import MAP_OCTETS, MAX_READERS, REMOVALS_PER_COMMIT
from resolver.answer.lookup import GENERATION_OCTETS, Snapshot, Zone
from resolver.store.build_locks import Claims
from resolver.store.read import ReadTransaction
from resolver.store.seek import Below, Floor
from resolver.store.write import WriteTransaction

SCHEMA_VERSION: Final = 1
_MAGIC: Final = b"csid resolution store"
_DATABASES: Final = (b"meta", b"apexes", b"tree", b"doomed", b"journal")


class Settings(NamedTuple):
    """What a data directory is for: set when it is made, read by everyone who opens it."""

    suffix: str  # DNS suffix of the deployment, with its final dot
    handle_authority: str  # naming authority before the owner in a Handle
    cookie_secret: bytes  # 16 octets (RFC 9018)


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

    Made with `create` or `open`. Not to be carried across a fork (LMDB forbids it).
    """

    def __init__(self, path: Path, environment: Any) -> None:
        self.path = path
        self._environment = environment
        self._claims = Claims(path)
        self._databases: dict[bytes, Any] = {}
        self._zones: dict[bytes, Zone] = {}
        self._zones_of = -1  # the transaction that `_zones` was read in

    @classmethod
    def create(
        cls, path: Path, suffix: str, handle_authority: str, map_octets: int = MAP_OCTETS
    ) -> Store:
        """Make a data directory and open it for writing.

        Raises:
            StoreError: something is there already, or it may not be written.
        """
        if (path / "data.mdb").exists():
            raise StoreError(
                f"{path}: holds a data file already; give a new directory, or remove this one first"
            )
        names.from_text(suffix)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path}: cannot be made: {error.strerror}") from None
        try:
            store = cls(path, _open_environment(path, _whole_pages(map_octets), writable=True))
            store._initialise(suffix, handle_authority)
        except StoreError:
            # So that the next try does not find half a store in its way.
            for name in ("data.mdb", "lock.mdb"):
                (path / name).unlink(missing_ok=True)
            raise
        store._open_databases()
        return store

    def _initialise(self, suffix: str, handle_authority: str) -> None:
        values = {
            b"kind": _MAGIC,
            b"schema": str(SCHEMA_VERSION).encode(),
            b"suffix": suffix.encode(),
            b"handle": handle_authority.encode(),
            b"cookie-secret": secrets.token_bytes(16),
            b"created": str(int(time.time())).encode(),
            b"generation": bytes(GENERATION_OCTETS),
        }
        with _plain_errors(self.path), self._environment.begin(write=True) as txn:
            meta = self._environment.open_db(b"meta", txn=txn)
            for key, value in values.items():
                txn.put(key, value, db=meta)
            for name in _DATABASES[1:]:
                self._environment.open_db(name, txn=txn)

    @classmethod
    def open(cls, path: Path, writable: bool = False, sync: bool = True) -> Store:
        """Open a data directory.

        With ``sync`` False a commit does not wait for the disk: should the machine fail before the
        next `sync`, the directory may be lost.

        Raises:
            StoreError: it is missing, not ours, of another version, or may not be used.
        """
        if not (path / "data.mdb").is_file():
            raise StoreError(f"{path}: no data directory; make one with: csid init --data {path}")
        store = cls(path, _open_environment(path, 0, writable, sync))
        store._open_databases()
        return store

    def _open_databases(self) -> None:
        with _plain_errors(self.path):
            for name in _DATABASES:
                try:
                    self._databases[name] = self._environment.open_db(name, create=False)
                except lmdb.NotFoundError:
                    raise StoreError(
                        f"{self.path}: an LMDB file, but not one of csid (no {name.decode()!r} in "
                        f"it); give the directory that csid init made"
                    ) from None
            meta = self._meta()
        if meta.get(b"kind") != _MAGIC:
            raise StoreError(f"{self.path}: an LMDB file, but not one of csid")
        version = meta.get(b"schema", b"?").decode("ascii", "replace")
        if version != str(SCHEMA_VERSION):
            raise StoreError(
                f"{self.path}: has schema version {version}, this program reads version "
                f"{SCHEMA_VERSION}; use the program version that wrote it"
            )

    def open_tables(self, names: Iterable[bytes]) -> None:
        """Make tables usable in transactions; those that are not there yet are made if the store is
        open for writing, else they look empty.
        """
        with _plain_errors(self.path):
            missing = []
            for name in names:
                try:
                    self._databases[name] = self._environment.open_db(name, create=False)
                except lmdb.NotFoundError:
                    missing.append(name)
            if not missing or self._environment.flags()["readonly"]:
                return
            with self._environment.begin(write=True) as txn:
                made = {name: self._environment.open_db(name, txn=txn) for name in missing}
            self._databases.update(made)

    def _meta(self) -> dict[bytes, bytes]:
        with self._environment.begin(db=self._databases[b"meta"]) as txn:
            return {bytes(key): bytes(value) for key, value in txn.cursor()}

    def settings(self) -> Settings:
        """What the directory is for."""
        with _plain_errors(self.path):
            meta = self._meta()
        return Settings(meta[b"suffix"].decode(), meta[b"handle"].decode(), meta[b"cookie-secret"])

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """One moment of the store, held while the context lasts."""
        with _plain_errors(self.path), self.moment() as txn:
            yield self.snapshot_in(txn)

    def moment(self) -> Any:
        """A read transaction on the tree, to be ended by the caller (a context manager)."""
        return self._environment.begin(db=self._databases[b"tree"])

    def snapshot_in(self, txn: Any) -> Snapshot:
        """The snapshot that a transaction from `moment` sees."""
        identity = txn.id()
        if identity != self._zones_of:
            self._zones = {}
            self._zones_of = identity
        return Snapshot(txn.get, Below(txn), Floor(txn, self._databases[b"apexes"]), self._zones)

    @contextmanager
    def read(self) -> Iterator[ReadTransaction]:
        """One moment of the store, to be read in order."""
        with _plain_errors(self.path), self.moment() as txn:
            yield ReadTransaction(txn, self._databases, self.snapshot_in(txn))

    @contextmanager
    def write(self, keep: bool = True) -> Iterator[WriteTransaction]:
        """The one write transaction; committed when the context ends well, undone when not, or if
        it is only tried (`keep` False).

        Others who want to write wait meanwhile, so it is kept short.

        Raises:
            StoreError: the file system or the map is full, or the file may not be written.
        """
        with _plain_errors(self.path):
            txn = self._environment.begin(write=True, db=self._databases[b"tree"])
            try:
                yield WriteTransaction(txn, self._databases)
            except BaseException:
                txn.abort()
                raise
            if keep:
                txn.commit()
            else:
                txn.abort()

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
            with self.write() as txn:
                doomed = [one for one in txn.doomed() if not self._claims.is_claimed(one)]
                gone += (swept := txn.sweep(doomed, most))
                if swept == len(doomed):
                    return gone

    def check_readers(self) -> int:
        """Free the reader slots of processes that died; returns how many."""
        with _plain_errors(self.path):
            return int(self._environment.reader_check())

    def usage(self) -> dict[str, int]:
        """Octets used and available, tree entries, and readers."""
        info, stat = self._environment.info(), self._environment.stat()
        with self._environment.begin() as txn:
            nodes = txn.stat(self._databases[b"tree"])["entries"]
        return {
            "octets": (info["last_pgno"] + 1) * stat["psize"],
            "map_octets": info["map_size"],
            "nodes": nodes,
            "readers": info["num_readers"],
        }

    def sync(self) -> None:
        """Write everything committed to disk, after commits that did not wait for it."""
        with _plain_errors(self.path):
            self._environment.sync(True)

    def close(self) -> None:
        """End the use of the directory."""
        self._claims.close()
        self._environment.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _whole_pages(octets: int) -> int:
    page = os.sysconf("SC_PAGE_SIZE")
    return -(-octets // page) * page


def _open_environment(path: Path, map_octets: int, writable: bool, sync: bool = True) -> Any:
    with _plain_errors(path):
        try:
            return lmdb.open(
                os.fspath(path),
                map_size=map_octets,  # 0: the size the file was made with
                max_dbs=32,
                max_readers=MAX_READERS,
                readonly=not writable,
                sync=sync,
                readahead=False,
                # A read-only open of a directory we may not write cannot take a reader slot.
                lock=writable or os.access(path / "lock.mdb", os.W_OK, effective_ids=True),
                max_spare_txns=2,
            )
        except (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError):
            raise StoreError(
                f"{path}/data.mdb: is no LMDB file this program can read; give the directory that "
                f"csid init made"
            ) from None


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """Say what LMDB says in words an administrator can act on."""
    try:
        yield
    except lmdb.MapFullError:
        raise StoreError(
            f"{path}: the map is full; nothing of this step was written. Make a directory with a "
            f"larger --map-size, or remove what is no longer needed"
        ) from None
    except lmdb.DiskError as error:
        raise StoreError(
            f"{path}: the disk is full or fails ({error}); nothing of this step was written"
        ) from None
    except lmdb.ReadersFullError:
        raise StoreError(
            f"{path}: all {MAX_READERS} reader slots are taken; end some of the processes that "
            f"have it open"
        ) from None
    except (lmdb.LockError, lmdb.ReadonlyError, PermissionError) as error:
        raise StoreError(f"{path}: may not be used as asked: {error}") from None
    except lmdb.Error as error:
        text = str(error)
        if "No space left" in text or "ENOSPC" in text:
            raise StoreError(
                f"{path}: the disk is full; nothing of this step was written. Free some space and "
                f"run the command again"
            ) from None
        if "Input/output error" in text:  # what LMDB makes of a write that was cut short
            raise StoreError(
                f"{path}: the disk is full or fails; nothing of this step was written. Free some "
                f"space and run the command again"
            ) from None
        if "Permission denied" in text:
            raise StoreError(
                f"{path}: permission denied; run as the user that owns it, or change its mode"
            ) from None
        raise StoreError(f"{path}: {text}") from None
