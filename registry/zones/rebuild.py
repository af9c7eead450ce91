"""A zone made anew from the registry: its registered names as the rows say, and of all others what
takes nothing away.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from heapq import merge
from operator import itemgetter
from typing import Final

from csid import names
from csid.errors import ZoneError
from csid.protocol import DNAME, NS, SOA
from registry.audit.store import leaf_key
from registry.authority import (
    Finding,
    Network,
    Territory,
    Walk,
    extras_from,
    extras_in,
    leads_to,
    rrsets_in,
)
from registry.tables import codec, log_entry
from registry.tables.naming import Names
from registry.tables.registered import SEGMENTS, begins_shaped, is_shaped, node_of
from registry.tables.resolution import is_own
from registry.tables.rows import DEFAULT_TTL
from registry.tables.transaction import AuditStore, TransactionView
from registry.zones import places
from registry.zones.asked import UPDATE, row_of
from registry.zones.first import DEFAULT_ADDRESS, first_servers, first_zone
from resolver.store import node
from resolver.store.build import ancestors, next_serial, with_serial
from resolver.store.extras import is_wildcard, names_hosts
from resolver.store.node import RRset
from resolver.store.read import Held, ReadTransaction

Node = tuple[bytes, bytes]
RRsets = dict[int, RRset]
Made = tuple[bytes, bytes | RRsets]

FINDINGS_KEPT: Final = 1_000
_TOPS: Final = node.CUT | node.REDIRECT


def origins(read: ReadTransaction, named: Names) -> list[bytes]:
    """The zones, in wire form, that have names below the suffix: those that are held, and those
    that were loaded and never dropped.
    """
    view = TransactionView(read)
    found = [
        apex
        for apex in places.apexes(read)
        if is_own(read, apex) and places.territory(read, named, apex)
    ]
    for key, _ in view.scan(codec.ZONES, b""):
        origin = key.decode("ascii", "replace")
        row = row_of(view, origin)
        if row is not None and row.held:
            apex = names.key_of(names.from_text(origin))
            if apex not in found and places.territory(read, named, apex):
                found.append(apex)
    return [names.wire_of_key(apex) for apex in sorted(found)]


class Remake:
    """One zone made anew, as of one moment.

    Attributes:
        origin: in wire form.
        findings: what is wrong with it as it is held, the first FINDINGS_KEPT of `found`.
        remarks: what could not be made as it was, in words.
        since: the moment, for `resolver.zonefile.load.write`.
    """

    def __init__(self, read: ReadTransaction, named: Names, origin: bytes) -> None:
        """Look at it.

        Raises:
            ZoneError: it has no names below the suffix, or was never loaded.
        """
        self.origin = origin
        self.remarks: list[str] = []
        self.findings: list[Finding] = []
        self.found = 0
        self._read = read
        self._view = TransactionView(read)
        self.since = self._view.leaves()
        self._named = named
        self._apex = names.key_of(origin)
        suffix = names.key_of(named.wire)
        if places.territory(read, named, self._apex) is None:
            raise ZoneError(
                names.to_text(origin), "has no names of the registry: load it from its zone file"
            )
        # A zone must not begin at an identifier. Where one does, its name is made here all the
        # same, so that it is there once that zone is dropped.
        others = places.apexes(read, self._apex)
        self._territory = Territory(
            named, self._apex, [one for one in others if not is_shaped(one[len(suffix) :])]
        )
        try:
            self._held: Held | None = read.zone(origin)
        except ZoneError:
            self._held = None
        self._theirs = Network(self._view, named, self._territory)
        self._foreign = self._kept()
        self._keys = sorted(self._foreign)

    def look(self) -> None:
        """Judge the zone as it is held."""
        if self._held is None:
            return
        territory = places.territory(self._read, self._named, self._apex)
        assert territory is not None
        walk = Walk(self._named, territory)
        extras = extras_in(self._read, self._apex, self._held.generation)
        nodes = self._read.nodes(self._held.generation)
        for finding in walk.over(self._view, nodes, extras):
            self.found += 1
            if len(self.findings) < FINDINGS_KEPT:
                self.findings.append(finding)

    # -- what stays

    def _kept(self) -> dict[bytes, RRsets]:
        """The foreign names with the records that they may have, and the apex."""
        kept: dict[bytes, RRsets] = {}
        hidden: dict[bytes, RRsets] = {}  # names of the registry in a deeper zone, held here too
        for key, blob in self._read.nodes(self._held.generation) if self._held else ():
            value = self._registered(key)
            if value is None and self._theirs.at(key) is not None:
                continue
            if value is not None:
                made = self._node_of(value) if self._territory.is_hidden(key) else None
                if made is not None:
                    hidden[key] = dict(node.rrsets_of(made))
            elif rrsets := rrsets_in(blob):
                kept[key] = rrsets
                if key:
                    rrsets.pop(SOA, None)
        for key in list(kept):
            self._take_out(kept, key)
        kept |= hidden
        for key, value in self._territory.rows(self._view, codec.SUBTREES):
            if target := self._target(key, value):
                kept[key] = kept.get(key, {}) | {DNAME: RRset(DEFAULT_TTL, [target])}
        if not {SOA, NS} <= kept.get(b"", {}).keys():
            kept |= self._apex_anew()
        return kept

    def _registered(self, key: bytes) -> bytes | None:
        """The row of a registered name."""
        if not key.startswith(self._territory.above):
            return None
        return self._view.get(codec.ASSIGNMENTS, self._territory.row_of_key(key))

    def _take_out(self, kept: dict[bytes, RRsets], key: bytes) -> None:
        """Take out of a foreign name what only the registry may answer, or what hides its names."""
        territory = self._territory
        rrsets = kept[key]
        for rrtype in (NS, DNAME):
            if rrtype in rrsets and (key or rrtype == DNAME) and self._has_below(key, rrtype):
                del rrsets[rrtype]
        if key.startswith(territory.above):
            below = territory.below + key[len(territory.above) :]
            is_hidden = territory.is_hidden(key)
            if begins_shaped(below) and not is_hidden:
                rrsets.pop(DNAME, None)
                if self._theirs.is_root and key:
                    rrsets.pop(NS, None)
            feigns = below.count(0) == SEGMENTS and is_shaped(below)
            stands = is_wildcard(key) and begins_shaped(below[:-2]) and not is_hidden
            if feigns or stands:
                rrsets.clear()
        elif territory.above.startswith(key):
            rrsets.pop(DNAME, None)
        elif is_wildcard(key) and territory.above.startswith(key[:-2]):
            end = territory.above.index(b"\0", len(key) - 2) + 1
            name = territory.above[:end]
            if not (self._has_below(name, DNAME) or any(one.startswith(name) for one in kept)):
                rrsets.clear()
        if not rrsets:
            del kept[key]

    def _has_below(self, key: bytes, rrtype: int) -> bool:
        """Whether the registry has something at or below a name of this zone that an NS or a DNAME
        there would hide.
        """
        territory = self._territory
        if not (key.startswith(territory.above) or territory.above.startswith(key)):
            return False
        if self._theirs.is_root and territory.above.startswith(key):
            return True
        within = Territory(
            self._named,
            self._apex,
            [self._apex + deeper for deeper in territory.deeper],
            key if key.startswith(territory.above) else b"",
        )
        if next(within.rows(self._view, codec.ASSIGNMENTS), None) is not None:
            return True
        closed = within.rows(self._view, codec.SUBTREES)
        return any(
            (one != key or rrtype == NS) and self._target(one, value) for one, value in closed
        )

    def _target(self, key: bytes, value: bytes) -> bytes:
        """Where a closed prefix leads; empty if it had identifiers, or its row is damaged."""
        return leads_to(self._view, self._named, self._territory.row_of_key(key), value)

    def _apex_anew(self) -> dict[bytes, RRsets]:
        """An apex for a zone that has none any more, as `csid init` makes it."""
        servers = first_servers(self.origin)
        zone = first_zone(self.origin, servers)
        apex = zone[self.origin]
        apex[SOA] = with_serial(apex[SOA], next_serial(self._last_serial()))
        self.remarks.append(
            "its SOA and NS records were lost; they are made as by csid init, with the name server "
            f"{names.to_text(*servers)} at {DEFAULT_ADDRESS}: dump the zone, set them, and load it"
        )
        skip = len(self._apex)
        return {names.key_of(owner)[skip:]: rrsets for owner, rrsets in zone.items()}

    def _last_serial(self) -> int:
        """The serial that the zone had, by the log: of its last load, or the last change since."""
        row = row_of(self._view, names.to_text(self.origin))
        log = AuditStore(self._read)
        for index in range(self._view.leaves() - 1, row.leaf if row else -1, -1):
            try:
                entry = log_entry.decode(log.get(leaf_key(index)) or b"")
            except ValueError:
                continue
            if entry.kind == UPDATE:  # on a zone, not on a name
                if entry.on == names.to_text(self.origin):
                    return entry.serial[0]
                continue
            for name, serial in zip((entry.on, entry.to), entry.serial, strict=False):
                if self._territory.key_of_name(name.encode("ascii", "replace")) is not None:
                    return serial
        return row.serial if row else 0

    # -- the zone

    def nodes(self) -> Iterator[Node]:
        """The nodes of the zone, in key order."""
        extras = extras_from(self._apex, self._node_at)
        cover: tuple[bytes, int] | None = None
        before: bytes | None = None
        for key, made in self._merged():
            if cover is not None and not key.startswith(cover[0]):
                cover = None
            if before is not None and not before.startswith(key[: key.rfind(b"\0", 0, -1) + 1]):
                for missing in _missing(key, before):
                    yield missing, bytes((0, cover[1] if cover else 0))
            before = key
            rrsets = made if isinstance(made, dict) else None
            if rrsets is None:
                blob = made
                assert isinstance(blob, bytes)
                if cover is None and not names_hosts(blob):
                    yield key, blob
                    continue
                rrsets = dict(node.rrsets_of(blob))
            if cover is None and node.flags_of(rrsets) & _TOPS:
                cover = (key, 1 + key.count(0))
            yield key, node.encode(rrsets, cover[1] if cover else 0, extras(key, rrsets))

    def _merged(self) -> Iterator[Made]:
        """Foreign names, those of the registry and those of the network in one order."""
        foreign: Iterator[Made] = ((key, self._foreign[key]) for key in self._keys)
        theirs: Iterator[Made] = ((one.key, one.rrsets) for one in self._theirs.rows())
        yield from merge(foreign, theirs, self._assigned(), key=itemgetter(0))

    def _assigned(self) -> Iterator[Made]:
        for key, value in self._territory.rows(self._view, codec.ASSIGNMENTS):
            if (blob := self._node_of(value)) is not None:
                yield key, blob

    def _node_of(self, value: bytes) -> bytes | None:
        try:
            return node_of(self._named, codec.decode_assignment(value))
        except Exception:  # whatever damaged octets lead to: there is nothing to make it from
            return None

    def _node_at(self, key: bytes) -> bytes | None:
        """The node at a key of the zone that is made, without cover and additional records."""
        if key in self._foreign:
            return node.encode(self._foreign[key])
        if found := self._theirs.at(key):
            return node.encode(found)
        at = bisect_left(self._keys, key)
        is_above = at < len(self._keys) and self._keys[at].startswith(key)
        if (value := self._registered(key)) is not None:
            return self._node_of(value)
        if key.startswith(self._territory.above):
            row = self._territory.row_of_key(key)
            below = self._view.scan(codec.ASSIGNMENTS, row + b"/" if row else b"")
            is_above = is_above or next(below, None) is not None
        is_above = is_above or self._theirs.is_above(key)
        return node.EMPTY if is_above else None


def _missing(key: bytes, before: bytes) -> list[bytes]:
    """The names above a key that are not at or above the key before it, topmost first."""
    missing = []
    for above in ancestors(key):
        if before.startswith(above):
            break
        missing.append(above)
    return missing[::-1]
