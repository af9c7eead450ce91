"""Catalog zones (RFC 9432) of a node: those it makes, and those whose members it holds. Carried out
by the writer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from csid import names
from csid.errors import ZoneError
from registry.core import Core
from registry.network import membership
from registry.network.following import ring
from registry.network.targets import checked_all
from registry.tables import codec
from registry.tables.naming import Names
from registry.tables.transaction import LOOKED, LOOKED_FOR, TransactionView
from registry.zones import places, updates
from registry.zones.asked import Asked
from resolver.store.apexes import NOT_READY
from resolver.store.seek import APEX_PREFIX
from resolver.store.write import WriteTransaction
from resolver.sync import states
from resolver.sync.catalog import holding, listing, members
from resolver.sync.catalog.listing import Member
from resolver.sync.settings import (
    CATALOGS,
    FOLLOWS,
    Catalog,
    Follow,
    Target,
    catalog_of,
    follow_of,
    pack,
    where,
)
from resolver.sync.update.tentative import Zone

PRODUCE: Final = "zone.catalog.produce"
CONSUME: Final = "zone.catalog.consume"
STOP: Final = "zone.catalog.stop"
NOBODY: Final = b"\0"  # for whom a zone was looked through that went since


class NodePolicy(holding.Policy):
    """What no catalog may have held here: zones in which this node has assigned identifiers; and
    what the network says of its own (`registry.network.membership`).

    Args:
        suffix: of the deployment.
    """

    def __init__(self, suffix: str) -> None:
        self._named = Names(suffix)

    def refuses(self, txn: WriteTransaction, zone: bytes, member: Member) -> str:
        territory = places.territory(txn, self._named, zone)
        if territory is not None:
            rows = territory.rows(TransactionView(txn), codec.ASSIGNMENTS)
            if next(rows, None) is not None:
                return "identifiers that this node has assigned lie in it"
        return membership.refuses(txn, self._named, zone, member)

    def template(
        self, txn: WriteTransaction, apex: bytes, member: Member
    ) -> tuple[str, tuple[Target, ...]]:
        found = membership.template(txn, self._named, apex, member)
        return super().template(txn, apex, member) if found is None else found

    def gone(self, txn: WriteTransaction, zone: bytes) -> None:
        """All of it is to be looked through once it is there again, by an aggregate."""
        txn.table(LOOKED).delete(zone)
        if txn.table(LOOKED_FOR).get(zone) is not None:
            txn.table(LOOKED_FOR).put(zone, NOBODY)


def produce(core: Core, args: Any) -> int:
    """Change what a catalog of this node lists; returns its serial.

    Args:
        args: who asks (`Asked.told`), the origin of the catalog in wire form, and changes: each a
            verb (add, remove, give), the origin of a zone in wire form, and what goes with it: the
            groups or nil, and whether to reset; nothing; the origin of a catalog or nil.

    Raises:
        ZoneError: there is no such catalog, or a zone is not listed in it.
    """
    asked, origin, changes = args
    by = Asked.of(asked, core.by)

    def work(zone: Zone) -> None:
        listing.check_version(zone.blob)
        for verb, wire, *rest in changes:
            _change(zone, verb, names.key_of(wire), rest)

    return updates.change(core, by, origin.lower(), work, int(time.time()))


def _change(zone: Zone, verb: str, member: bytes, rest: Sequence[Any]) -> None:
    *given, label = rest
    if verb == "add":
        groups, reset = given
        listing.add(zone, member, groups, reset, label)
        return
    if verb == "remove":
        is_listed = listing.remove(zone, member, label)
    else:
        other = None if given[0] is None else names.key_of(given[0])
        is_listed = listing.give_over(zone, member, other, label)
    if not is_listed:
        raise ZoneError(names.to_text(names.wire_of_key(member)), "is not listed in this catalog")


def consume(core: Core, args: Any) -> bool:
    """Hold the members of a catalog, from its primaries; returns whether it is new here.

    Args:
        args: who asks (`Asked.told`), the origin of the catalog in wire form, its primaries
            (`Target` rows), and [group, primaries] for members of certain groups.

    Raises:
        ZoneError: the catalog is this node's own.
        TargetError: a primary cannot be asked so.
    """
    asked, origin, rows, group_rows = args
    Asked.of(asked, core.by)
    origin = origin.lower()
    apex = names.key_of(origin)
    now = int(time.time())
    policy = NodePolicy(core.suffix)
    with core.store.write() as txn:
        primaries = checked_all(txn, rows)
        groups = tuple((group, checked_all(txn, targets)) for group, targets in group_rows)
        before = catalog_of(txn, apex)
        since = now if before is None else before.since
        txn.table(CATALOGS).put(where(apex), pack(Catalog(primaries, groups, since)))
        _follow(txn, origin, primaries, now)
        if members.standing_of(txn, apex) is not None:
            members.renew(txn, apex, now, policy=policy)
        elif _is_there(txn, apex):
            members.consume(txn, apex, None, now, policy)
    ring(core, apex)
    return before is None


def _follow(txn: WriteTransaction, origin: bytes, primaries: tuple[Target, ...], now: int) -> None:
    """Let the catalog zone itself be followed."""
    apex = names.key_of(origin)
    follow = follow_of(txn, apex)
    if follow is None:
        if txn.table(b"apexes").get(APEX_PREFIX + apex) is not None:
            raise ZoneError(
                names.to_text(origin),
                "is held here as this node's own; a catalog is consumed elsewhere than it is made",
            )
        txn.set_flags(origin, NOT_READY)
        follow = Follow((), since=now)
    txn.table(FOLLOWS).put(where(apex), pack(follow._replace(primaries=primaries)))
    states.begin(txn, apex)


def _is_there(txn: WriteTransaction, apex: bytes) -> bool:
    zone = txn.snapshot.zone_of(apex)
    return zone is not None and zone.apex == apex and zone.flags != NOT_READY


def stop(core: Core, args: Any) -> tuple[int, bool]:
    """Hold a catalog and its members no longer, a piece of them; returns how many zones were held
    for its sake until now, and whether there are more.

    Args:
        args: who asks (`Asked.told`), the origin of the catalog in wire form.

    Raises:
        ZoneError: it is not consumed here.
    """
    asked, origin = args
    Asked.of(asked, core.by)
    origin = origin.lower()
    apex = names.key_of(origin)
    with core.store.write() as txn:
        if catalog_of(txn, apex) is None:
            raise ZoneError(names.to_text(origin), "is no catalog whose members are held here")
        if txn.table(FOLLOWS).delete(where(apex)):  # no transfer brings members back from now on
            states.end(txn, apex)
            with suppress(ZoneError):  # it is held no longer
                txn.drop_zone(origin)
        policy = NodePolicy(core.suffix)
        steps = members.release(txn, apex, int(time.time()), policy, members.CHANGED_AT_ONCE)
        is_open = members.standing_of(txn, apex) is not None
        if not is_open:
            txn.table(CATALOGS).delete(where(apex))
    ring(core, apex)
    return len(steps), is_open


def offer(core: Core, origin: bytes) -> None:
    """Let a zone (wire form) that was dropped be held from now on if a catalog lists it."""
    apex = names.key_of(origin.lower())
    with core.store.read() as read:
        if not holding.listings_of(read, apex):
            return
    with core.store.write() as txn:
        holding.settle(txn, apex, int(time.time()), NodePolicy(core.suffix))
    ring(core, apex)
