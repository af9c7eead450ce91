"""The copy of a cut's zone that this node is to take over, or has taken over: read, not written."""

from __future__ import annotations

from collections.abc import Iterator

from csid import names
from registry.authority import Territory, Walk, extras_in
from registry.network import handover_units as units
from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from registry.zones.founding import server_of
from resolver.store import node
from resolver.store.apexes import SERVED, split_zone_entry
from resolver.store.difference import serial_in
from resolver.store.read import ReadTransaction
from resolver.sync.settings import where

Held = tuple[bytes, int]  # generation and serial
Node = tuple[bytes, bytes]  # key below the apex, blob


def held(read: ReadTransaction, named: Names, cut: str) -> Held | None:
    """What is held of a cut; None unless that is whole and served."""
    value = read.table(b"apexes").get(where(named.key(cut)))
    if value is None:
        return None
    entry = split_zone_entry(value)
    if entry.flags != SERVED:
        return None
    return entry.generation, serial_in(read.table(b"tree").get(entry.generation) or b"")


def checked(read: ReadTransaction, named: Names, cut: str) -> Held | None:
    """What is held of a cut, of which all can be taken. Looks at all of it.

    Raises:
        HandoverError: something cannot be taken.
    """
    found = held(read, named, cut)
    apex = named.key(cut)
    skip = len(names.key_of(named.wire))
    for key, blob in read.nodes(found[0]) if found is not None else ():
        units.body_of(named, (apex + key)[skip:], blob)
    return found


def own_names(read: ReadTransaction, named: Names, cut: str) -> tuple[int, int, bytes]:
    """The serial of a cut's zone, and of its names that are not the registry's how many there are,
    and their digest, as they will be once it is this node's own. Looks at all of it.

    Raises:
        HandoverError: a name of the registry is not as its row says.
    """
    zone = read.zone(named.target(cut))
    seen = TransactionView(read)
    walk = Walk(named, Territory(named, zone.apex, (one.apex for one in read.zones(zone.apex))))
    nodes = _with_server(read.nodes(zone.generation), server_of(seen, named))
    for finding in walk.over(seen, nodes, extras_in(read, zone.apex, zone.generation)):
        raise units.HandoverError(finding.advice)
    serial = serial_in(read.table(b"tree").get(zone.generation) or b"")
    return serial, walk.names, walk.digest


def _with_server(nodes: Iterator[Node], server: bytes) -> Iterator[Node]:
    """The nodes of a zone whose only name server is one (name in wire form)."""
    for key, blob in nodes:
        if not key:
            blob = node.encode(units.apex_of(dict(node.rrsets_of(blob)), server))
        yield key, blob
