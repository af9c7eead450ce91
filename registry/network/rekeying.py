"""Another key of this node, or another place of the national node, taken over while the node runs:
what signs, what is let in and whom it follows change in one transaction, and the key before holds
on for a while, so that nothing stops in between.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any, Final

from csid import names
from csid.errors import CsidError
from registry.core import Core
from registry.network.catalogs import NodePolicy
from registry.network.following import ring
from registry.network.joining import JOIN, catalog_of
from registry.network.membership import RegisterWatch
from registry.network.rights import checked_key
from registry.rules.case import entry_writer
from registry.rules.status import Status
from registry.tables import carried, codec, view
from registry.tables.node_keys import node_of, own_keys
from registry.tables.rows import Place, Root
from registry.tables.transaction import TransactionView, append_leaves
from registry.zones.asked import Asked
from resolver.store.apexes import NOT_READY
from resolver.store.write import WriteTransaction
from resolver.sync import states
from resolver.sync.settings import (
    EVERYWHERE,
    FOLLOWS,
    KEYS,
    RIGHTS,
    TARGETS,
    Follow,
    KeyRow,
    Rights,
    Subject,
    Target,
    follow_of,
    key_row,
    own_rights,
    own_targets,
    pack,
    where,
)

UNIT: Final = "node.use-key"


class RekeyError(CsidError):
    """A key or a national node that this node cannot have."""


def use(core: Core, args: Any) -> list[str]:
    """Let this node have another key, another national node, or both.

    Args:
        args: who asks (`Asked.told`); of the key its name in wire form, algorithm and secret, or
            empty for the key there is; for how many seconds the one before holds on; host and port
            of the national node, or empty; the public key of receipts, or empty.

    Returns:
        The names of the keys that it has since, its present one first.

    Raises:
        RekeyError: it is in no network, or the key is another's; nothing was done.
    """
    told, name, algorithm, secret, overlap, place, receipt_key = args
    asked = Asked.of(told, core.by)
    now = int(time.time())
    with core.store.write() as txn:
        seen = TransactionView(txn)
        of, root = view.get_place(seen), view.get_root(seen)
        if of is None or root is None:
            raise RekeyError(
                "this node is in no network as one that files, so it has no key there; one that is "
                "is made with csid init --role region, industry or aggregate"
            )
        before = names.from_text(root.key)
        former = {before, *own_keys(txn, of.name)}
        if name:
            name = _put_key(txn, of, before, KeyRow(algorithm, secret, of.name, 0, now), name)
            _end(txn, of, name, before, now + overlap if overlap else 0)
        current = name or before
        own = (current, *(one for one in own_keys(txn, of.name) if one != current))
        host, port = place or (root.host, root.port)
        row = root._replace(
            host=host,
            port=port,
            key=names.to_text(own[0]),
            receipt_key=receipt_key or root.receipt_key,
        )
        if row != root:
            _note(txn, of, row, root, asked, now)
        _give(txn, former, own)
        _follow(txn, core, (host, port), own, now)
    for apex in _apexes(core):
        ring(core, apex)
    return [names.to_text(one) for one in own]


def _put_key(txn: WriteTransaction, of: Place, before: bytes, row: KeyRow, name: bytes) -> bytes:
    name = checked_key(name, row.algorithm, row.secret)
    node = node_of(name)
    if node not in ("", of.name):
        raise RekeyError(f"{names.to_text(name)}: is a key of node {node}; this is node {of.name}")
    held = key_row(txn, name)
    if held is not None and held.node != of.name:
        raise RekeyError(
            f"{names.to_text(name)}: another key of this name is here; remove it first with csid "
            "key remove"
        )
    if held is None or held._replace(since=row.since) != row:
        txn.table(KEYS).put(name, pack(row))
    return name


def _end(txn: WriteTransaction, of: Place, name: bytes, before: bytes, until: int) -> None:
    """Let the key before hold until then, and no other of this node's. The same key again ends none
    but at once.
    """
    if name == before and until:
        return
    for one in list(own_keys(txn, of.name)):
        row = key_row(txn, one)
        if one == name or row is None:
            continue
        if one != before or not until:
            txn.table(KEYS).delete(one)
        else:
            txn.table(KEYS).put(one, pack(row._replace(until=until)))


def _note(
    txn: WriteTransaction, of: Place, row: Root, before: Root, asked: Asked, now: int
) -> None:
    """The row that says where it files, and its leaf."""
    seen = TransactionView(txn)
    index = seen.leaves()
    packed = codec.encode(row._replace(leaf=index, since=now))
    seen.table(codec.SETTINGS).put(codec.ROOT_KEY, packed)
    writer = entry_writer(asked.actor, JOIN, now, asked.reason)
    [after] = carried.parts([(codec.SETTINGS, codec.ROOT_KEY, packed)])
    leaf = writer.entry(of.name, after, before.leaf, "", Status.DONE.number)
    append_leaves(txn, [leaf], index + 1)


def _give(txn: WriteTransaction, former: Collection[bytes], keys: Sequence[bytes]) -> None:
    """Let all keys of this node do what those it had may, and sign notices by the present one."""
    for place, _ in list(txn.table(RIGHTS).scan(b"")):
        rights = own_rights(txn, place) or Rights()
        after = Rights(*(_with_all(part, former, keys) for part in rights))
        if after != rights:
            txn.table(RIGHTS).put(place, pack(after))
    everywhere = own_rights(txn, EVERYWHERE) or Rights()
    own = tuple(Subject(key=key) for key in keys)
    wanted = Rights(*((*own, *(one for one in part if one not in own)) for part in everywhere))
    if wanted != everywhere:
        txn.table(RIGHTS).put(EVERYWHERE, pack(wanted))
    for place, _ in list(txn.table(TARGETS).scan(b"")):
        targets = own_targets(txn, place) or ()
        signed = [one._replace(key=keys[0]) if one.key in former else one for one in targets]
        if signed != list(targets):
            txn.table(TARGETS).put(place, pack(signed))


def _with_all(
    part: tuple[Subject, ...], former: Collection[bytes], keys: Sequence[bytes]
) -> tuple[Subject, ...]:
    found: dict[Subject, None] = {}
    for one in part:
        if one.key in former:
            found |= dict.fromkeys(one._replace(key=key) for key in keys)
        else:
            found[one] = None
    return tuple(found)


def _follow(
    txn: WriteTransaction, core: Core, place: tuple[str, int], keys: Sequence[bytes], now: int
) -> None:
    """Follow the root zone and the catalog from there, under the present key, and where that is not
    known yet, the one before; and whom these name, by the same keys.
    """
    primaries = tuple(Target(*place, key) for key in keys)
    for apex in _apexes(core):
        follow = follow_of(txn, apex) or Follow((), since=now)
        txn.table(FOLLOWS).put(where(apex), pack(follow._replace(primaries=primaries)))
        if txn.table(b"apexes").get(where(apex)) is None:
            txn.set_flags(names.wire_of_key(apex), NOT_READY)
        states.begin(txn, apex)
    watch = RegisterWatch(core.suffix, lambda: now, NodePolicy(core.suffix))
    watch.replaced(txn, _apexes(core)[0])


def _apexes(core: Core) -> tuple[bytes, bytes]:
    origin = names.from_text(core.suffix)
    return names.key_of(origin), names.key_of(catalog_of(origin))
