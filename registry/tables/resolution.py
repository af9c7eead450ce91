"""The resolution tree as the registry writes it: records, tombstones, aliases, whole subtrees."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from csid import names
from csid.protocol import CNAME, DNAME, NS
from csid.record import decode
from registry.tables.changes import TreeChange, TreeKind
from registry.tables.naming import Names
from registry.tables.network import CATALOG
from registry.tables.record_node import blob_of
from resolver.answer import lookup
from resolver.answer.lookup import Zone
from resolver.store import node
from resolver.store.node import RRset
from resolver.store.read import ReadTransaction
from resolver.store.update import ZoneUpdate
from resolver.store.write import WriteTransaction
from resolver.sync.settings import FOLLOWS, follow_of, where

Txn = ReadTransaction | WriteTransaction

_COVERED: Final = (lookup.DELEGATION, lookup.REDIRECT)


def is_own(txn: Txn, apex: bytes) -> bool:
    """Whether a zone (canonical key of its apex) is this node's own: it follows no other server."""
    return txn.table(FOLLOWS).get(where(apex)) is None


class Reach:
    """Whether a name can be held here, as a transaction sees it."""

    def __init__(self, txn: Txn, named: Names) -> None:
        self._txn = txn
        self._names = named

    def fault(self, change: TreeChange) -> str:
        """Why a change cannot be made, empty if it can."""
        key = self._names.key(change.name)
        snapshot = self._txn.snapshot
        zone = snapshot.zone_of(key)
        if zone is None:
            return f"{change.name} lies in no zone that is held here; load its zone first"
        follow = follow_of(self._txn, zone.apex)
        if follow is not None:
            origin = names.to_text(zone.wire)
            return f"{change.name} lies in {origin}, which follows {follow.servers}; assign there"
        if change.kind is TreeKind.NETWORK:
            return self._network_fault(change, key, zone)
        outcome, blob, _ = lookup.find(snapshot, zone, key)
        if outcome in _COVERED:
            return f"{change.name} lies at or below a delegation or a DNAME; ask who serves it"
        is_alias = outcome == lookup.EXACT and bool(blob[0] & node.ALIAS)
        if is_alias and change.kind is not TreeKind.ALIAS and not change.was_alias:
            return f"{change.name} is an alias (CNAME) in its zone, which has no other records"
        _, _, following = snapshot.floor(key)
        if change.kind is TreeKind.SUBTREE and following.startswith(key):
            deeper = names.to_text(names.wire_of_key(following))
            return f"the zone {deeper} is held below {change.name} and would not lead on; drop it"
        return ""

    def _network_fault(self, change: TreeChange, key: bytes, zone: Zone) -> str:
        """Why a name of the network cannot be held."""
        top = self._names.key(CATALOG) if change.name.startswith(CATALOG) else b""
        if zone.apex != top and (top or len(zone.apex) > len(names.key_of(self._names.wire))):
            apex = names.to_text(zone.wire)
            if top:
                return "the catalog zone of the network is not held here; run csid zone rebuild"
            return f"{change.name} lies in the zone {apex}, which is held here: drop that first"
        if all(rrtype != NS for rrtype, _ in change.rrsets):
            return ""
        outcome, _, depth = lookup.find(self._txn.snapshot, zone, key)
        is_own = outcome == lookup.DELEGATION and depth == key.count(0) - zone.depth
        if not is_own and outcome not in (lookup.NO_NAME, lookup.WILDCARD):
            return (
                f"{change.name} has records or names below it in the root zone, which a cut would "
                "hide, or lies below a delegation; take them out of the zone"
            )
        _, _, following = self._txn.snapshot.floor(key)
        if following.startswith(key):
            deeper = names.to_text(names.wire_of_key(following))
            return f"the zone {deeper} is held here below {change.name}; drop it first"
        return ""


class ResolutionTree:
    """The names that one transaction changes.

    Attributes:
        reach: whether a name can be held.
    """

    def __init__(self, txn: WriteTransaction, suffix: str) -> None:
        self._txn = txn
        self._names = Names(suffix)
        self._kept: dict[str, TreeChange] = {}  # the last change of a name stands
        self._updates: dict[bytes, ZoneUpdate] = {}
        self.reach = Reach(txn, self._names)

    def keep(self, changes: Iterable[TreeChange]) -> None:
        """Take over changes, to be written by `write`."""
        for change in changes:
            self._kept[change.name] = self._behind(change)

    def fault(self, change: TreeChange) -> str:
        """Why a change cannot be made behind those that are kept, empty if it can."""
        return self.reach.fault(self._behind(change))

    def _behind(self, change: TreeChange) -> TreeChange:
        """A change in the place of one that is kept: until it is written, the alias stands there
        that the first one takes away.
        """
        kept = self._kept.get(change.name)
        return change if kept is None or not kept.was_alias else change._replace(was_alias=True)

    def write(self) -> None:
        """Write what was kept, and give each changed zone its new serial and journal entry.

        Raises:
            ZoneError: a name cannot be held; `Reach.fault` would have said so.
        """
        for name, change in sorted(self._kept.items()):
            self._change(self._names.key(name), change)
        self._kept.clear()
        for update in self._updates.values():
            # The leaves tell of a new serial, also where one change takes another back.
            update.finish(always=bool(update.touched()))

    def update(self, key: bytes) -> ZoneUpdate:
        """The deepest zone around a name.

        Raises:
            ZoneError: none that is held here encloses it.
        """
        return self._txn.update_around(key, self._updates)

    def update_at(self, apex: bytes) -> ZoneUpdate:
        """The zone with this apex (canonical key).

        Raises:
            ZoneError: it is not held here.
        """
        update = self._updates.get(apex)
        if update is None:
            update = self._updates[apex] = self._txn.update(names.wire_of_key(apex))
        return update

    def _change(self, key: bytes, change: TreeChange) -> None:
        update = self.update(key)
        below = key[len(update.apex) :]
        if change.kind is TreeKind.NETWORK:
            rrsets = {one: RRset(change.ttl, list(rdatas)) for one, rdatas in change.rrsets}
            update.set(below, rrsets)
            return
        if change.kind in (TreeKind.RECORD, TreeKind.TOMBSTONE):
            blob = blob_of(decode(change.record), change.ttl)
            if change.was_alias:
                update.set(below, dict(node.rrsets_of(blob)))
            else:
                update.put(below, blob)
            return
        leads_on = RRset(change.ttl, [self._names.target(change.target)])
        if change.kind is TreeKind.ALIAS:
            update.set(below, {CNAME: leads_on})
        else:
            update.set(below, update.rrsets(below) | {DNAME: leads_on})
