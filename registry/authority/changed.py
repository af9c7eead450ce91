"""Judging single names that somebody else than the registry changes in a zone that is held, by the
rules that hold for a whole zone (`registry.authority`), without going through it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from csid import names
from csid.protocol import DNAME, NS
from registry.authority.finding import Fault, Finding, is_same
from registry.authority.network import Network
from registry.authority.territory import Territory
from registry.authority.walk import leads_to
from registry.tables import codec
from registry.tables.naming import Names
from registry.tables.registered import SEGMENTS, begins_shaped, is_shaped
from registry.tables.rows import DEFAULT_TTL
from registry.tables.view import View
from resolver.store.extras import is_wildcard
from resolver.store.node import RRset

RRsets = Mapping[int, RRset]

ROWS_PASSED: Final = 1_000  # rows and zones looked at below one name; beyond, it is refused


class Changed:
    """Judges names of one zone.

    Attributes:
        territory: of the zone, as if no other was held below it.
    """

    def __init__(
        self, view: View, named: Names, apex: bytes, zone_of: Callable[[bytes], bytes | None]
    ) -> None:
        """Of the zone at an apex.

        Args:
            apex: canonical key, at or below the suffix or above it.
            zone_of: the canonical key of the deepest apex held at or above a canonical key.
        """
        self._view = view
        self._named = named
        self._suffix = names.key_of(named.wire)
        self._zone_of = zone_of
        self.territory = Territory(named, apex, ())
        self._network = Network(view, named, self.territory)

    @property
    def is_empty(self) -> bool:
        """Whether other zones answer for all names below the suffix."""
        apex = self.territory.apex
        if len(apex) >= len(self._suffix):
            return False
        return self._zone_of(self._suffix) != apex

    def foreign(self, key: bytes, rrsets: RRsets) -> RRsets:
        """The records of a name without what the registry wrote there: the DNAME of a closed
        prefix.
        """
        if DNAME in rrsets and self._target(key):
            return {rrtype: rrset for rrtype, rrset in rrsets.items() if rrtype != DNAME}
        return rrsets

    def findings(self, key: bytes, before: RRsets, after: RRsets) -> Iterator[Finding]:
        """What a change of one name would do that it must not."""
        territory = self.territory
        wanted = self._network.at(key)
        if wanted is not None:
            yield self._finding(Fault.CHANGED if wanted else Fault.SURPLUS, key)
            return
        if NS in after and key and self._network.surplus(key, True, None):
            yield self._finding(Fault.UNFILED, key)
            return
        if key.startswith(territory.above):
            below = territory.below + key[len(territory.above) :]
            if below.count(0) == SEGMENTS and is_shaped(below):
                row = territory.row_of_key(key)
                is_known = self._view.get(codec.ASSIGNMENTS, row) is not None
                yield self._finding(Fault.CHANGED if is_known else Fault.UNASSIGNED, key)
                return
            if target := self._target(key):
                wanted = {DNAME: RRset(DEFAULT_TTL, [target])}
                held = {rrtype: after[rrtype] for rrtype in (DNAME,) if rrtype in after}
                if not is_same(held, wanted) or (key and NS in after):
                    yield self._finding(Fault.CLOSED, key, "", f"DNAME {names.to_text(target)}")
                    return
            elif (DNAME in before or DNAME in after) and begins_shaped(below):
                yield self._finding(Fault.REDIRECT, key)
                return
            is_ours = self._zone_of(territory.apex + key) == territory.apex
            if after and is_ours and is_wildcard(key) and begins_shaped(below[:-2]):
                yield self._finding(Fault.WILDCARD, key)
        elif DNAME in after and territory.above.startswith(key) and not self.is_empty:
            yield self._finding(Fault.REDIRECT, key)
        for rrtype in (NS, DNAME):
            is_new = rrtype in after and rrtype not in before and (key or rrtype == DNAME)
            if is_new and self._hides(key, rrtype):
                yield self._finding(Fault.COVERED, key, "names at or below it are the registry's")
                return

    def standing(self, blob: Callable[[bytes], bytes | None]) -> Iterator[Finding]:
        """Wildcards above the suffix that answer for it, as the name below them that is on the way
        to it is not there.

        Args:
            blob: the node at a key of the zone.
        """
        above = self.territory.above
        if not above or self.is_empty:
            return
        at = 0
        while at < len(above):
            wildcard = above[:at] + b"*\0"
            at = above.index(b"\0", at) + 1
            node = blob(wildcard)
            if node is not None and len(node) > 2 and blob(above[:at]) is None:
                yield self._finding(Fault.WILDCARD, wildcard)

    def _target(self, key: bytes) -> bytes:
        """Where the DNAME of a closed prefix leads; empty if the name is none that has one."""
        if not key.startswith(self.territory.above):
            return b""
        row = self.territory.row_of_key(key)
        value = self._view.get(codec.SUBTREES, row)
        if value is None or self._zone_of(self.territory.apex + key) != self.territory.apex:
            return b""
        return leads_to(self._view, self._named, row, value)

    def _hides(self, key: bytes, rrtype: int) -> bool:
        """Whether an NS or a DNAME at a name would hide one of the registry's in this zone."""
        above = self.territory.above
        if not (key.startswith(above) or above.startswith(key)):
            return False
        prefix = self.territory.row_of_key(key) if key.startswith(above) else b""
        if rrtype == NS and self._target(key):
            return True
        return self._is_any(codec.ASSIGNMENTS, prefix) or self._is_any(codec.SUBTREES, prefix)

    def _is_any(self, table: str, prefix: bytes) -> bool:
        """Whether the registry has a name in this zone by a row below a prefix; also if there is
        too much to be passed over, so that nobody knows.
        """
        within = prefix + b"/" if prefix else b""
        start = within
        for _ in range(ROWS_PASSED):
            row, value = next(iter(self._view.scan(table, within, start)), (b"", b""))
            if not row:
                return False
            zone = self._zone_of(self._suffix + row.lower().replace(b"/", b"\0") + b"\0")
            if zone == self.territory.apex:
                if table == codec.ASSIGNMENTS or leads_to(self._view, self._named, row, value):
                    return True
                start = row + b"\0"
            elif zone is None or len(zone) <= len(self._suffix):
                return False  # it has them all
            else:
                deeper = zone[len(self._suffix) : -1].replace(b"\0", b"/").upper()
                start = deeper + b"0"  # what comes next after the separator
        return True

    def _finding(self, fault: Fault, key: bytes, found: str = "", expected: str = "") -> Finding:
        return Finding(fault, key, self.territory.name_of_key(key), found, expected)
