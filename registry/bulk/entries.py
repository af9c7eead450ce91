"""From the rows of a table to identifiers with records, in bounded sorted parts; and from these, in
the order of the whole table, to units of work for the writer.

cells -> identifier and record -> canonical octets of the record; later -> node of the tree. Nothing
here touches the store, so it runs in processes of its own (`registry.bulk.readers`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any, Final, NamedTuple

import msgpack

from csid.errors import CsidError, IdentifierError, RecordError
from csid.record import Record, encode
from csid.record_csv import row_reader
from registry.bulk.csv_stream import Fault, Table, TableError, is_text
from registry.tables.record_node import node_of

ROWS_PER_PART: Final = 50_000
ROWS_PER_UNIT: Final = 1_000  # about 10 ms of the writer
UNIT_OCTETS_MAX: Final = 2 << 20  # half of what a frame may have (csid.limits)
_unpack: Final[Any] = msgpack.unpackb
_pack: Final[Any] = msgpack.packb

# What one row says: identifier in canonical form, line of the table, canonical octets of the
# record. A bare tuple, since an import makes one for every row; these order as the names of the
# tree do, then by line.
Row = tuple[str, int, bytes]


class Part(NamedTuple):
    """What some rows of a table come to."""

    rows: list[Row]  # in order
    faults: list[Fault]  # in the order of their lines
    octets: int  # of the file, taken up to here


class Reading(NamedTuple):
    """How a table is read."""

    on: date  # registration date, on which codes must be in force
    rows_per_part: int = ROWS_PER_PART
    rows_per_unit: int = ROWS_PER_UNIT


class Unit(NamedTuple):
    """Rows for one unit of work, packed: they are unpacked where they are decided."""

    rows: int
    octets: bytes  # msgpack: groups as `grouped` gives them


# The rows of one place that follow one another: the place; then in columns their last segments,
# lines, states, nodes, and how many octets at the end of each node are the record.
Group = tuple[str, list[str], list[int], list[str], list[bytes], list[int]]


def parts(
    table: Table,
    reading: Reading,
    share: int = 0,
    of: int = 1,
    sizes: Iterable[int] | None = None,
) -> Iterator[Part]:
    """The rows of a table, `rows_per_part` lines to a part, or as many as `sizes` says of each; of
    every `of` parts the one with number `share`.

    Raises:
        TableError: the header is not that of a table of identifiers, or `sizes` are not of it.
    """
    read = _reader(table, reading)
    if sizes is None:
        groups = table.groups(reading.rows_per_part, share, of)
    else:
        groups = table.parts(sizes, share, of)
    for lines, faults in groups:
        rows: list[Row] = []
        for line, cells in lines:
            try:
                name, packed = read(cells)
            except CsidError as error:
                is_readable = all(map(is_text, cells))
                reason = str(error) if is_readable else table.no_text
                faults.append(Fault(line, reason, _column(error), getattr(error, "kind", "")))
            else:
                rows.append((name, line, packed))
        rows.sort()
        faults.sort()
        yield Part(rows, faults, table.octets)


def _column(error: CsidError) -> str:
    """The column that is at fault, or the segment of the identifier."""
    if isinstance(error, RecordError):
        return error.field
    return error.segment if isinstance(error, IdentifierError) else ""


def _reader(table: Table, reading: Reading) -> Callable[[list[str]], tuple[str, bytes]]:
    """What makes the name and the record of a row; it raises CsidError if the row is wrong."""
    try:
        read = row_reader(table.header, reading.on, mends=True)
    except RecordError as error:
        raise TableError(f"line 1: {error}; the first line names the columns") from None

    def made(cells: list[str]) -> tuple[str, bytes]:
        identifier, record = read(cells)
        return str(identifier), encode(record)

    return made


def units(batches: Iterable[list[Row]], ttl: int, most: int) -> Iterator[Unit]:
    """Rows in the order of the whole table, in units of ``most``, with nodes of this TTL."""
    held: list[Row] = []
    for batch in batches:
        held += batch
        start = 0
        while len(held) - start >= most:
            yield from _units_of(held[start : start + most], ttl)
            start += most
        if start:
            del held[:start]
    if held:
        yield from _units_of(held, ttl)


def _units_of(rows: list[Row], ttl: int) -> Iterator[Unit]:
    """Rows as one unit, or as several where that would be too large for a frame."""
    octets = _pack(grouped(rows, ttl))
    if len(octets) <= UNIT_OCTETS_MAX or len(rows) == 1:
        yield Unit(len(rows), octets)
    else:
        half = len(rows) // 2
        yield from _units_of(rows[:half], ttl)
        yield from _units_of(rows[half:], ttl)


def grouped(rows: Iterable[Row], ttl: int) -> list[Group]:
    """Rows by place, each with its node."""
    groups: list[Group] = []
    place = ""
    for name, line, packed in rows:
        at, _, spec = name.rpartition("/")
        if at != place:
            place = at
            specs, lines, words, blobs, sizes = group = ([], [], [], [], [])  # type: ignore[var-annotated]
            groups.append((at, *group))
        values = _unpack(packed, use_list=False)
        specs.append(spec)
        lines.append(line)
        words.append(values["st"])
        blobs.append(node_of(Record.of_values(values), packed, ttl))
        sizes.append(len(packed))
    return groups
