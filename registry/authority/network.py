"""What the network has in a zone (registry/tables/network.py), in the order of the zone's names."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from operator import attrgetter
from typing import Final, NamedTuple

from registry.authority.territory import Territory
from registry.tables import codec, network
from registry.tables.changes import RRsets
from registry.tables.naming import Names
from registry.tables.registered import begins_shaped
from registry.tables.view import (
    CUT_SEGMENTS,
    View,
    cut_above,
    cut_below,
    get_cut,
    get_hold,
    get_node,
    get_owner,
    get_past_cut,
)
from resolver.store.node import RRset

_NODES: Final = f"{network.NODES}\0".encode("ascii")
_MOVES: Final = f"{network.MOVES}\0".encode("ascii")
_MOVED: Final = f"{network.MOVED}\0".encode("ascii")
_OWNERS: Final = f"{network.OWNERS}\0".encode("ascii")
_HOLDS: Final = f"{network.HOLDS}\0".encode("ascii")
_TOPS: Final = (_HOLDS, _MOVED, _MOVES, _NODES, _OWNERS)  # below which no other name may be
CATALOG: Final = f"{network.CATALOG}\0".encode("ascii")
_MEMBERS: Final = CATALOG + b"zones\0"
_BY_KEY: Final = attrgetter("key")


class Wanted(NamedTuple):
    """A name that the network has in a zone."""

    key: bytes  # below the apex
    rrsets: dict[int, RRset]
    leaf: int  # of the last change


class Network:
    """The network's names in one zone.

    Attributes:
        is_root: whether it is the root zone of the network.
        is_catalog: whether it is its catalog zone.
    """

    def __init__(self, view: View, named: Names, territory: Territory) -> None:
        self._view = view
        self._named = named
        self._territory = Territory(named, territory.apex, [], territory.within)
        is_ours = self._is_national = network.is_national(view)
        self.is_root = is_ours and not territory.below and not territory.is_empty
        self.is_catalog = is_ours and territory.below == CATALOG

    def rows(self, after: bytes | None = None) -> Iterator[Wanted]:
        """The names, in order; those at or before a key are left out."""
        if self.is_root:
            found: Iterator[Wanted] = merge(
                self._cuts(after),
                self._moves(after),
                self._nodes(after),
                self._owners(after),
                self._holds(after),
                key=_BY_KEY,
            )
        elif self.is_catalog:
            found = self._members(after)
        else:
            return
        within = self._territory.within
        for wanted in found:
            if (after is None or wanted.key > after) and wanted.key.startswith(within):
                yield wanted

    def _cuts(self, after: bytes | None) -> Iterator[Wanted]:
        territory = self._territory
        if after is not None and after.startswith(territory.above):
            # Of the cut that it lies in, what comes behind.
            row = territory.row_of_key(after)
            for end in range(1, 1 + row.count(b"/")):
                cut = b"/".join(row.split(b"/")[:end])
                if (value := self._view.get(codec.CUTS, cut)) is not None:
                    yield from self._of_cut(cut, value)
        for key, value in territory.rows(self._view, codec.CUTS, after):
            yield from self._of_cut(territory.row_of_key(key), value)

    def _of_cut(self, row: bytes, value: bytes) -> Iterator[Wanted]:
        cut, decoded = row.decode("ascii"), codec.decode_cut(value)
        return self._keyed(network.cut_names(self._named, cut, decoded), decoded.leaf)

    def _nodes(self, after: bytes | None) -> Iterator[Wanted]:
        begin = self._territory.above + _NODES
        start = b""
        if after is not None and after > begin:
            if not after.startswith(begin):
                return
            start = after[len(begin) :].partition(b"\0")[0]
        for key, value in self._view.scan(codec.NODES, b"", start):
            name, node = key.decode("ascii"), codec.decode_node(value)
            yield from self._keyed(network.node_names(self._named, name, node), node.leaf)

    def _moves(self, after: bytes | None) -> Iterator[Wanted]:
        for top, is_over in ((_MOVED, True), (_MOVES, False)):
            begin, head = self._territory.above + top, codec.moving_key("", is_over)
            start = b""
            if after is not None and after > begin:
                if not after.startswith(begin):
                    continue
                start = head + after[len(begin) :].rstrip(b"\0").replace(b"\0", b"/").upper()
            for key, _ in self._view.scan(codec.CUT_INDEX, head, start):
                cut = key[len(head) :].decode("ascii")
                row = get_cut(self._view, cut) or get_past_cut(self._view, cut)
                if row is not None:
                    yield from self._keyed(network.moving_names(cut, row), row.leaf)

    def _owners(self, after: bytes | None) -> Iterator[Wanted]:
        begin = self._territory.above + _OWNERS
        start = b""
        if after is not None and after > begin:
            if not after.startswith(begin):
                return
            start = after[len(begin) :].rstrip(b"\0").upper()
        for key, value in self._view.scan(codec.OWNERS, b"", start):
            code, owner = key.decode("ascii"), codec.decode_owner(value)
            yield from self._keyed(network.owner_names(code, owner), owner.leaf)

    def _holds(self, after: bytes | None) -> Iterator[Wanted]:
        begin = self._territory.above + _HOLDS
        start = b""
        if after is not None and after > begin:
            if not after.startswith(begin):
                return
            start = after[len(begin) :].rstrip(b"\0").replace(b"\0", b"/").upper()
        for key, value in self._view.scan(codec.HOLDS, b"", start):
            hold = codec.decode_hold(value)
            yield from self._keyed(network.hold_names(key.decode("ascii"), hold), hold.leaf)

    def _members(self, after: bytes | None) -> Iterator[Wanted]:
        start = b""
        begin = _MEMBERS[len(CATALOG) :]
        if after is not None and after > begin:
            if not after.startswith(begin):
                return
            start = codec.member_key("") + after[len(begin) :].partition(b"\0")[0]
        for _, cut in self._view.scan(codec.CUT_INDEX, codec.member_key(""), start):
            text = cut.decode("ascii")
            row = get_cut(self._view, text)
            if row is not None:
                yield from self._keyed(network.member_names(self._named, text, row), row.leaf)

    def _keyed(self, names: list[network.Named], leaf: int) -> Iterator[Wanted]:
        for path, rrsets in names:
            if rrsets:
                yield Wanted(self.key_of(path), as_held(rrsets), leaf)

    def key_of(self, path: str) -> bytes:
        """The key of a path below the apex."""
        below = path.lower().replace("/", "\0").encode("ascii") + b"\0"
        return self._territory.above + below[len(self._territory.below) :]

    def path_of(self, key: bytes) -> str:
        """The path of a name of this zone; empty if it does not lie below the suffix."""
        if not key.startswith(self._territory.above):
            return ""
        return self._territory.row_of_key(key).decode("ascii", "replace")

    def at(self, key: bytes) -> dict[int, RRset] | None:
        """What the network has at a name; empty if nothing may be there, None if it is free."""
        path = self.path_of(key) if self.is_root or self.is_catalog else ""
        found = network.wanted_at(self._view, self._named, path) if path else None
        return None if found is None else as_held(found)

    def is_glue(self, cut: bytes, key: bytes) -> bool:
        """Whether a name lies below a delegation that is a cut."""
        below = cut[len(self._territory.above) :]
        return self.is_root and key.startswith(cut) and is_prefix(below)

    def is_above(self, key: bytes) -> bool:
        """Whether the network has a name below a key."""
        if self.is_catalog:
            return _MEMBERS[len(CATALOG) :].startswith(key)
        above = self._territory.above
        if not self.is_root or not key.startswith(above):
            return self.is_root and above.startswith(key)
        if any(top.startswith(key[len(above) :]) for top in _TOPS):
            return True
        if key.startswith(above + _HOLDS):
            below = self.path_of(key).partition("/")[2].upper().encode("ascii", "replace")
            return next(self._view.scan(codec.HOLDS, below + b"/"), None) is not None
        if key.startswith((above + _MOVED, above + _MOVES)):
            prefix = self.path_of(key).partition("/")[2]
            moved = self._view.scan(codec.CUT_INDEX, codec.moving_key(f"{prefix}/", is_over=True))
            return cut_below(self._view, prefix) is not None or next(moved, None) is not None
        path = self.path_of(key)
        return bool(path) and path.isascii() and cut_below(self._view, path) is not None

    def has_changed(self, key: bytes, since: int) -> bool:
        """Whether what the network has around a name was changed with a leaf from one on."""
        path = self.path_of(key)
        if not self.is_root or not path.isascii():
            return False
        labels = path.split("/")
        if key.startswith(self._territory.above + _NODES):
            node = get_node(self._view, labels[1].lower()) if labels[1:] else None
            return node is not None and node.leaf >= since
        if key.startswith(self._territory.above + _OWNERS):
            owner = get_owner(self._view, labels[1].upper()) if labels[1:] else None
            return owner is not None and owner.leaf >= since
        if key.startswith(self._territory.above + _HOLDS):
            hold = get_hold(self._view, "/".join(labels[1:]).upper()) if labels[1:] else None
            return hold is not None and hold.leaf >= since
        if key.startswith((self._territory.above + _MOVED, self._territory.above + _MOVES)):
            labels = labels[1:]
        for end in range(1, min(len(labels), CUT_SEGMENTS) + 1):
            prefix = "/".join(labels[:end])
            row = get_cut(self._view, prefix) or get_past_cut(self._view, prefix)
            if row is not None and row.leaf >= since:
                return True
        return False

    def hides(self, below: bytes) -> bool:
        """Whether a zone that begins there (key below the suffix) would hide names of nodes, of the
        catalog, or of a cut.
        """
        if not self._is_national or not below or below == CATALOG:
            return False
        if below.startswith((*_TOPS, CATALOG)):
            return True
        path = below[:-1].decode("ascii", "replace").replace("\0", "/").upper()
        return path.isascii() and bool(cut_above(self._view, path) or cut_below(self._view, path))

    def surplus(self, key: bytes, is_delegated: bool, cut: bytes | None) -> bool:
        """Whether a name that the network does not have may not be there.

        Args:
            is_delegated: whether it has an NS.
            cut: the key of the delegation that it lies below, None if below none.
        """
        if self.is_catalog:
            return key.startswith(_MEMBERS[len(CATALOG) :])
        if not self.is_root or not key.startswith(self._territory.above):
            return False
        below = key[len(self._territory.above) :]
        if below.startswith(_TOPS):
            return True
        return (is_delegated and is_prefix(below)) or (
            cut is not None and is_prefix(cut[len(self._territory.above) :])
        )


def is_prefix(below: bytes) -> bool:
    """Whether a name is written as a prefix of identifiers, by its key below the suffix."""
    return below != b"" and begins_shaped(below)


def as_held(rrsets: RRsets) -> dict[int, RRset]:
    """RRsets as a zone holds them."""
    return {rrtype: RRset(network.TTL, list(rdatas)) for rrtype, rdatas in rrsets}
