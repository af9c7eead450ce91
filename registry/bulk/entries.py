"""From the rows of a table to what the store keeps of them, in bounded parts.

row -> identifier and record -> record data -> node of the tree. Nothing here touches the store, so
it can run in a process of its own (`registry.bulk.readers`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final, NamedTuple

from csid import names
from csid.errors import CsidError, RecordError
from csid.identifier import Identifier
from csid.protocol import CSID, SVCB, TXT
from csid.record import Record
from csid.record_csv import row_reader
from csid.record_rdata import csid_rdata, svcb_rdatas, txt_rdata
from registry.bulk.csv_stream import Fault, Table, TableError, is_text
from resolver.store import node

TYPES: Final = frozenset({CSID, SVCB, TXT})  # what an import gives a name, and takes from it
DEFAULT_TTL: Final = 300  # seconds
ROWS_PER_PART: Final = 50_000

# The head of a node's entry (resolver/store/node.py), and with it that of its only record, of 12
# octets.
_ENTRY: Final = struct.Struct(">HHHHH").pack
_HEAD: Final = struct.Struct(">HHHHH2sHHIH").pack
_OWNER: Final = node.OWNER


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
    suffix_key = names.key_of(names.from_text(reading.suffix))
    ttl = reading.ttl

    def encode(cells: list[str]) -> tuple[bytes, bytes]:
        identifier, record = read(cells)
        return key_of(identifier, suffix_key), blob_of(record, ttl)

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
    """The node of a name with a record's RRsets: what `resolver.store.node.encode` makes of them.

    Raises:
        RecordError: the record is too large.
    """
    packed = csid_rdata(record)
    text = txt_rdata(record)
    endpoints = svcb_rdatas(record)
    parts = [node.EMPTY, _HEAD(TXT, 1, len(text) + 12, 0, 0, _OWNER, TXT, 1, ttl, len(text)), text]
    if len(endpoints) == 1:
        rdata = endpoints[0]
        size = len(rdata)
        parts += (_HEAD(SVCB, 1, size + 12, 0, 0, _OWNER, SVCB, 1, ttl, size), rdata)
    elif endpoints:
        records = b"".join([node.rr(_OWNER, SVCB, ttl, rdata) for rdata in endpoints])
        parts += (_ENTRY(SVCB, len(endpoints), len(records), 0, 0), records)
    size = len(packed)
    parts += (_HEAD(CSID, 1, size + 12, 0, 0, _OWNER, CSID, 1, ttl, size), packed)
    return b"".join(parts)
