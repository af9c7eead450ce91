"""Records of a whole zone put together and checked: what may be served, or the reason why not.

Data below a cut or below a DNAME is accepted: it is occluded, and the lookup does not serve it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from csid import names
from csid.errors import DomainNameError, ZoneError
from csid.limits import MAX_NAME_KEY_OCTETS, MAX_RRSET_OCTETS, MAX_RRSET_RECORDS, MAX_TYPES_PER_NAME
from csid.protocol import CNAME, NS, RRSIG, SOA
from resolver.store import node
from resolver.store.build import BESIDE_CNAME, RECORD_OCTETS, SINGLE
from resolver.store.held import Held, HeldZone, RRsets, unpacked
from resolver.store.node import RRset
from resolver.zonefile import reader
from resolver.zonefile.canonical import folded
from resolver.zonefile.reader import Record

TOLD_EVERY: Final = 4_096  # records between two calls of `told`


@dataclass(slots=True)
class Zone:
    """A zone that passed the checks.

    Attributes:
        origin: lower-case wire name of the apex.
        rrsets: by lower-case owner (wire), by type. Record data keeps its case, has no duplicates
            and stands in the order of the file.
        warnings: what was put right while reading, each with "file:line".
    """

    origin: bytes
    rrsets: Mapping[bytes, RRsets] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def read_zone(path: Path, origin: bytes | None = None) -> Zone:
    """Read and check one zone; arguments and errors as of `reader.read_file`."""
    warnings: list[str] = []
    return collect(reader.read_file(path, origin, warnings), str(path), warnings=warnings)


def collect(
    records: Iterable[Record],
    source: str,
    told: Callable[[int], None] = lambda number: None,
    warnings: list[str] | None = None,
) -> Zone:
    """The zone that `records` make; its origin is the owner of the SOA.

    Args:
        told: is called now and then with the number of records read.
        warnings: those of the zone, which reading the records may add to.

    Raises:
        ZoneError: no SOA or two, no NS at the apex, a record outside the zone, an alias beside
            other data, or more in one place than an answer can carry. `where` is "file:line", or
            `source` if something is missing.
    """
    collector = _Collector([] if warnings is None else warnings)
    for number, record in enumerate(records):
        if not number % TOLD_EVERY:
            told(number)
        collector.add(record)
    return collector.zone(source)


class _Collector:
    """The zone as far as its records are read."""

    def __init__(self, warnings: list[str]) -> None:
        self.origin = b""  # unknown until the SOA
        self.apex = b""  # key of the origin
        self.owner = self.key = b""  # of the last record
        self.held: dict[bytes, Held] = {}
        self.early: dict[bytes, str] = {}  # keys met before the SOA, and where
        self.warnings = warnings
        self.unsaid_warnings = 0

    def add(self, record: Record) -> None:
        owner, rrtype, ttl, rdata, _, _ = record
        if owner is not self.owner:  # the reader gives the very same one for records in a row
            self.owner = owner
            self.key = names.key_of(owner)
        key = self.key
        held = self.held.get(key)
        if held is None:
            self.check_owner(key, record)
        if rrtype == SOA:
            self.set_origin(key, record)
        if held is None:
            if len(rdata) > MAX_RRSET_OCTETS - RECORD_OCTETS:
                raise ZoneError(record.where, _too_large(record))
            self.held[key] = node.encode_one(rrtype, ttl, rdata)
            return
        if isinstance(held, bytes):
            held = self.held[key] = unpacked(held)
        rrset = held.get(rrtype)
        if rrset is not None:
            held[rrtype] = self.extended(rrset, record)
            return
        _check_neighbours(held, record)
        if len(rdata) > MAX_RRSET_OCTETS - RECORD_OCTETS:
            raise ZoneError(record.where, _too_large(record))
        held[rrtype] = RRset(ttl, (rdata,))

    def check_owner(self, key: bytes, record: Record) -> None:
        """May the zone have this name?"""
        if len(key) > MAX_NAME_KEY_OCTETS:
            try:
                names.checked_key(record.owner)
            except DomainNameError as error:
                raise ZoneError(record.where, str(error)) from None
        if not self.origin:
            self.early[key] = record.where
        elif not key.startswith(self.apex):
            self.refuse_outside(key, record.where)

    def refuse_outside(self, key: bytes, where: str) -> NoReturn:
        raise ZoneError(
            where,
            f"{_text(key)} is outside the zone {names.to_text(self.origin)}, whose "
            "origin is the owner of the SOA; remove the record or end a name without its dot",
        )

    def set_origin(self, key: bytes, record: Record) -> None:
        if not self.origin:
            self.origin = record.owner.lower()
            self.apex = key
            for early, where in self.early.items():
                if not early.startswith(key):
                    self.refuse_outside(early, where)
            self.early.clear()
        elif key != self.apex:
            raise ZoneError(
                record.where,
                f"second SOA, at {_text(key)} in the zone {names.to_text(self.origin)}; "
                "a file holds one zone: keep one SOA",
            )

    def extended(self, rrset: RRset, record: Record) -> RRset:
        """The RRset with one more record; a record that is there already is merged into it."""
        ttl, datas = rrset
        if ttl != record.ttl:
            # RRSIGs follow the RRsets they sign, so their TTLs differ rightly (RFC 4035 2.2).
            if record.rrtype != RRSIG:
                self.warn(record, min(ttl, record.ttl))
            ttl = min(ttl, record.ttl)
        compared = folded(record.rrtype, record.rdata)
        if any(folded(record.rrtype, data) == compared for data in datas):
            return RRset(ttl, datas)
        if record.rrtype in SINGLE:
            raise ZoneError(
                record.where,
                f"second {SINGLE[record.rrtype]} at {names.to_text(record.owner)} with other "
                "data; a name has at most one, so keep one (RFC 2181 10.1, RFC 6672 2.4)",
            )
        datas = (*datas, record.rdata)
        octets = sum(map(len, datas)) + RECORD_OCTETS * len(datas)
        if len(datas) > MAX_RRSET_RECORDS or octets > MAX_RRSET_OCTETS:
            raise ZoneError(record.where, _too_large(record))
        return RRset(ttl, datas)

    def warn(self, record: Record, ttl: int) -> None:
        if len(self.warnings) >= reader.MAX_WARNINGS:
            self.unsaid_warnings += 1
            return
        self.warnings.append(
            f"{record.where}: TTL {record.ttl} differs from that of the other records of this name "
            f"and type; {ttl} is used for all (RFC 2181 5.2)"
        )

    def zone(self, source: str) -> Zone:
        if not self.origin:
            raise ZoneError(source, "no SOA record; a master file holds one zone with one SOA")
        if NS not in unpacked(self.held[self.apex]):
            raise ZoneError(
                source,
                f"no NS record at the origin {names.to_text(self.origin)}; "
                "add the zone's name servers (RFC 1035 section 5.2)",
            )
        if self.unsaid_warnings:
            self.warnings.append(f"{source}: {self.unsaid_warnings} more TTLs that differ")
        return Zone(self.origin, HeldZone(self.held), self.warnings)


def _text(key: bytes) -> str:
    return names.to_text(names.wire_of_key(key))


def _check_neighbours(types: dict[int, RRset], record: Record) -> None:
    """May an RRset of a new type join those at its name?"""
    is_alias = record.rrtype == CNAME
    if (is_alias and not BESIDE_CNAME.issuperset(types)) or (
        CNAME in types and record.rrtype not in BESIDE_CNAME
    ):
        raise ZoneError(
            record.where,
            f"CNAME and other data at {names.to_text(record.owner)}; "
            "keep the CNAME or the other records (RFC 1034 3.6.2)",
        )
    if len(types) >= MAX_TYPES_PER_NAME:
        raise ZoneError(
            record.where,
            f"more than {MAX_TYPES_PER_NAME} record types at {names.to_text(record.owner)}; "
            "spread them over several names",
        )


def _too_large(record: Record) -> str:
    return (
        f"the records of type {record.rrtype} at {names.to_text(record.owner)} exceed "
        f"{MAX_RRSET_RECORDS} records or {MAX_RRSET_OCTETS} octets and fit no answer; "
        "spread them over several names"
    )
