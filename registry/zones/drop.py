"""Zones that are served no longer: what of the registry would not resolve any more."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import islice
from typing import Final

from csid import names
from registry.authority import Fault, Finding, Network, Territory, Walk, extras_in
from registry.rules.lifecycle import LIVE
from registry.tables import codec
from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from registry.tables.view import View
from registry.zones import places
from registry.zones.keeper import Begun
from registry.zones.small import SAID_MAX
from resolver.store import node
from resolver.store.read import Held, ReadTransaction

NAMES_PER_SLICE: Final = 500
# What is found of registered names that do not resolve any more as they should.
_LOST: Final = frozenset({Fault.MISSING, Fault.CHANGED, Fault.COVERED})


class Dropping:
    """One zone that is to be dropped, looked at in pieces.

    Attributes:
        begun: when that was begun.
        followed: why it is not this node's to drop; empty if it is.
        live, ended: identifiers that resolve in it and would not resolve any more.
        findings: what the zone above would answer then that it must not, a few at most.
        is_looked_at: whether all is counted.
    """

    def __init__(self, read: ReadTransaction, named: Names, origin: bytes) -> None:
        """Begin.

        Raises:
            ZoneError: no such zone is held.
        """
        held = read.zone(origin)
        seen = TransactionView(read)
        territory = places.territory(read, named, held.apex)
        self.origin = origin
        self.followed = places.followed(read, held.apex)
        self.begun = Begun(seen.leaves(), territory)
        theirs = Network(seen, named, territory) if territory is not None else None
        self._is_networks = theirs is not None and (theirs.is_root or theirs.is_catalog)
        self.live = self.ended = 0
        self.findings: list[Finding] = []
        is_theirs = self._is_networks or bool(self.followed)
        self.is_looked_at = territory is None or is_theirs
        self._last: bytes | None = None  # the name looked at last
        self._above: Held | None = None
        above = places.encloser(read, held.apex)
        if above is not None and territory is not None:
            self._above = read.zone(names.wire_of_key(above))
            others = [apex for apex in places.apexes(read, above) if apex != held.apex]
            suffix = names.key_of(named.wire)
            # Of a zone above the suffix nothing is kept as long as others answer for all below it.
            is_heir = len(above) < len(suffix)
            within = b"" if is_heir else held.apex[len(above) :]
            self._territory = Territory(named, above, others, within)
            self._walk = Walk(named, self._territory)
            self._walk.enter(*_cover(read, self._above, within))

    def look_on(self, read: ReadTransaction, seconds: float) -> None:
        """Go on for so long, a part of the names at least."""
        until = time.monotonic() + seconds
        while not self.is_looked_at:
            if self._above is None:
                self._count(read)
            else:
                self._look_above(read, self._above)
            if time.monotonic() >= until:
                return

    def _count(self, read: ReadTransaction) -> None:
        """Go on where no zone stands above: no name of the registry resolves any more."""
        assert self.begun.territory is not None
        rows = self.begun.territory.rows(TransactionView(read), codec.ASSIGNMENTS, self._last)
        part = list(islice(rows, NAMES_PER_SLICE))
        for _, value in part:
            self._count_one(value)
        self.is_looked_at = len(part) < NAMES_PER_SLICE
        if part:
            self._last = part[-1][0]

    def _look_above(self, read: ReadTransaction, above: Held) -> None:
        """Go on in the zone that stands above, which will answer for the names then."""
        seen = TransactionView(read)
        prefix = above.generation + self._territory.within
        start = prefix if self._last is None else above.generation + self._last + b"\0"
        nodes = read.table(b"tree").scan(prefix, start)
        part = [
            (key[len(above.generation) :], blob) for key, blob in islice(nodes, NAMES_PER_SLICE)
        ]
        self.is_looked_at = len(part) < NAMES_PER_SLICE
        extras = extras_in(read, above.apex, above.generation)
        most = None if self.is_looked_at else len(part)
        for finding in self._walk.over(seen, part, extras, most):
            if finding.fault in _LOST:
                row = self._territory.row_of_key(finding.key)
                self._count_one(seen.get(codec.ASSIGNMENTS, row) or b"")
            elif len(self.findings) < SAID_MAX:
                self.findings.append(finding)
        if part:
            self._last = part[-1][0]
        if self.is_looked_at and not self._territory.within:
            heir = (above.origin, self._walk.names, self._walk.digest)
            self.begun = replace(self.begun, heir=heir)

    def _count_one(self, value: bytes) -> None:
        try:
            is_live = codec.decode_assignment(value).state in LIVE
        except Exception:  # whatever damaged octets lead to: it may live
            is_live = True
        self.live += is_live
        self.ended += not is_live

    @property
    def fault(self) -> str:
        """Why it may not be dropped, empty if it may."""
        if self.followed:
            return self.followed
        if self._is_networks:
            return "is the root zone or the catalog of the network, which this node keeps"
        if self.live:
            return (
                f"{self.live:,} live identifiers resolve in it and would not resolve any more "
                f"({self.ended:,} ended ones besides); retire or transfer them first, or load a "
                f"zone above that has them"
            )
        if self.ended and self._above is not None:
            return (
                f"{self.ended:,} ended identifiers resolve in it, and the zone "
                f"{names.to_text(self._above.origin)} would say that they never were; load that "
                "zone with them first"
            )
        return "; ".join(one.advice for one in self.findings)

    @property
    def loss(self) -> str:
        """What does not resolve any more once it is dropped, in words; empty if nothing."""
        return f"{self.ended:,} ended identifiers do not resolve any more" if self.ended else ""

    def is_outdated(self, seen: View, written: list[str]) -> bool:
        """Whether one of the names that were written since is an identifier that lies in it."""
        territory = self.begun.territory
        rows = [name.encode("ascii", "replace") for name in written]
        return territory is not None and any(
            territory.key_of_name(row) is not None and seen.get(codec.ASSIGNMENTS, row) is not None
            for row in rows
        )


def _cover(read: ReadTransaction, zone: Held, key: bytes) -> tuple[tuple[bytes, int] | None, bool]:
    """The topmost cover around a name of a zone: its key and cover, and whether it is a cut."""
    tree = read.table(b"tree")
    end = 0
    while end < len(key):
        blob = tree.get(zone.generation + key[:end])
        if blob and blob[1:2] > b"\0":
            return (key[:end], blob[1]), bool(blob[0] & node.CUT)
        end = key.index(b"\0", end) + 1
    return None, False
