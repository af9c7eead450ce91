"""Changes laid over a view without being written: for trying a request, and for deciding several
before they are written together.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from registry.tables import codec
from registry.tables.changes import Changes, Row
from registry.tables.view import View

Rows = dict[bytes, bytes | None]


class Overlay:
    """A view with changes laid over it; a row that is None is taken away."""

    def __init__(self, base: View) -> None:
        self._base = base
        self._layers: dict[str, Rows] = {table: {} for table in codec.REPLAYED}
        self._sorted: dict[str, list[bytes]] = {table: [] for table in codec.REPLAYED}
        self._leaves = base.leaves()

    def get(self, table: str, key: bytes, /) -> bytes | None:
        """The value laid over, else the one below."""
        rows = self._layers[table]
        return rows[key] if key in rows else self._base.get(table, key)

    def scan(self, table: str, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Both layers in one order."""
        below = self._base.scan(table, prefix, start)
        rows = self._layers[table]
        if not rows:
            return below
        return _merged(below, rows, self._keys(table), prefix, max(prefix, start))

    def leaves(self) -> int:
        """The leaves below and those added."""
        return self._leaves

    def leaf(self, index: int, /) -> bytes | None:
        """One of those below; those that were decided on are not kept."""
        return self._base.leaf(index) if index < self._base.leaves() else None

    def serial(self, name: str, /) -> int:
        """As the view below says."""
        return self._base.serial(name)

    def put(self, table: str, key: bytes, value: bytes | None) -> None:
        """Lay one row over."""
        self._layers[table][key] = value

    def put_all(self, rows: Iterable[Row]) -> None:
        """Lay rows over."""
        for table, key, value in rows:
            self._layers[table][key] = value

    def set_leaves(self, count: int) -> None:
        """Say how many leaves there are with those that were decided on."""
        self._leaves = count

    def apply(self, changes: Changes) -> None:
        """Lay a decision over."""
        self.put_all(changes.rows)
        self._leaves += changes.leaf is not None

    def adopt(self, other: Overlay, tables: Iterable[str]) -> None:
        """Have the same rows laid over some tables as another one, which is not used any more."""
        for table in tables:
            self._layers[table] = other._layers[table]
            self._sorted[table] = []

    def rows(self) -> dict[str, list[tuple[bytes, bytes | None]]]:
        """All rows laid over, by table, in key order; tables without any are left out."""
        return {table: sorted(rows.items()) for table, rows in self._layers.items() if rows}

    def _keys(self, table: str) -> list[bytes]:
        """The keys laid over a table in order; sorted again only after one was added."""
        if len(self._sorted[table]) != len(self._layers[table]):
            self._sorted[table] = sorted(self._layers[table])
        return self._sorted[table]


def _merged(
    below: Iterator[tuple[bytes, bytes]],
    rows: Rows,
    keys: list[bytes],
    prefix: bytes,
    start: bytes,
) -> Iterator[tuple[bytes, bytes]]:
    """Rows of two layers in one order, those of ``rows`` in place of the same keys below."""
    at = bisect_left(keys, start)
    row = next(below, None)
    while True:
        over = keys[at] if at < len(keys) and keys[at].startswith(prefix) else None
        if row is not None and (over is None or row[0] < over):
            yield row
            row = next(below, None)
        elif over is not None:
            if row is not None and row[0] == over:
                row = next(below, None)
            at += 1
            value = rows[over]
            if value is not None:
                yield over, value
        else:
            return
