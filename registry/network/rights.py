"""Keys, and who may do what with a zone: set by commands, written by the writer of the node.

What names a key is a right (`sync.rights`), a server to be notified (`sync.targets`) or a primary
(`sync.follows`); none of them names a key that is not there when it is written.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from csid import names
from csid.errors import CsidError
from registry.core import Core
from registry.network.targets import checked
from registry.tables.enums import NodeRole
from registry.tables.node_keys import node_of, own_keys
from registry.tables.transaction import TransactionView
from registry.tables.view import get_place
from registry.zones.asked import Asked
from resolver.store.seek import APEX_PREFIX
from resolver.store.write import WriteTransaction
from resolver.sync.access import RIGHTS as KINDS
from resolver.sync.settings import (
    CATALOGS,
    EVERYWHERE,
    FOLLOWS,
    KEYS,
    RIGHTS,
    TARGETS,
    KeyRow,
    Rights,
    Subject,
    Target,
    catalog_of,
    follow_of,
    key_row,
    own_rights,
    own_targets,
    pack,
    where,
)
from resolver.sync.tsig import algorithm_fault

ADD_KEY: Final = "key.add"
REMOVE_KEY: Final = "key.remove"
ALLOW: Final = "zone.allow"
NOTIFY: Final = "zone.notify"

MAX_SECRET_OCTETS: Final = 512
MAX_SUBJECTS: Final = 1_000  # of one right: all are looked through for each who asks
MAX_TARGETS: Final = 1_000
USES_TOLD: Final = 10
_TABLES: Final = {
    RIGHTS: "rights",
    TARGETS: "to be notified",
    FOLLOWS: "primaries",
    CATALOGS: "primaries of the members",
}


class SettingError(CsidError):
    """A key, a right or a server to be notified that cannot be set."""


# -- keys


def add_key(core: Core, args: Any) -> bool:
    """Add a key, or have one that is there end at another time; returns whether anything changed.

    Args:
        args: who asks (`Asked.told`), the name in wire form, algorithm, secret, and the Unix second
            from which on it holds no more, or 0.

    Raises:
        SettingError: it is none that can be used, or another one of this name is there.
    """
    asked, name, algorithm, secret, until = args
    Asked.of(asked, core.by)
    name = checked_key(name, algorithm, secret)
    shown = names.to_text(name)
    if not isinstance(until, int) or not 0 <= until < 1 << 48:
        raise SettingError(f"{shown}: {until!r} is no time at which it can end")
    with core.store.write() as txn:
        _require_free(txn, name)
        before = key_row(txn, name)
        since = int(time.time())
        if before is not None:
            if (before.algorithm, before.secret, before.node) != (algorithm, secret, ""):
                whose = f"that of the node {before.node}" if before.node else "another one"
                raise SettingError(
                    f"{shown}: a key of this name is here, {whose}; give yours another name, or "
                    "remove that one first with csid key remove"
                )
            since = before.since
        row = KeyRow(algorithm, secret, "", until, since)
        if row != before:
            txn.table(KEYS).put(name, pack(row))
    return row != before


def _require_free(txn: WriteTransaction, name: bytes) -> None:
    """Refuse the name of a node's key, whether it is there already or will be one day."""
    place = get_place(TransactionView(txn))
    node = node_of(name)
    if place is None or not node:
        return
    shown = names.to_text(name)
    if node == place.name:
        raise SettingError(f"{shown}: is a key of this node itself; csid node use-key takes it")
    if place.role in (NodeRole.NATIONAL, NodeRole.AGGREGATE):
        raise SettingError(
            f"{shown}: NAME-NUMBER names the keys of nodes, which csid node add and rekey give; "
            "choose a name of another form"
        )


def checked_key(name: bytes, algorithm: str, secret: bytes) -> bytes:
    """The name of a key in lower case.

    Raises:
        SettingError: it is none that can be used.
    """
    name = _checked_name(name)
    if fault := algorithm_fault(algorithm):
        raise SettingError(fault)
    if not isinstance(secret, bytes) or not 1 <= len(secret) <= MAX_SECRET_OCTETS:
        raise SettingError(f"{names.to_text(name)}: a secret has 1 to {MAX_SECRET_OCTETS} octets")
    return name


def remove_key(core: Core, args: Any) -> list[str]:
    """Remove a key; returns what still names it, in words, if it is kept for that.

    Args:
        args: who asks (`Asked.told`), the name in wire form, whether it is removed all the same.

    Raises:
        SettingError: there is none, or it is a node's.
    """
    asked, name, always = args
    Asked.of(asked, core.by)
    name = _checked_name(name)
    with core.store.write() as txn:
        row = _known_key(txn, name)
        if row.node:
            raise SettingError(
                f"{names.to_text(name)}: is the key of the node {row.node}, and goes with it: csid "
                "node rekey or remove"
            )
        found = list(_uses(txn, name))
        if not found or always:
            txn.table(KEYS).delete(name)
    return [] if always else found


def _uses(txn: WriteTransaction, name: bytes) -> Iterator[str]:
    """What names a key, the first USES_TOLD of it."""
    left = USES_TOLD
    for table, what in _TABLES.items():
        for key, value in txn.table(table).scan(b""):
            if name not in value or not _names_key(txn, table, key, name):
                continue
            if not left:
                yield "..."
                return
            left -= 1
            yield f"{_origin(key)}: {what}"


def _names_key(txn: WriteTransaction, table: bytes, key: bytes, name: bytes) -> bool:
    """Whether a row, which has the octets of a key's name in it, names that key."""
    if table == RIGHTS:
        rights = own_rights(txn, key) or Rights()
        return any(one.key == name for part in rights for one in part)
    apex = key[len(APEX_PREFIX) :]
    targets = own_targets(txn, key) or ()
    if table == FOLLOWS:
        follow = follow_of(txn, apex)
        targets = () if follow is None else follow.primaries
    elif table == CATALOGS:
        catalog = catalog_of(txn, apex)
        groups = () if catalog is None else catalog.groups
        targets = () if catalog is None else catalog.primaries
        targets += tuple(one for _, primaries in groups for one in primaries)
    return any(one.key == name for one in targets)


# -- rights


def allow(core: Core, args: Any) -> int:
    """Give rights to somebody, or take them; returns how many were not, or were, there before. Who
    has a right over TLS alone and who has it anyhow are one: what is said last holds.

    Args:
        args: who asks (`Asked.told`), the origin in wire form (empty: all zones without rights of
            their own), the kind of right, a sequence of `Subject`, whether they are taken.

    Raises:
        SettingError: there is no such zone, right or key.
    """
    asked, origin, kind, rows, is_taken = args
    Asked.of(asked, core.by)
    if kind not in KINDS:
        raise SettingError(f"{kind!r:.40} is no right; one of {', '.join(KINDS)}")
    subjects = [_checked_subject(Subject(*row)) for row in rows]
    with core.store.write() as txn:
        place = _place(txn, origin, must_be_held=not is_taken)
        ours = _ours(txn, place)
        rights = own_rights(txn, place) or ours
        before: tuple[Subject, ...] = getattr(rights, kind)
        meant = {one._replace(tls=False) for one in subjects}
        others = tuple(one for one in before if one._replace(tls=False) not in meant)
        changes = len(before) - len(others)
        if is_taken:
            after = others
        else:
            for one in subjects:
                if one.key:
                    _known_key(txn, one.key)
            new = dict.fromkeys(one for one in subjects if one not in before)
            changes = len(new)
            held = tuple(one for one in before if one in subjects or one in others)
            after = (*held, *new)
            if len(after) > MAX_SUBJECTS:
                raise SettingError(
                    f"{_origin(place)}: {len(after)} of one right; at most {MAX_SUBJECTS}: give it "
                    "to a network, or to a key that they share"
                )
        if after != before:
            changed = rights._replace(**{kind: after})
            _put(txn, RIGHTS, place, changed if any(changed) and changed != ours else ())
    return changes


def _ours(txn: WriteTransaction, place: bytes) -> Rights:
    """What the network may do with all zones by this node's own keys, where it has joined one: a
    zone with rights of its own keeps that.
    """
    of = get_place(TransactionView(txn))
    if of is None or not of.name or place == EVERYWHERE:
        return Rights()
    own = set(own_keys(txn, of.name))
    everywhere = own_rights(txn, EVERYWHERE) or Rights()
    return Rights(*(tuple(one for one in part if one.key in own) for part in everywhere))


def _checked_subject(subject: Subject) -> Subject:
    network, length, key, tls = subject
    octets = isinstance(network, bytes) and isinstance(key, bytes) and isinstance(length, int)
    if not octets or len(network) not in (0, 4, 16) or not 0 <= length <= 8 * len(network):
        raise SettingError(f"{subject!r:.80} is no network")
    host = 8 * len(network) - length
    if int.from_bytes(network, "big") & ((1 << host) - 1):
        raise SettingError(f"{network.hex()}/{length}: has more than the octets of a network")
    if not network and not key:
        raise SettingError("a right is given to an address, a network or a key")
    return Subject(network, length, _checked_name(key) if key else b"", bool(tls))


# -- servers to be notified


def notify(core: Core, args: Any) -> bool:
    """Have a server notified of changes, or no longer; returns whether anything changed.

    Args:
        args: who asks (`Asked.told`), the origin in wire form (empty: all zones without servers of
            their own), a `Target`, whether it is taken away: whatever its key, TLS and source are.

    Raises:
        SettingError: there is no such zone.
        TargetError: the server cannot be reached so.
    """
    asked, origin, row, is_taken = args
    Asked.of(asked, core.by)
    with core.store.write() as txn:
        target = Target(*row) if is_taken else checked(txn, row)
        place = _place(txn, origin, must_be_held=not is_taken)
        before = own_targets(txn, place) or (() if is_taken else _told_anyway(txn, place))
        others = [one for one in before if one[:2] != target[:2]]
        if is_taken:
            after = tuple(others)
        else:
            after = before if target in before else (*others, target)
            if len(after) > MAX_TARGETS:
                raise SettingError(f"{_origin(place)}: at most {MAX_TARGETS} servers are notified")
        if after != before:
            is_own = after != _told_anyway(txn, place)
            _put(txn, TARGETS, place, after if is_own else ())
    return after != before


def _told_anyway(txn: WriteTransaction, place: bytes) -> tuple[Target, ...]:
    """Whom the network has notified of all zones of this node (`registry.network.membership`)."""
    of = get_place(TransactionView(txn))
    if of is None or not of.name or place == EVERYWHERE:
        return ()
    own = set(own_keys(txn, of.name))
    return tuple(one for one in own_targets(txn, EVERYWHERE) or () if one.key in own)


# -- what all have in common


def _checked_name(name: bytes) -> bytes:
    names.key_of(name)
    if name == names.ROOT:
        raise SettingError("the root is no name of a key")
    return name.lower()


def _known_key(txn: WriteTransaction, name: bytes) -> KeyRow:
    row = key_row(txn, name)
    if row is None:
        raise SettingError(
            f"{names.to_text(name)}: no key of this name is here; csid key list lists them, csid "
            "key add adds one"
        )
    return row


def _place(txn: WriteTransaction, origin: bytes, must_be_held: bool) -> bytes:
    """The key of a zone's rows."""
    if not origin:
        return EVERYWHERE
    place = where(names.key_of(origin.lower()))
    if must_be_held and txn.table(b"apexes").get(place) is None:
        raise SettingError(
            f"{names.to_text(origin)}: no zone with this apex is held here; csid zone list lists "
            "those that are"
        )
    return place


def _put(txn: WriteTransaction, table: bytes, place: bytes, row: Sequence[Any]) -> None:
    if row:
        txn.table(table).put(place, pack(row))
    else:
        txn.table(table).delete(place)


def _origin(place: bytes) -> str:
    if place == EVERYWHERE:
        return "all zones"
    return names.to_text(names.wire_of_key(place[len(APEX_PREFIX) :]))
