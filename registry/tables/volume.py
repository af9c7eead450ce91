"""What a batch of decisions is written into: the tables, the tree and the log in one transaction,
or, for a dry run, in memory over a transaction that only reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol

from csid import names
from csid.errors import ZoneError
from registry.tables import codec, granted
from registry.tables.changes import Row, TreeChange, TreeKind
from registry.tables.naming import Names
from registry.tables.overlay import Overlay
from registry.tables.resolution import Reach, ResolutionTree, Txn, is_own
from registry.tables.transaction import TransactionView, append_leaves
from registry.tables.view import View
from resolver.store.read import ReadTransaction
from resolver.store.update import ZoneUpdate
from resolver.store.write import WriteTransaction

# Of what was only tried this may matter to what comes later; the rest is of one identifier each.
_KEPT: Final = (codec.COUNTS, codec.OWNERS, codec.SETTINGS, codec.FILINGS)


class Site(NamedTuple):
    """Where the names of a place lie."""

    apex: bytes  # key of their zone
    below: bytes  # key of the place, below the apex


class Volume(View, Protocol):
    """A view that shows what was written so far.

    Attributes:
        first: how many leaves the log had before.
        fresh: those that are to be appended; whoever decides adds them.
    """

    first: int
    fresh: list[bytes]

    @property
    def txn(self) -> Txn:
        """What it is written into, or laid over."""
        ...

    def fault(self, change: TreeChange) -> str:
        """Why a change of the tree cannot be made, empty if it can."""
        ...

    def adder(self, table: str) -> Callable[[bytes, bytes], bool]:
        """What writes a row of a table (key, value) unless there is one, and returns whether there
        was none.
        """
        ...

    def put(self, table: str, key: bytes, value: bytes | None) -> None:
        """Write a row, or take it away."""
        ...

    def keep(self, changes: Iterable[TreeChange]) -> None:
        """Take over changes of the tree, for `finish`."""
        ...

    def own_zone(self, key: bytes) -> bytes | None:
        """The canonical key of the apex of the zone of this node's own around a name; None if it
        lies in none.
        """
        ...

    def site(self, place: str) -> Site | None:
        """Where the names of a place lie; None if no one zone holds them all."""
        ...

    def next_serial(self, apex: bytes) -> int:
        """The serial that a zone gets by what is decided now."""
        ...

    def plant(self, site: Site, spec: str, blob: bytes) -> None:
        """Give a name of a place its node in place of all it has.

        Raises:
            ZoneError: something stands there that no record can stand beside; nothing was changed.
        """
        ...

    def found(self, origin: bytes, nodes: list[tuple[bytes, bytes]]) -> None:
        """Make a small zone (origin in wire form, nodes in order) one that is held here."""
        ...

    def finish(self) -> None:
        """Write what was kept."""
        ...


def _own_zone(txn: Txn, key: bytes) -> bytes | None:
    zone = txn.snapshot.zone_of(key)
    return zone.apex if zone is not None and is_own(txn, zone.apex) else None


def _site(txn: Txn, key: bytes) -> Site | None:
    zone = txn.snapshot.zone_of(key)
    _, _, following = txn.snapshot.floor(key)
    if zone is None or following.startswith(key) or not is_own(txn, zone.apex):
        return None
    return Site(zone.apex, key[len(zone.apex) :])


class WrittenVolume(TransactionView):
    """A write transaction. Rows and new nodes are written at once, the rest by `finish`."""

    def __init__(self, txn: WriteTransaction, suffix: str) -> None:
        super().__init__(txn)
        self.first = super().leaves()
        self.fresh: list[bytes] = []
        self._writing = txn
        self._named = Names(suffix)
        self._tree = ResolutionTree(txn, suffix)
        self._zones: dict[bytes, ZoneUpdate] = {}
        self._has_new_nodes = False  # in the register of the network

    @property
    def txn(self) -> WriteTransaction:
        """What it is written into."""
        return self._writing

    def leaves(self) -> int:
        """The leaves of the log and those to be appended."""
        return self.first + len(self.fresh)

    def leaf(self, index: int, /) -> bytes | None:
        """The data of a leaf, of one that is to be appended, too."""
        return super().leaf(index) if index < self.first else self.fresh[index - self.first]

    def adder(self, table: str) -> Callable[[bytes, bytes], bool]:
        """What writes a row of a table unless there is one."""
        return self._tables[table].adder()

    def put(self, table: str, key: bytes, value: bytes | None) -> None:
        """Write a row, or take it away."""
        self._has_new_nodes = self._has_new_nodes or table == codec.NODES
        if value is None:
            self._tables[table].delete(key)
        else:
            self._tables[table].put(key, value)

    def fault(self, change: TreeChange) -> str:
        """Why a change of the tree cannot be made, empty if it can."""
        return self._tree.fault(change)

    def keep(self, changes: Iterable[TreeChange]) -> None:
        """Take over changes of the tree, for `finish`."""
        self._tree.keep(changes)

    def own_zone(self, key: bytes) -> bytes | None:
        """The apex of the zone of this node's own around a name."""
        return _own_zone(self._writing, key)

    def site(self, place: str) -> Site | None:
        """Where the names of a place lie; None if no one zone holds them all."""
        return _site(self._writing, self._named.key(place))

    def _zone(self, apex: bytes) -> ZoneUpdate:
        zone = self._zones.get(apex)
        if zone is None:
            zone = self._zones[apex] = self._tree.update_at(apex)
        return zone

    def next_serial(self, apex: bytes) -> int:
        """The serial that a zone gets by what is decided now."""
        return self._zone(apex).next_serial()

    def plant(self, site: Site, spec: str, blob: bytes) -> None:
        """Give a name of a place its node."""
        zone = self._zones.get(site.apex) or self._zone(site.apex)
        zone.put(site.below + spec.lower().encode("ascii") + b"\0", blob)

    def found(self, origin: bytes, nodes: list[tuple[bytes, bytes]]) -> None:
        """Make a small zone one that is held here."""
        self._writing.replace_zone(origin, nodes)

    def finish(self) -> None:
        """Append the leaves and write the names, with journal and serial.

        Raises:
            AuditError: the audit log is damaged: nothing may be committed.
            ZoneError: a name cannot be held.
        """
        append_leaves(self._writing, self.fresh, self.leaves())
        self._tree.write()
        if self._has_new_nodes:
            granted.settle(self._writing, self, self._named)


class TriedVolume(Overlay):
    """A dry run: what would be written is laid over a transaction that only reads. Of what an
    earlier one was given, that much is `before` as may matter to others.
    """

    def __init__(
        self, read: ReadTransaction, suffix: str, before: TriedVolume | None = None
    ) -> None:
        base = TransactionView(read)
        super().__init__(base)
        self.first = base.leaves() if before is None else before.leaves()
        self.fresh: list[bytes] = []
        self._read = read
        self._named = Names(suffix)
        self._reach = Reach(read, self._named)
        self._founded: set[bytes] = set()  # canonical keys of apexes
        if before is not None:
            self.adopt(before, _KEPT)
            self._founded = before._founded

    @property
    def txn(self) -> ReadTransaction:
        """What it is laid over."""
        return self._read

    def leaves(self) -> int:
        """The leaves of the log and those that would be appended."""
        return self.first + len(self.fresh)

    def adder(self, table: str) -> Callable[[bytes, bytes], bool]:
        """What lays a row of a table over unless there is one."""

        def add(key: bytes, value: bytes) -> bool:
            if self.get(table, key) is not None:
                return False
            self.put(table, key, value)
            return True

        return add

    def fault(self, change: TreeChange) -> str:
        """Why a change of the tree could not be made, empty if it could."""
        return "" if self._around(self._named.key(change.name)) else self._reach.fault(change)

    def _around(self, key: bytes) -> bytes | None:
        """The apex of the zone around a name that would be made by now."""
        at = key.find(b"\0", len(names.key_of(self._named.wire)))
        while at >= 0:
            if key[: at + 1] in self._founded:
                return key[: at + 1]
            at = key.find(b"\0", at + 1)
        return None

    def keep(self, changes: Iterable[TreeChange]) -> None:
        """Nothing: each name comes once."""

    def own_zone(self, key: bytes) -> bytes | None:
        """The apex of the zone of this node's own around a name, that it would have by now."""
        return self._around(key) or _own_zone(self._read, key)

    def site(self, place: str) -> Site | None:
        """Where the names of a place lie; None if no one zone holds them all."""
        key = self._named.key(place)
        apex = self._around(key) if self._founded else None
        return _site(self._read, key) if apex is None else Site(apex, key[len(apex) :])

    def next_serial(self, apex: bytes) -> int:
        """The serial that a zone would get."""
        return 0

    def plant(self, site: Site, spec: str, blob: bytes) -> None:
        """Nothing, if the name could be held."""
        key = site.apex + site.below
        place = b"/".join(key.split(b"\0")[-5:-1]).decode("ascii")
        if reason := self.fault(TreeChange(TreeKind.RECORD, f"{place}/{spec}")):
            raise ZoneError(names.to_text(names.wire_of_key(key)), reason)

    def found(self, origin: bytes, nodes: list[tuple[bytes, bytes]]) -> None:
        """Take names below it for held."""
        self._founded.add(names.key_of(origin))

    def finish(self) -> None:
        """Nothing: what was tried is not kept."""


def write_all(volume: Volume, rows: Iterable[Row]) -> None:
    """Write rows, or take them away."""
    for table, key, value in rows:
        volume.put(table, key, value)
