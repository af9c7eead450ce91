"""Records of a zone put into the messages of a transfer (RFC 5936 section 2.2, RFC 1995 section 4).

`resolver.sync.transfer.cpack` is the same, compiled; a property test holds both to the same octets.

A node's records are ready in the tree and are copied as they are, data uncompressed. Their owners
are compressed against the apex, which every message has in its question, and against the record
before: as far as two names in a row share labels, the second one points to where the first one has
them. In canonical order that finds all there is to find. No message goes on beyond TRANSFER_OCTETS,
so that all of it can be pointed to (RFC 1035 section 4.1.4); one record alone that is larger has a
message to itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from csid import names
from csid.limits import (
    HEADER_OCTETS,
    MAX_LABEL_OCTETS,
    MAX_MESSAGE_OCTETS,
    MAX_NAME_OCTETS,
    TRANSFER_OCTETS,
)
from csid.protocol import SOA
from resolver.store.node import EMPTY

_COUNTS: Final = struct.Struct(">HHHH")
_LENGTHS: Final = [bytes((length,)) for length in range(MAX_LABEL_OCTETS + 1)]
# A node of one record, up to its data: flags, cover, entry, and the record's own head.
_ONE_OCTETS: Final = 24


class Packer:
    """Messages that are filled one after the other.

    Args:
        head: a header, whose counts are of no account, and the question about the apex.
        prefix: what is before the key below the apex in the keys of nodes.
        most: octets of a message.
    """

    def __init__(self, head: bytes, prefix: bytes = b"", most: int = TRANSFER_OCTETS) -> None:
        if not HEADER_OCTETS < len(head) < most <= TRANSFER_OCTETS:
            raise ValueError(f"messages of {most} octets cannot be filled behind {len(head)}")
        self._head = head
        self._prefix = prefix
        self._most = most
        self._full: list[bytes] = []
        self._begin()

    def _begin(self) -> None:
        self._parts: list[bytes] = []
        self._at = len(self._head)
        self._records = 0
        # The owner of the last record and the names above it, as keys, from the apex down: where
        # each stands. And the same of the name right above it, the last record's parent.
        self._names = [(self._prefix, HEADER_OCTETS)]
        self._parent: bytes | None = None
        self._pointer = b""

    def apex(self, records: bytes) -> None:
        """Put in records of the apex, as they stand in its node."""
        self._put(self._prefix, _split(records))

    def nodes(self, nodes: Iterator[tuple[bytes, bytes]], most: int) -> bool:
        """Put in the records of nodes, but not the SOA of the apex, until `most` messages are full.

        Args:
            nodes: (prefix + key below the apex, node); the first without the prefix is the end.

        Returns:
            Whether there may be more nodes.

        Raises:
            ValueError, IndexError: a node is damaged.
        """
        prefix, room = self._prefix, self._most
        skip = len(prefix)
        parts, parent, pointer = self._parts, self._parent, self._pointer
        at, records = self._at, self._records
        last, start = self._names[-1]
        for key, blob in nodes:
            size = len(blob)
            cut = key.rfind(b"\0", skip, -1) + 1 or skip
            # Most nodes have one record, and the parent of the one before.
            if key[:cut] == parent and size >= _ONE_OCTETS:
                label = key[cut:-1]
                length = len(label)
                end = at + size + length - 11
                if (
                    end <= room
                    and size == _ONE_OCTETS + (blob[22] << 8) + blob[23]
                    and key != last
                    and length
                    and b"\1" not in label
                ):
                    parts += (_LENGTHS[length], label, pointer, blob[14:])
                    records += 1
                    last, start, at = key, at, end
                    continue
            if not key.startswith(prefix):
                break
            if size > len(EMPTY):
                self._at, self._records, self._names[-1] = at, records, (last, start)
                self._put(key, _records(blob, len(key) == skip))
                if len(self._full) >= most:
                    return True
                parts, parent, pointer = self._parts, self._parent, self._pointer
                at, records = self._at, self._records
                last, start = self._names[-1]
        self._at, self._records, self._names[-1] = at, records, (last, start)
        return False

    def _put(self, key: bytes, records: list[bytes]) -> None:
        again = b""  # a pointer to the name, once it stands in the message
        for rest in records:
            owner, added = (again, []) if again else self._owner(key)
            if self._at + len(owner) + len(rest) > self._most and self._records:
                self._end()
                owner, added = self._owner(key)
            end = self._at + len(owner)
            if end + len(rest) > MAX_MESSAGE_OCTETS:
                raise ValueError("a record that is larger than a message")
            if owner is not again:
                known = self._names
                known += [(name, end - octets) for name, octets in added]
                again = _pointer(known[-1][1])
                self._parent, offset = known[-2] if len(known) > 1 else (None, 0)
                self._pointer = _pointer(offset)
            self._parts += (owner, rest)
            self._at = end + len(rest)
            self._records += 1

    def _owner(self, key: bytes) -> tuple[bytes, list[tuple[bytes, int]]]:
        """A name as it is to stand here, and the names in it: the key of each, and its octets.
        Names that are not above it are known no more.
        """
        known = self._names
        while not key.startswith(known[-1][0]):
            known.pop()
        above, offset = known[-1]
        owner = _pointer(offset)
        end = len(above)
        added = []
        labels = names.labels_of_key(key[end:])
        for label in labels:
            owner = b"%b%b%b" % (_LENGTHS[len(label)], label, owner)
            end = key.index(0, end) + 1
            added.append((key[:end], len(owner)))
        if end != len(key) or b"" in labels or len(owner) > MAX_NAME_OCTETS:
            raise ValueError("a key that is no name's")
        return owner, added

    def _end(self) -> None:
        head = self._head
        counts = _COUNTS.pack(1, self._records, 0, 0)
        self._full.append(b"".join([head[:4], counts, head[HEADER_OCTETS:], *self._parts]))
        self._begin()

    def take(self) -> list[bytes]:
        """The messages that are full."""
        full, self._full = self._full, []
        return full

    def end(self) -> list[bytes]:
        """The messages that are full, and the one that was begun."""
        if self._records:
            self._end()
        return self.take()


def _pointer(offset: int) -> bytes:
    return (0xC000 | offset).to_bytes(2, "big")


def _records(blob: bytes, is_apex: bool) -> list[bytes]:
    """The records of a node, but not the SOA of the apex, each from behind its owner on."""
    found = []
    at = len(EMPTY)
    while at < len(blob):
        start = at + 10
        end = start + (blob[at + 4] << 8) + blob[at + 5]
        behind = end + (blob[at + 8] << 8) + blob[at + 9]
        if behind > len(blob):
            raise ValueError("a node that is shorter than its entries")
        if not is_apex or (blob[at] << 8) + blob[at + 1] != SOA:
            found += _split(blob[start:end])
        at = behind
    return found


def _split(records: bytes) -> list[bytes]:
    """Single records, each from behind its owner on, a pointer."""
    found = []
    at = 0
    while at < len(records):
        end = at + 12 + (records[at + 10] << 8) + records[at + 11]
        if end > len(records):
            raise ValueError("a record that is longer than the node it is in")
        found.append(records[at + 2 : end])
        at = end
    return found
