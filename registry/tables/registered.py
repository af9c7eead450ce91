"""What the registry says of names below the suffix: the node that an assignment makes, and which
names have the shape of an identifier or of its beginning.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgpack

from csid import scheme
from csid.protocol import CNAME
from csid.record import Record, decode
from registry.tables.enums import State
from registry.tables.naming import Names
from registry.tables.record_node import blob_of
from registry.tables.rows import Assignment
from resolver.store import node

SEGMENTS: Final = 5  # labels of an identifier's name below the suffix

_unpack: Final[Callable[..., Any]] = msgpack.unpackb


def node_of(named: Names, row: Assignment) -> bytes:
    """The node at an identifier's name: its record or tombstone, or an alias. Additional records
    are not part of it (`resolver.store.extras`).

    Raises:
        CsidError, ValueError: the row is damaged.
    """
    if row.state is State.SUPERSEDED:
        return node.encode_one(CNAME, row.ttl, named.target(row.target))
    return blob_of(decode(row.record), row.ttl)


def quick_node_of(named: Names, row: Assignment) -> bytes | None:
    """`node_of` for a row that is taken for sound, in half the time; None if it cannot be."""
    try:
        if row.state is State.SUPERSEDED:
            return node.encode_one(CNAME, row.ttl, named.target(row.target))
        return blob_of(Record.of_values(_unpack(row.record, use_list=False)), row.ttl)
    except Exception:  # whatever damaged octets lead to; node_of says what is wrong
        return None


def is_shaped(below: bytes) -> bool:
    """Whether a name is written as an identifier is, by its canonical key below the suffix.

    Tables, dates and check characters are not looked at: no name that could be taken for an
    identifier may resolve unless it was assigned.
    """
    return _SHAPES[SEGMENTS](below.upper()) is not None


def begins_shaped(below: bytes) -> bool:
    """Whether identifiers can lie below a name, given by its canonical key below the suffix: it
    has fewer labels than they, each of the right shape.
    """
    depth = below.count(0)
    return depth < SEGMENTS and _SHAPES[depth](below.upper()) is not None


def _shapes() -> list[Callable[[bytes], object]]:
    """What matches the canonical key of 0 to 5 segments, in upper case."""
    segments = [
        "(?:" + "|".join(form.pattern for form in segment.forms) + ")\0"
        for segment in scheme.load().segments
    ]
    return [
        re.compile("".join(segments[:count]).encode("ascii")).fullmatch
        for count in range(len(segments) + 1)
    ]


_SHAPES: Final = _shapes()
