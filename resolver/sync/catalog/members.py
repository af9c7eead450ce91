"""Catalogs consumed (RFC 9432): what a catalog says now, against what it said.

    sync.members  catalog(8)         -> msgpack of Standing
                  catalog(8) + label -> what it said last under a label (holding.py)

A change of a catalog zone is followed in its own transaction if it is about few members; else that
transaction notes that there is more to do, which `go_on` does in pieces (`Standing`), so that none
holds the store for long. What one change costs grows with what it touched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

import msgpack

from csid import names
from csid.errors import ZoneError
from resolver.store.apexes import split_zone_entry
from resolver.store.environment import Store
from resolver.store.seek import APEX_PREFIX
from resolver.store.write import WriteTransaction
from resolver.sync import timers
from resolver.sync.catalog import listing
from resolver.sync.catalog.holding import (
    ID_OCTETS,
    MEMBERS,
    POLICY,
    Change,
    Policy,
    Step,
    apply,
    identity,
    settle,
    unpacked,
)
from resolver.sync.catalog.listing import Member
from resolver.sync.settings import (
    CATALOGS,
    Moment,
    catalog_of,
    pack,
)

CHANGED_AT_ONCE: Final = 128  # members, in one transaction ...
LOOKED_AT_ONCE: Final = 2_000  # ... of so many that are compared
_FIRST_LABEL: Final = b"\x01"  # no label's key is before it (csid/names.py)


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
            labels = {listing.label_of(key) for key in keys} - {b""}
            is_small = len(labels) <= CHANGED_AT_ONCE
            changes = _changes(txn, apex, labels) if is_small else []
    except ZoneError as error:
        _stand(txn, apex, standing._replace(fault=str(error), compare=None))
        return []
    if not is_small:
        _stand(txn, apex, standing._replace(compare=b""))
        return []
    _stand(txn, apex, standing._replace(fault="", compare=rest))
    return apply(txn, apex, changes, now, policy)


def release(
    txn: WriteTransaction,
    apex: bytes,
    now: int,
    policy: Policy = POLICY,
    most: int | None = None,
) -> list[Step]:
    """Hold none of a catalog's members for its sake any more, or not the first `most` of them."""
    found = islice(members_of(txn, apex), most)
    changes: list[Change] = [(label, member, None) for label, member in found]
    if most is None or len(changes) < most:
        txn.table(MEMBERS).delete(identity(apex))
    else:
        _stand(txn, apex, Standing())
    return apply(txn, apex, changes, now, policy)


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
        apply(txn, apex, changes, now, policy)
    elif standing.renew is not None:
        _renew(txn, apex, standing, now, policy)


def fault_of(moment: Moment, apex: bytes) -> str | None:
    """Why a catalog is broken; empty if it is not, None if it was never consumed."""
    standing = standing_of(moment, apex)
    return None if standing is None else standing.fault


def standing_of(moment: Moment, apex: bytes) -> Standing | None:
    """How far a catalog is consumed; None if it never was."""
    value = moment.table(MEMBERS).get(identity(apex))
    return None if value is None else Standing(*msgpack.unpackb(value, use_list=False))


def _standing(moment: Moment, apex: bytes) -> Standing:
    return standing_of(moment, apex) or Standing()


def _stand(txn: WriteTransaction, apex: bytes, standing: Standing) -> None:
    txn.table(MEMBERS).put(identity(apex), pack(standing))


def _catalogs(moment: Moment) -> Iterator[bytes]:
    """The canonical keys of the catalogs whose members are held."""
    return (key[len(APEX_PREFIX) :] for key, _ in moment.table(CATALOGS).scan(APEX_PREFIX))


def members_of(moment: Moment, apex: bytes, start: bytes = b"") -> Iterator[tuple[bytes, Member]]:
    """(label, member) that a catalog listed when it was consumed last, in key order, from a label
    on.
    """
    for key, value in moment.table(MEMBERS).scan(identity(apex), identity(apex) + start):
        if len(key) > ID_OCTETS:
            yield key[ID_OCTETS:], unpacked(value)


# -- what a catalog says now, against what it said


def _get(moment: Moment, apex: bytes) -> tuple[listing.Get, bytes]:
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
    listing.check_version(get)
    zones = generation + listing.ZONES
    tree = moment.table(b"tree").scan(zones, zones + start)
    return listing.members((key[len(generation) :], blob) for key, blob in tree)


def _fault(moment: Moment, apex: bytes) -> str:
    """Why a catalog zone is broken; empty if it is not. All of it is read."""
    try:
        for _ in _listed(moment, apex, b""):
            pass
    except ZoneError as error:
        return str(error)
    return ""


def _changes(txn: WriteTransaction, apex: bytes, labels: Iterable[bytes]) -> list[Change]:
    get, _ = _get(txn, apex)
    listing.check_version(get)
    changes = []
    for label in sorted(labels):
        row = txn.table(MEMBERS).get(identity(apex) + label)
        before = None if row is None else unpacked(row)
        after = listing.member_at(get, label)
        if before != after:
            changes.append((label, before, after))
    return changes


def _compared(
    txn: WriteTransaction, apex: bytes, start: bytes
) -> tuple[list[Change], bytes | None]:
    """What differs from a label on, both sides in order of labels, side by side; and the label from
    which on there is more, if that is too much for one transaction.
    """
    new, old = _listed(txn, apex, start), members_of(txn, apex, start)
    changes: list[Change] = []
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
