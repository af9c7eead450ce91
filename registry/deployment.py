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
from registry.tables.log_entry import EntryWriter
from registry.tables.naming import Names
from registry.tables.rows import NO_LEAF, ZoneRow
from registry.tables.transaction import ALL_TABLES, TransactionView, append_leaves
from registry.zones.asked import LOAD, Asked, note
from registry.zones.first import Address, first_servers, first_zone
from registry.zones.serials import Mode
from registry.zones.small import weigh
from resolver.store.build import build
from resolver.store.environment import Store
from resolver.store.write import WriteTransaction

INIT: Final = "node.init"
NOBODY: Final = Asked(Actor("csid", Role.ADMINISTRATOR), "")


def create(
    path: Path,
    suffix: str,
    authority: str,
    servers: Mapping[bytes, Iterable[Address]] | None = None,
    map_octets: int = MAP_OCTETS,
    asked: Asked = NOBODY,
) -> None:
    """Make a data directory.

    Args:
        suffix: of the deployment's DNS names.
        authority: of its Handles.
        servers: the name servers of the first zone (`first_zone`); by default ns1 below the suffix.
        map_octets: the most that the data file may grow to.
        asked: who makes it, and why.

    Raises:
        StoreError: something is there already, or it may not be written.
        ZoneError: the zone cannot be built of this.
    """
    origin = names.from_text(suffix.lower())
    suffix = names.to_text(origin)
    nodes = list(build(origin, first_zone(origin, servers or first_servers(origin))))

    def begin(txn: WriteTransaction) -> None:
        now = int(time.time())
        _begin_log(txn, suffix, authority, asked, now)
        answer, begun = weigh(txn, Names(suffix), Mode.KEEP, now, origin, nodes)
        row = ZoneRow(answer.serial, begun.names, begun.digest, 0, now, True)
        note(txn, LOAD, suffix, row, asked)

    Store.create(path, suffix, authority, map_octets, nodes, ALL_TABLES, begin).close()


def _begin_log(txn: WriteTransaction, suffix: str, authority: str, asked: Asked, now: int) -> None:
    """The first leaf: which node this is. Of the cookie secret it has the digest."""
    meta = txn.table(b"meta")
    secret, node = meta.get(b"cookie-secret") or b"", meta.get(b"node") or b""
    created = meta.get(b"created") or b""
    after = msgpack.packb([suffix, authority, sha256(secret).digest(), node, created])
    actor = asked.actor
    writer = EntryWriter(
        actor.name, actor.role.value, actor.owner, INIT, now, asked.reason, 0, actor.peer
    )
    index = TransactionView(txn).leaves()
    leaf = writer.entry(suffix, after, NO_LEAF, "", Status.DONE.number)
    append_leaves(txn, [leaf], index + 1)
