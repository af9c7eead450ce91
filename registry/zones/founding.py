"""Cuts (切分点): the zones of a node that files with a national one.

A name lies in a zone of the node's own, or a zone is made for its cut, owner/industry/location,
together with what is assigned in it. What others hold is seen in the copy of the root zone that the
node follows; whether the cut is its own for good, the national node says (`registry.rules.filing`).
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from itertools import islice
from typing import Final

from csid import names
from csid.protocol import NS, SOA
from registry.rules.case import entry_writer
from registry.rules.decide import decide
from registry.rules.decision import Decision, Refusal
from registry.rules.filing import CUT_SEGMENTS
from registry.rules.requests import Request, RequestFiling
from registry.rules.status import Status
from registry.tables import codec, view
from registry.tables.changes import TreeKind
from registry.tables.enums import FilingState
from registry.tables.naming import Names
from registry.tables.resolution import is_own
from registry.tables.rows import NO_LEAF, ZoneRow
from registry.tables.view import View
from registry.tables.volume import Volume, write_all
from registry.zones import moving, others, places
from registry.zones.asked import LOAD
from registry.zones.first import SERIAL, first_zone
from registry.zones.serials import behind
from resolver.answer import lookup
from resolver.store import node
from resolver.store.apexes import NOT_READY
from resolver.store.build import build, next_serial, with_serial

_NODES_LOOKED_AT: Final = 1_000  # of the root zone below a cut

Node = tuple[bytes, bytes]  # key below the apex, blob


def cut_of(name: str) -> str:
    """The cut by default of an identifier: its owner, industry and location."""
    return "/".join(name.split("/")[:CUT_SEGMENTS])


def needed(volume: Volume, named: Names, request: Request, decision: Decision) -> list[str]:
    """The cuts that are to be made zones before a decision can be carried out."""
    if not decision.status.success:
        return []
    if isinstance(request.body, RequestFiling):
        key = named.key(decision.subject)
        return [] if volume.own_zone(key) == key else [decision.subject]
    homeless = {
        cut_of(change.name)
        for change in decision.changes.tree
        # A prefix that is closed makes no zone.
        if change.kind is not TreeKind.SUBTREE and volume.own_zone(named.key(change.name)) is None
    }
    return sorted(homeless)


def fault(volume: Volume, named: Names, cut: str) -> str:
    """Why a cut cannot be made a zone of this node, as far as is seen here; empty if it can."""
    key = named.key(cut)
    around = volume.own_zone(key)
    if around is not None:
        return f"{cut} lies in the zone {_text(around)} of this node"
    for apex in places.apexes(volume.txn, key):
        if is_own(volume.txn, apex):
            return f"the zone {_text(apex)} of this node lies below {cut}"
    if next(volume.scan(codec.ASSIGNMENTS, f"{cut}/".encode("ascii")), None) is not None:
        return (
            f"identifiers below {cut} were assigned, and their zone was dropped; load it again: "
            "csid zone load"
        )
    return _moved(volume, named, cut) or _delegated(volume.txn, volume, named, cut, key)


def _moved(volume: Volume, named: Names, cut: str) -> str:
    """Why a cut that has moved is made no new zone; empty if nothing keeps it from that."""
    filing = view.get_cut_filing(volume, cut)
    holder = moving.holder(volume.txn, named, cut)
    if filing is None and holder and holder == _own_name(volume):
        return (
            f"{cut} has moved to this node, whose data was put back from an older copy: it is "
            "taken from the aggregate again; csid filing status"
        )
    is_away = filing is not None and filing.state is FilingState.MOVED
    if is_away and not moving.is_told(volume.txn, named):
        return f"{cut} has moved, and whose it is now the root zone says, which is not here (yet)"
    return ""


def _own_name(seen: View) -> str:
    place = view.get_place(seen)
    return place.name if place is not None else ""


def _text(apex: bytes) -> str:
    return names.to_text(names.wire_of_key(apex))


def _delegated(txn: places.Txn, seen: View, named: Names, cut: str, key: bytes) -> str:
    """Whom a cut, or what lies above or below it, is delegated to by the copy of the root zone,
    other than this node; empty if nobody.
    """
    suffix = names.key_of(named.wire)
    root = txn.snapshot.zone_of(suffix)
    if root is None or root.apex != suffix or root.flags == NOT_READY:
        return ""
    own = server_of(seen, named)
    outcome, blob, depth = lookup.find(txn.snapshot, root, key)
    if outcome == lookup.DELEGATION:
        servers = _servers(blob)
        above = "/".join(cut.split("/")[:depth])
        if own not in servers:
            return f"{above} is delegated to {_texts(servers)}; ask there"
        return "" if above == cut else f"{above} is delegated to this node, which lacks its zone"
    if outcome == lookup.REDIRECT:
        return f"{cut} lies below a DNAME of the root zone"
    below = txn.table(b"tree").scan(root.generation + key[len(suffix) :])
    for stored, blob in islice(below, _NODES_LOOKED_AT):
        if blob[0] & node.CUT and own not in (servers := _servers(blob)):
            at = stored[len(root.generation) :]
            text = "/".join(label.decode("latin-1").upper() for label in at.split(b"\0")[:-1])
            return f"{text}, below {cut}, is delegated to {_texts(servers)}"
    return ""


def is_delegated_here(txn: places.Txn, seen: View, named: Names, cut: str) -> bool | None:
    """Whether the copy of the root zone delegates a cut to this node: False if it delegates it to
    another node, or not at all; None if that cannot be told, by name servers that are no node's.
    """
    suffix = names.key_of(named.wire)
    root = txn.snapshot.zone_of(suffix)
    if root is None or root.apex != suffix or root.flags == NOT_READY:
        return None
    outcome, blob, depth = lookup.find(txn.snapshot, root, named.key(cut))
    if outcome != lookup.DELEGATION or depth != 1 + cut.count("/"):
        return False
    servers = _servers(blob)
    if server_of(seen, named) in servers:
        return True
    nodes = others.all_of(named)
    return False if any(names.is_at_or_below(one, nodes) for one in servers) else None


def _servers(blob: bytes) -> list[bytes]:
    rrsets = dict(node.rrsets_of(blob))
    return [name.lower() for name in rrsets[NS].rdatas] if NS in rrsets else []


def _texts(servers: Iterable[bytes]) -> str:
    return ", ".join(map(names.to_text, servers))


def server_of(seen: View, named: Names) -> bytes:
    """The name in the root zone by which this node's zones are served, in wire form."""
    return others.name_of(named, _own_name(seen))


def refusal(volume: Volume, named: Names, request: Request, cut: str, now: int) -> Refusal | None:
    """Why a cut cannot be made a zone for a request; None if it can."""
    decision = decide(volume, _filed(request, cut), now)
    if not decision.status.success:
        return Refusal(decision.status, decision.detail)
    reason = fault(volume, named, cut)
    return Refusal(Status.OUT_OF_SCOPE, reason) if reason else None


def found(volume: Volume, named: Names, request: Request, cut: str, now: int) -> None:
    """Make a cut that nothing forbids a zone, and note that it is to be filed."""
    origin = named.target(cut)
    name = names.to_text(origin)
    before = view.get_zone(volume, name)
    serial = SERIAL if before is None else next_serial(before.serial)  # it was dropped
    if lost := view.get_lost(volume):
        # It may be one that was made after the copy which was put back, and others have it: the
        # leaves that are lost may have led its serial as far.
        serial = behind(serial, lost)
    zone = first_zone(origin, {server_of(volume, named): []})
    zone[origin][SOA] = with_serial(zone[origin][SOA], serial)
    nodes = list(build(origin, zone))
    volume.found(origin, nodes)
    row = _row(nodes, serial, volume.leaves(), now)
    value = codec.encode(row)
    volume.put(codec.ZONES, name.encode("ascii"), value)
    writer = entry_writer(request.actor, LOAD, now, request.reason)
    prev = NO_LEAF if before is None else before.leaf
    volume.fresh.append(writer.entry(name, value, prev, "", Status.DONE.number))
    if isinstance(request.body, RequestFiling):
        return  # it is decided next
    changes = decide(volume, _filed(request, cut), now).changes
    write_all(volume, changes.rows)
    if changes.leaf is not None:
        volume.fresh.append(changes.leaf)


def _filed(request: Request, cut: str) -> Request:
    return Request(request.actor, RequestFiling(cut), request.reason)


def _row(nodes: list[Node], serial: int, leaf: int, now: int) -> ZoneRow:
    """The row of a zone that has nothing in it: its apex is all that is not the registry's."""
    [(_, blob)] = nodes
    held = dict(node.rrsets_of(blob))
    held[SOA] = with_serial(held[SOA], 0)
    # As registry.authority.Walk has it.
    digest = sha256(bytes(2) + node.encode(held)[2:]).digest()
    return ZoneRow(serial, 1, digest, leaf, now, True)
