"""What follows from the register of nodes for the sync tables (resolver/sync/settings.py): keys,
and for the root zone and the catalog who may transfer them, and who is notified. What a node may
update in the root zone no right says: its own cuts alone (`registry.network.cuts`).

Keys, rights and targets that others have set beside these stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from csid import names
from registry.tables import codec
from registry.tables.enums import NodeState
from registry.tables.naming import Names
from registry.tables.network import CATALOG
from registry.tables.node_keys import ALGORITHM, SECRET, derive, key_name
from registry.tables.rows import Node
from registry.tables.view import View
from resolver.store.read import ReadTransaction
from resolver.store.write import WriteTransaction
from resolver.sync import settings
from resolver.sync.settings import KeyRow, Rights, Subject, Target


class Granted(NamedTuple):
    """What the nodes together have."""

    keys: Mapping[bytes, KeyRow]  # by name in wire form
    rights: Mapping[bytes, Rights]  # by canonical key of the apex
    targets: tuple[Target, ...]  # of both zones


def granted(view: View, suffix: Names, secret: bytes) -> Granted:
    """What follows from the register.

    Args:
        secret: of the network.
    """
    keys: dict[bytes, KeyRow] = {}
    targets: list[Target] = []
    for key, value in view.scan(codec.NODES, b""):
        name, node = key.decode("ascii"), codec.decode_node(value)
        own = dict(keys_of(name, node, secret))
        keys |= own
        if own:
            current = key_name(name, node.generation)
            targets += (Target(host, port, current) for host, port in node.addresses)
    transfers = tuple(Subject(key=one) for one in keys)
    root, catalog = names.key_of(suffix.wire), suffix.key(CATALOG)
    rights = {apex: Rights(transfers) for apex in (root, catalog)}
    return Granted(keys, rights, tuple(targets))


def keys_of(name: str, node: Node, secret: bytes) -> Iterator[tuple[bytes, KeyRow]]:
    """The keys of a node: the one before its present one, while that may hold, and this."""
    if node.state is NodeState.REMOVED:
        return
    if node.until and node.generation > 1:
        before = node.generation - 1
        row = KeyRow(ALGORITHM, derive(secret, name, before), name, node.until, node.since)
        yield key_name(name, before), row
    row = KeyRow(ALGORITHM, derive(secret, name, node.generation), name, 0, node.since)
    yield key_name(name, node.generation), row


def settle(txn: WriteTransaction, view: View, suffix: Names) -> None:
    """Let the sync tables say what follows from the register."""
    secret = txn.table(b"meta").get(SECRET) or b""
    wanted = granted(view, suffix, secret)
    for apex, rights in wanted.rights.items():
        others = others_rights(txn, apex)
        merged = Rights(*(one + own for one, own in zip(others, rights, strict=True)))
        txn.table(settings.RIGHTS).put(settings.where(apex), settings.pack(merged))
        targets = (*others_targets(txn, apex), *wanted.targets)
        txn.table(settings.TARGETS).put(settings.where(apex), settings.pack(targets))
    table = txn.table(settings.KEYS)
    held = dict(held_keys(txn))
    for name in held.keys() - wanted.keys.keys():
        table.delete(name)
    for name, row in wanted.keys.items():
        if held.get(name) != row:
            table.put(name, settings.pack(row))


Moment = ReadTransaction | WriteTransaction


def held_keys(moment: Moment) -> Iterator[tuple[bytes, KeyRow]]:
    """The keys that are kept as those of nodes."""
    for name, _ in moment.table(settings.KEYS).scan(b""):
        row = settings.key_row(moment, name)
        if row is not None and row.node:
            yield name, row


def _is_node(moment: Moment, key: bytes) -> bool:
    row = settings.key_row(moment, key)
    return row is not None and row.node != ""


def others_rights(moment: Moment, apex: bytes) -> Rights:
    """The rights in a zone that are not those of nodes."""
    return Rights(
        *(
            tuple(one for one in part if not _is_node(moment, one.key))
            for part in settings.rights_of(moment, apex)
        )
    )


def others_targets(moment: Moment, apex: bytes) -> tuple[Target, ...]:
    """Who is notified of a zone and is no node."""
    return tuple(one for one in settings.targets_of(moment, apex) if not _is_node(moment, one.key))
