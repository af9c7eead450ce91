"""Moves of cuts between nodes, as the copy of the root zone tells them (ADR 14):

CUT.moves.SUFFIX   TXT   "v=1" "move=number" "from=node" "to=node"     while it is under way
                         "serial=number"     the last of the cut's zone, once nobody changes it
CUT.moved.SUFFIX   TXT   "v=1" "move=number" "node=node"   who has it, since its last move is over
                         "serial=number"     the first of its zone that this one has, if it was done
                         "state=withdrawn"   it was, since then
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from csid import names
from csid.protocol import TXT
from registry.tables.naming import Names
from registry.tables.network import WITHDRAWN, text_of
from registry.tables.registered import begins_shaped
from registry.zones import others, places
from resolver.store import node as nodes_of
from resolver.store.apexes import NOT_READY

MOVES: Final = b"moves\0"
MOVED: Final = b"moved\0"
_WITHDRAWN: Final = text_of([WITHDRAWN])


class Seen(NamedTuple):
    """A move that is under way.

    Attributes:
        serial: of the cut's zone, which nobody changes any more; None: it may still be changed.
        texts: the data of the TXT records that say so.
    """

    cut: str
    number: int
    source: str
    to: str
    serial: int | None
    texts: tuple[bytes, ...]


def moment(txn: places.Txn, named: Names) -> tuple[bytes, bytes]:
    """What differs whenever the copy of the root zone is another: its generation and SOA."""
    suffix = names.key_of(named.wire)
    zone = txn.snapshot.zone_of(suffix)
    if zone is None or zone.apex != suffix or zone.flags == NOT_READY:
        return b"", b""
    return zone.generation, zone.soa


def is_told(txn: places.Txn, named: Names) -> bool:
    """Whether a copy of the root zone is here; without one nothing is known of moves."""
    return moment(txn, named) != (b"", b"")


def under_way(txn: places.Txn, named: Names) -> list[Seen]:
    """All moves that are under way in the network, in the order of the cuts."""
    generation, _ = moment(txn, named)
    if not generation:
        return []
    prefix = generation + MOVES
    rows = txn.table(b"tree").scan(prefix)
    found = (_seen(stored[len(prefix) :], blob) for stored, blob in rows)
    return [one for one in found if one is not None]


def move_of(txn: places.Txn, named: Names, cut: str) -> Seen | None:
    """The move of one cut; None if none is under way."""
    below = _below(cut)
    blob = _blob(txn, named, MOVES + below)
    return None if blob is None else _seen(below, blob)


def holder(txn: places.Txn, named: Names, cut: str) -> str:
    """The node whose a cut is that moves or has moved; empty if the root zone does not say."""
    seen = move_of(txn, named, cut)
    return _over(txn, named, cut).get("node", "") if seen is None else seen.source


def last_serial(txn: places.Txn, named: Names, cut: str) -> int | None:
    """Which serial the zone of a cut had when the last move was over; None if none is said."""
    return _number(_over(txn, named, cut).get("serial", ""))


def held_by(txn: places.Txn, named: Names, node: str) -> Iterator[str]:
    """The cuts whose last move is over, and that are a node's by that. Looks at all that have
    moved.
    """
    generation, _ = moment(txn, named)
    if not generation:
        return
    prefix = generation + MOVED
    wanted = text_of([f"node={node}"])
    for stored, blob in txn.table(b"tree").scan(prefix):
        below = stored[len(prefix) :]
        if wanted in blob and _WITHDRAWN not in blob and begins_shaped(below):
            yield _cut(below)


def is_withdrawn(txn: places.Txn, named: Names, cut: str) -> bool:
    """Whether a cut was withdrawn, after its last move was over."""
    return _over(txn, named, cut).get("state", "") == "withdrawn"


def _over(txn: places.Txn, named: Names, cut: str) -> dict[str, str]:
    blob = _blob(txn, named, MOVED + _below(cut))
    return {} if blob is None else _said(_texts(blob))


def _below(cut: str) -> bytes:
    return cut.lower().replace("/", "\0").encode("ascii") + b"\0"


def _cut(below: bytes) -> str:
    return below[:-1].replace(b"\0", b"/").decode("ascii").upper()


def _blob(txn: places.Txn, named: Names, key: bytes) -> bytes | None:
    generation, _ = moment(txn, named)
    return txn.table(b"tree").get(generation + key) if generation else None


def _texts(blob: bytes) -> tuple[bytes, ...]:
    rrsets = dict(nodes_of.rrsets_of(blob))
    return tuple(rrsets[TXT].rdatas) if TXT in rrsets else ()


def _said(texts: tuple[bytes, ...]) -> dict[str, str]:
    pairs: Iterator[tuple[str, str, str]] = (
        text.partition("=") for rdata in texts for text in others.strings_of(rdata)
    )
    return {key: value for key, _, value in pairs}


def _seen(below: bytes, blob: bytes) -> Seen | None:
    texts = _texts(blob)
    said = _said(texts)
    number, serial = _number(said.get("move", "")), _number(said.get("serial", ""))
    if said.get("v") != "1" or number is None or not begins_shaped(below):
        return None
    return Seen(_cut(below), number, said.get("from", ""), said.get("to", ""), serial, texts)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None
