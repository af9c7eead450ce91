"""The tables of the registry inside a transaction of the store: read as a view, and written.

What one batch of decisions changes (rows, names of the resolution tree, zone journal and serial,
audit leaves) goes into one transaction: a code is assigned and resolvable, or neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from registry import audit
from registry.audit.store import leaf_key
from registry.tables import codec
from registry.tables.naming import Names
from resolver.store.build import next_serial
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.store.table import Table
from resolver.store.write import WriteTransaction

_AUDIT: Final = b"registry.audit"  # tiles and state of the log (schemas/audit.md)
_LEAVES: Final = b"registry.leaves"  # its leaves: apart, so that appending fills their pages
CHECKPOINTS: Final = b"registry.checkpoints"  # size(8) key id(4) -> a signed checkpoint
# Receipts that are to be sent: node 00 number(8) -> msgpack [identifier, serial].
OWED: Final = b"registry.owed"
# Identifiers whose receipt was taken by their node while the copy here said that they are still to
# be filed; a change of their zone will say what has become of them. identifier -> the number of the
# transaction in which that was written (8), or empty in older rows.
ANSWERED: Final = b"registry.answered"
# Zones that are to be looked through for identifiers to be filed: canonical key of the apex ->
# where that has arrived (registry/sync/duties/examination.py).
LOOKED: Final = b"registry.looked"
# For whom a zone was looked through last: origin -> the name of the node whose it was.
LOOKED_FOR: Final = b"registry.looked_for"
# The tenures of cuts, as an aggregate has seen them (registry/network/tenures.py).
TENURES: Final = b"registry.tenures"
_TABLES: Final = {table: f"registry.{table}".encode("ascii") for table in codec.TABLES}

ALL_TABLES: Final = (
    *_TABLES.values(),
    _AUDIT,
    _LEAVES,
    CHECKPOINTS,
    OWED,
    ANSWERED,
    LOOKED,
    LOOKED_FOR,
    TENURES,
)

_LEAF: Final = b"l"  # what the keys of leaves begin with

Rows = Iterable[tuple[bytes, bytes | None]]


def open_tables(store: Store) -> None:
    """Make the registry's tables usable, and make them where they are not there yet."""
    store.open_tables(ALL_TABLES)


class AuditStore:
    """The audit log's tables inside a transaction: a `registry.audit.Store`."""

    def __init__(self, txn: ReadTransaction | WriteTransaction) -> None:
        self._others = txn.table(_AUDIT)
        self._leaves = txn.table(_LEAVES)

    def get(self, key: bytes, /) -> bytes | None:
        """The value at that key, None where there is none."""
        return (self._leaves if key[:1] == _LEAF else self._others).get(key)

    def put_many(self, items: Iterable[tuple[bytes, bytes]], /) -> None:
        """Write every (key, value); leaves only behind all there are.

        Raises:
            AuditError: leaves stand there already.
        """
        rows = list(items)
        if not rows or rows[0][0][:1] != _LEAF:
            self._others.put_many(rows)
        elif not self._leaves.append(rows):
            raise audit.AuditError("the audit log has leaves beyond its end; verify the log")

    def leaves(self) -> Iterator[bytes]:
        """The data of every stored leaf in order, up to the first gap."""
        for index, (key, data) in enumerate(self._leaves.scan(b"")):
            if key != leaf_key(index):
                return
            yield data

    def numbered(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Every row of the table of leaves, from a leaf on: the index that its key says (-1 if it
        says none) and the data.
        """
        for key, data in self._leaves.scan(b"", leaf_key(start) if start else b""):
            is_leaf = key[:1] == _LEAF and len(key) == len(leaf_key(0))
            yield int.from_bytes(key[1:], "big") if is_leaf else -1, data

    def stored(self) -> int:
        """How many rows the table of leaves has."""
        return self._leaves.entries()


class _Tables(dict[str, Table]):
    """The tables of the registry inside a transaction, each from when it is first asked for: most
    views look at two or three of them.
    """

    def __init__(self, txn: ReadTransaction | WriteTransaction) -> None:
        self._txn = txn

    def __missing__(self, table: str) -> Table:
        found = self[table] = self._txn.table(_TABLES[table])
        return found


class TransactionView:
    """The registry as a transaction sees it: a `registry.tables.view.View`."""

    def __init__(self, txn: ReadTransaction | WriteTransaction) -> None:
        self.attach(txn)

    def attach(self, txn: ReadTransaction | WriteTransaction) -> None:
        """From now on see what another transaction sees."""
        self._tables = _Tables(txn)
        self._audit = AuditStore(txn)
        self._log = audit.Log(self._audit)
        self._txn = txn
        self._names: Names | None = None

    def get(self, table: str, key: bytes, /) -> bytes | None:
        """The value at a key of a table, None where there is none."""
        return self._tables[table].get(key) if key else None

    def scan(self, table: str, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The rows whose keys begin with ``prefix`` and are not below ``start``, in key order."""
        return self._tables[table].scan(prefix, start)

    def leaves(self) -> int:
        """How many leaves the audit log has."""
        return self._log.size

    def leaf(self, index: int, /) -> bytes | None:
        """The data of a leaf that is in the log."""
        return self._audit.get(leaf_key(index))

    def serial(self, name: str, /) -> int:
        """The serial that the zone of a name gets by this transaction; 0 where there is none."""
        if self._names is None:
            suffix = self._txn.table(b"meta").get(b"suffix")
            self._names = Names((suffix or b".").decode())
        zone = self._txn.snapshot.zone_of(self._names.key(name))
        return 0 if zone is None else next_serial(int.from_bytes(zone.soa[-20:-16], "big"))

    def table(self, table: str) -> Table:
        """One table."""
        return self._tables[table]


def write_rows(table: Table, rows: Rows) -> None:
    """Put or, where the value is None, take away rows, given in key order."""
    kept = []
    for key, value in rows:
        if value is None:
            table.delete(key)
        else:
            kept.append((key, value))
    table.put_many(kept)


def append_leaves(txn: WriteTransaction, leaves: list[bytes], size: int) -> None:
    """Append leaves to the audit log, which has ``size`` leaves then.

    Raises:
        AuditError: the log is damaged, or is not as long as the decisions supposed.
    """
    if not leaves:
        return
    given = audit.Log(AuditStore(txn)).append(leaves)
    if given.stop != size:
        raise audit.AuditError(
            f"the audit log has {given.stop} leaves, the rows say {size}; verify the log"
        )
