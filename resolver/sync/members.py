"""Catalogs consumed (RFC 9432): which zones are held because a catalog lists them.

    sync.members  catalog(8)               -> msgpack [fault]: empty, or why the catalog is broken
                  catalog(8) + label       -> msgpack of Member: what it said last under a label
    sync.listed   00 + canonical key of a zone -> msgpack [[catalog's canonical key, label], ...]

`catalog` is a digest of the key of the catalog's apex; labels are keys without their final 00. All
is changed in the transaction that changes the catalog zone, and what one change costs grows with
what it touched. A zone is held by the catalog that its row in `sync.follows` names. Another that
lists it too is passed over (section 5.2), until the first gives it over or takes it out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgpack

from csid import names
from csid.errors import ZoneError
from resolver.store import parted
from resolver.store.apexes import NOT_READY, split_zone_entry
from resolver.store.seek import APEX_PREFIX
from resolver.store.write import WriteTransaction
from resolver.sync import catalog, states
from resolver.sync.catalog import Member
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
_ID_OCTETS: Final = 8

# What became of a zone.
ADDED: Final = "added"
RETURNED: Final = "returned"  # with the data it had
MOVED: Final = "moved"  # to another catalog, with its data
RESET: Final = "reset"  # to be transferred anew
CHANGED: Final = "changed"  # other primaries or another group
REMOVED: Final = "removed"

Listing = tuple[bytes, bytes]  # canonical key of a catalog, label
_Change = tuple[bytes, Member | None, Member | None]  # label, before, after


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


POLICY: Final = Policy()


class Consumer:
    """Keeps the members of catalogs in step with the catalogs: a `Watch` of transfers.

    Args:
        now: Unix seconds.
        policy: what the node makes of what catalogs list.

    Attributes:
        steps: what the last transaction did; the zones are due by then, as their states say.
    """

    def __init__(self, now: Callable[[], int], policy: Policy = POLICY) -> None:
        self._now = now
        self._policy = policy
        self.steps: list[Step] = []

    def changed(self, txn: WriteTransaction, apex: bytes, keys: Collection[bytes]) -> None:
        """A zone (canonical key of its apex) was changed at some keys below its apex."""
        self._consume(txn, apex, keys)

    def replaced(self, txn: WriteTransaction, apex: bytes) -> None:
        """A zone was published as a whole."""
        self._consume(txn, apex, None)

    def dropped(self, txn: WriteTransaction, apex: bytes) -> None:
        """A zone is held no longer. If it was a catalog, so are its members; if it kept a member of
        the same name from being held, that one is.
        """
        if catalog_of(txn, apex) is not None:
            self.steps = release(txn, apex, self._now(), self._policy)
        elif step := settle(txn, apex, self._now(), self._policy):
            self.steps = [step]

    def _consume(self, txn: WriteTransaction, apex: bytes, keys: Collection[bytes] | None) -> None:
        self.steps = []
        if catalog_of(txn, apex) is not None:
            self.steps = consume(txn, apex, keys, self._now(), self._policy)


def consume(
    txn: WriteTransaction,
    apex: bytes,
    keys: Collection[bytes] | None,
    now: int,
    policy: Policy = POLICY,
) -> list[Step]:
    """Let zones be held as a catalog now says; nothing is done if it is broken, which is noted.

    Args:
        apex: canonical key of the catalog's apex.
        keys: below the apex, of the names that were changed since it was consumed last; None if
            that is unknown.
        now: Unix seconds.
    """
    fault = fault_of(txn, apex)
    try:
        if fault is None or fault or keys is None:
            changes = _all_changes(txn, apex)
        else:
            changes = _changes(txn, apex, keys)
    except ZoneError as error:
        txn.table(MEMBERS).put(_id(apex), msgpack.packb([str(error)]))
        return []
    if fault != "":
        txn.table(MEMBERS).put(_id(apex), msgpack.packb([""]))
    return _apply(txn, apex, changes, now, policy)


def release(txn: WriteTransaction, apex: bytes, now: int, policy: Policy = POLICY) -> list[Step]:
    """Hold none of a catalog's members for its sake any more."""
    changes: list[_Change] = [(label, member, None) for label, member in members_of(txn, apex)]
    txn.table(MEMBERS).delete(_id(apex))
    return _apply(txn, apex, changes, now, policy)


def renew(
    txn: WriteTransaction,
    apex: bytes,
    now: int,
    group: str | None = None,
    policy: Policy = POLICY,
) -> list[Step]:
    """Let the members of a catalog follow the primaries that its settings name now: all of them, or
    those that have a group property. Looks at each.
    """
    chosen = [
        member.zone
        for _, member in members_of(txn, apex)
        if group is None or group in member.groups
    ]
    return [step for zone in chosen if (step := settle(txn, zone, now, policy))]


def settle(txn: WriteTransaction, zone: bytes, now: int, policy: Policy = POLICY) -> Step | None:
    """Let a zone (canonical key) be held as the catalogs say that list it: where its name has
    become free, or settings are others. What was done; None if it is as it was.
    """
    return _settle(txn, zone, {}, now, policy)


def fault_of(moment: Moment, apex: bytes) -> str | None:
    """Why a catalog is broken; empty if it is not, None if it was never consumed."""
    value = moment.table(MEMBERS).get(_id(apex))
    if value is None:
        return None
    fault: str = msgpack.unpackb(value)[0]
    return fault


def members_of(moment: Moment, apex: bytes) -> Iterator[tuple[bytes, Member]]:
    """(label, member) that a catalog listed when it was consumed last, in key order."""
    for key, value in moment.table(MEMBERS).scan(_id(apex)):
        if len(key) > _ID_OCTETS:
            yield key[_ID_OCTETS:], _unpacked(value)


def listings_of(moment: Moment, zone: bytes) -> list[Listing]:
    """The catalogs that list a zone (canonical key), each with its label there."""
    value = moment.table(LISTED).get(where(zone))
    return [] if value is None else [(one, label) for one, label in msgpack.unpackb(value)]


# -- what a catalog says now, against what it said


def _get(txn: WriteTransaction, apex: bytes) -> tuple[catalog.Get, bytes]:
    """How to look into a catalog zone, and its generation."""
    entry = txn.table(b"apexes").get(APEX_PREFIX + apex)
    if entry is None:
        raise ZoneError(names.to_text(names.wire_of_key(apex)), "the catalog is not held here")
    generation = split_zone_entry(entry).generation
    tree = txn.table(b"tree")
    return lambda key: tree.get(generation + key), generation


def _changes(txn: WriteTransaction, apex: bytes, keys: Iterable[bytes]) -> list[_Change]:
    get, _ = _get(txn, apex)
    catalog.check_version(get)
    changes = []
    for label in sorted({catalog.label_of(key) for key in keys} - {b""}):
        row = txn.table(MEMBERS).get(_id(apex) + label)
        before = None if row is None else _unpacked(row)
        after = catalog.member_at(get, label)
        if before != after:
            changes.append((label, before, after))
    return changes


def _all_changes(txn: WriteTransaction, apex: bytes) -> list[_Change]:
    """Both sides in order of labels, side by side."""
    get, generation = _get(txn, apex)
    catalog.check_version(get)
    tree = txn.table(b"tree").scan(generation + catalog.ZONES)
    new = catalog.members((key[len(generation) :], blob) for key, blob in tree)
    old = members_of(txn, apex)
    changes: list[_Change] = []
    was, now = next(old, None), next(new, None)
    while was is not None or now is not None:
        if now is None or (was is not None and was[0] < now[0]):
            assert was is not None
            changes.append((was[0], was[1], None))
            was = next(old, None)
        elif was is None or now[0] < was[0]:
            changes.append((now[0], None, now[1]))
            now = next(new, None)
        else:
            if was[1] != now[1]:
                changes.append((was[0], was[1], now[1]))
            was, now = next(old, None), next(new, None)
    return changes


# -- what follows


def _apply(
    txn: WriteTransaction, apex: bytes, changes: Iterable[_Change], now: int, policy: Policy
) -> list[Step]:
    given: dict[bytes, dict[Listing, bytes]] = {}  # zone -> where it was listed -> coo
    for label, before, after in changes:
        if before is not None:
            given.setdefault(before.zone, {})[apex, label] = before.coo
            if after is None or after.zone != before.zone:
                _list(txn, before.zone, (apex, label), False)
        if after is None:
            txn.table(MEMBERS).delete(_id(apex) + label)
            continue
        txn.table(MEMBERS).put(_id(apex) + label, pack(after))
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
        _end(txn, zone, old, now)
        return Step(REMOVED, zone)
    row = _row(txn, new, follow.since, policy)
    if row == follow:
        return None
    txn.table(FOLLOWS).put(where(zone), pack(row))
    if new[1] != old[1]:  # sections 4.3.1 and 5.4: another label, another state
        _start(txn, zone, None)
        return Step(RESET, zone)
    states.begin(txn, zone)
    return Step(CHANGED if new == old else MOVED, zone)


def _heir(
    txn: WriteTransaction, held: Listing, listings: list[Listing], gone: dict[Listing, bytes]
) -> Listing | None:
    """By whom a zone is held from now on that was held by one of the listings."""
    for _ in range(len(listings) + 1):  # it may have been given over, and over again
        row = txn.table(MEMBERS).get(_id(held[0]) + held[1]) if held in listings else None
        coo = gone.get(held, b"") if row is None else _unpacked(row).coo
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
            txn.table(FOLLOWS).put(where(zone), pack(_row(txn, listing, now, policy)))
            return Step(RETURNED if _start(txn, zone, _mark(listing)) else ADDED, zone)
    return None


def _end(txn: WriteTransaction, zone: bytes, held: Listing, now: int) -> None:
    txn.table(FOLLOWS).delete(where(zone))
    states.end(txn, zone)
    entry = txn.table(b"apexes").get(APEX_PREFIX + zone)
    if entry is None:
        return
    if split_zone_entry(entry).flags == NOT_READY:
        txn.drop_zone(names.wire_of_key(zone))
    else:
        parted.part(txn, names.wire_of_key(zone), _mark(held), now + KEPT_SECONDS)


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
    value = txn.table(MEMBERS).get(_id(listing[0]) + listing[1])
    assert value is not None  # both tables are written together
    return _unpacked(value)


def _mark(listing: Listing) -> bytes:
    """Under which the data of a member that went is kept: its label alone, which stands for its
    state in whatever catalog (section 4.3.1).
    """
    return listing[1]


def _id(apex: bytes) -> bytes:
    return blake2b(apex, digest_size=_ID_OCTETS).digest()


def _unpacked(value: bytes) -> Member:
    zone, groups, coo = _unpack(value)
    return Member(zone, groups, coo)


def _unpack(value: bytes) -> Any:
    return msgpack.unpackb(value, use_list=False)
