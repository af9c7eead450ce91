"""The registry in data of version 1, read as version 2 has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgpack

from registry.audit import AuditError, Log
from registry.audit.store import leaf_key
from registry.tables.naming import Names
from registry.tables.rows import DEFAULT_TTL
from resolver.store import node
from resolver.store.apexes import GENERATION_OCTETS
from resolver.store.migration import OldData, Row
from resolver.store.seek import APEX_PREFIX

ASSIGNMENTS: Final = b"registry.assignments"
_AUDIT: Final = b"registry.audit"
_LEAVES: Final = b"registry.leaves"
_FIELDS: Final = 7  # of an assignment of version 1; its TTL comes behind them


class OldRegistry:
    """The registry's rows: a `registry.tables.view.View`."""

    def __init__(self, old: OldData) -> None:
        self._old = old
        self._names = Names((old.get(b"meta", b"suffix") or b".").decode())
        self._zones = {
            key[len(APEX_PREFIX) :]: value[:GENERATION_OCTETS] for key, value in old.rows(b"apexes")
        }

    def get(self, table: str, key: bytes, /) -> bytes | None:
        """The value at a key of a table, None where there is none."""
        name = _database(table)
        value = self._old.get(name, key)
        return None if value is None else self.row(name, key, value)[1]

    def scan(self, table: str, prefix: bytes, start: bytes = b"") -> Iterator[Row]:
        """The rows whose keys begin with ``prefix`` and are not below ``start``, in key order."""
        name = _database(table)
        for key, value in self._old.rows(name, max(prefix, start)):
            if not key.startswith(prefix):
                return
            yield self.row(name, key, value)

    def serial(self, name: str, /) -> int:
        """0: nothing is changed here."""
        return 0

    def leaf(self, index: int, /) -> bytes | None:
        """None: nothing is asked of it here."""
        return None

    def leaves(self) -> int:
        """How many leaves the audit log has."""
        return OldLog(self._old).size()

    def row(self, database: bytes, key: bytes, value: bytes) -> Row:
        """A row of the registry as version 2 has it: assignments have their TTL behind the rest."""
        if database != ASSIGNMENTS or value[:1] != bytes((0x90 | _FIELDS,)):
            return key, value
        ttl: bytes = msgpack.packb(self.ttl(key.decode("ascii")))
        return key, bytes((0x90 | _FIELDS + 1,)) + value[1:] + ttl

    def ttl(self, identifier: str) -> int:
        """The TTL that an identifier's name has in the tree, in seconds."""
        key = self._names.key(identifier)
        end = len(key)
        while True:
            generation = self._zones.get(key[:end])
            if generation is not None:
                blob = self._old.get(b"tree", generation + key[end:])
                found = next(node.rrsets_of(blob), None) if blob is not None else None
                return DEFAULT_TTL if found is None else found[1].ttl
            if not end:
                return DEFAULT_TTL
            end = key.rfind(b"\0", 0, end - 1) + 1


class OldLog:
    """The audit log in data of version 1: a `registry.audit.Store` that is only read."""

    def __init__(self, old: OldData) -> None:
        self._old = old

    def get(self, key: bytes, /) -> bytes | None:
        """What its tables hold at a key."""
        return self._old.get(_LEAVES if key[:1] == leaf_key(0)[:1] else _AUDIT, key)

    def put_many(self, items: Iterable[Row], /) -> None:
        """Nothing is written to old data."""
        raise AuditError("the data of an older version is not written to")

    def size(self) -> int:
        """How many leaves there are."""
        return Log(self).size

    def leaves(self) -> Iterator[bytes]:
        """The data of every leaf, in order."""
        return (data for _, data in self._old.rows(_LEAVES))


def _database(table: str) -> bytes:
    return f"registry.{table}".encode("ascii")
