"""What a node follows from the register of nodes in its copy of the root zone: whom it transfers
the cuts of others from, and whom it notifies of its own.

An aggregate holds all cuts, each from the node that the catalog names, under that node's key, which
it derives. An industry node holds those in its industries, from the aggregate, under its own key. A
node that assigns notifies the aggregates, and they notify the industry nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from csid import names
from registry.network.joining import takes
from registry.tables import view
from registry.tables.enums import NodeRole
from registry.tables.naming import Names
from registry.tables.network import CATALOG, NODES
from registry.tables.node_keys import ALGORITHM, SECRET, derive, key_name, own_keys
from registry.tables.rows import Place, Root
from registry.tables.transaction import TransactionView
from registry.zones import others
from registry.zones.others import Other
from registry.zones.places import Txn
from resolver.store.seek import APEX_PREFIX
from resolver.store.write import WriteTransaction
from resolver.sync import feed
from resolver.sync.catalog import holding, members
from resolver.sync.catalog.listing import Member
from resolver.sync.settings import (
    EVERYWHERE,
    KEYS,
    RIGHTS,
    TARGETS,
    KeyRow,
    Moment,
    Rights,
    Subject,
    Target,
    catalog_of,
    key_row,
    own_rights,
    own_targets,
    pack,
)

_ACTIVE: Final = "active"
_AGGREGATE: Final = "aggregate"
_INDUSTRY: Final = "industry"


def refuses(txn: WriteTransaction, named: Names, zone: bytes, member: Member) -> str:
    """Why the zone of a cut (canonical key) is not held here, by what this node is in the network;
    empty if it may be.
    """
    found = _joined(txn)
    suffix = names.key_of(named.wire)
    if found is None or not zone.startswith(suffix):
        return ""
    place, _ = found
    seen = TransactionView(txn)
    cut = "/".join(label.decode("latin-1") for label in zone[len(suffix) :].split(b"\0")[:-1])
    scope = view.get_scope(seen)
    group = next(iter(member.groups), "")
    is_taken = takes(place.role, place.name, scope.industries, cut.upper(), group)
    return "" if is_taken else "it is none that this node holds by its role and scope"


def template(
    txn: WriteTransaction, named: Names, apex: bytes, member: Member
) -> tuple[str, tuple[Target, ...]] | None:
    """The node that a member of the network's catalog belongs to, and where it is transferred from;
    None of other catalogs.
    """
    found = _joined(txn)
    if found is None or apex != named.key(CATALOG):
        return None
    place, root = found
    group = next(iter(member.groups), "")
    if place.role is not NodeRole.AGGREGATE:
        return group, tuple(aggregates(txn, named, names.from_text(root.key)))
    other = others.node(txn, named, group)
    if other is None:
        return group, ()
    keys = [name for name, _ in keys_of(txn, other)]
    return group, tuple(target for key in keys for target in _targets(other, key))


def _joined(txn: WriteTransaction) -> tuple[Place, Root] | None:
    seen = TransactionView(txn)
    place, root = view.get_place(seen), view.get_root(seen)
    return None if place is None or root is None else (place, root)


def keys_of(txn: WriteTransaction, other: Other) -> Iterator[tuple[bytes, KeyRow]]:
    """The keys of another node, by their names in wire form, derived from the network's secret:
    its present one, and that before it for as long as the register lets it hold.
    """
    secret = txn.table(b"meta").get(SECRET) or b""
    row = KeyRow(ALGORITHM, derive(secret, other.name, other.generation), other.name)
    yield key_name(other.name, other.generation), row
    if other.until and other.generation > 1:
        older = derive(secret, other.name, other.generation - 1)
        row = KeyRow(ALGORITHM, older, other.name, other.until)
        yield key_name(other.name, other.generation - 1), row


def key_of(moment: Moment, other: Other, age: int = 0) -> bytes | None:
    """The name of a key of another node, in wire form, its present one or an older one; None if it
    is not here.
    """
    name = key_name(other.name, other.generation - age)
    return name if key_row(moment, name) is not None else None


def _is_nodes(moment: Moment, key: bytes) -> bool:
    """Whether a right or a target under a key (name in wire form) is the register's to say, and
    nobody else's: the key is a node's, or not here any more.
    """
    row = key_row(moment, key) if key else None
    return bool(key) and (row is None or bool(row.node))


def _targets(other: Other, key: bytes) -> Iterator[Target]:
    return (Target(address, other.port, key) for address in other.addresses)


def aggregates(moment: Txn, named: Names, key: bytes) -> Iterator[Target]:
    """The aggregates of the network."""
    for other in others.nodes(moment, named):
        if other.role == _AGGREGATE and other.state == _ACTIVE:
            yield from _targets(other, key)


def _industry_nodes(txn: WriteTransaction, named: Names) -> Iterator[Target]:
    """The industry nodes of the network, each under its own key."""
    for other in others.nodes(txn, named):
        if other.role == _INDUSTRY and other.state == _ACTIVE:
            yield from _targets(other, key_name(other.name, other.generation))


class RegisterWatch:
    """Looks on while the root zone is transferred: a `resolver.sync.transfer.fetch.Watch`."""

    def __init__(self, suffix: str, now: Callable[[], int], policy: holding.Policy) -> None:
        """``now`` gives Unix seconds; ``policy`` is that of the consumer of catalogs."""
        self._named = Names(suffix)
        self._apex = names.key_of(self._named.wire)
        self._now = now
        self._policy = policy

    def changed(self, txn: WriteTransaction, apex: bytes, keys: Collection[bytes]) -> None:
        """Names of a zone were changed."""
        prefix = NODES.encode("ascii") + b"\0"
        if apex == self._apex:
            nodes = {key.split(b"\0")[1] for key in keys if key.startswith(prefix)} - {b""}
            if nodes:
                self._settle(txn, {one.decode("latin-1") for one in nodes})

    def replaced(self, txn: WriteTransaction, apex: bytes) -> None:
        """A zone is another as a whole."""
        if apex == self._apex:
            self._settle(txn, None)

    def dropped(self, txn: WriteTransaction, apex: bytes) -> None:
        """Nothing: the register is as it was known last."""

    def _settle(self, txn: WriteTransaction, nodes: Collection[str] | None) -> None:
        """Follow and notify whom the register names now; ``nodes`` are those that differ, None: all
        may.
        """
        found = _joined(txn)
        if found is None:
            return
        place, root = found
        if place.role is NodeRole.AGGREGATE:
            self._admit(txn, place)
        if root.registers or place.role is NodeRole.AGGREGATE:
            before = own_targets(txn, EVERYWHERE) or ()
            granted = tuple(one for one in before if not _is_nodes(txn, one.key))
            told = list(self._told(txn, place, root))
            if (*told, *granted) != before:
                txn.table(TARGETS).put(EVERYWHERE, pack([*told, *granted]))
                self._tell_of_each(txn, place, before, told)
                feed.tell_all(txn, txn.number)  # of what has changed while they were not known
        catalog = self._named.key(CATALOG)
        if catalog_of(txn, catalog) is None:
            return
        groups = nodes if place.role is NodeRole.AGGREGATE else None
        members.renew(txn, catalog, self._now(), groups, self._policy)

    def _tell_of_each(
        self, txn: WriteTransaction, place: Place, before: Sequence[Target], wanted: list[Target]
    ) -> None:
        """Notify them also of the zones of which others are, by rows of their own."""
        own = set(own_keys(txn, place.name))
        for at, _ in list(txn.table(TARGETS).scan(APEX_PREFIX)):
            held = own_targets(txn, at)
            if held:
                kept = [one for one in held if one not in before or one.key not in own]
                txn.table(TARGETS).put(at, pack([*wanted, *kept]))

    def _told(self, txn: WriteTransaction, place: Place, root: Root) -> Iterator[Target]:
        """Whom this node notifies of all zones but those that it follows from the national node."""
        if place.role is NodeRole.AGGREGATE:
            return _industry_nodes(txn, self._named)
        return aggregates(txn, self._named, names.from_text(root.key))

    def _admit(self, txn: WriteTransaction, place: Place) -> None:
        """Let the keys of all nodes of the register, and no others of nodes, be here, and let them
        transfer.
        """
        wanted = {
            name: row
            for other in others.nodes(txn, self._named)
            if other.name != place.name
            for name, row in keys_of(txn, other)
        }
        keys = txn.table(KEYS)
        former = {name for name, _ in keys.scan(b"") if getattr(key_row(txn, name), "node", "")}
        own = tuple(own_keys(txn, place.name))
        for name in former - wanted.keys() - set(own):
            keys.delete(name)
        for name, row in wanted.items():
            if key_row(txn, name) != row:
                keys.put(name, pack(row))
        given = tuple(Subject(key=name) for name in (*own, *sorted(wanted)))
        before = own_rights(txn, EVERYWHERE) or Rights()
        # What others were given stays.
        transfer, update, notify = (
            tuple(one for one in part if one.key not in former) for part in before
        )
        rights = Rights((*given, *transfer), update, (*given, *notify))
        if rights != before:
            txn.table(RIGHTS).put(EVERYWHERE, pack(rights))
