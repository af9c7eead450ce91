"""A data directory as the program of schema version 1 made it, whole: its rows are kept beside this
file, a line each (table, key, value; the last two in hexadecimal).

In it are owners, a pool, identifiers in every state, aliases, a transfer, a retired location,
subtrees that became aliases, imports with TTLs of 60 and 900 seconds and one of an earlier year,
idempotency keys (one of them of a request that changed nothing), three checkpoints, a second zone.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import lmdb

ROWS: Final = Path(__file__).with_name("version-1.txt.gz")
VERIFIER: Final = Path(__file__).with_name("version-1.pem.pub")  # of its audit log
MAP_OCTETS: Final = 1 << 30
# Tables that a directory of that version has, also where they hold nothing.
TABLES: Final = (b"meta", b"apexes", b"tree", b"doomed", b"journal")


def rows() -> Iterator[tuple[bytes, bytes, bytes]]:
    """(table, key, value) of every row, in order."""
    with gzip.open(ROWS, "rt", encoding="ascii") as lines:
        for line in lines:
            table, key, value = line.rstrip("\n").split(" ")
            yield table.encode(), bytes.fromhex(key), bytes.fromhex(value)


def write(data: Path) -> Path:
    """Make the directory; returns it."""
    data.mkdir(mode=0o700)
    with lmdb.open(str(data), map_size=MAP_OCTETS, max_dbs=32, mode=0o600) as environment:
        databases = {name: environment.open_db(name) for name in TABLES}
        for table, key, value in rows():
            if table not in databases:
                databases[table] = environment.open_db(table)
            with environment.begin(write=True, db=databases[table]) as txn:
                txn.put(key, value)
    return data
