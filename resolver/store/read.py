"""Reading the store in order: its zones, and the nodes of each. Lookups of single names are
`resolver.answer.lookup`; this is for listings, dumps and transfers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from csid import names
from csid.errors import StoreError, ZoneError
from csid.protocol import SOA
from resolver.answer.lookup import Snapshot
from resolver.store import difference, node
from resolver.store.apexes import GENERATION_OCTETS, SERVED, ZoneEntry, split_zone_entry
from resolver.store.build import serial_of
from resolver.store.difference import Difference
from resolver.store.journal import Journal
from resolver.store.seek import APEX_PREFIX
from resolver.store.table import EMPTY, Table
from resolver.store.tree import Tree


class Held(NamedTuple):
    """A zone that the store holds."""

    apex: bytes  # canonical key
    generation: bytes
    wildcards: int  # names of it that are wildcards
    journal: bytes  # what the keys of its journal begin with
    flags: int = SERVED  # resolver.store.apexes: else it is held and not served

    @property
    def origin(self) -> bytes:
        """The apex in wire form."""
        return names.wire_of_key(self.apex)


class Summary(NamedTuple):
    """How large a zone is, and its serial."""

    serial: int
    names: int  # that have records
    octets: int  # of keys and nodes


class ReadTransaction:
    """One moment of the store; see `resolver.store.environment.Store.read`.

    Attributes:
        snapshot: the same moment, for lookups.
    """

    def __init__(self, txn: Any, databases: Mapping[bytes, Any], snapshot: Snapshot) -> None:
        self._txn = txn
        self._databases = databases
        self._tree = databases[b"tree"]
        self._apexes = databases[b"apexes"]
        self._tables: dict[bytes, Table] = {}
        self.snapshot = snapshot

    @property
    def number(self) -> int:
        """The number of the last transaction that was committed before this moment."""
        return int(self._txn.id())

    def zones(self, prefix: bytes = b"") -> Iterator[Held]:
        """The zones whose apex key begins with `prefix`, in canonical order."""
        for key, value in _range(self._txn.cursor(self._apexes), APEX_PREFIX + prefix):
            apex = key[len(APEX_PREFIX) :]
            yield Held(apex, *_entry(apex, value))

    def zone(self, origin: bytes) -> Held:
        """The zone whose apex is `origin` (wire form).

        Raises:
            ZoneError: it is not held here.
        """
        apex = names.key_of(origin)
        entry = self._txn.get(APEX_PREFIX + apex, db=self._apexes)
        if entry is None:
            raise ZoneError(names.to_text(origin), "no zone with this apex is held here")
        return Held(apex, *_entry(apex, entry))

    def nodes(self, generation: bytes, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """(key below the apex, blob) of a zone's nodes whose key begins with `prefix`, in order."""
        for key, blob in _range(self._txn.cursor(self._tree), generation + prefix):
            yield key[GENERATION_OCTETS:], blob

    def stored_nodes(self, generation: bytes) -> Iterator[tuple[bytes, bytes]]:
        """(generation + key below the apex, blob) of a zone's nodes, in order, and then what else
        the tree holds: the quickest way through a zone, whose end the caller looks for.
        """
        cursor = self._txn.cursor(self._tree)
        nodes: Iterator[tuple[bytes, bytes]] = iter(cursor if cursor.set_range(generation) else ())
        return nodes

    def tree(self, generation: bytes) -> Tree:
        """The nodes of a zone, to look at one by one."""
        return Tree(self._txn, self._tree, generation, 0)

    def rows(self, zone: Held) -> Iterator[tuple[bytes, int, int, bytes]]:
        """(owner in wire form, type, TTL in seconds, data in wire form) of a zone's records."""
        for key, blob in self.nodes(zone.generation):
            owner = names.wire_of_key(zone.apex + key)
            for rrtype, (ttl, rdatas) in node.rrsets_of(blob):
                for rdata in rdatas:
                    yield owner, rrtype, ttl, rdata

    def summary(self, zone: Held) -> Summary:
        """How large a zone is; walks all of it."""
        serial = count = octets = 0
        for key, blob in self.nodes(zone.generation):
            if not key:
                serial = serial_of(dict(node.rrsets_of(blob))[SOA])
            count += len(blob) > len(node.EMPTY)
            octets += len(zone.generation) + len(key) + len(blob)
        return Summary(serial, count, octets)

    def journal(self, zone: Held) -> Journal:
        """The journal of a zone."""
        return Journal(self.table(b"journal"), zone.journal)

    def difference(self, zone: Held, generation: bytes) -> Difference:
        """What a zone holds that a generation does not which is to take its place, for
        `WriteTransaction.publish`; walks both.
        """
        nodes = difference.difference(self.nodes(zone.generation), self.nodes(generation))
        return Difference(zone.generation, self.journal(zone).following, nodes)

    def table(self, name: bytes) -> Table:
        """A table that `Store.open_tables` was told of; one that was never made is empty."""
        table = self._tables.get(name)
        if table is None:
            database = self._databases.get(name)
            table = EMPTY if database is None else Table(self._txn, database)
            self._tables[name] = table
        return table


def _entry(apex: bytes, value: bytes) -> ZoneEntry:
    try:
        return split_zone_entry(value)
    except LookupError as error:
        raise StoreError(f"{names.to_text(names.wire_of_key(apex))}: {error}") from None


def _range(cursor: Any, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The entries whose key begins with `prefix`."""
    if not cursor.set_range(prefix):
        return
    for key, value in cursor:
        if not key.startswith(prefix):
            return
        yield key, value
