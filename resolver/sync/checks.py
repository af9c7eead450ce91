"""The question by which a secondary sees whether a zone has changed: its SOA (RFC 1034 section
4.3.5).
"""

from __future__ import annotations

from typing import Final

from csid.limits import HEADER_OCTETS
from csid.protocol import CLASS_IN, NOERROR, SOA
from resolver.sync.expire import QUERY_OPT
from resolver.sync.wire import behind_name, serial_at

_SOA_IN: Final = SOA.to_bytes(2, "big") + CLASS_IN.to_bytes(2, "big")
_COUNTS: Final = bytes((0, 1, 0, 0, 0, 0, 0, 1))
_AA: Final = 0x04
_TC: Final = 0x02
_CODES: Final = (
    *("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"),
    *("YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"),
)


def query(identity: int, origin: bytes) -> bytes:
    """The question for the SOA of a zone, and for when it expires there; `origin` in wire form."""
    return identity.to_bytes(2, "big") + b"\0\0" + _COUNTS + origin + _SOA_IN + QUERY_OPT


def serial_in(message: bytes, origin: bytes) -> int | str:
    """The serial that an answer tells, or why it tells none, in words.

    Args:
        message: without its TSIG record.
        origin: of the zone, in wire form, lower case.
    """
    if len(message) < HEADER_OCTETS or message[2] & 0xF8 != 0x80:
        return "what came is no answer"
    if code := message[3] & 15:
        return f"answers {code_name(code)}"
    if not message[2] & _AA:
        return "is not authoritative for the zone"
    if message[2] & _TC or message[6:8] == b"\0\0":
        return "answers without an SOA"
    try:
        at = HEADER_OCTETS
        for _ in range(int.from_bytes(message[4:6], "big")):
            at = behind_name(message, at) + 4
        return serial_at(message, at, origin)
    except (IndexError, ValueError):
        return "answers with something else than the SOA of the zone"


def code_name(code: int) -> str:
    """A response code in words."""
    return _CODES[code] if NOERROR <= code < len(_CODES) else f"response code {code}"
