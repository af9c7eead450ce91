"""The rows of a journal: one change each, or some hundred small ones packed together.

    entry   = sum(8) from(4) to(4) packing(1) [time(4)] body
    group   = sum(8) from(4) to(4) time(4) missing(1) deflated msgpack [entry, ...], each without
              its sum; empty if it has a row of its own

    packing = 1: the body is deflated (RFC 1950)   2: a time follows, Unix seconds
    body    = msgpack [keys, blobs]   the names that were changed, and of each the node it had
              before, empty if it had none
    sum     = BLAKE2b, 8 octets, of the key and all behind the sum

All integers are big-endian. What is missing at the beginning of a group was dropped before.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgpack

from csid.errors import StoreError
from csid.limits import JOURNAL_ENTRY_NAMES, JOURNAL_ENTRY_OCTETS

GROUP_ENTRIES: Final = 256
MOST_PACKED: Final = 4_096  # octets of an entry in a group; longer ones are deflated by themselves
SUM_OCTETS: Final = 8
REMOVED: Final = b""  # in place of a node: there was none

_HEAD: Final = struct.Struct(">IIB")
_TIME: Final = struct.Struct(">I")
_GROUP: Final = struct.Struct(">IIIB")
_DEFLATED: Final = 1
_TIMED: Final = 2
_LEVEL: Final = 1
# Of a group without its head; each entry needs 3 octets of msgpack more.
_GROUP_OCTETS: Final = GROUP_ENTRIES * (MOST_PACKED + 3) + 3
_unpackb: Final[Any] = msgpack.unpackb

Nodes = Mapping[bytes, bytes | None]  # by key below the apex


class Step(NamedTuple):
    """A change without what was changed."""

    before: int  # serial
    after: int  # serial
    time: int  # Unix seconds; 0 if it was not noted


class Group(NamedTuple):
    """Changes in a row."""

    before: int  # serial of the first
    after: int  # serial of the last
    time: int  # of the last
    missing: int  # before the first
    entries: Sequence[bytes]  # without sums; empty where an entry has a row of its own


def summed(key: bytes, body: bytes) -> bytes:
    """A row as it is stored."""
    return _sum(key, body) + body


def opened(key: bytes, value: bytes) -> bytes:
    """What stands behind a sum that is right.

    Raises:
        StoreError: it is wrong.
    """
    body = value[SUM_OCTETS:]
    if _sum(key, body) != value[:SUM_OCTETS]:
        raise damaged("its checksum is wrong")
    return body


def entry_of(step: Step, nodes: Nodes) -> bytes:
    """A change as an entry without its sum; empty if it is too large for one."""
    octets = sum(map(len, nodes)) + sum(len(blob or REMOVED) for blob in nodes.values())
    if len(nodes) > JOURNAL_ENTRY_NAMES or octets > JOURNAL_ENTRY_OCTETS:
        return b""
    body: bytes = msgpack.packb([list(nodes), [blob or REMOVED for blob in nodes.values()]])
    packing, time = (_TIMED, _TIME.pack(step.time)) if step.time else (0, b"")
    if _HEAD.size + len(time) + len(body) > MOST_PACKED:
        packing, body = packing | _DEFLATED, zlib.compress(body, _LEVEL)
    return _HEAD.pack(step.before, step.after, packing) + time + body


def step_of(entry: bytes) -> Step:
    """Which serials an entry (without its sum) is between, and when it was made.

    Raises:
        StoreError: it is damaged.
    """
    return _split(entry)[0]


def changed(entry: bytes) -> Iterable[tuple[bytes, bytes]] | None:
    """The keys of an entry with their nodes; None if there are more than an entry may have, as one
    that was written before there were bounds.

    Raises:
        StoreError: it is damaged.
    """
    # Of each key and node msgpack needs at most 5 octets more.
    most = JOURNAL_ENTRY_OCTETS + 10 * JOURNAL_ENTRY_NAMES + 16
    _, packing, start = _split(entry)
    body = entry[start:]
    try:
        if packing & _DEFLATED:
            body = _inflated(body, most)
        if len(body) >= most:
            return None
        keys, blobs = _unpackb(body, max_array_len=len(body))
        return None if len(keys) > JOURNAL_ENTRY_NAMES else list(zip(keys, blobs, strict=True))
    except (zlib.error, ValueError, TypeError, msgpack.UnpackException) as error:
        raise damaged(str(error)) from None


def is_small(entry: bytes) -> bool:
    """Whether an entry (without its sum) is to be packed together with others."""
    return len(entry) <= MOST_PACKED and not entry[_HEAD.size - 1] & _DEFLATED


def group_of(entries: Sequence[bytes], missing: int) -> bytes:
    """Entries in a row (without sums) as a group without its sum; those that are not small stay in
    rows of their own.

    Raises:
        StoreError: one of them is damaged.
    """
    first, last = step_of(entries[0]), step_of(entries[-1])
    body = msgpack.packb([entry if is_small(entry) else b"" for entry in entries])
    head = _GROUP.pack(first.before, last.after, last.time, missing)
    return head + zlib.compress(body, _LEVEL)


def group_head(body: bytes) -> Group:
    """A group without its entries.

    Raises:
        StoreError: it is damaged.
    """
    if len(body) < _GROUP.size:
        raise damaged(f"a group has {len(body)} octets")
    before, after, time, missing = _GROUP.unpack_from(body)
    return Group(before, after, time, missing, ())


def group_in(body: bytes) -> Group:
    """A group from what stands behind its sum.

    Raises:
        StoreError: it is damaged.
    """
    group = group_head(body)
    try:
        packed = _inflated(body[_GROUP.size :], _GROUP_OCTETS + 1)
        entries = _unpackb(packed, max_array_len=GROUP_ENTRIES, use_list=True)
        if len(entries) != GROUP_ENTRIES - group.missing or not all(
            isinstance(entry, bytes) for entry in entries
        ):
            raise ValueError("a group of something else than its entries")
    except (zlib.error, ValueError, TypeError, msgpack.UnpackException) as error:
        raise damaged(str(error)) from None
    return group._replace(entries=entries)


def damaged(why: str) -> StoreError:
    """Says so."""
    return StoreError(
        f"the journal of a zone is damaged ({why}); whoever has an older serial gets the whole zone"
    )


def _sum(key: bytes, body: bytes) -> bytes:
    return blake2b(key + body, digest_size=SUM_OCTETS).digest()


def _split(entry: bytes) -> tuple[Step, int, int]:
    """An entry's head, how it is packed, and where its body begins."""
    if len(entry) < _HEAD.size:
        raise damaged(f"it has {len(entry)} octets")
    before, after, packing = _HEAD.unpack_from(entry)
    if not packing & _TIMED:
        return Step(before, after, 0), packing, _HEAD.size
    start = _HEAD.size + _TIME.size
    if len(entry) < start:
        raise damaged(f"it has {len(entry)} octets")
    (time,) = _TIME.unpack_from(entry, _HEAD.size)
    return Step(before, after, time), packing, start


def _inflated(body: bytes, most: int) -> bytes:
    stream = zlib.decompressobj()
    made = stream.decompress(body, most)
    if not stream.eof and len(made) < most:
        raise ValueError("it ends early")
    return made
