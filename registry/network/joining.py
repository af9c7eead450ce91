"""A new data directory for a node of the network: region, industry or aggregate.

It has no zone of its own yet: it follows the root zone and the catalog of cuts from the national
node, under its own key, and makes a zone for each cut in which it assigns
(`registry.zones.founding`).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, NamedTuple

from csid import names
from csid.errors import CsidError
from csid.limits import MAP_OCTETS
from registry.deployment import NOBODY, note_node, note_place
from registry.rules.case import entry_writer
from registry.rules.decide import decide
from registry.rules.requests import Request, SetScope
from registry.rules.status import Status
from registry.tables import carried, codec
from registry.tables.enums import NodeRole
from registry.tables.network import CATALOG
from registry.tables.node_keys import SECRET
from registry.tables.rows import NO_LEAF, Place, Root
from registry.tables.transaction import ALL_TABLES, TransactionView, append_leaves
from registry.zones.asked import Asked
from resolver.store.apexes import NOT_READY
from resolver.store.environment import Store
from resolver.store.write import WriteTransaction
from resolver.sync import states
from resolver.sync.settings import (
    CATALOGS,
    EVERYWHERE,
    FOLLOWS,
    KEYS,
    RIGHTS,
    TARGETS,
    Catalog,
    Follow,
    KeyRow,
    Rights,
    Subject,
    Target,
    pack,
    where,
)

JOIN: Final = "node.join"


class JoinError(CsidError):
    """A node cannot be made so."""


class Key(NamedTuple):
    """The key by which the network knows a node."""

    name: bytes  # wire form, lower case
    algorithm: str
    secret: bytes


class Membership(NamedTuple):
    """What a node is in the network.

    Attributes:
        role: not national.
        name: in the register of nodes.
        scope: prefixes of locations, of an industry node those of industries.
        root: host and port of the national node.
        key: its own.
        registers: whether it assigns identifiers.
        secret: of the network; of an aggregate alone.
        receipt_key: public, by which receipts are known; empty: by the node's own key alone.
    """

    role: NodeRole
    name: str
    scope: tuple[str, ...]
    root: tuple[str, int]
    key: Key
    registers: bool
    secret: bytes = b""
    receipt_key: bytes = b""


def create(
    path: Path,
    suffix: str,
    authority: str,
    of: Membership,
    map_octets: int = MAP_OCTETS,
    asked: Asked = NOBODY,
) -> None:
    """Make a data directory; arguments as `registry.deployment.create`.

    Raises:
        JoinError: the scope is none.
        StoreError: something is there already, or it may not be written.
    """
    origin = names.from_text(suffix.lower())
    suffix = names.to_text(origin)

    def begin(txn: WriteTransaction) -> None:
        now = int(time.time())
        if of.secret:
            txn.table(b"meta").put(SECRET, of.secret)
        note_node(txn, suffix, authority, asked, now)
        note_place(txn, Place(of.role, of.name, NO_LEAF, now, suffix), asked)
        own = names.to_text(of.key.name)
        root = Root(*of.root, own, of.registers, NO_LEAF, now, of.receipt_key)
        note_root(txn, of.name, root, asked, now)
        _set_scope(txn, of, asked, now)
        _follow(txn, origin, of, now)

    Store.create(path, suffix, authority, map_octets, (), ALL_TABLES, begin).close()


def note_root(txn: WriteTransaction, name: str, root: Root, asked: Asked, now: int) -> None:
    """Write the row that says where a node files, and its leaf."""
    seen = TransactionView(txn)
    index = seen.leaves()
    row = codec.encode(root._replace(leaf=index, since=now))
    seen.table(codec.SETTINGS).put(codec.ROOT_KEY, row)
    writer = entry_writer(asked.actor, JOIN, now, asked.reason)
    [after] = carried.parts([(codec.SETTINGS, codec.ROOT_KEY, row)])
    append_leaves(txn, [writer.entry(name, after, root.leaf, "", Status.DONE.number)], index + 1)


def _set_scope(txn: WriteTransaction, of: Membership, asked: Asked, now: int) -> None:
    is_industry = of.role is NodeRole.INDUSTRY
    body = SetScope((), of.scope) if is_industry else SetScope(of.scope)
    seen = TransactionView(txn)
    decision = decide(seen, Request(asked.actor, body, asked.reason), now)
    if not decision.status.success:
        raise JoinError(f"--scope: {decision.detail or decision.status.en}")
    for table, key, value in decision.changes.rows:
        assert value is not None
        seen.table(table).put(key, value)
    if decision.changes.leaf is not None:
        append_leaves(txn, [decision.changes.leaf], seen.leaves() + 1)


def _follow(txn: WriteTransaction, origin: bytes, of: Membership, now: int) -> None:
    """Its key, who may do what by it, and the zones that it follows."""
    key = of.key
    txn.table(KEYS).put(key.name, pack(KeyRow(key.algorithm, key.secret, of.name, 0, now)))
    # The national node and the aggregate know this node by its own key; they transfer what it
    # assigns, and send their receipts as updates.
    subject = Subject(key=key.name)
    txn.table(RIGHTS).put(EVERYWHERE, pack(Rights((subject,), (subject,), (subject,))))
    target = Target(*of.root, key.name)
    for zone in (origin, catalog_of(origin)):
        follow = Follow((target,), since=now)
        txn.table(FOLLOWS).put(where(names.key_of(zone)), pack(follow))
        txn.set_flags(zone, NOT_READY)
        states.begin(txn, names.key_of(zone))
        # Copies are notified to nobody; what the others are notified of, the register says.
        txn.table(TARGETS).put(where(names.key_of(zone)), pack([]))
    if of.role in (NodeRole.AGGREGATE, NodeRole.INDUSTRY):
        catalog = where(names.key_of(catalog_of(origin)))
        txn.table(CATALOGS).put(catalog, pack(Catalog((), (), now)))


def catalog_of(origin: bytes) -> bytes:
    """The name of the catalog of all cuts, in wire form, by that of the root zone."""
    label = CATALOG.encode("ascii")
    return bytes((len(label),)) + label + origin


def takes(role: NodeRole, name: str, scope: tuple[str, ...], cut: str, group: str) -> bool:
    """Whether a node follows a member of the catalog: the zone of a cut, of the node that its group
    names. An aggregate follows all but its own, an industry node those that its industries may lie
    in, a region node none.
    """
    if group == name:
        return False
    if role is NodeRole.AGGREGATE:
        return True
    if role is not NodeRole.INDUSTRY:
        return False
    industry = cut.partition("/")[2].partition("/")[0]
    return not industry or not scope or industry.startswith(scope)
