"""A status in the store:

    entry  = taken(8) until(8) number(8) source-octets(1) source told

Times in Unix milliseconds, integers big-endian; `told` is the msgpack of `csid.status.Told`.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from csid.status import Status, Told

_HEAD: Final = struct.Struct(">QQQB")
_UNTIL: Final = struct.Struct(">8xQ")
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Told).decode


def encode(taken: int, until: int, number: int, source: bytes, told: bytes) -> bytes:
    """An entry; `told` is packed already."""
    return _HEAD.pack(taken, until, number, len(source)) + source + told


def pack(told: Told) -> bytes:
    """What was told, packed; the same octets for the same facts in the same order."""
    return _encode(told)


def decode(entry: bytes) -> Status:
    """The status in an entry.

    Raises:
        ValueError: it is damaged.
    """
    try:
        taken, until, number, size = _HEAD.unpack_from(entry)
        end = _HEAD.size + size
        source = entry[_HEAD.size : end].decode("ascii")
        return Status(taken, until, source, number, _decode(entry[end:]))
    except (struct.error, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"a damaged status: {error}") from None


def head(entry: bytes) -> tuple[int, int, bytes]:
    """When an entry was taken, its number and its source.

    Raises:
        ValueError: it is damaged.
    """
    try:
        taken, _, number, size = _HEAD.unpack_from(entry)
    except struct.error as error:
        raise ValueError(f"a damaged status: {error}") from None
    return taken, number, entry[_HEAD.size : _HEAD.size + size]


def until(entry: bytes) -> int:
    """Until when an entry holds; 0 if it is damaged."""
    if len(entry) < _HEAD.size:
        return 0
    found: int = _UNTIL.unpack_from(entry)[0]
    return found
