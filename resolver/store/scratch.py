"""Tables for work that must not need memory for all it handles: in files that nobody else sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from csid.limits import SCRATCH_OCTETS, SCRATCH_WRITES
from resolver.store.table import Table

_AT_A_TIME: Final = 1_000  # rows read ahead, so that what is read may be written meanwhile


class Scratch:
    """A scratch environment; see `resolver.store.environment.scratch`.

    What is written is committed now and then, so that transactions stay small; readers see it at
    once. For one thread.
    """

    def __init__(self, environment: Any, databases: Mapping[bytes, Any]) -> None:
        self._environment = environment
        self._tables = {name: _ScratchTable(self, db) for name, db in databases.items()}
        self._txn: Any = environment.begin(write=True)
        self._writes = self._octets = 0
        self._attach()

    def table(self, name: bytes) -> Table:
        """One of the tables that it was made with."""
        return self._tables[name]

    def written(self, rows: int, octets: int) -> None:
        """Count what was written; commits if it is much."""
        self._writes += rows
        self._octets += octets
        if self._writes >= SCRATCH_WRITES or self._octets >= SCRATCH_OCTETS:
            self._writes = self._octets = 0
            self._txn.commit()
            self._txn = self._environment.begin(write=True)
            self._attach()

    def _attach(self) -> None:
        for table in self._tables.values():
            table.attach(self._txn)

    def close(self) -> None:
        """Give up what is not committed."""
        self._txn.abort()


class _ScratchTable(Table):
    """A table that goes on in the next transaction."""

    __slots__ = ("_scratch",)

    def __init__(self, scratch: Scratch, database: Any) -> None:
        self._scratch = scratch
        self._database = database

    def attach(self, txn: Any) -> None:
        """From now on work in this transaction."""
        self._txn = txn
        self._get = txn.get

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        while True:
            rows = list(islice(super().scan(prefix, start), _AT_A_TIME))
            yield from rows
            if len(rows) < _AT_A_TIME:
                return
            start = rows[-1][0] + b"\0"

    def put(self, key: bytes, value: bytes) -> None:
        super().put(key, value)
        self._scratch.written(1, len(key) + len(value))

    def put_many(self, rows: Iterable[tuple[bytes, bytes]], /) -> None:
        source = iter(rows)
        while some := list(islice(source, _AT_A_TIME)):
            super().put_many(some)
            self._scratch.written(len(some), sum(len(key) + len(value) for key, value in some))

    def append(self, rows: Sequence[tuple[bytes, bytes]]) -> bool:
        appended = super().append(rows)
        self._scratch.written(len(rows), sum(len(key) + len(value) for key, value in rows))
        return appended

    def delete(self, key: bytes) -> bool:
        gone = super().delete(key)
        self._scratch.written(1, len(key))
        return gone
