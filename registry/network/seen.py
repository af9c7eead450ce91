"""When the national node last heard a message signed by a node: volatile, no part of the register.
The processes that answer tell the sync process (resolver/server/bell.py), the writer sees filings.

sync.seen   name of the node -> Unix seconds (8)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from registry.tables.network import is_national
from registry.tables.transaction import TransactionView
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.store.write import WriteTransaction
from resolver.sync.settings import key_row

SEEN: Final = b"sync.seen"
EVERY: Final = 60  # seconds: no more is written of one node


def last(moment: ReadTransaction | WriteTransaction, node: str) -> int:
    """When a node was last heard, Unix seconds; 0: never."""
    return int.from_bytes(moment.table(SEEN).get(node.encode("ascii")) or b"", "big")


def due(read: ReadTransaction, keys: Iterable[bytes], now: int) -> list[str]:
    """The nodes that have these keys (names in wire form) and are to be noted, at the national
    node.
    """
    if not is_national(TransactionView(read)):
        return []
    rows = (key_row(read, key) for key in keys)
    nodes = sorted({row.node for row in rows if row is not None and row.node})
    return [node for node in nodes if not 0 <= now - last(read, node) < EVERY]


def note_all(store: Store, nodes: Iterable[str], now: int) -> None:
    """Nodes were heard."""
    with store.write() as txn:
        for node in nodes:
            note(txn, node, now)


def note(txn: WriteTransaction, node: str, now: int) -> None:
    """A node was heard."""
    if not 0 <= now - last(txn, node) < EVERY:
        txn.table(SEEN).put(node.encode("ascii"), now.to_bytes(8, "big"))
