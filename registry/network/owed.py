"""Receipts that are owed to other nodes, and what is written once they are taken.

A receipt says for which version of the zone it was given, and a node passes over one that is older
than what it has filed since. So what has been answered is noted until the copy of its zone here
shows what has come of it: with its next change, or, if there is none, after a while, when what is
still to be filed is owed once more (`registry.sync.duties.examination`).
"""

from __future__ import annotations

from typing import Any, Final

import msgpack

from registry.core import Core
from registry.network.examining import FILING
from registry.tables.naming import Names
from registry.tables.transaction import ANSWERED, OWED
from resolver.answer import lookup
from resolver.store.write import WriteTransaction

UNIT: Final = "receipts.sent"
_NUMBER: Final = 8  # octets
_unpack: Final[Any] = msgpack.unpackb


def sent(core: Core, args: Any) -> str:
    """Forget what is owed no more: rows as they were when they were sent. What of it is not seen in
    the copy of its zone yet is noted as answered.
    """
    rows, _cursor = args
    named = Names(core.suffix)
    with core.store.write() as txn:
        number = txn.number.to_bytes(_NUMBER, "big")
        owed = txn.table(OWED)
        for key, value in rows:
            if owed.get(key) == value:  # else it is to be sent again, for what was changed
                owed.delete(key)
                name = _unpack(value)[0]
                if _is_filing(txn, named, name):
                    txn.table(ANSWERED).put(name.encode("ascii"), number)
    return ""


def _is_filing(txn: WriteTransaction, named: Names, name: str) -> bool:
    """Whether the copy here of an identifier says that it is to be filed."""
    key = named.key(name)
    zone = txn.snapshot.zone_of(key)
    return zone is not None and FILING in lookup.find(txn.snapshot, zone, key)[1]


def owed_to(node_name: str) -> bytes:
    """What the keys of what is owed to a node begin with."""
    return node_name.encode("ascii") + b"\0"
