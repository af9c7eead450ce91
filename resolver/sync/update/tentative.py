"""Changes of a zone that are tried, before it is known whether they may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from resolver.store import node
from resolver.store.node import RRset
from resolver.store.update import ZoneUpdate
from resolver.sync.update.effect import Change


class Zone(Protocol):
    """A zone that is changed name by name: one of these, or a `ZoneUpdate`. Keys are those below
    its apex.
    """

    def rrsets(self, key: bytes, /) -> dict[int, RRset]:
        """What a name has, by type."""
        ...

    def blob(self, key: bytes, /) -> bytes | None:
        """The node at a key, or None."""
        ...

    def below(self, key: bytes, /) -> Iterator[bytes]:
        """The keys of the nodes behind a key that begin with it, in order."""
        ...

    def set(self, key: bytes, rrsets: Mapping[int, RRset], /) -> None:
        """Give a name these RRsets in place of all it has; none takes the name away."""
        ...

    def next_serial(self) -> int:
        """The serial that the zone will have once it is changed."""
        ...


class Tentative:
    """A zone with changes that are not written. Names that come are not among those `below`."""

    def __init__(self, zone: ZoneUpdate) -> None:
        self._zone = zone
        self._after: dict[bytes, Mapping[int, RRset]] = {}

    def rrsets(self, key: bytes, /) -> dict[int, RRset]:
        return dict(self._after[key]) if key in self._after else self._zone.rrsets(key)

    def blob(self, key: bytes, /) -> bytes | None:
        if key in self._after:
            return node.encode(self._after[key])
        return self._zone.blob(key)

    def below(self, key: bytes, /) -> Iterator[bytes]:
        return self._zone.below(key)

    def set(self, key: bytes, rrsets: Mapping[int, RRset], /) -> None:
        self._after[key] = rrsets

    def next_serial(self) -> int:
        return self._zone.next_serial()

    def change(self) -> Change:
        """What becomes of the names that differ."""
        differing = {}
        for key, after in sorted(self._after.items()):
            before = self._zone.rrsets(key)
            if node.encode(before) != node.encode(after):
                differing[key] = (before, dict(after))
        return Change(differing, None)
