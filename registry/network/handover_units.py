"""What the writer of a node does while a cut moves to it or from it (ADR 14): units, each in
transactions that are bounded in time. Each looks at where the cut is on its way, so that one that
is asked for again, or late, does nothing.
"""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import islice
from typing import Any, Final

from csid import names
from csid.errors import CsidError, ZoneError
from csid.identifier import Identifier
from csid.limits import COMMIT_SECONDS
from csid.protocol import CNAME, CSID, DNAME, NS, SOA, ZONEMD
from registry.core import Core
from registry.desk import Batch
from registry.network import catalogs, unseen
from registry.network.membership import aggregates
from registry.rules.case import entry_writer
from registry.rules.decision import Decision
from registry.rules.filing import is_before
from registry.rules.locks import cut_is_free
from registry.rules.requests import Actor, Body, Leave, MoveFiling, Request, Role, Take, TakeSubtree
from registry.rules.status import Status
from registry.tables import codec, view
from registry.tables.enums import FilingState
from registry.tables.naming import Names
from registry.tables.registered import SEGMENTS, begins_shaped, is_shaped
from registry.tables.resolution import is_own
from registry.tables.rows import NO_LEAF, ZoneRow
from registry.zones import moving, places
from registry.zones.asked import DROP, LOAD
from registry.zones.founding import server_of
from registry.zones.serials import behind
from resolver.store import node
from resolver.store.apexes import EXPIRED, SERVED, split_zone_entry
from resolver.store.node import RRset
from resolver.store.write import WriteTransaction
from resolver.sync import states
from resolver.sync.settings import FOLLOWS, Follow, follow_of, pack, where
from resolver.sync.wire import behind_name

FREEZE: Final = "move.freeze"
THAW: Final = "move.thaw"
LEAVE: Final = "move.leave"
PART: Final = "move.part"
BEGIN: Final = "move.begin"
GIVE_UP: Final = "move.give-up"
TAKE: Final = "move.take"
OWN: Final = "move.own"
AT_ONCE: Final = 200  # names, before the time is looked at
NO_AGGREGATE: Final = "no aggregate is in the register, from which to take the zone"


class HandoverError(CsidError):
    """A cut cannot go on its way, for the reason it says."""


def freeze(core: Core, args: Any) -> str:
    """The old node changes nothing more in a cut: its zone follows, and has nobody to follow.

    Args:
        args: name of the node's key, cut, the new node; what stands last, here and below, is where
            to go on, empty at first.
    """
    key, cut, other, _ = args
    apex = Names(core.suffix).key(cut)
    with core.desk.batch(core.store, int(time.time())) as batch:
        txn = _txn(batch)
        if follow_of(txn, apex) is None:
            _require_whole(txn, apex, cut)
            _require_unlocked(batch, cut)
        if _note(batch, key, cut, FilingState.MOVING, other).status is Status.DONE:
            row = Follow((), since=int(time.time()))
            txn.table(FOLLOWS).put(where(apex), pack(row))
    return ""


def _require_whole(txn: WriteTransaction, apex: bytes, cut: str) -> None:
    """The cut must be one zone of this node's own."""
    held = [one for one in places.apexes(txn, apex) if is_own(txn, one)]
    if held != [apex]:
        found = ", ".join(names.to_text(names.wire_of_key(one)) for one in held[:3]) or "none"
        raise HandoverError(f"{cut} is not one zone of this node: it has {found}")


def _require_unlocked(batch: Batch, cut: str) -> None:
    """What is locked here would not be so at the other node."""
    refusal = cut_is_free(batch.view, cut)
    if refusal is not None:
        raise HandoverError(refusal.detail)


def thaw(core: Core, args: Any) -> str:
    """The national node has taken the move back: the cut is the old node's as ever. Not so once the
    next move is known, of which this node may have said meanwhile that it changes nothing.
    """
    key, cut, _ = args
    named = Names(core.suffix)
    with core.desk.batch(core.store, int(time.time())) as batch:
        txn = _txn(batch)
        is_back = moving.holder(txn, named, cut) == _own_name(batch)
        is_back &= moving.move_of(txn, named, cut) is None
        if _state(batch, cut) is FilingState.MOVING and is_back:
            _note(batch, key, cut, FilingState.FILED, "")
            unseen.note_now(txn, named, cut)
            txn.table(FOLLOWS).delete(where(named.key(cut)))
    return ""


def leave(core: Core, args: Any) -> str:
    """The cut is the new node's: the old one follows the aggregate, and lets go of identifiers."""
    key, cut, own, _ = args
    named = Names(core.suffix)
    apex = named.key(cut)
    until = time.monotonic() + COMMIT_SECONDS
    with core.desk.batch(core.store, int(time.time())) as batch:
        txn = _txn(batch)
        row = view.get_cut_filing(batch.view, cut)
        if row is not None and row.state is FilingState.MOVING:
            _note(batch, key, cut, FilingState.LEAVING, row.node)
            primaries = tuple(aggregates(txn, named, names.from_text(own)))
            txn.table(FOLLOWS).put(where(apex), pack(Follow(primaries, since=int(time.time()))))
            states.begin(txn, apex)
            origin = names.to_text(named.target(cut))
            zone = view.get_zone(batch.view, origin)
            last = moving.last_serial(txn, named, cut)
            if last not in (None, txn.update(named.target(cut)).serial()):
                # Its data was put back from an older copy: what it has is not what has moved.
                states.ask(txn, apex, full=True)
            if zone is not None:
                _note_zone(batch, _actor(key, cut), DROP, origin, zone._replace(held=False))
        while True:
            rows = batch.view.scan(codec.ASSIGNMENTS, f"{cut}/".encode("ascii"))
            found = [name.decode("ascii") for name, _ in islice(rows, AT_ONCE)]
            for name in found:
                _must(batch, key, cut, Leave(Identifier(*name.split("/"))))
            if len(found) < AT_ONCE:
                return ""
            if time.monotonic() >= until:
                return found[-1]


def part(core: Core, args: Any) -> str:
    """Nobody is led to the old node any more: its copy goes."""
    key, cut, _ = args
    named = Names(core.suffix)
    with core.desk.batch(core.store, int(time.time())) as batch:
        row = view.get_cut_filing(batch.view, cut)
        if row is not None and row.state is FilingState.LEAVING:
            _note(batch, key, cut, FilingState.MOVED, row.node)
            _drop(_txn(batch), named.key(cut))
    catalogs.offer(core, named.target(cut))
    return ""


def begin(core: Core, args: Any) -> str:
    """The new node follows the zone of a cut from the aggregate."""
    key, cut, other, own, _ = args
    named = Names(core.suffix)
    apex = named.key(cut)
    with core.desk.batch(core.store, int(time.time())) as batch:
        txn = _txn(batch)
        for one in places.apexes(txn, apex):
            if is_own(txn, one) or one != apex:
                shown = names.to_text(names.wire_of_key(one))
                raise HandoverError(f"the zone {shown} is held here already; drop it first")
        above = batch.volume.own_zone(apex)
        if above is not None:
            shown = names.to_text(names.wire_of_key(above))
            raise HandoverError(f"it lies in the zone {shown} of this node")
        primaries = tuple(aggregates(txn, named, names.from_text(own)))
        if not primaries:
            raise HandoverError(NO_AGGREGATE)
        _note(batch, key, cut, FilingState.TAKING, other)
        txn.table(FOLLOWS).put(where(apex), pack(Follow(primaries, since=int(time.time()))))
        # Until it is here whole, this node leads on to whoever has it.
        states.begin(txn, apex)
    return ""


def give_up(core: Core, args: Any) -> str:
    """The cut does not come to this node after all. Not so once the next move here is known, which
    this node may have asked for meanwhile.
    """
    key, cut, other, _ = args
    named = Names(core.suffix)
    with core.desk.batch(core.store, int(time.time())) as batch:
        txn, own = _txn(batch), _own_name(batch)
        move = moving.move_of(txn, named, cut)
        is_own = moving.holder(txn, named, cut) == own
        comes = is_own or (move is not None and move.to == own)
        if is_own and moving.is_withdrawn(txn, named, cut):
            comes = _is_whole(txn, named, cut)
        if _state(batch, cut) is FilingState.TAKING and not comes:
            _note(batch, key, cut, FilingState.MOVED, other)
            _drop(txn, named.key(cut))
    catalogs.offer(core, named.target(cut))
    return ""


def _is_whole(txn: WriteTransaction, named: Names, cut: str) -> bool:
    """Whether a copy of a cut that has moved is all that was to come."""
    entry = txn.table(b"apexes").get(where(named.key(cut)))
    last = moving.last_serial(txn, named, cut)
    if entry is None or split_zone_entry(entry).flags not in (SERVED, EXPIRED):
        return False
    return last is None or not is_before(txn.update(named.target(cut)).serial(), last)


def take(core: Core, args: Any) -> bytes | str:
    """Identifiers and closed prefixes of a cut that is this node's become rows, from the records of
    its zone. Goes on behind a key below the apex.
    """
    key, cut, cursor = args
    named = Names(core.suffix)
    apex = named.key(cut)
    until = time.monotonic() + COMMIT_SECONDS
    with core.desk.batch(core.store, int(time.time())) as batch:
        txn = _txn(batch)
        if _state(batch, cut) is not FilingState.TAKING:
            return ""
        entry = txn.table(b"apexes").get(where(apex))
        assert entry is not None
        generation = split_zone_entry(entry).generation
        skip = len(names.key_of(named.wire))
        while True:
            start = generation + (cursor + b"\0" if cursor else b"")
            rows = list(islice(txn.table(b"tree").scan(generation, start), AT_ONCE))
            for stored, blob in rows:
                cursor = stored[len(generation) :]
                body = body_of(named, (apex + cursor)[skip:], blob)
                if body is not None:
                    _must(batch, key, cut, body)
            if len(rows) < AT_ONCE:
                return ""
            if time.monotonic() >= until:
                return bytes(cursor)


def body_of(named: Names, below: bytes, blob: bytes) -> Take | TakeSubtree | None:
    """What the registry is to take of a name (canonical key below the suffix) by its node; None if
    the name is none of its own.

    Raises:
        HandoverError: it has the shape of an identifier, and nothing that one has.
    """
    if len(blob) <= len(node.EMPTY):
        return None
    rrsets = dict(node.rrsets_of(blob))
    name = below[:-1].replace(b"\0", b"/").decode("ascii", "replace").upper()
    if DNAME in rrsets and begins_shaped(below):
        return TakeSubtree(name, _path(named, rrsets[DNAME]))
    if below.count(0) != SEGMENTS or not is_shaped(below):
        return None
    identifier = Identifier(*name.split("/"))
    if CNAME in rrsets:
        return Take(identifier, b"", _path(named, rrsets[CNAME]), rrsets[CNAME].ttl)
    if CSID not in rrsets:
        raise HandoverError(f"{name} has no record of a resource")
    return Take(identifier, rrsets[CSID].rdatas[0], "", rrsets[CSID].ttl)


def _path(named: Names, rrset: RRset) -> str:
    """The identifier or prefix that a CNAME or DNAME leads to."""
    key = names.key_of(rrset.rdatas[0].lower())
    suffix = names.key_of(named.wire)
    if not key.startswith(suffix):
        raise HandoverError(f"{names.to_text(rrset.rdatas[0])} lies outside the suffix")
    return key[len(suffix) : -1].replace(b"\0", b"/").decode("ascii", "replace").upper()


def own(core: Core, args: Any) -> str:
    """The zone of a cut is this node's own from now on, one serial further, and says so.

    Args:
        args: key, cut, serial, and of the names that are not the registry's how many, and their
            digest, as they will be (`apex_of`).
    """
    key, cut, serial, count, digest, _ = args
    named = Names(core.suffix)
    origin = named.target(cut)
    apex = named.key(cut)
    with core.desk.batch(core.store, int(time.time())) as batch:
        txn = _txn(batch)
        if _state(batch, cut) is not FilingState.TAKING:
            return ""
        zone = txn.update(origin)
        if zone.serial() != serial:
            raise HandoverError(f"{cut} has serial {zone.serial()} by now, not {serial}")
        txn.table(FOLLOWS).delete(where(apex))
        states.end(txn, apex)
        zone.set(b"", apex_of(zone.rrsets(b""), server_of(batch.view, named)))
        missing = view.get_lost(batch.view)  # of what it may have had, and others have
        zone.finish(behind(serial, missing) if missing else None, always=True)
        entry = txn.table(b"apexes").get(where(apex))
        if entry is not None and split_zone_entry(entry).flags == EXPIRED:
            txn.set_flags(origin, SERVED)
        row = ZoneRow(zone.serial(), count, digest, NO_LEAF, int(time.time()), True)
        _note_zone(batch, _actor(key, cut), LOAD, names.to_text(origin), row)
        _note(batch, key, cut, FilingState.FILED, "")
        unseen.note_now(txn, named, cut)
    return ""


def apex_of(rrsets: dict[int, RRset], server: bytes) -> dict[int, RRset]:
    """What the apex of a zone is to have where a server (name in wire form) has it."""
    soa = rrsets[SOA]
    primary = behind_name(soa.rdatas[0], 0)
    return {
        **{rrtype: rrset for rrtype, rrset in rrsets.items() if rrtype != ZONEMD},
        SOA: RRset(soa.ttl, [server + soa.rdatas[0][primary:]]),
        NS: RRset(rrsets[NS].ttl, [server]),
    }


# -- what all have in common


def _txn(batch: Batch) -> WriteTransaction:
    txn = batch.volume.txn
    assert isinstance(txn, WriteTransaction)
    return txn


def _state(batch: Batch, cut: str) -> FilingState | None:
    row = view.get_cut_filing(batch.view, cut)
    return None if row is None else row.state


def _own_name(batch: Batch) -> str:
    place = view.get_place(batch.view)
    return "" if place is None else place.name


def _actor(key: str, cut: str) -> Actor:
    return Actor(key, Role.NODE, cut.partition("/")[0])


def _must(batch: Batch, key: str, cut: str, body: Body) -> Decision:
    """The decision on what cannot but be done.

    Raises:
        HandoverError: it is refused.
    """
    decision = batch.decide(Request(_actor(key, cut), body))
    if not decision.status.success:
        raise HandoverError(refusal_text(decision))
    return decision


def refusal_text(decision: Decision) -> str:
    """A refusal in one line."""
    status = decision.status
    return f"{status.number} {status.name}: {decision.detail or status.en}"


def _note(batch: Batch, key: str, cut: str, state: FilingState, other: str) -> Decision:
    return _must(batch, key, cut, MoveFiling(cut, state, other))


def _note_zone(batch: Batch, actor: Actor, kind: str, origin: str, row: ZoneRow) -> None:
    """The row of a zone, and the leaf that tells of it."""
    now = int(time.time())
    before = view.get_zone(batch.view, origin)
    value = codec.encode(row._replace(leaf=batch.volume.leaves(), since=now))
    batch.volume.put(codec.ZONES, origin.encode("ascii"), value)
    prev = NO_LEAF if before is None else before.leaf
    writer = entry_writer(actor, kind, now, "")
    batch.volume.fresh.append(writer.entry(origin, value, prev, "", Status.DONE.number))


def _drop(txn: WriteTransaction, apex: bytes) -> None:
    txn.table(FOLLOWS).delete(where(apex))
    states.end(txn, apex)
    with suppress(ZoneError):  # it is held no longer
        txn.drop_zone(names.wire_of_key(apex))
