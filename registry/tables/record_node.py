"""The node of the resolution tree that a record makes: its RRsets as the store keeps them."""

from __future__ import annotations

import struct
from typing import Final

from csid.protocol import CSID, SVCB, TXT
from csid.record import Record, encode
from csid.record_rdata import svcb_rdatas, txt_rdata
from resolver.store import node

# The head of a node's entry (resolver/store/node.py), and with it that of its only record, of 12
# octets.
_ENTRY: Final = struct.Struct(">HHHHH").pack
_HEAD: Final = struct.Struct(">HHHHH2sHHIH").pack
_OWNER: Final = node.OWNER


def blob_of(record: Record, ttl: int) -> bytes:
    """The node of a name with a record's RRsets: what `resolver.store.node.encode` makes of them.

    Raises:
        RecordError: the record is too large.
    """
    return node_of(record, encode(record), ttl)


def node_of(record: Record, packed: bytes, ttl: int) -> bytes:
    """As `blob_of`, of a record with its canonical octets."""
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
