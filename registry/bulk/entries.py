"""From the rows of a table to what the store keeps of them, in bounded parts.

row -> identifier and record -> record data -> node of the tree. Nothing here touches the store, so
it can run in a process of its own (`registry.bulk.readers`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Final, NamedTuple

from csid.errors import CsidError, RecordError
from csid.record_csv import row_reader
from registry.bulk.csv_stream import Fault, Table, TableError, is_text
from registry.tables.naming import Names
from registry.tables.record_node import blob_of
from registry.tables.rows import DEFAULT_TTL

ROWS_PER_PART: Final = 50_000

# What one row puts into the store: canonical key of the name, line of the table, node of the name.
# A bare tuple, since an import makes one for every row; these order by key, then line.
Entry = tuple[bytes, int, bytes]


class Part(NamedTuple):
    """What some rows of a table come to."""

    entries: list[Entry]  # in order
    faults: list[Fault]  # in the order of their lines
    octets: int  # of the file, taken up to here


class Reading(NamedTuple):
    """How a table is read."""

    suffix: str  # DNS suffix of the names
    on: date  # registration date, on which codes must be in force
    ttl: int = DEFAULT_TTL  # seconds
    rows_per_part: int = ROWS_PER_PART


def parts(table: Table, reading: Reading, share: int = 0, of: int = 1) -> Iterator[Part]:
    """The rows of a table as entries, `rows_per_part` lines to a part; of every `of` parts the one
    with number `share`.

    Raises:
        TableError: the header is not that of a table of identifiers.
    """
    encode = _encoder(table, reading)
    for rows, faults in table.groups(reading.rows_per_part, share, of):
        entries: list[Entry] = []
        for line, cells in rows:
            try:
                key, blob = encode(cells)
            except CsidError as error:
                is_readable = all(map(is_text, cells))
                faults.append(Fault(line, str(error) if is_readable else table.no_text))
            else:
                entries.append((key, line, blob))
        entries.sort()
        faults.sort()
        yield Part(entries, faults, table.octets)


def _encoder(table: Table, reading: Reading) -> Callable[[list[str]], tuple[bytes, bytes]]:
    """What makes the key and the node of a row; it raises CsidError if the row is wrong."""
    try:
        read = row_reader(table.header, reading.on)
    except RecordError as error:
        raise TableError(f"line 1: {error}; the first line names the columns") from None
    named = Names(reading.suffix)
    ttl = reading.ttl

    def encode(cells: list[str]) -> tuple[bytes, bytes]:
        identifier, record = read(cells)
        return named.key(str(identifier)), blob_of(record, ttl)

    return encode
