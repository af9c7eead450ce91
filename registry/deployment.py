"""A new data directory: the store, the zone of the deployment's suffix, and a log that begins with
both, in one commit.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgpack

from csid import names
from csid.limits import MAP_OCTETS
from registry.rules.requests import Actor, Role
from registry.rules.status import Status
from registry.tables import codec
from registry.tables.enums import NodeRole
from registry.tables.log_entry import EntryWriter
from registry.tables.naming import Names
from registry.tables.network import CATALOG
from registry.tables.node_keys import SECRET, new_secret
from registry.tables.rows import NO_LEAF, Place, ZoneRow
from registry.tables.transaction import ALL_TABLES, TransactionView, append_leaves
from registry.zones.asked import LOAD, Asked, note
from registry.zones.first import Address, first_servers, first_zone
from registry.zones.serials import Mode
from registry.zones.small import weigh
from resolver.store.build import build
from resolver.store.environment import Store
from resolver.store.write import WriteTransaction
from resolver.sync.catalog.listing import first_nodes

INIT: Final = "node.init"
BEGIN: Final = "network.begin"
Nodes = list[tuple[bytes, bytes]]  # key below the apex, blob
NOBODY: Final = Asked(Actor("csid", Role.ADMINISTRATOR), "")


def create(
    path: Path,
    suffix: str,
    authority: str,
    servers: Mapping[bytes, Iterable[Address]] | None = None,
    map_octets: int = MAP_OCTETS,
    asked: Asked = NOBODY,
    national: bool = False,
) -> None:
    """Make a data directory.

    Args:
        suffix: of the deployment's DNS names.
        authority: of its Handles.
        servers: the name servers of the first zone (`first_zone`); by default ns1 below the suffix.
        map_octets: the most that the data file may grow to.
        asked: who makes it, and why.
        national: it is the national node: the suffix is the root zone of a network, whose secret,
            register of nodes and catalog zone are made with it.

    Raises:
        StoreError: something is there already, or it may not be written.
        ZoneError: the zone cannot be built of this.
    """
    origin = names.from_text(suffix.lower())
    suffix = names.to_text(origin)
    nodes = list(build(origin, first_zone(origin, servers or first_servers(origin))))

    def begin(txn: WriteTransaction) -> None:
        now = int(time.time())
        if national:
            txn.table(b"meta").put(SECRET, new_secret())
        note_node(txn, suffix, authority, asked, now)
        if national:
            note_place(txn, Place(NodeRole.NATIONAL, "", NO_LEAF, now, suffix), asked)
        _note_zone(txn, suffix, origin, nodes, asked, now)
        if national:
            catalog = b"\x08" + CATALOG.encode("ascii") + origin
            members = list(build(catalog, first_nodes(catalog)))
            txn.replace_zone(catalog, members)
            _note_zone(txn, suffix, catalog, members, asked, now)

    Store.create(path, suffix, authority, map_octets, nodes, ALL_TABLES, begin).close()


def _note_zone(
    txn: WriteTransaction, suffix: str, origin: bytes, nodes: Nodes, asked: Asked, now: int
) -> None:
    """Leave the row and the leaf of a zone that the directory begins with."""
    since = TransactionView(txn).leaves()
    answer, begun = weigh(txn, Names(suffix), Mode.KEEP, now, since, origin, nodes)
    row = ZoneRow(answer.serial, begun.names, begun.digest, 0, now, True)
    note(txn, LOAD, names.to_text(origin), row, asked)


def note_place(txn: WriteTransaction, place: Place, asked: Asked) -> None:
    """Write what the node is in the network, with its leaf.

    Args:
        place: its leaf is filled in here.
    """
    view = TransactionView(txn)
    index = view.leaves()
    row = codec.encode(place._replace(leaf=index))
    actor = asked.actor
    writer = EntryWriter(
        actor.name, actor.role.value, actor.owner, BEGIN, place.since, asked.reason, 0, actor.peer
    )
    view.table(codec.SETTINGS).put(codec.PLACE_KEY, row)
    leaf = writer.entry(place.suffix, row, NO_LEAF, "", Status.DONE.number)
    append_leaves(txn, [leaf], index + 1)


def note_node(txn: WriteTransaction, suffix: str, authority: str, asked: Asked, now: int) -> None:
    """Leave a leaf that says which node this is. Of what is secret it has the digest: of the
    cookie secret, and of that of the network where the directory has it.
    """
    meta = txn.table(b"meta")
    secret, node = meta.get(b"cookie-secret") or b"", meta.get(b"node") or b""
    created = meta.get(b"created") or b""
    said = [suffix, authority, sha256(secret).digest(), node, created]
    if network := meta.get(SECRET):
        said.append(sha256(network).digest())
    after = msgpack.packb(said)
    actor = asked.actor
    writer = EntryWriter(
        actor.name, actor.role.value, actor.owner, INIT, now, asked.reason, 0, actor.peer
    )
    index = TransactionView(txn).leaves()
    leaf = writer.entry(suffix, after, NO_LEAF, "", Status.DONE.number)
    append_leaves(txn, [leaf], index + 1)
