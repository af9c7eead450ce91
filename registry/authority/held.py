"""Judging zones that are held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from csid import names
from csid.limits import MAX_KEY_OCTETS
from registry.authority.finding import Fault, Finding
from registry.authority.territory import Territory
from registry.authority.walk import Extras, Walk, rrsets_in
from registry.tables import codec
from registry.tables.naming import Names
from registry.tables.view import View
from resolver.store.extras import extras_of
from resolver.store.node import Extra, RRset
from resolver.store.read import Held, ReadTransaction


def judged(read: ReadTransaction, view: View, named: Names, held: Held) -> Judgement | None:
    """Judge a zone that is held, as a whole; None if it has no names below the suffix.

    Args:
        view: the registry at the same moment.
    """
    suffix = names.key_of(named.wire)
    if not (held.apex.startswith(suffix) or suffix.startswith(held.apex)):
        return None
    below = (zone.apex for zone in read.zones(held.apex))
    return Judgement(read, view, Walk(named, Territory(named, held.apex, below)), held)


class Judgement:
    """What is found in one zone, to be gone through once.

    Attributes:
        walk: what was counted, once all is gone through.
    """

    def __init__(self, read: ReadTransaction, view: View, walk: Walk, held: Held) -> None:
        self._read = read
        self._view = view
        self._held = held
        self.walk = walk

    def __iter__(self) -> Iterator[Finding]:
        held, walk = self._held, self.walk
        nodes = self._read.nodes(held.generation)
        yield from walk.over(self._view, nodes, extras_in(self._read, held.apex, held.generation))
        if walk.wildcards != held.wildcards:
            found = f"is said to have {held.wildcards} wildcards, has {walk.wildcards}"
            yield Finding(Fault.NODE, b"", names.to_text(held.origin), found)


def extras_in(read: ReadTransaction, apex: bytes, generation: bytes) -> Extras:
    """What works out additional records from the nodes of a generation."""
    get = read.table(b"tree").get

    def node_at(key: bytes) -> bytes | None:
        stored = generation + key
        return get(stored) if len(stored) <= MAX_KEY_OCTETS else None

    return extras_from(apex, node_at)


def extras_from(apex: bytes, node_at: Callable[[bytes], bytes | None]) -> Extras:
    """What works out additional records from nodes, by their keys below the apex."""
    zone = _Around(len(apex), node_at)

    def extras(key: bytes, rrsets: Mapping[int, RRset]) -> Mapping[int, Extra]:
        return extras_of(apex, apex + key, rrsets, zone)

    return extras


class _Around:
    """A zone as `extras_of` looks into it."""

    def __init__(self, skip: int, node_at: Callable[[bytes], bytes | None]) -> None:
        self._skip = skip
        self._node_at = node_at

    def rrsets(self, key: bytes, /) -> Mapping[int, RRset] | None:
        """What a name (canonical key) has; None if it has no records."""
        blob = self._node_at(key[self._skip :])
        return (rrsets_in(blob) or None) if blob is not None else None

    def encloses(self, key: bytes, /) -> bool:
        """Whether a name, or one below it, is there: every empty non-terminal has its node."""
        return self._node_at(key[self._skip :]) is not None


def homeless(read: ReadTransaction, view: View, named: Names) -> Iterator[bytes]:
    """The keys of rows of assignments whose names lie in no zone that is held."""
    suffix = names.key_of(named.wire)
    zones = [zone.apex for zone in read.zones()]
    if any(suffix.startswith(apex) for apex in zones):
        return
    territory = Territory(named, suffix, zones)
    for key, _ in territory.rows(view, codec.ASSIGNMENTS):
        yield territory.row_of_key(key)
