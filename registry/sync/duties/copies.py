"""The copy of a cut's zone that this node is to take over, or has taken over: read, not written."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from csid import names
from csid.errors import CsidError
from registry.authority import Territory, Walk, extras_in
from registry.authority.finding import is_same
from registry.network import handover_units as units
from registry.rules.filing import is_before
from registry.rules.handover import row_of
from registry.rules.requests import Take
from registry.tables import view
from registry.tables.naming import Names
from registry.tables.registered import node_of, quick_node_of
from registry.tables.transaction import TransactionView
from registry.zones import moving
from registry.zones.founding import server_of
from resolver.store import node
from resolver.store.apexes import EXPIRED, SERVED, split_zone_entry
from resolver.store.difference import serial_in
from resolver.store.read import ReadTransaction
from resolver.sync import states
from resolver.sync.settings import where

Held = tuple[bytes, int]  # generation and serial
Node = tuple[bytes, bytes]  # key below the apex, blob


def held(read: ReadTransaction, named: Names, cut: str) -> Held | None:
    """What is held of a cut; None unless that is whole and served."""
    return _held(read, named, cut, (SERVED,))


def _held(read: ReadTransaction, named: Names, cut: str, flags: Collection[int]) -> Held | None:
    value = read.table(b"apexes").get(where(named.key(cut)))
    if value is None:
        return None
    entry = split_zone_entry(value)
    if entry.flags not in flags:
        return None
    return entry.generation, serial_in(read.table(b"tree").get(entry.generation) or b"")


def is_current(read: ReadTransaction, named: Names, cut: str, now: float) -> bool:
    """Whether the copy of a cut that has become this node's is what it took over, or later: not so
    where this node's data was put back from an older copy.
    """
    found = _held(read, named, cut, (SERVED, EXPIRED))
    last = moving.last_serial(read, named, cut)
    if found is None or (last is not None and is_before(found[1], last)):
        return False
    state = states.state_of(read, named.key(cut))
    lost = view.get_lost_row(TransactionView(read))
    # Before that, others may have had more of this very node. A time that is to come is one of a
    # clock that was set back since, and so are those of looks before that.
    if lost is None or state is None:
        return lost is None
    return state.refreshed > lost.since if lost.since <= now else state.refreshed <= now


def check(read: ReadTransaction, named: Names, cut: str, copy: Held) -> None:
    """Look at all that is held of a cut.

    Raises:
        HandoverError: something in it cannot be taken.
    """
    apex = named.key(cut)
    skip = len(names.key_of(named.wire))
    for key, blob in read.nodes(copy[0]):
        body = units.body_of(named, (apex + key)[skip:], blob)
        if isinstance(body, Take):
            _check_taken(named, body, blob)


def _check_taken(named: Names, body: Take, blob: bytes) -> None:
    """An identifier must have what the registry would write of it, no more and no less."""
    try:
        row = row_of(body, None)
    except CsidError as error:
        raise units.HandoverError(f"{body.identifier}: {error}") from None
    if quick_node_of(named, row) == blob:
        return
    found = dict(node.rrsets_of(blob))
    wanted = dict(node.rrsets_of(node_of(named, row)))
    if not is_same(found, wanted):
        raise units.HandoverError(f"{body.identifier} has other records than those of its registry")


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
