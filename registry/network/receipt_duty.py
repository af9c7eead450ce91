"""What the national node owes to others: receipts for what they have filed, many in one UPDATE (RFC
2136) under the key of the node that gets them (registry/network/receipts.py takes them there).
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgpack

from csid.protocol import CLASS_IN, NOERROR, OPT, RECEIPT, SOA, UPDATE
from registry.core import Core
from registry.network import membership
from registry.tables import codec
from registry.tables.naming import Names
from registry.tables.transaction import OWED, TransactionView
from registry.zones import others
from resolver.store.read import ReadTransaction
from resolver.sync.actions import Errand
from resolver.sync.settings import Target

UNIT: Final = "receipts.sent"
AT_ONCE: Final = 500  # receipts in one message, so that it has less than 64 KiB
PAUSE_SECONDS: Final = 10  # after an answer other than that they are taken
_PREFIX: Final = b"receipts/"  # of the names of errands
_EDNS_OCTETS: Final = 1_232
_HEADER: Final = struct.Struct(">6H").pack
_RR: Final = struct.Struct(">HHIH").pack
_SUFFIX_AT: Final = b"\xc0\x0c"  # a pointer to the name of the zone
_unpack: Final[Any] = msgpack.unpackb

Row = tuple[bytes, bytes]


class Unit(NamedTuple):
    """A unit of the writer (`registry.network.hooks.Unit`)."""

    name: str
    args: list[Any]


class ReceiptDuty:
    """Sends the receipts of a data directory: a `registry.network.hooks.Duty`."""

    def __init__(self, suffix: str) -> None:
        self._named = Names(suffix)
        self._sent: dict[str, list[Row]] = {}  # to nodes that have not answered yet
        self._again: dict[str, int] = {}  # nodes that are left alone, and until when
        self._older: set[str] = set()  # nodes that have the key before their present one

    def due(self, read: ReadTransaction, now: int, under_way: Container[bytes], /) -> list[Errand]:
        """The next receipts for each node that waits for no answer."""
        longest = now + PAUSE_SECONDS
        self._again = {name: at for name, at in self._again.items() if now < at <= longest}
        return [
            errand
            for name in _owed_to(read)
            if _errand_name(name) not in under_way and name not in self._again
            if (errand := self._errand(read, name)) is not None
        ]

    def _errand(self, read: ReadTransaction, name: str) -> Errand | None:
        other = others.node(read, self._named, name)
        if other is None or not other.addresses:
            return None
        age = 1 if name in self._older and other.generation > 1 else 0
        key = membership.key_of(read, other, age)
        if key is None:
            return None
        rows = []
        for row in read.table(OWED).scan(owed_by(name)):
            rows.append(row)
            if len(rows) == AT_ONCE:
                break
        message = self._message(TransactionView(read), rows)
        self._sent[name] = rows
        target = Target(other.addresses[0], other.port, key)
        return Errand(_errand_name(name), target, message)

    def _message(self, seen: TransactionView, rows: Sequence[Row]) -> bytes:
        """The UPDATE that has receipts; its ID is zero."""
        parts = [b"", self._named.wire + struct.pack(">HH", SOA, CLASS_IN)]
        for key, value in rows:
            name, serial = _unpack(value)
            said = codec.decode_filed(seen.get(codec.FILED, name.encode("ascii")) or b"")
            number = int.from_bytes(key[-8:], "big")
            data = msgpack.packb([number, said.status, serial, said.since, said.reason])
            labels = name.lower().split("/")[::-1]
            owner = "".join(f"{chr(len(label))}{label}" for label in labels).encode("ascii")
            parts += (owner, _SUFFIX_AT, _RR(RECEIPT, CLASS_IN, 0, len(data)), data)
        parts.append(b"\0" + _RR(OPT, _EDNS_OCTETS, 0, 0))
        parts[0] = _HEADER(0, UPDATE << 11, 1, 0, len(rows), 1)
        return b"".join(parts)

    def wake(self) -> int | None:
        """When the next node is tried again, in Unix seconds."""
        return min(self._again.values(), default=None)

    def answered(self, errand: Errand, answer: bytes, reason: str, now: int, /) -> Unit | None:
        """The unit that forgets what was taken; what was not is sent again, if there is a key
        before the present one, by that: the node may not have the new one yet.
        """
        name = errand.name.removeprefix(_PREFIX).decode("ascii")
        rows = self._sent.pop(name)
        if answer and answer[3] & 15 == NOERROR:
            return Unit(UNIT, [[list(row) for row in rows], ""])
        self._older ^= {name}
        self._again[name] = now + PAUSE_SECONDS
        return None


def sent(core: Core, args: Any) -> str:
    """Forget what is owed no more: rows as they were when they were sent."""
    rows, _cursor = args
    with core.store.write() as txn:
        owed = txn.table(OWED)
        for key, value in rows:
            if owed.get(key) == value:  # else it is to be sent again, for what was changed
                owed.delete(key)
    return ""


def _errand_name(node_name: str) -> bytes:
    return _PREFIX + node_name.encode("ascii")


def owed_by(node_name: str) -> bytes:
    """What the keys of what is owed to a node begin with."""
    return node_name.encode("ascii") + b"\0"


def _owed_to(read: ReadTransaction) -> Iterator[str]:
    """The nodes to which something is owed."""
    table = read.table(OWED)
    row = table.first(b"", b"\0")
    while row is not None:
        name = row[0].partition(b"\0")[0]
        yield name.decode("ascii")
        row = table.first(b"", name + b"\1")
