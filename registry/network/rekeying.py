"""Another key for this node, as the national node has given it one (`csid node rekey`).

From then on it is what this node signs with, in one transaction wherever it does. The key before it
stays, as the aggregate may still use it for a while; older ones go.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from csid import names
from registry.core import Core
from registry.network import joining
from registry.network.catalogs import NodePolicy
from registry.network.following import ring
from registry.network.joining import JoinError
from registry.tables import view
from registry.tables.naming import Names
from registry.tables.network import CATALOG
from registry.tables.transaction import TransactionView
from registry.zones.asked import Asked
from resolver.store.write import WriteTransaction
from resolver.sync import members, states
from resolver.sync.settings import (
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

UNIT: Final = "node.rekey"


def renew(core: Core, args: Any) -> bool:
    """Take a key; returns whether it is another than the one this node has.

    Args:
        args: who asks (`Asked.told`), the key's name in wire form, its algorithm and its secret.

    Raises:
        JoinError: this node is in no network, or the key is none that follows on its present one.
    """
    asked, name, algorithm, secret = args
    by = Asked.of(asked, core.peer)
    now = int(time.time())
    apex = names.key_of(names.from_text(core.suffix))
    with core.store.write() as txn:
        seen = TransactionView(txn)
        place, root = view.get_place(seen), view.get_root(seen)
        if place is None or root is None:
            raise JoinError("this node has no national node, so it has no key of a network")
        old = names.from_text(root.key)
        row = KeyRow(algorithm, secret, place.name, 0, now)
        before = key_row(txn, name)
        if name == old and before is not None and before[:3] == row[:3]:
            return False
        _check(place.name, old, name)
        txn.table(KEYS).put(name, pack(row))
        _use(txn, apex, old, name)
        _forget(txn, place.name, {old, name})
        joining.note_root(txn, place.name, root._replace(key=names.to_text(name)), by, now)
        catalog = Names(core.suffix).key(CATALOG)
        if catalog_of(txn, catalog) is not None:
            members.renew(txn, catalog, now, None, NodePolicy(core.suffix))
    ring(core, apex)
    return True


def _check(node: str, old: bytes, new: bytes) -> None:
    """Raises JoinError if a key is not one that this node is given after its present one."""
    if _generation(node, new) <= _generation(node, old):
        present = names.to_text(old)
        raise JoinError(
            f"{names.to_text(new)}: expected a key of {node} that follows on {present}, as csid "
            f"node rekey {node} prints it on the national node"
        )


def _generation(node: str, key: bytes) -> int:
    """Which of its keys one is (`registry.network.keys.key_name`); 0: none of this node."""
    head, _, number = names.to_text(key).rstrip(".").rpartition("-")
    return int(number) if head == node and number.isascii() and number.isdecimal() else 0


def _use(txn: WriteTransaction, apex: bytes, old: bytes, new: bytes) -> None:
    """Let the new key be used in place of the old, and whoever has it do the same."""
    rights = own_rights(txn, EVERYWHERE) or Rights()
    txn.table(RIGHTS).put(EVERYWHERE, pack(Rights(*(_also(part, old, new) for part in rights))))
    targets = own_targets(txn, EVERYWHERE)
    if targets is not None:
        txn.table(TARGETS).put(EVERYWHERE, pack(_rekeyed(targets, old, new)))
    for zone in (apex, apex + CATALOG.encode("ascii") + b"\0"):
        follow = follow_of(txn, zone)
        if follow is not None:
            row = follow._replace(primaries=_rekeyed(follow.primaries, old, new))
            txn.table(FOLLOWS).put(where(zone), pack(row))
            states.ask(txn, zone)


def _also(subjects: Sequence[Subject], old: bytes, new: bytes) -> tuple[Subject, ...]:
    """Those who have a right, and who has the new key if who has the old one does."""
    added = (Subject(key=new),) if Subject(key=old) in subjects else ()
    return (*(one for one in subjects if one != Subject(key=new)), *added)


def _rekeyed(targets: Sequence[Target], old: bytes, new: bytes) -> tuple[Target, ...]:
    return tuple(one._replace(key=new) if one.key == old else one for one in targets)


def _forget(txn: WriteTransaction, node: str, kept: set[bytes]) -> None:
    """Let go of keys that this node had before."""
    keys = txn.table(KEYS)
    gone = [
        name
        for name, _ in keys.scan(b"")
        if (row := key_row(txn, name)) is not None and row.node == node and name not in kept
    ]
    for name in gone:
        keys.delete(name)
    rights = own_rights(txn, EVERYWHERE) or Rights()
    left = Rights(*(tuple(one for one in part if one.key not in gone) for part in rights))
    txn.table(RIGHTS).put(EVERYWHERE, pack(left))
