"""Backups for the tests: nodes that are written to, what they hold, and nodes made of backups."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import lmdb

from registry.backup import Opener, Restored, Sealer, Taken, newest, of_file, restore, to_folder
from registry.tables.rollback import RESTORED
from resolver.store.environment import Store

Tables = dict[bytes, dict[bytes, bytes]]
OPEN: Final = Sealer()
NO_KEY: Final = Opener()


def held(data: Path) -> Tables:
    """All that a data directory holds, but the mark that it was restored."""
    with tempfile.TemporaryDirectory() as folder:
        # Of a file of its own, as this process may have the directory open.
        copy = shutil.copy(data / "data.mdb", folder)
        with lmdb.open(copy, subdir=False, readonly=True, max_dbs=64, lock=False) as environment:
            with environment.begin() as txn:
                names = [bytes(name) for name, _ in txn.cursor()]
            found: Tables = {}
            for name in names:
                database = environment.open_db(name, create=False)
                with environment.begin(db=database) as txn:
                    found[name] = {bytes(key): bytes(value) for key, value in txn.cursor()}
    found[b"meta"].pop(RESTORED, None)
    return found


def back_up(data: Path | Store, folder: Path, sealer: Sealer = OPEN, every: int = 1_000) -> Taken:
    """One backup of a directory, or of a store that is open, into a folder."""
    with nullcontext(data) if isinstance(data, Store) else Store.open(data) as store:
        return to_folder(store, folder, sealer, every)


def made_of(path: Path, data: Path, opener: Opener = NO_KEY) -> Restored:
    """A new node from a backup, or from the newest in a folder."""
    return restore(of_file(newest(path) if path.is_dir() else path), data, opener)
