"""The journal of a zone: what each of its names held before each of its serials (RFC 1995).

    journal(8)             sum(8) first(8) next(8) octets(8) flags(1) used(4): the entries there are
    journal(8) number(8)   sum(8) from(4) to(4) packing(1) body: what led from a serial to the next

    packing 1: the body is deflated (RFC 1950)
    body    = msgpack [keys, blobs]   the names that were changed, and of each the node it had
              before, empty if it had none
    sum     = BLAKE2b, 8 octets, of the key and all behind the sum

All integers are big-endian. Only what is no longer in the tree is kept, so that a name added costs
its key alone. The difference from an old serial to the present one is the oldest node of each name
since, against the tree as it is: condensed as RFC 1995 section 5 allows. A zone that is replaced as
a whole keeps its journal, and what it replaced is one entry. Entries are dropped, the oldest first,
beyond JOURNAL_ENTRIES or JOURNAL_OCTETS. A change of more than JOURNAL_ENTRY_NAMES names, or of
more than JOURNAL_ENTRY_OCTETS, is not noted: the journal begins anew behind it, and whoever has an
older serial gets the whole zone. So does whoever would need more than JOURNAL_READ_OCTETS.

A serial that stays or goes back (RFC 1982) is given to two contents, and whoever has it may have
either: the journal begins anew, and answers for no serial up to the highest that was in use then
(flags 1: there is one, `used`) until the zone has gone beyond it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
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

_STATE: Final = struct.Struct(">QQQBI")
_NUMBER: Final = struct.Struct(">Q")
_HEAD: Final = struct.Struct(">IIB")
_SUM_OCTETS: Final = 8
_PLAIN: Final = 0
_DEFLATED: Final = 1
_DEFLATE_FROM: Final = 4_096  # octets of a body; below, deflating costs more than it saves
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


class _State(NamedTuple):
    first: int = 0  # number of the oldest entry
    following: int = 0  # number of the next one
    octets: int = 0  # of all entries
    has_used: int = 0  # 1 if there is a serial up to which others may have other contents
    used: int = 0  # that serial


class Journal:
    """The journal of one zone inside a transaction.

    Args:
        table: the store's sub-database `journal`.
        journal: 8 octets that the zone's entry names.
    """

    def __init__(self, table: Table, journal: bytes) -> None:
        self._table = table
        self._journal = journal

    def _state(self) -> _State:
        """The state; raises StoreError if it is damaged."""
        value = self._table.get(self._journal)
        if value is None:
            return _State()
        body = _opened(self._journal, value)
        if len(body) != _STATE.size:
            raise _damaged(f"its state has {len(body)} octets")
        return _State(*_STATE.unpack(body))

    @property
    def following(self) -> int:
        """The number that the next entry will have; it grows with every change of the zone, noted
        or not. 0 if the state is damaged.
        """
        try:
            return self._state().following
        except StoreError:
            return 0

    @property
    def used(self) -> int | None:
        """The serial up to which others may have other contents, as the zone went back from it;
        None if there is none, or the state is damaged.
        """
        try:
            state = self._state()
        except StoreError:
            return None
        return state.used if state.has_used else None

    def record(self, before: int, after: int, nodes: Nodes | None) -> None:
        """Note what names held before a serial took another's place.

        Args:
            before: the serial until now.
            after: the serial from now on.
            nodes: the names that were changed, each with the node it had, None if it had none.
                None if they are too many: the journal begins anew.
        """
        try:
            state = self._state()
        except StoreError:  # what it said of serials is lost, so none until now is answered for
            self.forget()
            state = _State(has_used=1, used=before)
        first, number, octets, has_used, used = state
        if not is_beyond(after, before):
            nodes = None
            has_used, used = 1, before if not has_used or is_beyond(before, used) else used
        elif has_used and is_beyond(before, used) and not is_beyond(after, used):
            nodes, has_used, used = None, 0, 0  # it is half the round of serials ago
        key = self._key(number)
        entry = _entry(key, before, after, nodes) if nodes is not None else b""
        octets += len(entry)
        while first < number and (
            not entry or number - first >= JOURNAL_ENTRIES or octets > JOURNAL_OCTETS
        ):
            octets -= self._drop(first)
            first += 1
        if not entry or octets > JOURNAL_OCTETS:
            first, octets = number + 1, 0
        else:
            self._table.put(key, entry)
        body = _STATE.pack(first, number + 1, octets, has_used, used)
        self._table.put(self._journal, _sum(self._journal, body) + body)

    def _drop(self, number: int) -> int:
        key = self._key(number)
        entry = self._table.get(key)
        self._table.delete(key)
        return len(entry or b"")

    def _key(self, number: int) -> bytes:
        return self._journal + _NUMBER.pack(number)

    def _at(self, number: int) -> bytes:
        """An entry without its sum; raises StoreError if it is missing or damaged."""
        key = self._key(number)
        entry = self._table.get(key)
        if entry is None:
            raise _damaged(f"entry {number} is missing")
        return _opened(key, entry)

    def steps(self) -> Iterator[Step]:
        """The entries, the latest first, as long as each leads on to the one after it, and from a
        serial that stood for one content only. What is damaged ends them.
        """
        try:
            state = self._state()
            expected: int | None = None
            for number in range(state.following - 1, state.first - 1, -1):
                before, after, _packing = _head(self._at(number))
                if expected is not None and after != expected:
                    return
                if state.has_used and not is_beyond(before, state.used):
                    return
                yield Step(number, before, after)
                expected = before
        except StoreError:
            return

    def since(self, serial: int) -> dict[bytes, bytes] | None:
        """What the names that were changed since a serial held then: by key below the apex, the
        node or REMOVED; None if the journal does not reach back so far, is damaged (`check` tells),
        or would give so much that the whole zone is the better answer.

        The names' present nodes are in the tree at the same moment. Empty for the present serial
        is the caller's to know: a zone that was never changed has no journal.
        """
        number = self.number_of(serial)
        return None if number is None else self.since_number(number)

    def number_of(self, serial: int) -> int | None:
        """The number of the entry that led on from a serial; None if there is none."""
        for step in self.steps():
            if step.before == serial:
                return step.number
        return None

    def since_number(self, number: int) -> dict[bytes, bytes] | None:
        """`since` for the moment when the next entry was to have a number."""
        held: dict[bytes, bytes] = {}
        octets = 0
        try:
            state = self._state()
            if number < state.first:
                return None
            for later in range(number, state.following):
                changed = _changed(self._at(later))
                if changed is None:
                    return None
                for key, blob in changed:
                    if key not in held:
                        held[key] = blob
                        octets += len(key) + len(blob) + _HELD_OCTETS
                if octets > JOURNAL_READ_OCTETS:
                    return None
        except StoreError:
            return None
        return held

    def check(self) -> list[str]:
        """What is wrong with the journal, one line each; empty if it is whole."""
        try:
            state = self._state()
        except StoreError as error:
            return [str(error)]
        faults = []
        octets = 0
        expected: int | None = None
        numbers = range(state.first, state.following)
        for number in numbers:
            try:
                entry = self._at(number)
                before, after, _ = _head(entry)
                _changed(entry)
            except StoreError as error:
                faults.append(str(error))
                expected = None
                continue
            if expected is not None and before != expected:
                faults.append(f"entry {number} does not go on from serial {expected}")
            expected = after
            octets += _SUM_OCTETS + len(entry)
        if not faults and octets != state.octets:
            faults.append(f"its entries have {octets} octets, its state says {state.octets}")
        for key, _ in self._table.scan(self._journal):
            if key != self._journal and _NUMBER.unpack(key[8:])[0] not in numbers:
                faults.append("there is an entry beyond those its state tells of")
                break
        return faults

    def forget(self) -> None:
        """Take all entries away."""
        for key in [key for key, _ in self._table.scan(self._journal)]:
            self._table.delete(key)


def is_beyond(serial: int, other: int) -> bool:
    """Whether a serial is greater than another (RFC 1982 section 3.2)."""
    return 0 < (serial - other) % 2**32 < 2**31


def _sum(key: bytes, body: bytes) -> bytes:
    return blake2b(key + body, digest_size=_SUM_OCTETS).digest()


def _opened(key: bytes, value: bytes) -> bytes:
    """What stands behind a sum that is right."""
    body = value[_SUM_OCTETS:]
    if _sum(key, body) != value[:_SUM_OCTETS]:
        raise _damaged("its checksum is wrong")
    return body


def _entry(key: bytes, before: int, after: int, nodes: Nodes) -> bytes:
    """A change as an entry; empty if it is too large for one."""
    octets = sum(map(len, nodes)) + sum(len(blob or REMOVED) for blob in nodes.values())
    if len(nodes) > JOURNAL_ENTRY_NAMES or octets > JOURNAL_ENTRY_OCTETS:
        return b""
    body: bytes = msgpack.packb([list(nodes), [blob or REMOVED for blob in nodes.values()]])
    packing = _PLAIN
    if _HEAD.size + len(body) >= _DEFLATE_FROM:
        packing, body = _DEFLATED, zlib.compress(body, _LEVEL)
    entry = _HEAD.pack(before, after, packing) + body
    return _sum(key, entry) + entry


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
        f"the journal of a zone is damaged ({why}); whoever has an older serial gets the whole zone"
    )
