"""The two forms in which is said what an identifier resolves to: JSON, and msgpack.

All of it but the TTL stays as it is while the answer is kept, so it is made once: a head, behind
which the TTL is put each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any, Final, NamedTuple

import msgpack
import msgspec

from csid.record import Record
from gateway.http.media import JSON, MSGPACK, NDJSON

_encode: Final = msgspec.json.Encoder().encode
_pack: Final[Callable[[object], bytes]] = msgpack.Packer().pack
_TTL: Final = "ttl"
_FIXMAP: Final = 0x80  # and the number of members, up to 15
_UINT32: Final = Struct(">BI")


class Form(NamedTuple):
    """A form.

    Attributes:
        media: type of one, and of many behind each other.
        record: what a record is in it: its JSON form, or its canonical map.
        head: of an object without its TTL.
        tail: with so many seconds of TTL; of one, and of each of many.
    """

    media: str
    media_of_many: str
    record: Callable[[Record], Any]
    head: Callable[[Mapping[str, Any]], bytes]
    tail: Callable[[int], bytes]
    tail_of_many: Callable[[int], bytes]


def _json_head(said: Mapping[str, Any]) -> bytes:
    return _encode(said)[:-1] + b',"ttl":'


def _packed_head(said: Mapping[str, Any]) -> bytes:
    packed = _pack(said)
    assert _FIXMAP <= packed[0] < _FIXMAP + 15
    return bytes((packed[0] + 1,)) + packed[1:] + _pack(_TTL)


def _packed_tail(ttl: int) -> bytes:
    return _UINT32.pack(0xCE, ttl)


def _values(record: Record) -> Mapping[str, object]:
    return record.values


IN_JSON: Final = Form(
    JSON, NDJSON, Record.json, _json_head, lambda ttl: b"%d}" % ttl, lambda ttl: b"%d}\n" % ttl
)
IN_MSGPACK: Final = Form(MSGPACK, MSGPACK, _values, _packed_head, _packed_tail, _packed_tail)
