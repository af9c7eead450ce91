"""From the rows of a table to what the store keeps of them, in bounded parts.

row -> identifier and record -> record data -> node of the tree. Nothing here touches the store, so
it can run in a process of its own (`registry.feeder`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final, NamedTuple

from csid import names
from csid.dns import CSID, SVCB, TXT
from csid.errors import CsidError, RecordError
from csid.identifier import Identifier
from csid.projection import csid_rdata, svcb_rdatas, txt_rdata
from csid.record import Record
from csid.rows import row_reader
from registry.table import Fault, Row, Table, TableError, is_text
from resolver import node

TYPES: Final = frozenset({CSID, SVCB, TXT})  # what an import gives a name, and takes from it
DEFAULT_TTL: Final = 300  # seconds
ROWS_PER_PART: Final = 20_000

# A node's entry of one record, up to its data: RRset head, then record head (resolver/node.py).
_ENTRY_OF_ONE: Final = struct.Struct(">HHHHH2sHHIH")
_ENTRY: Final = struct.Struct(">HHHHH")
_RR_HEAD: Final = struct.Struct(">2sHHIH")
_RR_OCTETS: Final = _RR_HEAD.size


class Entry(NamedTuple):
    """What one row puts into the store. Entries order by key, then line."""

    key: bytes  # canonical key of the name
    line: int  # of the table
    blob: bytes  # the name's node


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


def parts(table: Table, reading: Reading) -> Iterator[Part]:
    """The rows of a table as entries; each part has at most about `rows_per_part` rows.

    Raises:
        TableError: the header is not that of a table of identifiers.
    """
    encode = _encoder(table, reading)
    entries: list[Entry] = []
    faults: list[Fault] = []
    for rows, unread in table.blocks():
        faults += unread
        for row in rows:
            try:
                entries.append(encode(row))
            except CsidError as error:
                is_readable = all(map(is_text, row.cells))
                faults.append(Fault(row.line, str(error) if is_readable else table.no_text))
            if len(entries) + len(faults) >= reading.rows_per_part:
                yield Part(sorted(entries), sorted(faults), table.octets)
                entries, faults = [], []
    yield Part(sorted(entries), sorted(faults), table.octets)


def _encoder(table: Table, reading: Reading) -> Callable[[Row], Entry]:
    """What makes an entry of a row; it raises CsidError if the row is wrong."""
    try:
        read = row_reader(table.header, reading.on)
    except RecordError as error:
        raise TableError(f"line 1: {error}; the first line names the columns") from None
    suffix_key = names.key_of(names.from_text(reading.suffix))
    ttl = reading.ttl

    def encode(row: Row) -> Entry:
        identifier, record = read(row.cells)
        return Entry(key_of(identifier, suffix_key), row.line, blob_of(record, ttl))

    return encode


def key_of(identifier: Identifier, suffix_key: bytes) -> bytes:
    """The canonical key of an identifier's name under a suffix, given as its key.

    The same as `names.key_of(identifier.to_wire(suffix))`, for segments hold no octet that a key
    escapes and already stand in the order of a key.
    """
    text = (
        f"{identifier.owner}\0{identifier.industry}\0{identifier.location}\0"
        f"{identifier.type}\0{identifier.spec}\0"
    )
    return suffix_key + text.lower().encode("ascii")


def blob_of(record: Record, ttl: int) -> bytes:
    """The node of a name with a record's RRsets: what `resolver.node.encode` makes of them.

    Raises:
        RecordError: the record is too large.
    """
    packed = csid_rdata(record)
    text = txt_rdata(record)
    endpoints = svcb_rdatas(record)
    if len(endpoints) == 1:
        return b"".join(
            (
                node.EMPTY,
                _head(TXT, ttl, text),
                text,
                _head(SVCB, ttl, endpoints[0]),
                endpoints[0],
                _head(CSID, ttl, packed),
                packed,
            )
        )
    records = b"".join(
        [_RR_HEAD.pack(node.OWNER, SVCB, 1, ttl, len(rdata)) + rdata for rdata in endpoints]
    )
    several = _ENTRY.pack(SVCB, len(endpoints), len(records), 0, 0) + records if endpoints else b""
    return b"".join(
        (node.EMPTY, _head(TXT, ttl, text), text, several, _head(CSID, ttl, packed), packed)
    )


def _head(rrtype: int, ttl: int, rdata: bytes) -> bytes:
    """What stands in a node before the data of an RRset's only record."""
    size = len(rdata)
    return _ENTRY_OF_ONE.pack(rrtype, 1, _RR_OCTETS + size, 0, 0, node.OWNER, rrtype, 1, ttl, size)
