"""The rows that follow from the log, replayed into tables for one task, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from registry.replay import Replay, ReplayFault
from registry.tables import codec
from registry.tables.overlay import Overlay
from registry.tables.transaction import write_rows
from registry.tables.view import View
from resolver.store.scratch import Scratch

TABLES: Final = {table: table.encode("ascii") for table in codec.REPLAYED}
LEAVES_PER_STEP: Final = 10_000  # whose rows wait in memory, about 10 MiB ...
OCTETS_PER_STEP: Final = 16 << 20  # ... unless they are as large as those of UPDATEs may be
PLACES_KEPT: Final = 200_000  # rows of places that are known to be there, about 25 MiB
_CLASS: Final = 4  # separators before the capability class in the key of a pool

Faulty = Callable[[int, str], None]  # told of a leaf that does not follow, and why


class Ledger:
    """The replayed rows in scratch tables: a `registry.tables.view.View`."""

    def __init__(self, tables: Scratch) -> None:
        self._tables = {table: tables.table(name) for table, name in TABLES.items()}
        self._leaves = 0
        # What almost every leaf asks: places that were entered, as far as they were met lately, and
        # all places and classes that have pools.
        self._places: set[bytes] = set()
        self._pools: set[bytes] = set()

    def get(self, table: str, key: bytes, /) -> bytes | None:
        """The value at a key of a table, None where there is none."""
        if not key:
            return None
        if table != codec.PLACES:
            return self._tables[table].get(key)
        if key in self._places:
            return b""
        value = self._tables[table].get(key)
        if value == b"":
            self._remember(key)
        return value

    def scan(self, table: str, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The rows whose keys begin with ``prefix`` and are not below ``start``, in key order."""
        if (
            table == codec.POOLS
            and prefix.count(b"/") > _CLASS
            and _class(prefix) not in self._pools
        ):
            return iter(())
        return self._tables[table].scan(prefix, start)

    def leaves(self) -> int:
        """How many leaves it follows from."""
        return self._leaves

    def leaf(self, index: int, /) -> bytes | None:
        """None: they are read elsewhere."""
        return None

    def serial(self, name: str, /) -> int:
        """0: there is no tree beside it."""
        return 0

    def write(self, over: Overlay) -> None:
        """Write rows that were laid over."""
        for table, rows in over.rows().items():
            write_rows(self._tables[table], rows)
            if table == codec.POOLS:
                self._pools.update(_class(key) for key, _ in rows)
            elif table == codec.PLACES:
                for key, value in rows:
                    self._places.discard(key) if value is None else self._remember(key)

    def _remember(self, place: bytes) -> None:
        if len(self._places) >= PLACES_KEPT:
            self._places.clear()
        self._places.add(place)

    def replay(
        self,
        leaves: Iterable[tuple[int, bytes]],
        faulty: Faulty,
        each: Callable[[int], None],
        before: Callable[[View, int, bytes], None] | None = None,
    ) -> None:
        """Replay the leaves of a log, given in order with their indices.

        Args:
            before: called with each leaf and the registry as it was before it.
            each: called with how many were replayed since the last call.
        """
        source = iter(leaves)
        while some := _taken(source):
            over = Overlay(self)
            steps = Replay(over)
            for index, leaf in some:
                if before is not None:
                    over.set_leaves(index)
                    before(over, index, leaf)
                try:
                    over.put_all(steps.apply(index, leaf).rows)
                except ReplayFault as fault:
                    faulty(index, str(fault))
                self._leaves = index + 1
            self.write(over)
            each(len(some))


def _taken(source: Iterator[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """The next leaves, up to the bounds of one step."""
    some: list[tuple[int, bytes]] = []
    octets = 0
    for one in islice(source, LEAVES_PER_STEP):
        some.append(one)
        octets += len(one[1])
        if octets >= OCTETS_PER_STEP:
            break
    return some


def _class(key: bytes) -> bytes:
    """Place and capability class of the key of a pool, or of the beginning of one."""
    return b"/".join(key.split(b"/", _CLASS + 1)[: _CLASS + 1])
