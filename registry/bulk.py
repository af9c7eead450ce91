"""Bulk import: a table of identifiers with their records into the store.

The parts of a table (`registry.entries`) are committed one by one, each in a transaction of its
own with one new serial for each zone it changes. What was committed stays, whatever comes after.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import BinaryIO, Final

from csid import names
from csid.errors import ZoneError
from registry.entries import TYPES, Entry, Part, Reading, parts
from registry.feeder import feed
from registry.table import ENCODING, Fault, Table
from resolver.store import Store
from resolver.writing import ADDED, CHANGED, UNCHANGED, WriteTransaction, ZoneEditor

ALONE_OCTETS: Final = 4 << 20  # a table of this size is read before a second process would run


@dataclass(slots=True)
class Tally:
    """What an import has done so far.

    Attributes:
        added, changed, unchanged: identifiers new to the store, with another record than before,
            and the same as before.
        bad: rows that were not taken.
        octets: of the table that have been taken.
        commits: transactions that changed something.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    bad: int = 0
    octets: int = 0
    commits: int = 0

    @property
    def rows(self) -> int:
        """Rows dealt with."""
        return self.added + self.changed + self.unchanged + self.bad


class Import:
    """One run over one table.

    Args:
        store: open for writing.
        keep: False only tries: every check is made, nothing is kept.
    """

    def __init__(self, store: Store, keep: bool = True) -> None:
        self.tally = Tally()
        self._store = store
        self._keep = keep
        # Key -> line and a hash of the node, of every row taken, to find the second of two.
        self._seen: dict[bytes, int] = {}

    def run(self, parts: Iterable[Part]) -> Iterator[list[Fault]]:
        """Commit the parts; gives the rows of each that were not taken, in order, once the others
        are committed.

        Raises:
            StoreError: the store is full or fails. What was committed before stays.
        """
        for part in parts:
            yield self._commit(part)
"""
