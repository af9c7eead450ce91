"""What one transaction writes: rows, names of the resolution tree, and a leaf of the audit log."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from registry.tables.rows import DEFAULT_TTL, ZoneRow


class TreeKind(Enum):
    """What a name of the resolution tree is to become."""

    RECORD = "record"
    TOMBSTONE = "tombstone"
    ALIAS = "alias"  # CNAME
    SUBTREE = "subtree"  # DNAME
    NETWORK = "network"  # of the network of nodes (registry/tables/network.py)


RRsets = tuple[tuple[int, tuple[bytes, ...]], ...]  # type, data of the records; in order of types


class TreeChange(NamedTuple):
    """One name of the resolution tree: an identifier, for SUBTREE a prefix of one, for NETWORK the
    labels below the suffix, the topmost first, with / between them.
    """

    kind: TreeKind
    name: str
    record: bytes = b""  # RECORD and TOMBSTONE: canonical msgpack
    target: str = ""  # ALIAS: an identifier; SUBTREE: a prefix
    ttl: int = DEFAULT_TTL  # seconds
    rrsets: RRsets = ()  # NETWORK: all that the name has; none takes it away
    was_alias: bool = False  # the registry's own alias stands there, and goes


class ZoneChange(NamedTuple):
    """A zone that is loaded as a whole, or dropped."""

    origin: str
    row: ZoneRow | None  # that it is to have; None for a zone without names below the suffix


Row = tuple[str, bytes, bytes | None]  # table, key, value; None takes the row away


class Changes(NamedTuple):
    """All that one transaction must write for a decision, or nothing at all."""

    rows: tuple[Row, ...] = ()
    tree: tuple[TreeChange, ...] = ()
    leaf: bytes | None = None  # the one audit leaf


NOTHING: Final = Changes()
