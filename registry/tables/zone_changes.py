"""What an UPDATE has made of names that are not the registry's, as its leaf carries it.

`after` of such a leaf is a msgpack array of [key, before, after] arrays in order of the keys: a key
below the apex, and the node (`resolver.store.node`) of the records that the name had and has, from
the third octet on, without additional records, empty if there are none. The serial of the SOA is 0,
and a DNAME of the registry is left out: just what the digest of a zone is made of. What does not
fit into one leaf is in several, of one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgpack

from csid.errors import ZoneError
from csid.protocol import SOA
from registry.tables.carried import OCTETS_MAX
from resolver.store import node
from resolver.store.build import with_serial
from resolver.store.node import RRset

_HEAD: Final = 16  # octets that msgpack needs at most beside key and nodes
_SKIPPED: Final = 2  # of a node: flags and cover follow from what stands elsewhere
_unpack: Final[Any] = msgpack.unpackb


class NameChange(NamedTuple):
    """One name: what it had, and has now."""

    key: bytes  # below the apex
    before: bytes
    after: bytes


pack: Final[Callable[[list[NameChange]], bytes]] = msgpack.Packer().pack


def said(rrsets: Mapping[int, RRset]) -> bytes:
    """The records of a name as a leaf has them, and the digest of a zone."""
    if SOA in rrsets:
        rrsets = {**rrsets, SOA: with_serial(rrsets[SOA], 0)}
    return node.encode(rrsets)[_SKIPPED:]


def rrsets_of(said: bytes) -> dict[int, RRset]:
    """The inverse of `said`.

    Raises:
        ValueError, IndexError, struct.error: the octets are none.
    """
    return dict(node.rrsets_of(bytes(_SKIPPED) + said))


def parts(changes: Iterable[NameChange]) -> Iterator[bytes]:
    """Changes as the `after` of leaves, of one at least.

    Raises:
        ZoneError: one name alone is too much for a leaf.
    """
    part: list[NameChange] = []
    octets = 0
    for change in changes:
        size = sum(map(len, change)) + _HEAD
        if size > OCTETS_MAX:
            raise ZoneError(
                "an UPDATE",
                f"changes records of {size:,} octets at one name; at most {OCTETS_MAX:,} are "
                "noted in the audit log: change fewer at a time, or load the zone",
            )
        if part and octets + size > OCTETS_MAX:
            yield pack(part)
            part, octets = [], 0
        part.append(change)
        octets += size
    yield pack(part)


def changes_of(after: bytes) -> list[NameChange]:
    """The changes that a leaf carries.

    Raises:
        ValueError: it carries none.
    """
    changes = [NameChange(*one) for one in _unpack(after, use_list=False)]
    if any(type(part) is not bytes for change in changes for part in change):
        raise ValueError("carries something else than octets of names")
    keys = [change.key for change in changes]
    if any(one >= other for one, other in pairwise(keys)):
        raise ValueError("its names are not in order")
    return changes
