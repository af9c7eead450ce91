"""What an UPDATE has changed in a zone, by its leaf, for people."""

from __future__ import annotations

from collections.abc import Iterator

from csid import names
from registry.tables import zone_changes
from registry.tables.log_entry import LogEntry
from registry.zones.asked import UPDATE
from resolver.zonefile.writer import line

LINES_SHOWN = 20


def lines(leaf: LogEntry) -> Iterator[str]:
    """Each record that went, behind "-", and each that came, behind "+"; none of another leaf."""
    if leaf.kind != UPDATE or not leaf.after:
        return
    apex = names.key_of(names.from_text(leaf.on))
    for key, before, after in zone_changes.changes_of(leaf.after):
        owner = names.wire_of_key(apex + key)
        had, has = _records(owner, before), _records(owner, after)
        yield from (f"- {one}" for one in had if one not in has)
        yield from (f"+ {one}" for one in has if one not in had)


def shown(leaf: LogEntry) -> list[str]:
    """The first of them, and how many more there are."""
    every = list(lines(leaf))
    more = len(every) - LINES_SHOWN
    return [*every[:LINES_SHOWN], *([f"… {more:,} more"] if more > 0 else [])]


def _records(owner: bytes, said: bytes) -> list[str]:
    return [
        line((owner, rrtype, ttl, data)).rstrip("\n")
        for rrtype, (ttl, rdatas) in zone_changes.rrsets_of(said).items()
        for data in rdatas
    ]
