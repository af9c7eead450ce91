"""What the two nodes of a move say to the national node, each by an UPDATE (RFC 2136) of the root
zone that is bound to that move (`registry/network/moves.py` takes it there).
"""

from __future__ import annotations

import struct
from typing import Final

from csid.protocol import CLASS_ANY, CLASS_IN, DS, NS, OPT, SOA, TXT, UPDATE
from registry.tables import network
from registry.tables.naming import Names
from registry.zones.moving import Seen

_EDNS_OCTETS: Final = 1_232
_HEADER: Final = struct.Struct(">6H").pack
_RR: Final = struct.Struct(">HHIH").pack


def said(named: Names, move: Seen, text: str) -> bytes:
    """The UPDATE that adds a text to what the root zone says of a move; its ID is zero."""
    data = text.encode()
    name = named.target(f"{network.MOVES}/{move.cut}")
    rdata = bytes((len(data),)) + data
    return _message(named, move, [name + _RR(TXT, CLASS_IN, network.TTL, len(rdata)) + rdata])


def asked(named: Names, move: Seen, server: bytes) -> bytes:
    """The UPDATE that delegates the cut of a move to a server (wire form), and to no other."""
    cut = named.target(move.cut)
    taken = [cut + _RR(rrtype, CLASS_ANY, 0, 0) for rrtype in (NS, DS)]
    return _message(
        named, move, [*taken, cut + _RR(NS, CLASS_IN, network.TTL, len(server)) + server]
    )


def _message(named: Names, move: Seen, changes: list[bytes]) -> bytes:
    """An UPDATE that does nothing unless the root zone says of a move what was seen."""
    zone = named.wire + struct.pack(">HH", SOA, CLASS_IN)
    name = named.target(f"{network.MOVES}/{move.cut}")
    held = [name + _RR(TXT, CLASS_IN, 0, len(one)) + one for one in move.texts]
    edns = b"\0" + _RR(OPT, _EDNS_OCTETS, 0, 0)
    header = _HEADER(0, UPDATE << 11, 1, len(held), len(changes), 1)
    return b"".join((header, zone, *held, *changes, edns))
