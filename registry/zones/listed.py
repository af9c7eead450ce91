"""Zones that catalogs list (RFC 9432), and what this node has to say to that."""

from __future__ import annotations

from registry.authority import Territory
from registry.tables import codec
from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from registry.zones import places
from resolver.store.write import WriteTransaction
from resolver.sync import members
from resolver.sync.catalog import Member


class NodePolicy(members.Policy):
    """No catalog may have zones held here in which this node has assigned identifiers.

    Args:
        named: names below the suffix.
    """

    def __init__(self, named: Names) -> None:
        self._named = named

    def refuses(self, txn: WriteTransaction, zone: bytes, member: Member) -> str:
        territory: Territory | None = places.territory(txn, self._named, zone)
        if territory is not None:
            rows = territory.rows(TransactionView(txn), codec.ASSIGNMENTS)
            if next(rows, None) is not None:
                return "identifiers that this node has assigned lie in it"
        return ""


def offer(txn: WriteTransaction, named: Names, apex: bytes, now: int) -> None:
    """Let a zone (canonical key) whose name has become free be held, if a catalog lists it."""
    members.settle(txn, apex, now, NodePolicy(named))
