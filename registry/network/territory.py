"""The cuts of the network as the copy of the root zone has them, at a node that follows it: which
node each is delegated to. So a region node sees what lies in its divisions, whosever it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from csid import names
from csid.protocol import NS
from registry.tables import view
from registry.tables.naming import Names
from registry.tables.registered import begins_shaped
from registry.tables.rows import Scope
from registry.tables.transaction import TransactionView
from registry.tables.view import CUT_SEGMENTS
from registry.zones import others
from resolver.store import node
from resolver.store.apexes import NOT_READY
from resolver.store.read import ReadTransaction


class Seen(NamedTuple):
    """A cut of the copy."""

    cut: str
    node: str  # that serves it; empty if its name servers are no node's
    servers: tuple[str, ...]


def cuts(read: ReadTransaction, named: Names, prefix: str, after: str) -> Iterator[Seen] | None:
    """The cuts that may have identifiers of this node's scope, in order, behind one; None if there
    is no copy of the root zone here.
    """
    seen = TransactionView(read)
    suffix = names.key_of(named.wire)
    root = read.snapshot.zone_of(suffix) if view.get_root(seen) is not None else None
    if root is None or root.apex != suffix or root.flags == NOT_READY:
        return None
    scope = view.get_scope(seen)
    return _cuts(read, named, root.generation, scope, prefix, after)


def _cuts(
    read: ReadTransaction, named: Names, tree: bytes, scope: Scope, prefix: str, after: str
) -> Iterator[Seen]:
    below = tree + _key(prefix)
    start = tree + _key(after) + b"\0" if after else b""
    for key, blob in read.table(b"tree").scan(below, start):
        labels = key[len(tree) :]
        if not blob[0] & node.CUT or not begins_shaped(labels):
            continue
        cut = labels[:-1].replace(b"\0", b"/").decode("ascii").upper()
        if cut != after and _may_hold(scope, cut):
            servers = [wire.lower() for wire in dict(node.rrsets_of(blob))[NS].rdatas]
            yield Seen(cut, _node(named, servers), tuple(map(names.to_text, servers)))


def _key(prefix: str) -> bytes:
    return prefix.lower().strip("/").encode("ascii", "replace").replace(b"/", b"\0")


def _may_hold(scope: Scope, cut: str) -> bool:
    segments = (*cut.split("/"), *("" for _ in range(CUT_SEGMENTS)))
    for code, allowed in ((segments[1], scope.industries), (segments[2], scope.locations)):
        if code and allowed and not code.startswith(allowed):
            return False
    return True


def _node(named: Names, servers: list[bytes]) -> str:
    above = others.all_of(named)
    for wire in servers:
        labels = names.labels_of(wire)
        if names.is_at_or_below(wire, above) and wire != above:
            return labels[0].decode("ascii", "replace")
    return ""
