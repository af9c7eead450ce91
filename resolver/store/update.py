"""Changing a zone inside a write transaction: the one way for single names, however many.

What is changed is written at once, without what depends on other names. `finish` works that out:
nodes of empty non-terminals, covers below cuts and DNAMEs that came or went, additional records of
changed names and of those that lead to changed hosts, the count of wildcards, journal and serial.
The tree is then, node by node, what `store/build.py` makes of the same records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from csid import names
from csid.errors import StoreError, ZoneError
from csid.limits import MAX_NAME_KEY_OCTETS, NODES_PER_COMMIT
from csid.protocol import CNAME, NS, SOA, ZONEMD
from resolver.store import covers, node, refresh
from resolver.store.apexes import ZoneEntry, zone_entry
from resolver.store.build import BESIDE_CNAME, SINGLE, ancestors, check_caps, next_serial
from resolver.store.difference import had, is_same, serial_in, with_serial
from resolver.store.extras import leads_inside
from resolver.store.journal import Journal
from resolver.store.node import RRset
from resolver.store.pointers import Pointers
from resolver.store.seek import APEX_PREFIX
from resolver.store.table import Table
from resolver.store.tree import Tree
from resolver.sync import feed

# What `put` did.
ADDED: Final = 0
CHANGED: Final = 1
UNCHANGED: Final = 2


class ZoneUpdate:
    """One zone inside a write transaction, changed name by name; keys are those below its apex.

    `finish` must be called after the last change. If anything raises, the transaction must be
    undone; what `put` and `set` raise themselves, before they write, leaves the zone as it was.

    Attributes:
        apex: canonical key of the apex.
        generation: of the tree that is changed.
    """

    def __init__(
        self,
        txn: Any,
        databases: Mapping[bytes, Any],
        origin: bytes,
        entry: ZoneEntry,
        is_served: bool = True,
        serial: int | None = None,
        now: int = 0,
    ) -> None:
        """The zone at `origin` (wire form) that `entry` tells of; with ``is_served`` False a
        generation that is still to be published, whose journal and entry are
        `WriteTransaction.publish`'s, and whose serial stays or is ``serial``. ``now`` is noted in
        the journal, in Unix seconds.
        """
        self.apex = names.key_of(origin)
        self.generation = entry.generation
        self._entry = entry
        self._is_served = is_served
        self._wanted = serial
        self._now = now
        self._txn = txn
        self._databases = databases
        self._tree = Tree(txn, databases[b"tree"], entry.generation, entry.wildcards)
        self._add = self._tree.add
        self._tail = origin.lower()
        self._covers: dict[bytes, int] = {}  # what is known to exist here: key -> cover
        self._before: dict[bytes, bytes | None] = {}  # the nodes that changed names had
        self._written: set[bytes] = set()  # of these, who may lead to hosts, may have led, or may
        self._unsettled: set[bytes] = set()  # be as before; here also, on whom others may depend
        self._moved: set[bytes] = set()  # empty non-terminals that came, nodes that went
        self._stale: set[bytes] = set()  # names whose extras depend on a cover that changed
        self._apex: bytes | None = None  # the node of the apex as it was, if it is written
        self._spent = 0  # nodes and pointers looked at for the sake of others

    # -- reading

    @property
    def wildcards(self) -> int:
        """How many names are wildcards."""
        return self._tree.wildcards

    def blob(self, key: bytes) -> bytes | None:
        """The node at a key, or None. Covers and additional records may be those of before."""
        return self._tree.get(key)

    def rrsets(self, key: bytes) -> dict[int, RRset]:
        """What a name has, by type."""
        blob = self._tree.get(key)
        return dict(node.rrsets_of(blob)) if blob is not None else {}

    def below(self, key: bytes) -> Iterator[bytes]:
        """The keys of the nodes behind a key that begin with it, in order; they may be written in
        the meantime.
        """
        return (found for found, _ in self._tree.below(key))

    def touched(self) -> Collection[bytes]:
        """The names that were changed so far, or written as they were."""
        return self._before.keys()

    def serial(self) -> int:
        """The zone's serial as it stands."""
        return self._serial_in(self._apex or self._tree.get(b""))

    def next_serial(self) -> int:
        """The serial that `finish` will give if anything has changed and it is told no other."""
        return self._after(self.serial())

    def _after(self, serial: int) -> int:
        if not self._is_served:
            return serial if self._wanted is None else self._wanted
        return next_serial(serial)

    def _serial_in(self, apex: bytes | None) -> int:
        try:
            return serial_in(apex or b"")
        except ValueError as error:
            raise StoreError(f"the zone {self._text(b'')}: {error}; load it again") from None

    # -- changing

    def set(self, key: bytes, rrsets: Mapping[int, RRset]) -> None:
        """Give a name these RRsets in place of all it has; none takes the name away.

        Raises:
            ZoneError: more than a message could carry, an alias beside other records, or an apex
                without SOA and NS.
            DomainNameError: the name is too long for the store.
        """
        self._check(key, rrsets)
        self._write(key, rrsets)

    def put(self, key: bytes, blob: bytes) -> int:
        """Give a name a ready node in place of all it has: the quick way.

        Args:
            blob: no flags, no cover, no extras, and no addresses (A, AAAA).

        Returns:
            ADDED if the name had no records, CHANGED or UNCHANGED.

        Raises:
            ZoneError: the name is the apex or an alias, or a delegation or DNAME stands at or above
                it.
        """
        if self._unsettled:
            self._settle()
        above = key[: key.rfind(b"\0", 0, -1) + 1]
        if self._covers.get(above, 1):
            cover, missing = self._nearest(key)
            if cover:
                raise ZoneError(self._text(key), "lies at or below a delegation or a DNAME")
            self._add_empty(missing, 0)
        if self._add(key, blob):
            self._before.setdefault(key, None)
            if leads_inside(self._tail, blob):
                self._written.add(key)
            return ADDED
        old = self._tree.get(key)
        assert old is not None
        if old[1] or old[0]:
            raise ZoneError(self._text(key), f"is {_kind(old)}, which has no other records")
        return self._exchange(key, old, blob)

    def exchange(self, key: bytes, old: bytes, blob: bytes) -> int:
        """`put` in place of the node that is known to be there, which has neither flags nor cover:
        what is above the name is known by that.
        """
        if self._unsettled:
            return self.put(key, blob)
        return self._exchange(key, old, blob)

    def _exchange(self, key: bytes, old: bytes, blob: bytes) -> int:
        if old == blob or node.bare(old) == blob:
            return UNCHANGED
        self._tree.put(key, blob)
        if key in self._before or leads_inside(self._tail, old) or leads_inside(self._tail, blob):
            self._written.add(key)
        self._before.setdefault(key, had(old))
        return CHANGED if len(old) > len(node.EMPTY) else ADDED

    def add(self, key: bytes, rrtype: int, rrset: RRset) -> None:
        """Add records to those a name has; the TTL is from now on that of all of the type
        (RFC 2181 section 5.2). Records are the same if their data is, octet by octet.
        """
        rrsets = self.rrsets(key)
        known = rrsets[rrtype].rdatas if rrtype in rrsets else ()
        fresh = [rdata for rdata in rrset.rdatas if rdata not in known]
        rrsets[rrtype] = RRset(rrset.ttl, [*known, *dict.fromkeys(fresh)])
        self._write(key, rrsets)

    def remove(
        self, key: bytes, rrtype: int | None = None, rdatas: Collection[bytes] | None = None
    ) -> None:
        """Take records away: all of a name, those of a type, or some of a type; what is not there
        is not missed.
        """
        rrsets = {} if rrtype is None else self.rrsets(key)
        if rrtype is not None and rrtype in rrsets:
            ttl, held = rrsets.pop(rrtype)
            kept = [rdata for rdata in held if rdatas is not None and rdata not in rdatas]
            if kept:
                rrsets[rrtype] = RRset(ttl, kept)
        self._write(key, rrsets)

    def _write(self, key: bytes, rrsets: Mapping[int, RRset]) -> None:
        """Write a name's records under the cover it has; `_settle` sees to what follows."""
        check_caps(self.apex + key, rrsets)
        old = self._tree.get(key)
        if old is None:
            if not rrsets:
                return
            if len(self.apex) + len(key) > MAX_NAME_KEY_OCTETS:
                names.checked_key(names.wire_of_key(self.apex + key))
            cover, missing = self._nearest(key)
            self._add_empty(missing, cover)
            self._tree.add(key, node.encode(rrsets, cover))
        else:
            blob = node.encode(rrsets, old[1])
            if blob == old:
                return
            self._tree.put(key, blob)
        if not key and self._apex is None:
            self._apex = old
        self._before.setdefault(key, had(old))
        self._unsettled.add(key)

    def _nearest(self, key: bytes) -> tuple[int, list[bytes]]:
        """The cover of the nearest ancestor of a name that has a node, and the keys of those
        between the two, which have none.
        """
        missing = []
        for ancestor in ancestors(key):
            known = self._covers.get(ancestor)
            if known is None:
                blob = self._tree.get(ancestor)
                if blob is None:
                    missing.append(ancestor)
                    continue
                known = self._covers[ancestor] = blob[1]
            return known, missing
        return 0, missing

    def _add_empty(self, keys: Sequence[bytes], cover: int) -> None:
        """Give nodes to empty non-terminals (RFC 4592 section 2.2.2), the deepest first in `keys`;
        they are written in the order of the tree.
        """
        for key in reversed(keys):
            self._tree.add(key, bytes((0, cover)))
            self._covers[key] = cover
            self._moved.add(key)

    # -- what follows

    def _settle(self) -> None:
        """Let existence and covers be what the names written by now make them."""
        keys, self._unsettled = self._unsettled, set()
        for key in keys:
            self._check(key, self.rrsets(key))
        self._written |= keys
        gone = covers.prune(self._tree, keys)
        self._moved |= gone
        self._stale |= covers.cover(self._tree, keys, self._spend)
        self._covers.clear()

    def _spend(self, cause: bytes) -> None:
        """Count a name that is looked at because another one changed."""
        self._spent += 1
        if self._spent > NODES_PER_COMMIT:
            raise ZoneError(
                self._text(cause),
                f"has more than {NODES_PER_COMMIT:,} names below it or leading to it, which a "
                "change here would change as well; load the whole zone instead",
            )

    def _check(self, key: bytes, rrsets: Mapping[int, RRset]) -> None:
        """May a name have these RRsets?"""
        if CNAME in rrsets and not BESIDE_CNAME.issuperset(rrsets):
            raise ZoneError(
                self._text(key), "is an alias (CNAME), which has no other records (RFC 1034 3.6.2)"
            )
        for rrtype, name in SINGLE.items():
            if rrtype in rrsets and len(rrsets[rrtype].rdatas) != 1:
                raise ZoneError(self._text(key), f"has two {name} records; it may have one")
        if not key and not (SOA in rrsets and NS in rrsets):
            raise ZoneError(self._text(key), "is the apex and needs its SOA and NS records")
        if key and SOA in rrsets:
            raise ZoneError(self._text(key), "lies below the apex and may have no SOA")

    def finish(self, serial: int | None = None, always: bool = False) -> int:
        """Work out all that follows from the changes, and give the zone its new serial.

        Args:
            serial: the new serial; None is one more.
            always: give a new serial though nothing differs.

        Returns:
            The serial that now holds; the old one if nothing differs.

        Raises:
            ZoneError: too much depends on what was changed; the transaction must be undone.
        """
        changes = self._changes()
        if serial is None and self._has_old_digest(changes, always):
            self.remove(b"", ZONEMD)
            changes = self._changes()
        apex = self._tree.get(b"")
        assert apex is not None
        before = self._serial_in(self._apex or apex)
        after = before
        if changes or always or self._wanted is not None or serial not in (None, before):
            after = self._after(before) if serial is None else serial
        if self._apex is not None or after != before:
            self._tree.put(b"", with_serial(apex, after))
        if self._is_served:
            self._note(before, after, changes, always)
        self._before = {}
        self._apex = None
        return after

    def _changes(self) -> Mapping[bytes, bytes | None]:
        """The names that differ from before, once all follows from them."""
        self._follow()
        for key in self._written:
            if is_same(key, self._before[key], self._tree.get(key)):
                del self._before[key]
        if self._written or self._moved:
            self._written, self._moved, self._stale = set(), set(), set()
        return self._before

    def _has_old_digest(self, changes: Mapping[bytes, bytes | None], always: bool) -> bool:
        """Whether the apex has a ZONEMD (RFC 8976) that was made for what the zone was before."""
        apex = self._tree.get(b"") or b""
        at = node.find_entry(apex, ZONEMD)
        if not at:
            return False
        before = self._serial_in(self._apex or apex)
        if not (changes or always or self._wanted not in (None, before)):
            return False
        digest = node.first_rdata(node.records_at(apex, at))
        is_made_for = int.from_bytes(digest[:4], "big")
        return is_made_for != self._after(before) or any(changes)

    def _follow(self) -> None:
        if self._unsettled:
            self._settle()
        if not self._before:
            return
        tree, wild = self._tree, bool(self._entry.wildcards or self._tree.wildcards)
        pointers = Pointers(Table(self._txn, self._databases[b"pointers"]), self.generation)
        if self._written:
            refresh.point(tree, pointers, self.apex, self._before, self._written)
        stale = refresh.dependents(tree, pointers, self._before, self._moved, wild, self._spend)
        if self._written or self._stale:
            stale |= self._written | self._stale
        if stale:
            refresh.refresh(tree, self.apex, stale)

    def _note(
        self, before: int, after: int, changes: Mapping[bytes, bytes | None], always: bool
    ) -> None:
        entry = self._entry._replace(wildcards=self._tree.wildcards)
        if entry != self._entry:
            self._txn.put(APEX_PREFIX + self.apex, zone_entry(entry), db=self._databases[b"apexes"])
            self._entry = entry
        if changes or always or after != before:
            journal = Journal(Table(self._txn, self._databases[b"journal"]), entry.journal)
            journal.record(before, after, changes, self._now)
        if after != before:
            feed.note(self._txn, self._databases, self.apex, after)

    def _text(self, key: bytes) -> str:
        return names.to_text(names.wire_of_key(self.apex + key))


def _kind(blob: bytes) -> str:
    if blob[0] & node.APEX:
        return "the apex of its zone"
    return "an alias (CNAME)" if blob[0] & node.ALIAS else "a delegation or a DNAME"
