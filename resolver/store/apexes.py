"""What the store keeps under an apex: which tree is the zone's, and which journal."""

from __future__ import annotations

from typing import NamedTuple

GENERATION_OCTETS = 8
_ENTRY_OCTETS = 24


class ZoneEntry(NamedTuple):
    """The value kept under an apex: generation(8) wildcards(8) journal(8).

    Attributes:
        generation: 8 octets before each of the zone's keys in the tree.
        wildcards: how many names of the zone are wildcards.
        journal: 8 octets before the keys of its journal; the zone keeps it when it is replaced.
    """

    generation: bytes
    wildcards: int
    journal: bytes


def zone_entry(entry: ZoneEntry) -> bytes:
    """A zone's entry as it is stored."""
    return entry.generation + entry.wildcards.to_bytes(8, "big") + entry.journal


def split_zone_entry(value: bytes) -> ZoneEntry:
    """The inverse of `zone_entry`.

    Raises:
        LookupError: it is damaged.
    """
    if len(value) != _ENTRY_OCTETS:
        raise LookupError(f"the entry of a zone has {len(value)} octets, not {_ENTRY_OCTETS}")
    return ZoneEntry(value[:8], int.from_bytes(value[8:16], "big"), value[16:])
