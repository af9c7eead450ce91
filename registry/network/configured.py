"""Keys, and what zones are between servers, as the configuration of a node has them: compared with
what there is, and put there by the units that commands use.

What is configured of a key or a zone holds in place of what a command said of it. Of what is not
configured nothing is changed, nor of what the network of nodes has set by its own keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from csid import names
from csid.errors import BusyError, CsidError
from registry.network.following import FOLLOW
from registry.network.rights import ADD_KEY, ALLOW, NOTIFY, REMOVE_KEY
from registry.network.wanted import ALL, Configured, Key, Zone, shown
from registry.rules.requests import Actor, Role
from registry.tables.node_keys import own_keys
from registry.tables.transaction import TransactionView
from registry.tables.view import get_place
from registry.zones.asked import Asked
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.sync.access import RIGHTS as KINDS
from resolver.sync.settings import (
    EVERYWHERE,
    FOLLOWS,
    KEYS,
    TARGETS,
    KeyRow,
    Rights,
    follow_of,
    key_row,
    own_rights,
    own_targets,
    where,
)
from resolver.sync.settings import RIGHTS as RIGHTS_TABLE

ACTOR: Final = Actor("csid.toml", Role.ADMINISTRATOR, "", "")


class Step(NamedTuple):
    """One unit that brings what there is to what is configured."""

    what: str  # for people
    unit: str
    args: tuple[Any, ...]  # behind who asks


# -- what is to be done


def steps(read: ReadTransaction, configured: Configured) -> Iterator[Step]:
    """What is to be done, in its order; nothing if all is as configured."""
    for key in configured.keys:
        yield from _of_key(read, key)
    ours = _own(read)
    for zone in configured.zones:
        yield from _of_zone(read, zone, ours)


def _own(read: ReadTransaction) -> frozenset[bytes]:
    """The keys by which the network knows this node."""
    place = get_place(TransactionView(read))
    if place is None or not place.name:
        return frozenset()
    return frozenset(own_keys(read, place.name))


def _of_key(read: ReadTransaction, key: Key) -> Iterator[Step]:
    name = names.to_text(key.name)
    row = key_row(read, key.name)
    if row is not None and not row.node:
        if row._replace(since=0) == KeyRow(key.algorithm, key.secret):
            return
        if (row.algorithm, row.secret) != (key.algorithm, key.secret):
            yield Step(f"key {name} takes the place of another", REMOVE_KEY, (key.name, True))
    yield Step(f"key {name}", ADD_KEY, (key.name, key.algorithm, key.secret, 0))


def _of_zone(read: ReadTransaction, zone: Zone, ours: frozenset[bytes]) -> Iterator[Step]:
    origin = zone.origin
    name = shown(origin)
    apex = names.key_of(origin) if origin else b""
    place = where(apex) if origin else EVERYWHERE
    if zone.primaries is not None:
        follow = follow_of(read, apex)
        if follow is None or (follow.primaries, follow.zonemd) != (zone.primaries, zone.zonemd):
            servers = ", ".join(f"{one.host}:{one.port}" for one in zone.primaries)
            args = (origin, zone.primaries, zone.zonemd)
            yield Step(f"zone {name} follows {servers}", FOLLOW, args)
    rights = own_rights(read, place) or Rights()
    for kind, before, wanted in zip(KINDS, rights, zone.rights, strict=True):
        if wanted is None:
            continue
        meant = {one._replace(tls=False) for one in wanted}
        gone = [
            one for one in before if one._replace(tls=False) not in meant and one.key not in ours
        ]
        new = [one for one in wanted if one not in before]
        # Whoever is given a right first keeps others from falling back to those of all zones.
        if new:
            yield Step(
                f"zone {name}: {kind} for {len(new)} more", ALLOW, (origin, kind, new, False)
            )
        if gone:
            yield Step(
                f"zone {name}: {kind} for {len(gone)} less", ALLOW, (origin, kind, gone, True)
            )
    if zone.targets is not None:
        told = own_targets(read, place) or ()
        places = {one[:2] for one in zone.targets}
        for one in zone.targets:
            if one not in told:
                said = f"zone {name}: {one.host}:{one.port} is notified"
                yield Step(said, NOTIFY, (origin, one, False))
        for one in told:
            if one[:2] not in places and one.key not in ours:
                said = f"zone {name}: {one.host}:{one.port} is notified no longer"
                yield Step(said, NOTIFY, (origin, one, True))


def by_commands(read: ReadTransaction, configured: Configured) -> Iterator[str]:
    """What there is that the configuration says nothing of, in words: it stays."""
    keys = {key.name for key in configured.keys}
    for name, _ in read.table(KEYS).scan(b""):
        row = key_row(read, name)
        if name not in keys and row is not None and not row.node:
            yield f"key {names.to_text(name)}"
    zones = {_place(zone.origin): zone for zone in configured.zones}
    ours = _own(read)
    for key, _ in read.table(FOLLOWS).scan(b""):
        follow = follow_of(read, key[1:])
        is_said = key in zones and zones[key].primaries is not None
        if follow is None or follow.catalog or is_said:
            continue
        if not all(one.key in ours for one in follow.primaries):
            yield f"zone {_name(key)} follows {follow.servers}"
    for key, _ in read.table(RIGHTS_TABLE).scan(b""):
        said = zones[key].rights if key in zones else (None, None, None)
        for kind, held, one in zip(KINDS, own_rights(read, key) or Rights(), said, strict=True):
            others = [subject for subject in held if subject.key not in ours]
            if one is None and others:
                yield f"zone {_name(key)}: {kind} for {len(others)}"
    for key, _ in read.table(TARGETS).scan(b""):
        if key in zones and zones[key].targets is not None:
            continue
        told = [one for one in own_targets(read, key) or () if one.key not in ours]
        if told:
            yield f"zone {_name(key)}: {len(told)} notified"


def _place(origin: bytes) -> bytes:
    return where(names.key_of(origin)) if origin else EVERYWHERE


def _name(place: bytes) -> str:
    return ALL if place == EVERYWHERE else names.to_text(names.wire_of_key(place[1:]))


# -- doing it


def apply(
    store: Store, perform: Callable[[str, Sequence[Any]], Any], configured: Configured
) -> Iterator[tuple[Step, str]]:
    """Bring what there is to what is configured; gives each step with what was in its way, or with
    nothing once it is done.

    Args:
        perform: carries out one unit.

    Raises:
        BusyError: others write for so long; what is left is found by doing it again.
    """
    asked = Asked(ACTOR, "").told()
    for part in (
        *(Configured(keys=(key,)) for key in configured.keys),
        *(Configured(zones=(zone,)) for zone in configured.zones),
    ):
        with store.read() as read:
            todo = list(steps(read, part))
        for step in todo:
            try:
                perform(step.unit, (asked, *step.args))
            except BusyError:
                raise
            except CsidError as error:
                yield step, str(error)
                break  # what is behind it needs it
            yield step, ""
