"""Digests of whole zones (ZONEMD, RFC 8976): scheme SIMPLE with SHA-384 and SHA-512.

A digest is for one content under one serial. It is made while nobody changes the zone, and the
first change that does not bring another one takes it out (`ZoneUpdate.finish`): no digest is better
than a wrong one, which makes secondaries refuse the zone.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from csid import names
from csid.errors import ZoneError
from csid.protocol import RRSIG, SOA, ZONEMD
from resolver.store import node
from resolver.store.apexes import split_zone_entry
from resolver.store.difference import serial_in, with_serial
from resolver.store.node import RRset
from resolver.store.write import WriteTransaction
from resolver.sync.settings import follow_of, where
from resolver.zonefile.canonical import FOLDED, folded

SIMPLE: Final = 1
SHA384: Final = 1
SHA512: Final = 2
HASHES: Final[Mapping[int, Callable[[], Any]]] = {SHA384: hashlib.sha384, SHA512: hashlib.sha512}
VERIFIED_AT_ONCE: Final = 5_000  # names, inside a transaction
HASH_NAMES: Final = {"sha384": SHA384, "sha512": SHA512}
DEFAULT_HASH: Final = "sha384"
_HEAD: Final = struct.Struct(">IBB")  # serial, scheme, hash
_COVERED: Final = ZONEMD.to_bytes(2, "big")  # how an RRSIG of it begins
_ONE_RECORD: Final = b"\0\1"  # number of records in an entry

ABSENT: Final = "absent"
GOOD: Final = "good"
UNKNOWN: Final = "unknown"  # of schemes and hashes that are not known here
WRONG: Final = "wrong"

Nodes = Iterable[tuple[bytes, bytes]]  # key below the apex and blob, in key order


class Verdict(NamedTuple):
    """What a zone's digest says of it."""

    outcome: str
    reason: str = ""  # in words, if it is wrong


class Hasher:
    """The digests of a zone, made name by name in the order of their keys.

    Args:
        apex: canonical key of the apex.
        hashes: those wanted, of `HASHES`.
    """

    def __init__(self, apex: bytes, hashes: Collection[int]) -> None:
        self._apex = apex
        self._origin = names.wire_of_key(apex)
        self._hashers = {one: HASHES[one]() for one in hashes}
        self._updates = [hasher.update for hasher in self._hashers.values()]

    def add(self, key: bytes, blob: bytes) -> None:
        """Add a name: its key below the apex, and its node."""
        if len(blob) <= len(node.EMPTY):
            return
        owner = names.wire_of_key(key)[:-1] + self._origin
        if key and blob[4:6] == _ONE_RECORD and node.next_entry(blob, 2) == len(blob):
            rrtype = (blob[2] << 8) + blob[3]
            if rrtype not in FOLDED:  # as nearly all of a big zone: taken as it stands
                record = owner + node.records_at(blob, 2)[2:]
                for update in self._updates:
                    update(record)
                return
        for record in _records(owner, blob, is_apex=not key):
            for update in self._updates:
                update(record)

    def digests(self) -> dict[int, bytes]:
        """The digests, by hash."""
        return {one: hasher.digest() for one, hasher in self._hashers.items()}


def _records(owner: bytes, blob: bytes, is_apex: bool) -> Iterable[bytes]:
    """The records of a name that go into the digest, in canonical form and order (RFC 8976
    section 3.3.1).
    """
    for rrtype, (ttl, rdatas) in node.rrsets_of(blob):
        if is_apex and rrtype == ZONEMD:
            continue
        for rdata in sorted({folded(rrtype, rdata) for rdata in rdatas}):
            if rrtype == RRSIG:
                if is_apex and rdata.startswith(_COVERED):
                    continue
                # Each has the TTL of what it signs, which it repeats (RFC 4034 section 3.1.4).
                ttl = int.from_bytes(rdata[4:8], "big")
            yield node.rr(owner, rrtype, ttl, rdata)


def make(
    apex: bytes, nodes: Nodes, hashes: Collection[int], serial: int | None = None
) -> RRset | None:
    """The ZONEMD RRset of a zone; None if the zone has no SOA.

    Args:
        apex: canonical key of the apex.
        nodes: all of the zone.
        hashes: of `HASHES`, a record each.
        serial: that the zone is to have; None is that of its SOA.
    """
    hasher = Hasher(apex, hashes)
    ttl = held = None
    for key, blob in nodes:
        if not key:
            soa = dict(node.rrsets_of(blob)).get(SOA)
            if soa is None:
                return None
            ttl = soa.ttl  # section 2: that of the SOA
            held = serial_in(blob) if serial is None else serial
            blob = with_serial(blob, held)
        hasher.add(key, blob)
    if ttl is None or held is None:
        return None
    digests = sorted(hasher.digests().items())
    return RRset(ttl, [_HEAD.pack(held, SIMPLE, one) + digest for one, digest in digests])


def verify(apex: bytes, nodes: Nodes) -> Verdict:
    """Whether a zone is what its ZONEMD records say (RFC 8976 section 4); reads it once.

    Args:
        apex: canonical key of the apex.
        nodes: all of the zone; only the first is looked at if that has no digest.
    """
    hasher: Hasher | None = None
    wanted: dict[int, bytes] = {}
    for key, blob in nodes:
        if not key:
            verdict, wanted = _wanted(blob)
            if verdict is not None:
                return verdict
            hasher = Hasher(apex, wanted)
        if hasher is None:
            return Verdict(WRONG, "the zone has no apex")
        hasher.add(key, blob)
    if hasher is None:
        return Verdict(ABSENT)
    for one, digest in hasher.digests().items():
        if hmac.compare_digest(digest, wanted[one]):
            return Verdict(GOOD)
    shown = ", ".join(name.upper() for name, one in HASH_NAMES.items() if one in wanted)
    return Verdict(WRONG, f"its records have another digest than its ZONEMD says ({shown})")


def _wanted(apex: bytes) -> tuple[Verdict | None, dict[int, bytes]]:
    """What the node of an apex says of digests: a verdict at once, or digests by hash."""
    rrset = dict(node.rrsets_of(apex)).get(ZONEMD)
    if rrset is None:
        return Verdict(ABSENT), {}
    serial = serial_in(apex)
    seen: set[bytes] = set()  # scheme and hash; twice the same is for nothing (section 4)
    twice: set[bytes] = set()
    known: dict[int, bytes] = {}
    serials = []
    for rdata in rrset.rdatas:
        if len(rdata) < _HEAD.size:
            return Verdict(WRONG, "its ZONEMD is malformed"), {}
        of, scheme, hashed = _HEAD.unpack_from(rdata)
        kind = rdata[4:6]
        if kind in seen:
            twice.add(kind)
        seen.add(kind)
        serials.append(of)
        if of == serial and scheme == SIMPLE and hashed in HASHES:
            known[hashed] = rdata[_HEAD.size :]
    for kind in twice:
        known.pop(kind[1], None)
    if known:
        return None, known
    if serial not in serials:
        said = ", ".join(map(str, sorted(serials)))
        return Verdict(WRONG, f"its ZONEMD is for serial {said}, the zone has {serial}"), {}
    if twice:
        return Verdict(WRONG, "it has two ZONEMD records of one scheme and hash"), {}
    return Verdict(UNKNOWN), {}


def examine(origin: bytes, nodes: Nodes) -> None:
    """Look at a zone that was transferred, before it is published: an `Examine` of intake.py.

    Args:
        origin: the apex, in wire form.

    Raises:
        ZoneError: its digest says that it is another zone. One without a digest, or with digests
            that nobody here knows, is taken.
    """
    verdict = verify(names.key_of(origin), nodes)
    if verdict.outcome == WRONG:
        raise ZoneError(
            names.to_text(origin),
            f"{verdict.reason}; the primary has to make the ZONEMD anew (RFC 8976)",
        )


class DigestWatch:
    """Looks at zones after a transfer of what has changed in them: a `Watch` of fetch.py. What has
    no right digest then is transferred as a whole, and looked at once more by `examine`.

    Zones of more than VERIFIED_AT_ONCE names are not looked at, as others would have to wait until
    they are.
    """

    def changed(self, txn: WriteTransaction, apex: bytes, keys: Collection[bytes]) -> None:
        """Raises ZoneError if the digest is wrong."""
        follow = follow_of(txn, apex)
        entry = txn.table(b"apexes").get(where(apex))
        if entry is None or (follow is not None and not follow.zonemd):
            return
        generation = split_zone_entry(entry).generation
        tree = txn.table(b"tree")
        if not node.find_entry(tree.get(generation) or node.EMPTY, ZONEMD):
            return
        rows = list(islice(tree.scan(generation), VERIFIED_AT_ONCE + 1))
        if len(rows) <= VERIFIED_AT_ONCE:
            skip = len(generation)
            examine(names.wire_of_key(apex), ((key[skip:], blob) for key, blob in rows))

    def replaced(self, txn: WriteTransaction, apex: bytes) -> None:
        """It was looked at before."""

    def dropped(self, txn: WriteTransaction, apex: bytes) -> None:
        """There is nothing to look at."""
