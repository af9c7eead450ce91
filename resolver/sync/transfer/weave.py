"""From the records of a transfer to the nodes of a tree, in passing.

As long as names come in canonical order, as most servers send them, each name's node is ready as
soon as the next name begins: what is above it is known, so empty non-terminals and covers are made
here. Additional records of names that lead to other names need the whole zone, and are added later
(`WriteTransaction.complete`). The nodes are those that `store/build.py` makes.

What other servers would serve is taken: duplicates count once, TTLs that differ become the least
(RFC 2181 section 5.2). What the store cannot represent is refused.
"""

from __future__ import annotations

from typing import Final

from csid import names
from csid.errors import ZoneError
from csid.limits import MAX_RRSET_OCTETS, MAX_RRSET_RECORDS, MAX_TYPES_PER_NAME
from csid.protocol import AAAA, CNAME, DNAME, NS, SOA, A
from resolver.store import node
from resolver.store.build import BESIDE_CNAME, RECORD_OCTETS, SINGLE, Node, depth_of, missing_above
from resolver.store.extras import extras_of, hosts_in, is_wildcard, leads_inside, names_hosts
from resolver.store.held import RRsets
from resolver.store.node import RRset
from resolver.sync.transfer.unpack import Piece, Pieces
from resolver.zonefile.canonical import folded

_TOPS: Final = node.CUT | node.REDIRECT
_HELD_OCTETS: Final = 100  # that a node takes in memory beside its octets


class Types:
    """The records of one name, while more of them come."""

    def __init__(self) -> None:
        self._ttls: dict[int, int] = {}
        self._datas: dict[int, dict[bytes, bytes]] = {}  # by type, by folded data
        self._octets: dict[int, int] = {}

    def add(self, where: bytes, blob: bytes) -> None:
        """Add the records of a node; `where` is the name's key.

        Raises:
            ZoneError: they cannot all be at one name.
        """
        for rrtype, (ttl, rdatas) in node.rrsets_of(blob):
            datas = self._datas.get(rrtype)
            if datas is None:
                if len(self._datas) >= MAX_TYPES_PER_NAME:
                    raise ZoneError(
                        _text(where), f"has more than {MAX_TYPES_PER_NAME} types of records"
                    )
                datas = self._datas[rrtype] = {}
                self._ttls[rrtype] = ttl
                self._octets[rrtype] = 0
            self._ttls[rrtype] = min(self._ttls[rrtype], ttl)
            for rdata in rdatas:
                compared = folded(rrtype, rdata)
                if compared not in datas:
                    datas[compared] = rdata
                    self._octets[rrtype] += RECORD_OCTETS + len(rdata)
            if len(datas) > 1 and rrtype in SINGLE:
                raise ZoneError(_text(where), f"has two {SINGLE[rrtype]} records; it may have one")
            if len(datas) > MAX_RRSET_RECORDS or self._octets[rrtype] > MAX_RRSET_OCTETS:
                raise ZoneError(
                    _text(where),
                    f"has more records of type {rrtype} than fit an answer: at most "
                    f"{MAX_RRSET_RECORDS} of {MAX_RRSET_OCTETS} octets do",
                )
        if CNAME in self._datas and not BESIDE_CNAME.issuperset(self._datas):
            raise ZoneError(
                _text(where), "is an alias (CNAME), which has no other records (RFC 1034 3.6.2)"
            )

    def blob(self) -> bytes:
        """The node they make."""
        ttls = self._ttls
        return node.encode(
            {
                rrtype: RRset(ttls[rrtype], list(datas.values()))
                for rrtype, datas in self._datas.items()
            }
        )


class Weaver:
    """The nodes of a zone whose names come in order.

    Attributes:
        ready: nodes that are finished, in order; whoever takes them clears it by `taken`.
        octets: that these hold in memory, about.
        wildcards: how many names so far are wildcards.
        apex: the node of the apex; empty if it did not come.
    """

    def __init__(self, apex: bytes) -> None:
        self.apex = b""
        self.ready: list[Node] = []
        self.octets = 0
        self.wildcards = 0
        self._top = apex
        self._tail = names.wire_of_key(apex)
        self._key = b""  # of the name whose records come at the moment
        self._blob = b""  # its node; empty: there is none
        self._types: Types | None = None  # what it has in place of the node, if it is several
        self._before = b""  # the last name that is finished
        self._covers: list[tuple[bytes, int]] = []  # the topmost cover that we are inside of

    def add(self, given: Pieces) -> int:
        """Take records; how many pieces were taken. Fewer than all: the next one is of a name that
        is not behind the last.

        Raises:
            ZoneError: what comes cannot be held.
        """
        pieces, odd, octets = given
        number, size = 0, len(pieces)
        for turn in range(len(odd)):
            number = odd[turn]
            end = odd[turn + 1] if turn + 1 < len(odd) else size
            if not self._take(pieces[number]):
                return number
            number += 1
            if number < end:
                self.close()
            while number < end and self._covers:
                self._take(pieces[number])
                number += 1
            if number < end:  # nothing is to be said of them but that they are there
                self.close()
                self.ready += pieces[number : end - 1]
                if end - number > 1:
                    self._before = pieces[end - 2][0]
                self._key, self._blob = pieces[end - 1]
        self.octets += octets + _HELD_OCTETS * size
        return size

    def _take(self, piece: Piece) -> bool:
        """Take a piece, unless its name is not behind the last."""
        key, blob = piece
        if self._blob:
            if key == self._key:
                self._join(blob)
                return True
            if key < self._key:
                return False
            self.close()
        self._key = key
        self._blob = blob
        covers = self._covers
        while covers and not key.startswith(covers[-1][0]):
            covers.pop()
        return True

    def taken(self) -> list[Node]:
        """The nodes that are ready; they are the caller's."""
        ready = self.ready
        self.ready = []
        self.octets = 0
        return ready

    def _join(self, blob: bytes) -> None:
        where = self._top + self._key
        types = self._types
        if types is None:
            types = self._types = Types()
            types.add(where, self._blob)
        types.add(where, blob)

    def close(self) -> None:
        """Finish the name whose records came last."""
        blob = self._blob
        if not blob:
            return
        if self._types is not None:
            blob = self._types.blob()
            self._types = None
        self._blob = b""
        key = self._key
        covers = self._covers
        cover = covers[-1][1] if covers else 0
        if not self._before.startswith(key[: key.rfind(b"\0", 0, -1) + 1]):
            for missing in missing_above(key, self._before):
                self.ready.append((missing, bytes((0, cover))))
                self.octets += _HELD_OCTETS + len(missing)
                if is_wildcard(missing):
                    self.wildcards += 1
        self._before = key
        if not covers and blob[0] & _TOPS:
            cover = 1 + depth_of(key)
            covers.append((key, cover))
        if leads_inside(self._tail, blob) or (_has_address(blob) and names_hosts(blob)):
            blob = self._with_own(key, blob, cover)
        if cover:
            blob = node.with_cover(blob, cover)
        if not key:
            self.apex = blob
        elif key.endswith(b"*\0") and is_wildcard(key):
            self.wildcards += 1
        self.ready.append((key, blob))

    def _with_own(self, key: bytes, blob: bytes, cover: int) -> bytes:
        """The node with the additional records it needs nothing else for."""
        if hosts_in(self._top, key, blob):
            return blob  # which `complete` sees to
        rrsets = dict(node.rrsets_of(blob))
        alone = _Alone(self._top, key, rrsets, cover)
        return node.encode(rrsets, 0, extras_of(self._top, self._top + key, rrsets, alone))


class _Alone:
    """A zone as `extras_of` looks into it for a name that leads to itself only."""

    def __init__(self, apex: bytes, key: bytes, rrsets: RRsets, cover: int) -> None:
        self._key = apex + key
        self._rrsets = rrsets
        # Where what covers the name stands, if that is not the name.
        self._covering: int = cover - 1 + depth_of(apex) if cover else -1

    def rrsets(self, key: bytes, /) -> RRsets | None:
        if key == self._key:
            return self._rrsets
        return {DNAME: RRset(0, ())} if depth_of(key) == self._covering else None

    def encloses(self, key: bytes, /) -> bool:
        return self._key.startswith(key)


def _has_address(blob: bytes) -> bool:
    """Whether a name may lead to itself, as the owner of a service, and so need its own records."""
    return node.find_entry(blob, A) != 0 or node.find_entry(blob, AAAA) != 0


def check_apex(origin: bytes, blob: bytes) -> None:
    """Refuse the node of an apex without SOA or NS (RFC 1035 section 5.2).

    Raises:
        ZoneError: one is missing.
    """
    for rrtype, name in ((SOA, "SOA"), (NS, "NS")):
        if not node.find_entry(blob, rrtype):
            raise ZoneError(names.to_text(origin), f"comes without {name} at its apex")


def _text(key: bytes) -> str:
    return names.to_text(names.wire_of_key(key))
