"""Bulk import: a table of identifiers with their records into the store.

The parts of a table (`registry.entries`) are committed one by one, each in a transaction of its
own with one new serial for each zone it changes. What was committed stays, whatever comes after.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from csid import names
from csid.errors import ZoneError
from registry.entries import TYPES, Part, Reading, parts
from registry.feeder import feed
from registry.table import ENCODING, Fault, Table
from resolver.store import Store
from resolver.writing import ADDED, CHANGED, UNCHANGED, WriteTransaction, ZoneEditor

ALONE_OCTETS: Final = 4 << 20  # a table of this size is read before another process would run
OCTETS_PER_READER: Final = 16 << 20  # a larger table is worth another process, up to ...
MAX_READERS: Final = 4  # ... as many as one that writes can keep up with
SEGMENTS: Final = 5  # of an identifier, a label each in its name
_MARK_BITS: Final = 64


@dataclass(slots=True)
class Tally:
    """What an import has done so far.

    Attributes:
        added: identifiers that had no record before.
        changed: identifiers that had another record before.
        unchanged: rows that say what the store says already.
        bad: rows that were not taken.
        octets: of the table, taken so far.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    bad: int = 0
    octets: int = 0

    @property
    def rows(self) -> int:
        """Rows dealt with."""
        return self.added + self.changed + self.unchanged + self.bad


def read_parts(
    file: BinaryIO, reading: Reading, size: int | None, encoding: str = ENCODING
) -> Iterator[Part]:
    """The parts of a table, read by processes of their own where that saves time.

    Args:
        file: at its start; with a descriptor, unless the table is small.
        size: octets of the table; None if it is no file whose size can be known.

    Raises:
        TableError: the header is not that of a table of identifiers.
    """
    if size is not None and size <= ALONE_OCTETS:
        return parts(Table(file, encoding), reading)
    readers = 1
    if size is not None:
        readers = min(len(os.sched_getaffinity(0)), MAX_READERS, 1 + size // OCTETS_PER_READER)
    return feed(file, reading, encoding, readers)


class Import:
    """One run over one table.

    Args:
        store: open for writing.
        keep: False only tries: every check is made, nothing is kept.

    Attributes:
        tally: what has been done so far.
    """

    def __init__(self, store: Store, keep: bool = True) -> None:
        self.tally = Tally()
        self._store = store
        self._keep = keep
        # Of every identifier taken, to know it when it comes again: its line, and behind that
        # _MARK_BITS of a hash of its node.
        self._marks: dict[bytes, int] = {}

    def run(self, parts: Iterable[Part]) -> Iterator[list[Fault]]:
        """Commit the parts; after each, gives its rows that were not taken, in order.

        Raises:
            StoreError: the store is full or fails. What was committed before stays.
        """
        self._store.sweep()
        for part in parts:
            yield self._commit(part)

    def _commit(self, part: Part) -> list[Fault]:
        faults = list(part.faults)
        marks = self._marks
        effects = [0, 0, 0]
        with self._store.write(self._keep) as txn:
            zones = _Zones(txn)
            for key, line, blob in part.entries:
                mark = line << _MARK_BITS | hash(blob) % 2**_MARK_BITS
                try:
                    earlier = marks.get(key)
                    if earlier is None:
                        effects[zones.put(key, blob)] += 1
                        marks[key] = mark
                    elif (earlier ^ mark) % 2**_MARK_BITS:
                        faults.append(Fault(line, _given_before(key, earlier >> _MARK_BITS)))
                    else:
                        effects[UNCHANGED] += 1
                except ZoneError as error:
                    faults.append(Fault(line, f"{_identifier(key)}: {error.reason}"))
            zones.finish()
        tally = self.tally
        tally.added += effects[ADDED]
        tally.changed += effects[CHANGED]
        tally.unchanged += effects[UNCHANGED]
        tally.bad += len(faults)
        tally.octets = part.octets
        return sorted(faults)


class _Zones:
    """The zones that one transaction changes."""

    def __init__(self, txn: WriteTransaction) -> None:
        self._txn = txn
        self._editors: dict[bytes, ZoneEditor] = {}

    def put(self, key: bytes, blob: bytes) -> int:
        """Give a name its RRsets in the deepest zone around it; returns what that did.

        Raises:
            ZoneError: no zone held here encloses the name, or the zone cannot hold it.
        """
        apex = self._txn.deepest_zone(key)
        if apex is None:
            raise ZoneError(
                names.to_text(names.wire_of_key(key)),
                "lies in no zone that is held here; load its zone first",
            )
        editor = self._editors.get(apex)
        if editor is None:
            editor = self._editors[apex] = self._txn.open_zone(names.wire_of_key(apex))
        return editor.put_types(key[len(apex) :], blob, TYPES)

    def finish(self) -> None:
        """Give each changed zone its new serial."""
        for editor in self._editors.values():
            editor.finish()


def _given_before(key: bytes, line: int) -> str:
    return f"{_identifier(key)}: stands on line {line} already, with another record; keep one"


def _identifier(key: bytes) -> str:
    """The identifier whose name has this key: its last labels are the segments."""
    return "/".join(label.decode() for label in names.labels_of_key(key)[-SEGMENTS:]).upper()
