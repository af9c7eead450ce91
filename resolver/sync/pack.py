"""Records of a zone put into the messages of a transfer (RFC 5936 section 2.2, RFC 1995 section 4).

`resolver.sync.cpack` is the same, compiled; a property test holds both to the same octets.

A node's records are ready in the tree and are copied as they are, data uncompressed. Their owners
are compressed against the apex, which every message begins with in its question, and against the
record before: as far as two names in a row share labels, the second one points to where the first
one has them. In canonical order that finds all there is to find. No message goes on beyond
TRANSFER_OCTETS, so that all of it can be pointed to (RFC 1035 section 4.1.4); one record alone that
is larger has a message to itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from csid import names
from csid.limits import HEADER_OCTETS, TRANSFER_OCTETS
from csid.protocol import SOA

_COUNTS: Final = struct.Struct(">HHHH")
_LENGTHS: Final = [bytes((length,)) for length in range(64)]


class Packer:
    """Messages that are filled one after the other.

    Args:
        head: a header, whose counts are of no account, and the question about the apex.
        most: octets of a message.
    """

    def __init__(self, head: bytes, most: int = TRANSFER_OCTETS) -> None:
        if not HEADER_OCTETS < len(head) < most <= TRANSFER_OCTETS:
            raise ValueError(f"messages of {most} octets cannot be filled behind {len(head)}")
        self._head = head
        self._most = most
        self._full: list[bytes] = []
        self._begin()

    def _begin(self) -> None:
        self._parts: list[bytes] = []
        self._at = len(self._head)
        self._records = 0
        self._forget()

    def _forget(self) -> None:
        """Have no name to be pointed to but the apex."""
        self._names: list[tuple[bytes, int]] = [(b"", HEADER_OCTETS)]  # from the apex down

    def apex(self, records: bytes) -> None:
        """Put in records of the apex, as they stand in its node."""
        self._put(b"", records)

    def nodes(self, nodes: Iterator[tuple[bytes, bytes]], prefix: bytes, most: int) -> bool:
        """Put in the records of nodes, without the SOA, until `most` messages are full.

        Args:
            nodes: (prefix + key below the apex, node).
            prefix: what keys begin with; the first one that does not is the end.

        Returns:
            Whether there may be more nodes.

        Raises:
            ValueError, IndexError: a node is damaged.
        """
        for key, blob in nodes:
            if not key.startswith(prefix):
                return False
            at = 2
            while at < len(blob):
                start = at + 10
                end = start + (blob[at + 4] << 8) + blob[at + 5]
                behind = end + (blob[at + 8] << 8) + blob[at + 9]
                if behind > len(blob):
                    raise ValueError("a node that is shorter than its entries")
                if (blob[at] << 8) + blob[at + 1] != SOA:
                    self._put(key[len(prefix) :], blob[start:end])
                at = behind
            if len(self._full) >= most:
                return True
        return False

    def _put(self, key: bytes, records: bytes) -> None:
        at = 0
        while at < len(records):
            end = at + 12 + (records[at + 10] << 8) + records[at + 11]
            if end > len(records):
                raise ValueError("a record that is longer than the node it is in")
            owner = self._owner(key)
            if self._at + len(owner) + end - at - 2 > self._most and self._records:
                self._end()
                owner = self._owner(key)
            self._write(key, owner, records[at + 2 : end])
            at = end

    def _owner(self, key: bytes) -> bytes:
        """A name as it is to stand here."""
        known = self._names
        while not key.startswith(known[-1][0]):
            known.pop()
        above, offset = known[-1]
        labels = names.labels_of_key(key[len(above) :])
        pointer = (0xC000 | offset).to_bytes(2, "big")
        return b"".join([_LENGTHS[len(label)] + label for label in labels[::-1]]) + pointer

    def _write(self, key: bytes, owner: bytes, rest: bytes) -> None:
        known = self._names
        ends = []
        end = len(known[-1][0])
        while end < len(key):
            end = key.index(0, end) + 1
            ends.append(end)
        offset = self._at + len(owner) - 2
        for end in ends:
            above = len(known[-1][0])
            offset -= len(names.wire_of_key(key[above:end])) - 1
            known.append((key[:end], offset))
        self._parts += (owner, rest)
        self._at += len(owner) + len(rest)
        self._records += 1

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
