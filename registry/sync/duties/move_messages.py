"""What the two nodes of a move say to the national node, each by an UPDATE (RFC 2136) of the root
zone that is bound to that move (`registry/network/moves.py` takes it there).
"""

from __future__ import annotations

import struct
from typing import Final

from csid.protocol import CLASS_ANY, DS, NS, TXT
from registry.tables import network
from registry.tables.naming import Names
from registry.zones.moving import Seen
from resolver.store import node
from resolver.sync.update.message import request

_RR: Final = struct.Struct(">HHIH").pack


def said(named: Names, move: Seen, text: str) -> bytes:
    """The UPDATE that adds a text to what the root zone says of a move; its ID is zero."""
    name = named.target(f"{network.MOVES}/{move.cut}")
    return _message(named, move, [node.rr(name, TXT, network.TTL, string(text))])


def string(text: str) -> bytes:
    """A text of at most 255 octets as a character string (RFC 1035 section 3.3)."""
    data = text.encode()
    return bytes((len(data),)) + data


def asked(named: Names, move: Seen, server: bytes) -> bytes:
    """The UPDATE that delegates the cut of a move to a server (wire form), and to no other."""
    cut = named.target(move.cut)
    taken = [cut + _RR(rrtype, CLASS_ANY, 0, 0) for rrtype in (NS, DS)]
    return _message(named, move, [*taken, node.rr(cut, NS, network.TTL, server)])


def _message(named: Names, move: Seen, changes: list[bytes]) -> bytes:
    """An UPDATE that does nothing unless the root zone says of a move what was seen."""
    name = named.target(f"{network.MOVES}/{move.cut}")
    held = [node.rr(name, TXT, 0, one) for one in move.texts]
    return request(named.wire, changes, held)
