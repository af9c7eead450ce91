"""The innermost loops over octets, in plain Python.

`csid.coctets` is the same, compiled: what is asked once for every packet, and takes a loop over its
octets, costs five times as much where each octet is a Python integer. Callers take the compiled
module where there is one; a property test holds both to the same results.
"""

from __future__ import annotations

import struct
from typing import Final

import siphash24

_HEAD: Final = struct.Struct(">HHHHH")  # a header without its ID


def read_key(packet: bytes, at: int) -> tuple[bytes, int]:
    """Read the name at `at` of a message into its canonical key (`csid.names`).

    Returns the key and the offset behind the name. The offset is 0 if the bytes are no name in
    plain form: cut short, over 255 octets, or with a compression pointer, which a question, being
    the first name of a message, has nothing to point back to.
    """
    size = len(packet)
    labels = []
    start = at
    while at < size:
        length = packet[at]
        at += 1
        if not length:
            break
        if length > 63:
            return b"", 0
        labels.append(packet[at : at + length])
        at += length
    else:
        return b"", 0
    if at - start > 255:
        return b"", 0
    labels.reverse()
    labels.append(b"")  # so that the join ends every label, the last one too
    key = b"\0".join(labels).lower()
    if key.count(0) != len(labels) - 1 or 1 in key:
        return _escaped_key(labels), at
    return key, at


def _escaped_key(labels: list[bytes]) -> bytes:
    """The key of labels (most significant first, b"" last) that hold 00 or 01 octets."""
    escaped = [label.replace(b"\1", b"\1\2").replace(b"\0", b"\1\1") for label in labels]
    return b"\0".join(escaped).lower()


def cookie_option(secret: bytes, client: bytes, now: int, address: bytes) -> bytes:
    """The COOKIE option of an answer, with the interoperable server cookie (RFC 7873 section 4,
    RFC 9018 section 4).

    Args:
        secret: 16 octets.
        client: the client cookie, 8 octets.
        now: seconds since 1970.
        address: of the client, 4 or 16 octets.

    Returns:
        28 octets: option code 10, length, the client cookie, and the server cookie: version, three
        of zero, the time, and SipHash-2-4 of all that with the client cookie and its address.
    """
    head = b"\x01\0\0\0" + (now & 0xFFFFFFFF).to_bytes(4, "big")
    digest: bytes = siphash24.siphash24(client + head + address, key=secret).digest()
    return b"\0\x0a\0\x18" + client + head + digest


def shared_end(one: bytes, other: bytes, start: int) -> int:
    """Where the labels end that two keys share, the octets before `start` being equal in both."""
    end = start
    while True:
        after = one.find(b"\0", end) + 1
        if not after or one[end:after] != other[end:after]:
            return end
        end = after


def labels_end(key: bytes, start: int, labels: int) -> int:
    """Where so many labels of a key end, counted from the offset `start`.

    Raises:
        ValueError: it has fewer.
    """
    for _ in range(labels):
        start = key.index(0, start) + 1
    return start


def with_owner(records: bytes, owner: bytes) -> bytes:
    """Records whose owner is a compression pointer under another owner: a name in full, or a
    pointer to one.

    Raises:
        IndexError: the records are cut short.
    """
    parts = []
    at = 0
    end = len(records)
    while at < end:
        after = at + 12 + (records[at + 10] << 8) + records[at + 11]
        if after > end:
            raise IndexError("records cut short")
        parts.append(owner)
        parts.append(records[at + 2 : after])
        at = after
    return b"".join(parts)


def with_ttl(records: bytes, offsets: bytes, ttl: int) -> bytes:
    """Records with another TTL.

    Args:
        offsets: of the TTLs in the records, 2 octets each.
        ttl: seconds, 32 bits.

    Raises:
        IndexError: an offset lies outside.
    """
    made = bytearray(records)
    octets = ttl.to_bytes(4, "big")
    for place in range(0, len(offsets) - 1, 2):
        at = (offsets[place] << 8) + offsets[place + 1]
        if at + 4 > len(made):
            raise IndexError("a TTL outside of the records")
        made[at : at + 4] = octets
    return bytes(made)


def message(
    query: bytes,
    end: int,
    flags: int,
    answers: int,
    authorities: int,
    additionals: int,
    answer: bytes,
    authority: bytes,
    additional: bytes,
    opt: bytes,
) -> bytes:
    """The message that answers a query (RFC 1035 section 4.1).

    Args:
        query: gives its ID, and its question as far as `end`; 12 if there is none to be repeated.
        flags: of the header, 16 bits.
        answers, authorities, additionals: how many records the sections have, below 65,536 each.
        answer, authority, additional, opt: the records, the OPT record behind all others.
    """
    head = _HEAD.pack(flags, end > 12, answers, authorities, additionals)
    return b"".join((query[:2], head, query[12:end], answer, authority, additional, opt))
