"""Catalogs consumed (RFC 9432): which zones are held because a catalog lists them.

    sync.members  catalog(8)               -> msgpack of Standing
                  catalog(8) + label       -> msgpack of Member: what it said last under a label
    sync.listed   00 + canonical key of a zone -> msgpack [[catalog's canonical key, label], ...]

`catalog` is a digest of the key of the catalog's apex; labels are keys without their final 00. A
change of a catalog zone is followed in its own transaction if it is about few members; else that
transaction notes that there is more to do, which `go_on` does in pieces (`Standing`), so that none
holds the store for long. What one change costs grows with what it touched. A zone is held by the
catalog that its row in `sync.follows` names. Another that lists it too is passed over (section
5.2), until the first gives it over or takes it out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from typing import Any, Final, NamedTuple

import msgpack

from csid import names
from csid.errors import ZoneError
from resolver.store import parted
from resolver.store.apexes import NOT_READY, split_zone_entry
from resolver.store.environment import Store
from resolver.store.seek import APEX_PREFIX
from resolver.store.write import WriteTransaction
from resolver.sync import catalog, states, timers
from resolver.sync.catalog import Member
from resolver.sync.settings import (
    CATALOGS,
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
CHANGED_AT_ONCE: Final = 128  # members, in one transaction ...
LOOKED_AT_ONCE: Final = 2_000  # ... of so many that are compared
_ID_OCTETS: Final = 8
_FIRST_LABEL: Final = b"\x01"  # no label's key is before it (csid/names.py)

# What became of a zone.
ADDED: Final = "added"
RETURNED: Final = "returned"  # with the data it had
MOVED: Final = "moved"  # to another catalog, with its data
RESET: Final = "reset"  # to be transferred anew
CHANGED: Final = "changed"  # other primaries or another group
REMOVED: Final = "removed"

Listing = tuple[bytes, bytes]  # canonical key of a catalog, label
_Change = tuple[bytes, Member | None, Member | None]  # label, before, after


class Standing(NamedTuple):
    """How far a catalog is consumed.

    Attributes:
        fault: why it is broken; empty if it is not.
        compare: the key of the label from which on it is still to be compared with what it said
            before; empty: from the beginning, and it is not known yet whether it is broken.
        renew: the label from which on members are still to be held as the settings now say ...
        groups: ... of those that have one of these group properties; None: of all.
    """

    fault: str = ""
    compare: bytes | None = None
    renew: bytes | None = None
    groups: tuple[str, ...] | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is more to do."""
        return self.compare is not None or self.renew is not None


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
    """Let zones be held as a catalog now says, or note that this is to be done, if they are many;
    nothing is done if it is broken, which is noted.

    Args:
        apex: canonical key of the catalog's apex.
        keys: below the apex, of the names that were changed since it was consumed last; None if
            that is unknown.
        now: Unix seconds.
    """
    standing = standing_of(txn, apex)
    is_followed = standing is not None and not standing.fault and standing.compare != b""
    standing = standing or Standing()
    rest = standing.compare
    try:
        if keys is None or not is_followed:
            changes, rest = _compared(txn, apex, b"")
            is_small = rest is None
        else:
            labels = {catalog.label_of(key) for key in keys} - {b""}
            is_small = len(labels) <= CHANGED_AT_ONCE
            changes = _changes(txn, apex, labels) if is_small else []
    except ZoneError as error:
        _stand(txn, apex, standing._replace(fault=str(error), compare=None))
        return []
    if not is_small:
        _stand(txn, apex, standing._replace(compare=b""))
        return []
    _stand(txn, apex, standing._replace(fault="", compare=rest))
    return _apply(txn, apex, changes, now, policy)


def release(
    txn: WriteTransaction,
    apex: bytes,
    now: int,
    policy: Policy = POLICY,
    most: int | None = None,
) -> list[Step]:
    """Hold none of a catalog's members for its sake any more, or not the first `most` of them."""
    found = islice(members_of(txn, apex), most)
    changes: list[_Change] = [(label, member, None) for label, member in found]
    if most is None or len(changes) < most:
        txn.table(MEMBERS).delete(_id(apex))
    else:
        _stand(txn, apex, Standing())
    return _apply(txn, apex, changes, now, policy)


def renew(
    txn: WriteTransaction,
    apex: bytes,
    now: int,
    groups: Collection[str] | None = None,
    policy: Policy = POLICY,
) -> list[Step]:
    """Let the members of a catalog follow the primaries that its settings name now: all of them, or
    those that have one of some group properties. What is done of it at once; `go_on` does the rest.
    """
    standing = standing_of(txn, apex)
    if standing is None:
        return []
    if standing.renew is not None:
        is_all = groups is None or standing.groups is None
        groups = None if is_all else {*(groups or ()), *(standing.groups or ())}
    wanted = None if groups is None else tuple(sorted(groups))
    return _renew(txn, apex, standing._replace(renew=b"", groups=wanted), now, policy)


def _renew(
    txn: WriteTransaction, apex: bytes, standing: Standing, now: int, policy: Policy
) -> list[Step]:
    chosen: list[bytes] = []
    rest = None
    groups = standing.groups
    for looked, (label, member) in enumerate(members_of(txn, apex, standing.renew or b"")):
        if looked == LOOKED_AT_ONCE or len(chosen) == CHANGED_AT_ONCE:
            rest = label
            break
        if groups is None or not set(groups).isdisjoint(member.groups):
            chosen.append(member.zone)
    _stand(txn, apex, standing._replace(renew=rest, groups=None if rest is None else groups))
    return [step for zone in chosen if (step := settle(txn, zone, now, policy))]


def go_on(store: Store, now: Callable[[], int], policy: Policy = POLICY) -> bool:
    """Do a piece of what catalogs have left to be done; whether there may be more.

    Raises:
        StoreError: the store cannot be read or written.
    """
    with store.read() as read:
        apex = next((one for one in _catalogs(read) if _standing(read, one).is_open), None)
        if apex is None:
            return False
        is_unknown = _standing(read, apex).compare == b""
        version = _version(read, apex)
        fault = _fault(read, apex) if is_unknown else ""
    with store.write() as txn:
        standing = _standing(txn, apex)
        if standing.compare == b"" and is_unknown and _version(txn, apex) == version:
            first = None if fault else _FIRST_LABEL
            standing = standing._replace(fault=fault, compare=first)
            _stand(txn, apex, standing)
        _piece(txn, apex, standing, now(), policy)
    return True


def _piece(
    txn: WriteTransaction, apex: bytes, standing: Standing, now: int, policy: Policy
) -> None:
    if standing.compare:
        try:
            changes, rest = _compared(txn, apex, standing.compare)
        except ZoneError as error:
            _stand(txn, apex, standing._replace(fault=str(error), compare=None))
            return
        _stand(txn, apex, standing._replace(compare=rest))
        _apply(txn, apex, changes, now, policy)
    elif standing.renew is not None:
        _renew(txn, apex, standing, now, policy)


def settle(txn: WriteTransaction, zone: bytes, now: int, policy: Policy = POLICY) -> Step | None:
    """Let a zone (canonical key) be held as the catalogs say that list it: where its name has
    become free, or settings are others. What was done; None if it is as it was.
    """
    return _settle(txn, zone, {}, now, policy)


def fault_of(moment: Moment, apex: bytes) -> str | None:
    """Why a catalog is broken; empty if it is not, None if it was never consumed."""
    standing = standing_of(moment, apex)
    return None if standing is None else standing.fault


def standing_of(moment: Moment, apex: bytes) -> Standing | None:
    """How far a catalog is consumed; None if it never was."""
    value = moment.table(MEMBERS).get(_id(apex))
    return None if value is None else Standing(*_unpack(value))


def _standing(moment: Moment, apex: bytes) -> Standing:
    return standing_of(moment, apex) or Standing()


def _stand(txn: WriteTransaction, apex: bytes, standing: Standing) -> None:
    txn.table(MEMBERS).put(_id(apex), pack(standing))


def _catalogs(moment: Moment) -> Iterator[bytes]:
    """The canonical keys of the catalogs whose members are held."""
    return (key[len(APEX_PREFIX) :] for key, _ in moment.table(CATALOGS).scan(APEX_PREFIX))


def members_of(moment: Moment, apex: bytes, start: bytes = b"") -> Iterator[tuple[bytes, Member]]:
    """(label, member) that a catalog listed when it was consumed last, in key order, from a label
    on.
    """
    for key, value in moment.table(MEMBERS).scan(_id(apex), _id(apex) + start):
        if len(key) > _ID_OCTETS:
            yield key[_ID_OCTETS:], _unpacked(value)


def listings_of(moment: Moment, zone: bytes) -> list[Listing]:
    """The catalogs that list a zone (canonical key), each with its label there."""
    value = moment.table(LISTED).get(where(zone))
    return [] if value is None else [(one, label) for one, label in msgpack.unpackb(value)]


# -- what a catalog says now, against what it said


def _get(moment: Moment, apex: bytes) -> tuple[catalog.Get, bytes]:
    """How to look into a catalog zone, and its generation."""
    entry = moment.table(b"apexes").get(APEX_PREFIX + apex)
    if entry is None:
        raise ZoneError(names.to_text(names.wire_of_key(apex)), "the catalog is not held here")
    generation = split_zone_entry(entry).generation
    tree = moment.table(b"tree")
    return lambda key: tree.get(generation + key), generation


def _version(moment: Moment, apex: bytes) -> object:
    """By which one content of a catalog zone is told from another."""
    return moment.table(b"apexes").get(APEX_PREFIX + apex), timers.soa_of(moment, apex)


def _listed(moment: Moment, apex: bytes, start: bytes) -> Iterator[tuple[bytes, Member]]:
    """(label, member) that a catalog zone lists now, from a label on."""
    get, generation = _get(moment, apex)
    catalog.check_version(get)
    zones = generation + catalog.ZONES
    tree = moment.table(b"tree").scan(zones, zones + start)
    return catalog.members((key[len(generation) :], blob) for key, blob in tree)


def _fault(moment: Moment, apex: bytes) -> str:
    """Why a catalog zone is broken; empty if it is not. All of it is read."""
    try:
        for _ in _listed(moment, apex, b""):
            pass
    except ZoneError as error:
        return str(error)
    return ""


def _changes(txn: WriteTransaction, apex: bytes, labels: Iterable[bytes]) -> list[_Change]:
    get, _ = _get(txn, apex)
    catalog.check_version(get)
    changes = []
    for label in sorted(labels):
        row = txn.table(MEMBERS).get(_id(apex) + label)
        before = None if row is None else _unpacked(row)
        after = catalog.member_at(get, label)
        if before != after:
            changes.append((label, before, after))
    return changes


def _compared(
    txn: WriteTransaction, apex: bytes, start: bytes
) -> tuple[list[_Change], bytes | None]:
    """What differs from a label on, both sides in order of labels, side by side; and the label from
    which on there is more, if that is too much for one transaction.
    """
    new, old = _listed(txn, apex, start), members_of(txn, apex, start)
    changes: list[_Change] = []
    was, now = next(old, None), next(new, None)
    looked = 0
    while was is not None or now is not None:
        label = min(one[0] for one in (was, now) if one is not None)
        if len(changes) == CHANGED_AT_ONCE or looked == LOOKED_AT_ONCE:
            return changes, label
        looked += 1
        before = after = None
        if was is not None and was[0] == label:
            before, was = was[1], next(old, None)
        if now is not None and now[0] == label:
            after, now = now[1], next(new, None)
        if before != after:
            changes.append((label, before, after))
    return changes, None


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
