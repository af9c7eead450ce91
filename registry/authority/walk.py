"""Judging the nodes of one zone against the rows of the registry, in one pass over both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import islice
from typing import Final, Generic, TypeVar

from csid import names
from csid.limits import MAX_KEY_OCTETS
from csid.protocol import DNAME, NS, SOA
from registry.authority.finding import Fault, Finding, difference, is_same
from registry.authority.network import Network, Wanted
from registry.authority.territory import Territory
from registry.tables import codec
from registry.tables.naming import Names
from registry.tables.registered import (
    SEGMENTS,
    begins_shaped,
    is_shaped,
    node_of,
    quick_node_of,
)
from registry.tables.rows import DEFAULT_TTL
from registry.tables.view import View
from registry.tables.zone_changes import NameChange, rrsets_of, said
from resolver.store import node
from resolver.store.extras import HOST_OFFSET, is_wildcard
from resolver.store.node import Extra, RRset

Node = tuple[bytes, bytes]  # key below the apex, blob
# The additional records of a name's RRsets, by its key below the apex.
Extras = Callable[[bytes, Mapping[int, RRset]], Mapping[int, Extra]]

T = TypeVar("T")
_TOPS: Final = node.CUT | node.REDIRECT
_END: Final = b"\xff" * (MAX_KEY_OCTETS + 1)  # behind all keys


class Walk:
    """One pass over the nodes of a zone, whole or in pieces, each at its own moment.

    Attributes:
        names: foreign names that have records: those that are not the registry's.
        wildcards: names that are wildcards.
        last: key of the node judged last, None before the first.
    """

    def __init__(
        self,
        named: Names,
        territory: Territory,
        since: int | None = None,
        updated: Iterable[NameChange] = (),
    ) -> None:
        """Begin.

        Args:
            since: leave out what the registry changed with this leaf of the log or a later one.
            updated: what became of foreign names since the zone was loaded, in order: they must be
                so, and count as they were.
        """
        self._named = named
        self._territory = territory
        self._tail = names.wire_of_key(territory.apex)  # in every node that names a host of it
        self._since = since
        self._network: Network
        self._hash = sha256()
        self._cover: tuple[bytes, int] | None = None  # key and cover of the topmost one around us
        self._is_cut = False  # whether that one delegates
        self._wildcards: dict[bytes, bytes] = {}  # name above the suffix -> what answers without it
        self._above: set[bytes] = set()  # names above the suffix that are there
        self._is_empty = False  # whether the node judged last is an empty non-terminal
        self._updated = iter(updated)
        self._next = next(self._updated, None)  # of these
        self._said = b""  # the records of the foreign name that is judged
        self.names = 0
        self.wildcards = 0
        self.last: bytes | None = None

    def enter(self, cover: tuple[bytes, int] | None, is_cut: bool) -> None:
        """Begin below a name that has this topmost cover, which may be a cut, and not at the
        apex.
        """
        self._cover, self._is_cut = cover, is_cut

    @property
    def digest(self) -> bytes:
        """SHA-256 of the foreign names so far, without what the registry wrote at them: for each
        that has records, in order, the octets of its key (2, big-endian), its key, and the node of
        its records (`resolver.store.node`) without flags, cover and additional records. The serial
        of the SOA is 0.
        """
        return self._hash.digest()

    def over(
        self, view: View, nodes: Iterable[Node], extras: Extras, most: int | None = None
    ) -> Iterator[Finding]:
        """Judge nodes.

        Args:
            nodes: of the zone, in order, from the one behind `last` on.
            extras: looks into the zone.
            most: nodes to be judged now; None is all, and then what is missing behind them.
        """
        network = self._network = Network(view, self._named, self._territory)
        if self.last is None and not self._territory.within:
            yield from self._within(view)
        theirs = _Ahead((one.key, one) for one in network.rows(self.last))
        rows = _Ahead(self._territory.rows(view, codec.ASSIGNMENTS, self.last))
        closed = _Ahead(self._territory.rows(view, codec.SUBTREES, self.last))
        for key, blob in nodes if most is None else islice(nodes, most):
            if rows.key < key:
                for row in rows.before(key):
                    yield from self._missing(*row)
            if closed.key < key:
                for row in closed.before(key):
                    yield from self._unclosed(view, *row)
            if theirs.key < key:
                for _, wanted in theirs.before(key):
                    yield from self._unnamed(wanted)
            yield from self._placed(key)
            self._said = b""
            if rows.key == key:
                yield from self._registered(key, blob, rows.take(), extras)
            elif theirs.key == key:
                yield from self._of_network(key, blob, theirs.take(), extras)
            else:
                target = self._target(view, key, closed.take()) if closed.key == key else b""
                yield from self._foreign(view, key, blob, target, extras)
            if self._next is not None and self._next.key <= key:
                yield from self._changed(key)
            elif self._said:
                self._count(key, self._said)
            self._is_empty = len(blob) == len(node.EMPTY)
            self.last = key
        if most is not None:
            return
        for row in rows.before(_END):
            yield from self._missing(*row)
        for row in closed.before(_END):
            yield from self._unclosed(view, *row)
        for _, wanted in theirs.before(_END):
            yield from self._unnamed(wanted)
        yield from self._placed(_END)
        self._said = b""
        yield from self._changed(_END)
        for name, wildcard in self._wildcards.items():
            if name not in self._above:
                yield self._finding(Fault.WILDCARD, wildcard)

    def _placed(self, key: bytes) -> Iterator[Finding]:
        """Go on to the next node; the one before it and the ones above it must be in place."""
        last = self.last
        if self._cover is not None and not key.startswith(self._cover[0]):
            self._cover = None
        if self._is_empty and last and not key.startswith(last):
            yield self._finding(Fault.NODE, last, "an empty node, for nothing")
        if key == _END:
            if last is None and not self._territory.within:
                yield self._finding(Fault.NODE, b"", "the zone has no nodes")
            return
        if key and not key.endswith(b"\0"):
            yield self._finding(Fault.NODE, key, "its key ends within a label")
        above = key[: key.rfind(b"\0", 0, -1) + 1]
        if key != self._territory.within if last is None else not last.startswith(above):
            yield self._finding(Fault.NODE, key, "there is no node above it")
        if key.endswith(b"*\0"):
            self.wildcards += is_wildcard(key)

    # -- names of the registry

    def _registered(
        self, key: bytes, blob: bytes, value: bytes, extras: Extras
    ) -> Iterator[Finding]:
        try:
            row = codec.decode_assignment(value)
            is_later = self._is_later(row.leaf)
            # Where it leads to a host of the zone, its additional records are to be looked at.
            is_plain = self._cover is None and key and self._tail not in blob.lower()
            if is_plain and quick_node_of(self._named, row) == blob:
                return
            wanted = {} if is_later else dict(node.rrsets_of(node_of(self._named, row)))
        except Exception as error:  # whatever damaged octets lead to
            yield self._finding(Fault.ROW, key, str(error))
            return
        held = rrsets_in(blob)
        is_covered = self._covers(key, held or {})
        if is_later:
            return
        if not key:
            yield self._finding(Fault.APEX, key)
        elif held is None:
            yield self._finding(Fault.NODE, key, "its octets are no node")
        elif is_covered:
            yield self._finding(Fault.COVERED, key, self._cover_text())
        elif not is_same(held, wanted):
            yield self._finding(Fault.CHANGED, key, *difference(held, wanted))
        elif node.encode(held, 0, extras(key, held)) != blob:
            yield self._finding(Fault.NODE, key, "its octets are not those of its records")

    def _missing(self, key: bytes, value: bytes) -> Iterator[Finding]:
        try:
            if self._is_later(codec.decode_assignment(value).leaf):
                return
        except Exception as error:  # as above
            yield self._finding(Fault.ROW, key, str(error))
            return
        if self._cover is not None and key.startswith(self._cover[0]):
            yield self._finding(Fault.COVERED, key, self._cover_text())
        else:
            yield self._finding(Fault.MISSING, key)

    # -- names of the network

    def _of_network(
        self, key: bytes, blob: bytes, wanted: Wanted, extras: Extras
    ) -> Iterator[Finding]:
        held = rrsets_in(blob)
        outer = self._cover
        self._covers(key, held or {})
        if self._is_later(wanted.leaf):
            return
        if held is None:
            yield self._finding(Fault.NODE, key, "its octets are no node")
        elif outer is not None and not (self._is_cut and self._network.is_glue(outer[0], key)):
            yield self._finding(Fault.COVERED, key, self._cover_text())
        elif not is_same(held, wanted.rrsets):
            yield self._finding(Fault.CHANGED, key, *difference(held, wanted.rrsets))
        else:
            cover = self._cover[1] if self._cover is not None else 0
            if node.encode(held, cover, extras(key, held)) != blob:
                yield self._finding(Fault.NODE, key, "its octets are not those of its records")

    def _unnamed(self, wanted: Wanted) -> Iterator[Finding]:
        if not self._is_later(wanted.leaf):
            yield self._finding(Fault.UNNAMED, wanted.key)

    def _is_later(self, leaf: int) -> bool:
        return self._since is not None and leaf >= self._since

    def _unclosed(self, view: View, key: bytes, value: bytes) -> Iterator[Finding]:
        """A prefix that was closed has no node."""
        if target := self._target(view, key, value):
            yield self._finding(Fault.CLOSED, key, "", f"DNAME {names.to_text(target)}")

    def _within(self, view: View) -> Iterator[Finding]:
        """A zone below a prefix whose names lead on by a DNAME."""
        for row, target in closed_above(view, self._named, self._territory):
            found = f"{row.decode('ascii', 'replace')} has become {names.to_text(target)}"
            yield self._finding(Fault.WITHIN, b"", found)
        if self._network.hides(self._territory.below):
            yield self._finding(Fault.HIDING, b"")

    def _target(self, view: View, key: bytes, value: bytes) -> bytes:
        """Where the DNAME of a closed prefix leads; empty if it has none, as identifiers were
        assigned below it, or if that is left out.
        """
        try:
            if self._is_later(codec.decode_redirect(value).leaf):
                return b""
        except Exception:  # a row that is damaged says nothing
            return b""
        return leads_to(view, self._named, self._territory.row_of_key(key), value)

    # -- other names

    def _foreign(
        self, view: View, key: bytes, blob: bytes, target: bytes, extras: Extras
    ) -> Iterator[Finding]:
        held = rrsets_in(blob)
        if held is None:
            self._hash.update(blob)
            yield self._finding(Fault.NODE, key, "its octets are no node")
            return
        self._covers(key, held)
        cover = self._cover[1] if self._cover is not None else 0
        if not held:
            made = bytes((0, cover))
        elif any(rrtype in HOST_OFFSET for rrtype in held):
            made = node.encode(held, cover, extras(key, held))
        else:
            made = node.encode(held, cover)
        if made != blob:
            yield self._finding(Fault.NODE, key, "its octets are not those of its records")
        if (SOA in held) != (not key) or (not key and NS not in held):
            yield self._finding(Fault.NODE, key, "an apex has SOA and NS, no other name has an SOA")
        if target:
            wanted = {DNAME: RRset(DEFAULT_TTL, [target])}
            redirect = held.pop(DNAME, None)
            if redirect is None or not is_same({DNAME: redirect}, wanted):
                yield self._finding(Fault.CLOSED, key, "", f"DNAME {names.to_text(target)}")
            elif self._cover is not None and self._is_cut:
                yield self._finding(Fault.CLOSED, key, f"is delegated away {self._cover_text()}")
        if key.startswith(self._territory.above):
            yield from self._below(view, key, held)
        elif not self._territory.is_empty:
            yield from self._above_suffix(key, held)
        if held:
            self._said = said(held)

    def _changed(self, key: bytes) -> Iterator[Finding]:
        """Names that were updated, up to the one that is judged: each must be as it was left, and
        counts as it was when the zone was loaded.
        """
        is_judged = False
        while (change := self._next) is not None and change.key <= key:
            is_judged = change.key == key
            held = self._said if is_judged else b""
            if held != change.after:
                yield self._finding(Fault.UPDATED, change.key, *_words(held, change.after))
            if change.before:
                self._count(change.key, change.before)
            self._next = next(self._updated, None)
        if self._said and not is_judged:
            self._count(key, self._said)

    def _count(self, key: bytes, records: bytes) -> None:
        self.names += 1
        self._hash.update(len(key).to_bytes(2, "big") + key + records)

    def _covers(self, key: bytes, held: Mapping[int, RRset]) -> bool:
        """Whether a delegation or DNAME stands at or above a name."""
        if self._cover is None and node.flags_of(held) & _TOPS:
            self._cover = (key, 1 + key.count(0))
            self._is_cut = bool(node.flags_of(held) & node.CUT)
        return self._cover is not None

    def _below(self, view: View, key: bytes, held: dict[int, RRset]) -> Iterator[Finding]:
        """What a foreign name below the suffix answers that the registry alone may answer. What a
        deeper zone hides answers nothing; what the registry once wrote there is left out.
        """
        if key == self._territory.above:
            self._above.add(key)
        if held and key:
            cut = self._cover[0] if self._cover is not None and self._is_cut else None
            is_below = cut is not None and cut != key
            if self._network.surplus(key, NS in held, cut if is_below else None):
                if self._since is not None and self._network.has_changed(key, self._since):
                    held.clear()  # it is carried over
                    return
                fault = Fault.SURPLUS if is_below or NS not in held else Fault.UNFILED
                yield self._finding(fault, key)
        below = self._territory.below + key[len(self._territory.above) :]
        depth = below.count(0)
        if not held or depth > SEGMENTS:
            return
        is_hidden = self._territory.is_hidden(key)
        if depth == SEGMENTS and is_shaped(below):
            if is_hidden and view.get(codec.ASSIGNMENTS, self._territory.row_of_key(key)):
                held.clear()
            elif not self._territory.is_empty:
                yield self._finding(Fault.UNASSIGNED, key)
        elif DNAME in held and begins_shaped(below):
            if is_hidden and view.get(codec.SUBTREES, self._territory.row_of_key(key)):
                del held[DNAME]
            elif not is_hidden:
                yield self._finding(Fault.REDIRECT, key)
        elif not is_hidden and is_wildcard(key) and begins_shaped(below[:-2]):
            yield self._finding(Fault.WILDCARD, key)

    def _above_suffix(self, key: bytes, held: Mapping[int, RRset]) -> Iterator[Finding]:
        """The same of a name that does not lie below the suffix, in a zone above it."""
        above = self._territory.above
        if above.startswith(key):
            self._above.add(key)
            if DNAME in held:
                yield self._finding(Fault.REDIRECT, key)
        elif held and is_wildcard(key) and above.startswith(key[:-2]):
            # It stands for what is not there, so the next name on the way to the suffix must be.
            self._wildcards[above[: above.index(b"\0", len(key) - 2) + 1]] = key

    # -- words

    def _cover_text(self) -> str:
        assert self._cover is not None
        return f"by what stands at {self._territory.name_of_key(self._cover[0])}"

    def _finding(self, fault: Fault, key: bytes, found: str = "", expected: str = "") -> Finding:
        return Finding(fault, key, self._territory.name_of_key(key), found, expected)


class _Ahead(Generic[T]):
    """Rows of a table in order, of which the next one's key can be seen."""

    __slots__ = ("_rows", "_value", "key")

    def __init__(self, rows: Iterator[tuple[bytes, T]]) -> None:
        self._rows = rows
        self.key = _END
        self._value: T
        for self.key, self._value in rows:
            break

    def take(self) -> T:
        """The next one's value; it is passed."""
        value = self._value
        for key, following in self._rows:
            if key > self.key:  # else its key is damaged
                self.key, self._value = key, following
                return value
        self.key = _END
        return value

    def before(self, key: bytes) -> Iterator[tuple[bytes, T]]:
        """Those whose keys come before a key."""
        while self.key < key:
            yield self.key, self.take()


def _words(held: bytes, wanted: bytes) -> tuple[str, str]:
    """How the records of two names differ, as `said` gives them."""
    found, expected = difference(rrsets_of(held), rrsets_of(wanted))
    return found or "records in another order", expected


def leads_to(view: View, named: Names, prefix: bytes, value: bytes) -> bytes:
    """Where the DNAME of a closed prefix leads, in wire form, by its row; empty if it has none, as
    identifiers were assigned below it, or the row is damaged.
    """
    if next(iter(view.scan(codec.ASSIGNMENTS, prefix + b"/")), None) is not None:
        return b""
    try:
        return named.target(codec.decode_redirect(value).new)
    except Exception:  # a row that is damaged says nothing
        return b""


def closed_above(view: View, named: Names, territory: Territory) -> list[tuple[bytes, bytes]]:
    """The closed prefixes above the apex of a zone whose names lead on by a DNAME, which the zone
    would hide: row and where it leads.
    """
    closed = ((row, view.get(codec.SUBTREES, row)) for row in territory.prefixes())
    found = ((row, leads_to(view, named, row, value)) for row, value in closed if value is not None)
    return [(row, target) for row, target in found if target]


def rrsets_in(blob: bytes) -> dict[int, RRset] | None:
    """The RRsets of a node; None if its octets are damaged."""
    try:
        return dict(node.rrsets_of(blob)) if len(blob) > len(node.EMPTY) else {}
    except Exception:  # whatever damaged octets lead to
        return None
