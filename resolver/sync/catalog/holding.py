"""Zones held because catalogs list them (RFC 9432): what follows for a zone from who lists it.

    sync.members  catalog(8) + label           -> msgpack of Member: what it said last under a label
    sync.listed   00 + canonical key of a zone -> msgpack [[catalog's canonical key, label], ...]

`catalog` is a digest of the key of the catalog's apex; labels are keys without their final 00. Both
are changed together with what is held. A zone is held by the catalog that its row in `sync.follows`
names. Another that lists it too is passed over (section 5.2), until the first gives it over or
takes it out.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgpack

from csid import names
from resolver.store import parted
from resolver.store.apexes import NOT_READY, split_zone_entry
from resolver.store.seek import APEX_PREFIX
from resolver.store.write import WriteTransaction
from resolver.sync import states
from resolver.sync.catalog.listing import Member
from resolver.sync.settings import (
    FOLLOWS,
    Catalog,
    Follow,
    Moment,
    Target,
    catalog_of,
    follow_of,
    pack,
    where,
)

MEMBERS: Final = b"sync.members"
LISTED: Final = b"sync.listed"
KEPT_SECONDS: Final = 86_400  # a member's data, once its catalog lists it no longer
EXPIRED_AT_ONCE: Final = 100  # whose time is over, and whose data goes with one change
ID_OCTETS: Final = 8

# What became of a zone.
ADDED: Final = "added"
RETURNED: Final = "returned"  # with the data it had
MOVED: Final = "moved"  # to another catalog, with its data
RESET: Final = "reset"  # to be transferred anew
CHANGED: Final = "changed"  # other primaries or another group
REMOVED: Final = "removed"

Listing = tuple[bytes, bytes]  # canonical key of a catalog, label
Change = tuple[bytes, Member | None, Member | None]  # label, before, after


class Step(NamedTuple):
    """A zone whose row in `sync.follows` is another now."""

    kind: str
    zone: bytes  # canonical key of its apex


class Policy:
    """What a node makes of what catalogs list. As it stands, all is held as settings say."""

    def refuses(self, txn: WriteTransaction, zone: bytes, member: Member) -> str:
        """Why a zone (canonical key) that is not held yet is not to be; empty: it may be."""
        return ""

    def template(
        self, txn: WriteTransaction, apex: bytes, member: Member
    ) -> tuple[str, tuple[Target, ...]]:
        """The group of a member of a catalog that decides, and the member's primaries: of several
        groups the first that the settings of the catalog name.
        """
        settings = catalog_of(txn, apex) or Catalog(())
        for group, targets in settings.groups:
            if group in member.groups:
                return group, targets
        return next(iter(member.groups), ""), settings.primaries

    def gone(self, txn: WriteTransaction, zone: bytes) -> None:
        """The data of a zone is held no longer, if it was; it may come back, or another may."""


POLICY: Final = Policy()


def settle(txn: WriteTransaction, zone: bytes, now: int, policy: Policy = POLICY) -> Step | None:
    """Let a zone (canonical key) be held as the catalogs say that list it: where its name has
    become free, or settings are others. What was done; None if it is as it was.
    """
    return _settle(txn, zone, {}, now, policy)


def listings_of(moment: Moment, zone: bytes) -> list[Listing]:
    """The catalogs that list a zone (canonical key), each with its label there."""
    value = moment.table(LISTED).get(where(zone))
    return [] if value is None else [(one, label) for one, label in msgpack.unpackb(value)]


def apply(
    txn: WriteTransaction, apex: bytes, changes: Iterable[Change], now: int, policy: Policy
) -> list[Step]:
    given: dict[bytes, dict[Listing, bytes]] = {}  # zone -> where it was listed -> coo
    for label, before, after in changes:
        if before is not None:
            given.setdefault(before.zone, {})[apex, label] = before.coo
            if after is None or after.zone != before.zone:
                _list(txn, before.zone, (apex, label), False)
        if after is None:
            txn.table(MEMBERS).delete(identity(apex) + label)
            continue
        txn.table(MEMBERS).put(identity(apex) + label, pack(after))
        given.setdefault(after.zone, {})
        if before is None or after.zone != before.zone:
            _list(txn, after.zone, (apex, label), True)
    parted.expire(txn, now, EXPIRED_AT_ONCE)
    steps = []
    for zone in sorted(given):
        step = _settle(txn, zone, given[zone], now, policy)
        if step is not None:
            steps.append(step)
    return steps


def _list(txn: WriteTransaction, zone: bytes, listing: Listing, is_listed: bool) -> None:
    listings = [one for one in listings_of(txn, zone) if one != listing]
    if is_listed:
        listings.append(listing)
    if listings:
        txn.table(LISTED).put(where(zone), msgpack.packb(listings))
    else:
        txn.table(LISTED).delete(where(zone))


def _settle(
    txn: WriteTransaction,
    zone: bytes,
    gone: dict[Listing, bytes],
    now: int,
    policy: Policy,
) -> Step | None:
    """Let a zone be held as those that list it say.

    Args:
        gone: listings that went or changed, each with the catalog it was given over to before.
    """
    follow = follow_of(txn, zone)
    listings = listings_of(txn, zone)
    if follow is None:
        return _begin(txn, zone, listings, now, policy)
    if not follow.catalog:
        return None  # held otherwise, and whoever lists it is passed over (section 5.2)
    old = (follow.catalog, follow.member)
    new = _heir(txn, old, listings, gone)
    if new is None:
        _end(txn, zone, follow.member, now)
        policy.gone(txn, zone)
        return Step(REMOVED, zone)
    row = _row(txn, new, follow.since, policy)
    if row == follow:
        return None
    txn.table(FOLLOWS).put(where(zone), pack(row))
    if new[1] != old[1]:  # sections 4.3.1 and 5.4: another label, another state
        _start(txn, zone, None)
        policy.gone(txn, zone)
        return Step(RESET, zone)
    states.begin(txn, zone)
    return Step(CHANGED if new == old else MOVED, zone)


def _heir(
    txn: WriteTransaction, held: Listing, listings: list[Listing], gone: dict[Listing, bytes]
) -> Listing | None:
    """By whom a zone is held from now on that was held by one of the listings."""
    for _ in range(len(listings) + 1):  # it may have been given over, and over again
        row = txn.table(MEMBERS).get(identity(held[0]) + held[1]) if held in listings else None
        coo = gone.get(held, b"") if row is None else unpacked(row).coo
        heirs = [one for one in listings if one[0] == coo and coo != held[0]]
        if not heirs:
            break
        held = heirs[0]
    if held in listings:
        return held
    own = [one for one in listings if one[0] == held[0]]  # under another label
    return next(iter(own or listings), None)


def _begin(
    txn: WriteTransaction, zone: bytes, listings: list[Listing], now: int, policy: Policy
) -> Step | None:
    is_held = txn.table(b"apexes").get(APEX_PREFIX + zone) is not None
    if is_held:
        return None
    for listing in listings:
        if not policy.refuses(txn, zone, _member(txn, listing)):
            row = _row(txn, listing, now, policy)
            txn.table(FOLLOWS).put(where(zone), pack(row))
            return Step(RETURNED if _start(txn, zone, row.member) else ADDED, zone)
    return None


def _end(txn: WriteTransaction, zone: bytes, mark: bytes, now: int) -> None:
    txn.table(FOLLOWS).delete(where(zone))
    states.end(txn, zone)
    entry = txn.table(b"apexes").get(APEX_PREFIX + zone)
    if entry is None:
        return
    if split_zone_entry(entry).flags == NOT_READY:
        txn.drop_zone(names.wire_of_key(zone))
    else:
        parted.part(txn, names.wire_of_key(zone), mark, now + KEPT_SECONDS)


def _start(txn: WriteTransaction, zone: bytes, mark: bytes | None) -> bool:
    """Let a zone be looked at, at once: with the data that is kept of it under a mark, which is
    returned, or with none.
    """
    origin = names.wire_of_key(zone)
    if txn.table(b"apexes").get(APEX_PREFIX + zone) is not None:
        txn.drop_zone(origin)
    is_back = mark is not None and parted.restore(txn, origin, mark)
    if not is_back:
        txn.set_flags(origin, NOT_READY)
    # Whoever looks at it just now, as what it was, must not have the last word.
    if not states.ask(txn, zone, full=mark is None):
        states.begin(txn, zone)
    return is_back


def _row(txn: WriteTransaction, listing: Listing, since: int, policy: Policy) -> Follow:
    """What is kept of a member: whom it follows, and why."""
    apex, label = listing
    group, primaries = policy.template(txn, apex, _member(txn, listing))
    return Follow(primaries, apex, label, group, since)


def _member(txn: WriteTransaction, listing: Listing) -> Member:
    value = txn.table(MEMBERS).get(identity(listing[0]) + listing[1])
    assert value is not None  # both tables are written together
    return unpacked(value)


def identity(apex: bytes) -> bytes:
    """What stands for a catalog in the keys of rows, from the canonical key of its apex."""
    return blake2b(apex, digest_size=ID_OCTETS).digest()


def unpacked(value: bytes) -> Member:
    """A member from its row."""
    zone, groups, coo = _unpack(value)
    return Member(zone, groups, coo)


def _unpack(value: bytes) -> Any:
    return msgpack.unpackb(value, use_list=False)
