"""A zone in memory while it is read: small enough that millions of names fit.

A name that has one record, as nearly all of a big zone, is held as the node it will be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from csid import names
from csid.errors import DomainNameError
from resolver.store import node
from resolver.store.node import RRset

RRsets = Mapping[int, RRset]
Held = bytes | dict[int, RRset]  # a node of one record, no cover and no extras; or RRsets


def unpacked(held: Held) -> dict[int, RRset]:
    """The RRsets of what is held for a name."""
    if not isinstance(held, bytes):
        return held
    return {rrtype: RRset(ttl, tuple(rdatas)) for rrtype, (ttl, rdatas) in node.rrsets_of(held)}


class HeldZone(Mapping[bytes, RRsets]):
    """Names in wire form and their RRsets, in the order in which the names were met.

    Args:
        by_key: what each name has, by its canonical key.
    """

    def __init__(self, by_key: dict[bytes, Held]) -> None:
        self.by_key = by_key

    def __getitem__(self, owner: bytes) -> RRsets:
        try:
            key = names.key_of(owner)
        except DomainNameError:
            raise KeyError(owner) from None
        return unpacked(self.by_key[key])

    def __iter__(self) -> Iterator[bytes]:
        return map(names.wire_of_key, self.by_key)

    def __len__(self) -> int:
        return len(self.by_key)
