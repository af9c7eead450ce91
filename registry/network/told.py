"""What nodes tell the national node of moves and holds by UPDATEs (RFC 2136) of the root zone: what
these have in common.
"""

from __future__ import annotations

from typing import Any

from csid import names
from registry.network import seen
from registry.tables import network
from registry.tables.transaction import TransactionView
from registry.zones.updates import Result
from resolver.sync.update import effect


class Undone(Exception):
    """What one of the records asks for cannot be, so nothing is done of all."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.text)
        self.result = result


def concerns(core: Any, asked: effect.Asked, top: bytes) -> bool:
    """Whether an UPDATE is about names below one of the root zone alone, at the national node.

    Args:
        top: the key of that name below the suffix.
    """
    suffix = names.key_of(names.from_text(core.suffix))
    if asked.apex != suffix or not asked.changes:
        return False
    if not all(record.key.startswith(suffix + top) for record in asked.changes):
        return False
    with core.store.read() as read:
        return network.is_national(TransactionView(read))


def begun(core: Any, asked: effect.Asked, node: str, now: int) -> int:
    """Note that a node was heard, and look at the prerequisites; the code of the answer if they do
    not hold, else 0.
    """
    with core.store.write() as txn:
        seen.note(txn, node, now)
        return effect.check(txn.update(asked.origin), asked)
