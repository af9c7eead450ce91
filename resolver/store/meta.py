"""What a data directory says of itself: written when it is made, read by everyone who opens it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from csid import names
from csid.errors import StoreError
from resolver.store.apexes import GENERATION_OCTETS
from resolver.store.write import Nodes, WriteTransaction

SCHEMA_VERSION: Final = 2
DATABASES: Final = (b"meta", b"apexes", b"tree", b"pointers", b"doomed", b"journal")
# What the node keeps of others (resolver/sync/settings.py); directories that were made before there
# was any of it get them when they are opened for writing.
SYNC_DATABASES: Final = (
    b"sync.keys",
    b"sync.rights",
    b"sync.targets",
    b"sync.follows",
    b"sync.states",
    b"sync.timers",
    b"sync.changes",
    b"sync.catalogs",
    b"sync.members",
    b"sync.listed",
    b"sync.parted",
    b"sync.seen",
)
_NODE_OCTETS: Final = 16
MAGIC: Final = b"csid resolution store"
_OF_A_BEGINNING: Final = (b"kind", b"schema", b"generation")  # the same before the first zone


class Content(NamedTuple):
    """What a new directory is to hold; see `resolver.store.environment.Store.create`."""

    suffix: str
    handle_authority: str
    first_zone: Nodes = ()
    tables: tuple[bytes, ...] = ()
    also: Callable[[WriteTransaction], None] | None = None


def check(path: Path, meta: Mapping[bytes, bytes]) -> None:
    """Make sure that a directory is one of ours that this program can read.

    Raises:
        StoreError: it is not.
    """
    if meta.get(b"kind") != MAGIC:
        raise StoreError(f"{path}: an LMDB file, but not one of csid")
    version = meta.get(b"schema", b"?").decode("ascii", "replace")
    if version == str(SCHEMA_VERSION):
        return
    hint = "use the program version that wrote it"
    if version.isdecimal() and int(version) < SCHEMA_VERSION:
        hint = f"bring it up to date with: csid migrate --data {path}"
    raise StoreError(
        f"{path}: has schema version {version}, this program reads version {SCHEMA_VERSION}; {hint}"
    )


def fill(path: Path, environment: Any, content: Content) -> None:
    """Write all that a new directory holds, in one transaction; one that was made and never given a
    zone is completed.

    Raises:
        StoreError: there is something else already.
    """
    values = {
        b"kind": MAGIC,
        b"schema": str(SCHEMA_VERSION).encode(),
        b"suffix": content.suffix.encode(),
        b"handle": content.handle_authority.encode(),
        b"cookie-secret": secrets.token_bytes(16),
        b"node": secrets.token_bytes(_NODE_OCTETS),
        b"created": str(int(time.time())).encode(),
        b"generation": bytes(GENERATION_OCTETS),
    }
    with environment.begin(write=True) as txn:
        found = {bytes(name) for name, _ in txn.cursor()}
        all_databases = (*DATABASES, *SYNC_DATABASES)
        if found - set(all_databases):
            raise taken(path)
        opened = {name: environment.open_db(name, txn=txn) for name in all_databases}
        meta = opened[b"meta"]
        if found and (
            any(txn.get(one, db=meta) != values[one] for one in _OF_A_BEGINNING)
            or txn.stat(opened[b"apexes"])["entries"]
        ):
            raise taken(path)
        for key, value in values.items():
            txn.put(key, value, db=meta)
        for name in content.tables:
            opened[name] = environment.open_db(name, txn=txn)
        writing = WriteTransaction(txn, opened)
        if content.first_zone:
            writing.replace_zone(names.from_text(content.suffix), content.first_zone)
        if content.also is not None:
            content.also(writing)


def taken(path: Path) -> StoreError:
    """The error to raise where a directory is to be made and there is one."""
    return StoreError(
        f"{path}: holds a data file already; give a new directory, or remove this one first"
    )
