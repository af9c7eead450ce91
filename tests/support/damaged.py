"""A data directory with something of everything, and rows of it changed as any tool could."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb

from csid.record import Record
from registry import audit, deployment
from registry.rules.lifecycle import Verb
from registry.rules.plan import MintAll
from registry.rules.requests import (
    AddPool,
    AddToken,
    Advance,
    Alias,
    AliasSubtree,
    Assign,
    Import,
    Mint,
    Move,
    Retire,
    RetireLocation,
    SetScope,
)
from registry.service import Registry
from tests.support.books import OWNERS, SUFFIX, accredit, ask
from tests.support.commands import run
from tests.support.registering import (
    ADMINISTRATOR,
    CLASS,
    OTHER,
    OWNER,
    PLACE,
    POOL,
    RECORD,
    identifier,
)

KEY = audit.SigningKey.generate("registry.example/log")


ZONE = """
$ORIGIN csid.internal.
@ 3600 SOA ns1 hostmaster 7 3600 900 1209600 300
@ 3600 NS ns1
ns1 3600 A 127.0.0.1
host 300 A 127.0.0.1
host 300 TXT "a"
mail 300 MX 5 host
"""
OUTSIDE = """
$ORIGIN elsewhere.example.
@ 3600 SOA ns1 hostmaster 7 3600 900 1209600 300
@ 3600 NS ns1
ns1 3600 A 127.0.0.1
* 300 A 127.0.0.1
"""


def make(path: Path) -> Path:
    """A directory in which each table of the registry and of the store has rows."""
    deployment.create(path, SUFFIX, "0.EXAMPLE", map_octets=1 << 30)
    for number, text in enumerate((ZONE, OUTSIDE)):
        file = path.parent / f"{number}.zone"
        file.write_text(text)
        ran = run("zone", "load", file, "--data", path)
        assert ran.code == 0, ran
    with Registry.open(path, writable=True, sync=False) as registry:
        _fill(registry)
    return path


def _fill(registry: Registry) -> None:
    accredit(registry, *OWNERS)
    here = Record({"state": "active", "endpoints": ["https://host.csid.internal:8443"]})
    steps = [
        SetScope(("33", "11")),
        AddPool(PLACE, CLASS, 20),
        AddToken("desk", bytes(32), "auditor", "", (), 0),
        Mint(POOL, RECORD),
        Assign(identifier("0100"), here),
        Assign(identifier("0101"), RECORD.changed(state="reserved")),
        Advance(identifier("0100"), Verb.SUSPEND),
        Import(identifier("0200"), RECORD.changed(count=3), 2020),
        Assign(identifier("0201"), RECORD),
        Alias(identifier("0200"), identifier("0201")),
        Move(identifier("0201"), identifier("0201", OTHER)),
        Assign(identifier("0202"), RECORD),
        Retire(identifier("0202")),
        RetireLocation("330108", "330109"),
        AliasSubtree(f"{OTHER}/6440", f"{OWNER}/6450"),
    ]
    for step in steps:
        decision = ask(registry, step, key=f"key {step.kind}" if step.kind == "mint" else "")
        assert decision.status.success, decision
    registry.checkpoint(KEY, ADMINISTRATOR)
    registry.run(MintAll(POOL, RECORD, 3), ADMINISTRATOR)
    registry.checkpoint(KEY, ADMINISTRATOR)
    with registry.store.write() as txn:
        txn.begin_generation()  # as a load leaves it that was killed


class Rows:
    """The rows of one table, to be changed."""

    def __init__(self, txn: Any, database: Any) -> None:
        self._txn, self._database = txn, database

    def all(self) -> list[tuple[bytes, bytes]]:
        """In order."""
        return [(bytes(k), bytes(v)) for k, v in self._txn.cursor(self._database)]

    def get(self, key: bytes) -> bytes:
        """The value at a key."""
        return bytes(self._txn.get(key, db=self._database))

    def put(self, key: bytes, value: bytes) -> None:
        """Write one."""
        assert self._txn.put(key, value, db=self._database)

    def delete(self, key: bytes) -> None:
        """Take one away."""
        assert self._txn.delete(key, db=self._database)


Edit = Callable[[Rows], object]


@contextmanager
def table(path: Path, name: bytes) -> Iterator[Rows]:
    """The rows of a table as any tool can write them."""
    with lmdb.open(str(path), max_dbs=64) as environment:
        database = environment.open_db(name, create=False)
        with environment.begin(write=True) as txn:
            yield Rows(txn, database)
