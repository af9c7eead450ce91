"""Whether every row of every table is what the log says, octet for octet, and no other is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from registry.tables import codec
from registry.tables.view import View
from registry.verify.report import Fault

# Tables that only find what others say: a unit makes them anew.
INDEXES: Final = frozenset({codec.COUNTS, codec.PLACES, codec.BY_STATE, codec.CUT_INDEX})
REBUILD: Final = "made anew by: csid audit rebuild-indexes"
_LEAF_AT: Final = {  # which field of a row is the leaf of its last change
    codec.OWNERS: 6,
    codec.POOLS: 5,
    codec.ASSIGNMENTS: 1,
    codec.LOCATIONS: 1,
    codec.SUBTREES: 1,
    codec.ZONES: 3,
    codec.NODES: 7,
    codec.CUTS: 6,
    codec.PAST_CUTS: 6,
    codec.FILINGS: 4,
    codec.FILED: 5,
    codec.GONE: 1,
    codec.LOCKS: 2,
    codec.OFFERS: 8,
    codec.EXPIRED: 0,
    codec.TOKENS: 6,
    codec.HOLDS: 1,
    codec.ASKED_HOLDS: 6,
}

Row = tuple[bytes, bytes]
Pair = tuple[bytes, bytes | None, bytes | None]  # key, value that is there, value that should be


def differences(held: Iterator[Row], wanted: Iterator[Row]) -> Iterator[Pair]:
    """The keys at which two tables, in key order, differ."""
    row, other = next(held, None), next(wanted, None)
    while row is not None or other is not None:
        if row == other:
            row, other = next(held, None), next(wanted, None)
        elif other is None or (row is not None and row[0] < other[0]):
            assert row is not None
            yield row[0], row[1], None
            row = next(held, None)
        elif row is None or other[0] < row[0]:
            yield other[0], None, other[1]
            other = next(wanted, None)
        else:
            yield row[0], row[1], other[1]
            row, other = next(held, None), next(wanted, None)


def compare(held: View, wanted: View) -> Iterator[Fault]:
    """What differs between the tables as they are and as the log says they are."""
    for table in codec.TABLES:
        remedy = REBUILD if table in INDEXES else ""
        pairs = differences(held.scan(table, b""), wanted.scan(table, b""))
        for key, value, other in pairs:
            leaf = leaf_of(table, value if other is None else other)
            reason = reason_of(value, other)
            yield Fault(f"registry.{table}", text(key), reason, leaf, remedy)


def reason_of(value: bytes | None, wanted: bytes | None) -> str:
    """What is wrong with a row, in words."""
    if wanted is None:
        return "is there, and nothing leads to it"
    if value is None:
        return "was taken away"
    return "was changed: " + _octets(value, wanted)


def _octets(value: bytes, wanted: bytes) -> str:
    at = next((i for i, (a, b) in enumerate(zip(value, wanted, strict=False)) if a != b), None)
    if at is None:
        return f"has {len(value)} octets, not {len(wanted)}"
    return f"octet {at} is {value[at]:02x}, not {wanted[at]:02x}"


def leaf_of(table: str, value: bytes | None) -> int | None:
    """The leaf that a row names, None if its table has none or it cannot be read."""
    at = _LEAF_AT.get(table)
    if at is None or value is None:
        return None
    try:
        leaf = codec.fields(value)[at]
    except (ValueError, TypeError, IndexError):
        return None
    return leaf if isinstance(leaf, int) and leaf >= 0 else None


def text(key: bytes) -> str:
    """A key for people: as it is if it can be read, else in hexadecimal."""
    if key.isascii() and key.decode("ascii").isprintable():
        return key.decode("ascii")
    return key.hex()
