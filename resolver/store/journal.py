"""The journal of a zone: what each of its names held before each of its serials (RFC 1995).

    generation(8)                 first(8) next(8) octets(8): the entries there are
    generation(8) number(8)       one entry: what led from one serial to the next

    entry = from(4) to(4) packing(1) body     packing 1: the body is deflated (RFC 1950)
    body  = msgpack [keys, blobs]   the names that were changed, and of each the node it had before,
                                    empty if it had none

All integers are big-endian. Only what is no longer in the tree is kept, so that a name added costs
its key alone. The difference from an old serial to the present one is the oldest node of each name
since, against the tree as it is: condensed as RFC 1995 section 5 allows. A zone that is replaced as
a whole gets a new generation, and with it an empty journal. Entries are dropped, the oldest first,
beyond JOURNAL_ENTRIES or JOURNAL_OCTETS.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgpack

from csid.limits import JOURNAL_ENTRIES, JOURNAL_OCTETS
from resolver.store.table import Table

_STATE: Final = struct.Struct(">QQQ")
_NUMBER: Final = struct.Struct(">Q")
_HEAD: Final = struct.Struct(">IIB")
_PLAIN: Final = 0
_DEFLATED: Final = 1
_DEFLATE_FROM: Final = 1_024  # octets of a body; below, deflating costs more than it saves
_LEVEL: Final = 1
REMOVED: Final = b""  # in place of a node: there was none

Nodes = Mapping[bytes, bytes | None]  # by key below the apex


class Step(NamedTuple):
    """An entry without its body."""

    number: int
    before: int  # serial
    after: int  # serial


class Journal:
    """The journal of one zone inside a transaction.

    Args:
        table: the store's sub-database `journal`.
        generation: of the zone.
    """

    def __init__(self, table: Table, generation: bytes) -> None:
        self._table = table
        self._generation = generation

    def _state(self) -> tuple[int, int, int]:
        value = self._table.get(self._generation)
        if value is None:
            return 0, 0, 0
        first, after, octets = _STATE.unpack(value)
        return first, after, octets

    def record(self, before: int, after: int, nodes: Nodes) -> None:
        """Note what names held before a serial took another's place.

        Args:
            before: the serial until now.
            after: the serial from now on.
            nodes: the names that were changed, each with the node it had, None if it had none.
        """
        entry = _HEAD.pack(before, after, _PLAIN) + _pack(nodes)
        if len(entry) >= _DEFLATE_FROM:
            entry = _HEAD.pack(before, after, _DEFLATED) + zlib.compress(
                entry[_HEAD.size :], _LEVEL
            )
        first, number, octets = self._state()
        octets += len(entry)
        # What is larger than the whole bound leaves nothing that could be sent.
        while first < number and (number - first >= JOURNAL_ENTRIES or octets > JOURNAL_OCTETS):
            octets -= self._drop(first)
            first += 1
        if octets > JOURNAL_OCTETS:
            first, octets = number + 1, 0
        else:
            self._table.put(self._key(number), entry)
        self._table.put(self._generation, _STATE.pack(first, number + 1, octets))

    def _drop(self, number: int) -> int:
        key = self._key(number)
        entry = self._table.get(key)
        self._table.delete(key)
        return len(entry or b"")

    def _key(self, number: int) -> bytes:
        return self._generation + _NUMBER.pack(number)

    def steps(self) -> Iterator[Step]:
        """The entries, the latest first, as long as each leads on to the one after it."""
        first, number, _ = self._state()
        expected: int | None = None
        while number > first:
            number -= 1
            entry = self._table.get(self._key(number))
            if entry is None:
                return
            before, after, _packing = _HEAD.unpack_from(entry)
            if expected is not None and after != expected:
                return
            yield Step(number, before, after)
            expected = before

    def since(self, serial: int) -> dict[bytes, bytes] | None:
        """What the names that were changed since a serial held then: by key below the apex, the
        node or REMOVED; None if the journal does not reach back so far.

        The names' present nodes are in the tree at the same moment. Empty for the present serial
        is the caller's to know: a zone that was never changed has no journal.
        """
        for step in self.steps():
            if step.before == serial:
                return self._since(step.number)
        return None

    def _since(self, number: int) -> dict[bytes, bytes]:
        held: dict[bytes, bytes] = {}
        _, end, _ = self._state()
        for later in range(number, end):
            keys, blobs = _unpack(self._table.get(self._key(later)) or b"")
            for key, blob in zip(keys, blobs, strict=True):
                held.setdefault(key, blob)
        return held

    def forget(self) -> None:
        """Take all entries away."""
        first, number, _ = self._state()
        for one in range(first, number):
            self._table.delete(self._key(one))
        self._table.delete(self._generation)


def _pack(nodes: Nodes) -> bytes:
    blobs = [blob or REMOVED for blob in nodes.values()]
    packed: bytes = msgpack.packb([list(nodes), blobs])
    return packed


def _unpack(entry: bytes) -> tuple[list[bytes], list[bytes]]:
    _, _, packing = _HEAD.unpack_from(entry)
    body = entry[_HEAD.size :]
    keys, blobs = msgpack.unpackb(zlib.decompress(body) if packing == _DEFLATED else body)
    return keys, blobs
