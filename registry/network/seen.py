"""When the national node last heard a message signed by a node: volatile, no part of the register.

sync.seen   name of the node -> Unix seconds (8)
"""

from __future__ import annotations

from typing import Final

from resolver.store.read import ReadTransaction
from resolver.store.write import WriteTransaction

SEEN: Final = b"sync.seen"
EVERY: Final = 60  # seconds: no more is written of one node


def last(moment: ReadTransaction | WriteTransaction, node: str) -> int:
    """When a node was last heard, Unix seconds; 0: never."""
    return int.from_bytes(moment.table(SEEN).get(node.encode("ascii")) or b"", "big")


def note(txn: WriteTransaction, node: str, now: int) -> None:
    """A node was heard."""
    if not 0 <= now - last(txn, node) < EVERY:
        txn.table(SEEN).put(node.encode("ascii"), now.to_bytes(8, "big"))
