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
beyond JOURNAL_ENTRIES or JOURNAL_OCTETS. A change of more than JOURNAL_ENTRY_NAMES names, or of
more than JOURNAL_ENTRY_OCTETS, is not noted: the journal begins anew behind it, and whoever has an
older serial gets the whole zone. So does whoever would need more than JOURNAL_READ_OCTETS.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgpack

from csid.errors import StoreError
from csid.limits import (
    JOURNAL_ENTRIES,
    JOURNAL_ENTRY_NAMES,
    JOURNAL_ENTRY_OCTETS,
    JOURNAL_OCTETS,
    JOURNAL_READ_OCTETS,
)
from resolver.store.table import Table

_STATE: Final = struct.Struct(">QQQ")
_NUMBER: Final = struct.Struct(">Q")
_HEAD: Final = struct.Struct(">IIB")
_PLAIN: Final = 0
_DEFLATED: Final = 1
_DEFLATE_FROM: Final = 1_024  # octets of a body; below, deflating costs more than it saves
_LEVEL: Final = 1
_HELD_OCTETS: Final = 256  # that a name takes in memory beside its key and node
_unpackb: Final[Any] = msgpack.unpackb
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
        first, number, octets = self._state()
        entry = _entry(before, after, nodes)
        octets += len(entry)
        while first < number and (
            not entry or number - first >= JOURNAL_ENTRIES or octets > JOURNAL_OCTETS
        ):
            octets -= self._drop(first)
            first += 1
        if not entry or octets > JOURNAL_OCTETS:
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
            before, after, _packing = _head(entry)
            if expected is not None and after != expected:
                return
            yield Step(number, before, after)
            expected = before

    def since(self, serial: int) -> dict[bytes, bytes] | None:
        """What the names that were changed since a serial held then: by key below the apex, the
        node or REMOVED; None if the journal does not reach back so far, or would give so much that
        the whole zone is the better answer.

        The names' present nodes are in the tree at the same moment. Empty for the present serial
        is the caller's to know: a zone that was never changed has no journal.

        Raises:
            StoreError: an entry is damaged.
        """
        for step in self.steps():
            if step.before == serial:
                return self._since(step.number)
        return None

    def _since(self, number: int) -> dict[bytes, bytes] | None:
        held: dict[bytes, bytes] = {}
        octets = 0
        _, end, _ = self._state()
        for later in range(number, end):
            changed = _changed(self._table.get(self._key(later)) or b"")
            if changed is None:
                return None
            for key, blob in changed:
                if key not in held:
                    held[key] = blob
                    octets += len(key) + len(blob) + _HELD_OCTETS
            if octets > JOURNAL_READ_OCTETS:
                return None
        return held

    def forget(self) -> None:
        """Take all entries away."""
        first, number, _ = self._state()
        for one in range(first, number):
            self._table.delete(self._key(one))
        self._table.delete(self._generation)


def _entry(before: int, after: int, nodes: Nodes) -> bytes:
    """A change as an entry; empty if it is too large for one."""
    octets = sum(map(len, nodes)) + sum(len(blob or REMOVED) for blob in nodes.values())
    if len(nodes) > JOURNAL_ENTRY_NAMES or octets > JOURNAL_ENTRY_OCTETS:
        return b""
    blobs = [blob or REMOVED for blob in nodes.values()]
    body: bytes = msgpack.packb([list(nodes), blobs])
    if _HEAD.size + len(body) < _DEFLATE_FROM:
        return _HEAD.pack(before, after, _PLAIN) + body
    return _HEAD.pack(before, after, _DEFLATED) + zlib.compress(body, _LEVEL)


def _changed(entry: bytes) -> Iterable[tuple[bytes, bytes]] | None:
    """The keys of an entry with their nodes; None if there are more than an entry may have, as one
    that was written before there were bounds.

    Raises:
        StoreError: it is damaged.
    """
    # Of each key and node msgpack needs at most 5 octets more.
    most = JOURNAL_ENTRY_OCTETS + 10 * JOURNAL_ENTRY_NAMES + 16
    _, _, packing = _head(entry)
    body = entry[_HEAD.size :]
    try:
        if packing == _DEFLATED:
            stream = zlib.decompressobj()
            body = stream.decompress(body, most)
            if not stream.eof and len(body) < most:
                raise ValueError("it ends early")
        if len(body) >= most:
            return None
        keys, blobs = _unpackb(body, max_array_len=len(body))
        return None if len(keys) > JOURNAL_ENTRY_NAMES else list(zip(keys, blobs, strict=True))
    except (zlib.error, ValueError, TypeError, msgpack.UnpackException) as error:
        raise _damaged(str(error)) from None


def _head(entry: bytes) -> tuple[int, int, int]:
    if len(entry) < _HEAD.size:
        raise _damaged(f"it has {len(entry)} octets")
    before, after, packing = _HEAD.unpack_from(entry)
    return before, after, packing


def _damaged(why: str) -> StoreError:
    return StoreError(
        f"an entry of a zone's journal is damaged ({why}); load the zone again, which begins its "
        f"journal anew"
    )
