"""What the store keeps under an apex: which tree is the zone's, which journal, and whether it is
served.
"""

from __future__ import annotations

from typing import Final, NamedTuple

GENERATION_OCTETS = 8
_ENTRY_OCTETS = 24  # without flags

# Flags of a zone that follows another server.
SERVED: Final = 0
EXPIRED: Final = 1  # not heard of for longer than its SOA allows (RFC 1035 section 3.3.13)
NOT_READY: Final = 2  # not transferred yet: its tree is empty


class ZoneEntry(NamedTuple):
    """The value kept under an apex: generation(8) wildcards(8) journal(8), and flags(1) unless they
    are 0.

    Attributes:
        generation: 8 octets before each of the zone's keys in the tree.
        wildcards: how many names of the zone are wildcards.
        journal: 8 octets before the keys of its journal; the zone keeps it when it is replaced.
        flags: SERVED, EXPIRED or NOT_READY.
    """

    generation: bytes
    wildcards: int
    journal: bytes
    flags: int = SERVED


def zone_entry(entry: ZoneEntry) -> bytes:
    """A zone's entry as it is stored."""
    stored = entry.generation + entry.wildcards.to_bytes(8, "big") + entry.journal
    return stored + bytes((entry.flags,)) if entry.flags else stored


def split_zone_entry(value: bytes) -> ZoneEntry:
    """The inverse of `zone_entry`.

    Raises:
        LookupError: it is damaged.
    """
    flags = 0
    if len(value) != _ENTRY_OCTETS:
        if len(value) != _ENTRY_OCTETS + 1:
            raise LookupError(f"the entry of a zone has {len(value)} octets, not {_ENTRY_OCTETS}")
        flags = value[_ENTRY_OCTETS]
        if flags not in (EXPIRED, NOT_READY):
            raise LookupError(f"the entry of a zone has the flags {flags}, which mean nothing")
    return ZoneEntry(value[:8], int.from_bytes(value[8:16], "big"), value[16:24], flags)
