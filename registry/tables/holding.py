"""All that the resolution tree holds for one identifier."""

from __future__ import annotations

from typing import NamedTuple

from csid import names
from csid.errors import ZoneError
from csid.identifier import Identifier
from csid.protocol import CSID
from csid.record import Record, decode
from registry.tables.naming import Names
from resolver.answer import lookup
from resolver.answer.lookup import Zone
from resolver.store import node
from resolver.store.node import RRset
from resolver.store.read import ReadTransaction


class Holding(NamedTuple):
    """All that the store holds for one identifier."""

    identifier: Identifier
    origin: bytes  # of its zone, wire form
    rrsets: dict[int, RRset]
    record: Record | None  # None if it has RRsets of other types alone


def find(read: ReadTransaction, identifier: Identifier, suffix: str) -> Holding:
    """What is held for an identifier.

    Raises:
        ZoneError: nothing is, and why.
    """
    key = Names(suffix).key(str(identifier))
    zone = read.snapshot.zone_of(key)
    if zone is None:
        name = identifier.to_dns_name(suffix)
        raise ZoneError(str(identifier), f"{name} lies in no zone that is held here")
    outcome, blob, depth = lookup.find(read.snapshot, zone, key)
    if outcome != lookup.EXACT or blob[2:] == b"":
        raise ZoneError(str(identifier), _why_absent(outcome, zone, key, depth))
    rrsets = dict(node.rrsets_of(blob))
    record = decode(rrsets[CSID].rdatas[0]) if CSID in rrsets else None
    return Holding(identifier, zone.wire, rrsets, record)


def _why_absent(outcome: int, zone: Zone, key: bytes, depth: int) -> str:
    if outcome in (lookup.DELEGATION, lookup.REDIRECT):
        labels = names.labels_of_key(key)[: zone.depth + depth]
        at = names.to_text(names.wire_of_key(b"".join(label + b"\0" for label in labels)))
        what = "delegated to other servers" if outcome == lookup.DELEGATION else "moved (DNAME)"
        return f"{at} is {what}; ask there"
    return f"is not held in the zone {names.to_text(zone.wire)}"
