"""What a decision sees of the registry: rows by key and by range, and the length of the log.

`View` is all that a store must offer. `Overlay` lays changes over a view without writing them:
for trying a request, and for deciding several before they are written together.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from registry.tables import codec
from registry.tables.rows import (
    Assignment,
    Changes,
    Owner,
    Pool,
    PoolUse,
    Redirect,
    Replay,
    Row,
    Scope,
)


class View(Protocol):
    """One moment of the registry."""

    def get(self, table: str, key: bytes, /) -> bytes | None:
        """The value at a key of a table, None where there is none."""
        ...

    def scan(self, table: str, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The rows whose keys begin with ``prefix`` and are not below ``start``, in key order.

        The table does not change while the iterator is in use.
        """
        ...

    def leaves(self) -> int:
        """How many leaves the audit log has: the index that the next one gets."""
        ...


class Empty:
    """A registry in which nothing has happened yet."""

    def get(self, table: str, key: bytes, /) -> bytes | None:
        """None."""
        return None

    def scan(self, table: str, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """No rows."""
        return iter(())

    def leaves(self) -> int:
        """0."""
        return 0


Rows = dict[bytes, bytes | None]


class Overlay:
    """A view with changes laid over it; a row that is None is taken away."""

    def __init__(self, base: View) -> None:
        self._base = base
        self._layers: dict[str, Rows] = {table: {} for table in codec.TABLES}
        self._sorted: dict[str, list[bytes]] = {table: [] for table in codec.TABLES}
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

    def layer(self, table: str) -> Rows:
        """The rows laid over one table, to be read and written by whoever has many."""
        return self._layers[table]

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


EMPTY: Final = Empty()


def get_owner(view: View, code: str) -> Owner | None:
    """A participant by its code."""
    value = view.get(codec.OWNERS, code.encode("ascii"))
    return None if value is None else codec.decode_owner(value)


def get_assignment(view: View, identifier: str) -> Assignment | None:
    """What is registered of an identifier, given as canonical text."""
    value = view.get(codec.ASSIGNMENTS, identifier.encode("ascii"))
    return None if value is None else codec.decode_assignment(value)


def count_live(view: View, code: str) -> int:
    """How many identifiers of an owner live: neither retired nor superseded."""
    return codec.decode_count(view.get(codec.COUNTS, codec.owner_count_key(code)))


def get_scope(view: View) -> Scope:
    """What the node assigns for."""
    value = view.get(codec.SETTINGS, codec.SCOPE_KEY)
    return Scope() if value is None else codec.decode_scope(value)


def get_location(view: View, location: str) -> Redirect | None:
    """What took the place of a location that was retired here."""
    value = view.get(codec.LOCATIONS, location.encode("ascii"))
    return None if value is None else codec.decode_redirect(value)


def get_subtree(view: View, prefix: str) -> Redirect | None:
    """What took the place of a whole prefix."""
    value = view.get(codec.SUBTREES, prefix.encode("ascii"))
    return None if value is None else codec.decode_redirect(value)


def get_replay(view: View, actor: str, key: str) -> Replay | None:
    """What was done under an idempotency key of an actor."""
    value = view.get(codec.REPLAYS, codec.replay_key(actor, key))
    return None if value is None else codec.decode_replay(value)


def get_use(view: View, pool: Pool) -> PoolUse:
    """How far a pool is used."""
    value = view.get(codec.COUNTS, codec.pool_use_key(pool))
    return PoolUse(0, int(pool.first, 36)) if value is None else codec.decode_use(value)


def pools_of(view: View, place: str, capability: str) -> Iterator[Pool]:
    """The pools of a place and capability class, narrow serials first."""
    prefix = f"{place}/{capability}/".encode("ascii")
    return (codec.decode_pool(value) for _, value in view.scan(codec.POOLS, prefix))


def pool_from(view: View, place: str, capability: str, serial: str) -> Pool | None:
    """The first pool of serials of this width that ends at or after a serial."""
    prefix = codec.pool_prefix(place, capability, len(serial))
    for _, value in view.scan(codec.POOLS, prefix, prefix + serial.encode("ascii")):
        return codec.decode_pool(value)
    return None


def pool_around(view: View, place: str, capability: str, serial: str) -> Pool | None:
    """The pool that a serial lies in."""
    pool = pool_from(view, place, capability, serial)
    return pool if pool is not None and pool.first <= serial else None


def assignments(view: View, prefix: str, start: str = "") -> Iterator[tuple[str, Assignment]]:
    """The identifiers below a prefix of whole segments, from ``start`` on, in tree order."""
    below = f"{prefix}/".encode("ascii")
    for key, value in view.scan(codec.ASSIGNMENTS, below, start.encode("ascii")):
        yield key.decode("ascii"), codec.decode_assignment(value)
