"""Records of a message as they can stand in another: names in full, or pointing to the question.

Record data is copied as it is, except where it may have pointers: names in data of the types that
RFC 1035 defines (RFC 3597 section 4) are read and written in full.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from csid.client.wire import Message, MessageError, Row, owner, read_name
from csid.protocol import CLASS_IN, CNAME, DNAME, MX, NS, PTR, SOA, SRV

_QUESTION: Final = b"\xc0\x0c"
_FIELDS: Final = struct.Struct(">HHIH")
# Types whose data has names that may be compressed, with the octets before and behind these, and
# how many names there are. SRV and DNAME are not to be compressed, and were by some.
_NAMES: Final[dict[int, tuple[int, int, int]]] = {
    NS: (0, 1, 0),
    CNAME: (0, 1, 0),
    PTR: (0, 1, 0),
    DNAME: (0, 1, 0),
    SOA: (0, 2, 20),
    MX: (2, 1, 0),
    SRV: (6, 1, 0),
}


def ready(message: Message, row: Row, asked: bytes, ttl: int, shown: bytes) -> bytes:
    """A record with a TTL of its own.

    Args:
        asked: the name in the question of its message, wire form, lower case.
        shown: the name in the question of the message it is for, in the same form.

    Raises:
        MessageError: it is not whole.
    """
    name = owner(message, row, asked)
    data = rdata(message, row)
    head = _FIELDS.pack(row.type, CLASS_IN, ttl, len(data))
    return b"".join((_QUESTION if name == shown else name, head, data))


def rdata(message: Message, row: Row) -> bytes:
    """The data of a record without pointers.

    Raises:
        MessageError: it is not what data of its type is.
    """
    octets = message.octets
    form = _NAMES.get(row.type)
    if form is None:
        return octets[row.start : row.end]
    before, count, behind = form
    at = row.start + before
    parts = [octets[row.start : at]]
    try:
        for _ in range(count):
            name, at = read_name(octets, at)
            parts.append(name)
    except IndexError:
        raise MessageError("a name that ends behind the message") from None
    if at + behind != row.end:
        raise MessageError("record data that is too short or too long")
    parts.append(octets[at : row.end])
    return b"".join(parts)


def record(name: bytes, rrtype: int, ttl: int, data: bytes, shown: bytes) -> bytes:
    """A record that is made here; ``shown`` as of `ready`."""
    return b"".join(
        (_QUESTION if name == shown else name, _FIELDS.pack(rrtype, CLASS_IN, ttl, len(data)), data)
    )


def least_ttl(rows: Sequence[Row]) -> int:
    """Seconds that all of them hold."""
    return min([row.ttl for row in rows])
