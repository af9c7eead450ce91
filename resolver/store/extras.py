"""Records for the additional section: the addresses of hosts that the records of a name lead to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from csid import names
from csid.limits import MAX_RRSET_OCTETS
from csid.protocol import AAAA, DNAME, HTTPS, KX, MB, MX, NS, RT, SRV, SVCB, A
from resolver.store import node
from resolver.store.held import RRsets
from resolver.store.node import Extra, RRset

# Where in the data the host stands whose addresses help the asker. These are the types for which at
# least two of NSD, Knot and BIND add addresses (RFC 1035 3.3, RFC 1183 3.3, RFC 2230, RFC 2782,
# RFC 9460 4.1).
HOST_OFFSET: Final = {NS: 0, MB: 0, MX: 2, RT: 2, SRV: 6, KX: 2, SVCB: 2, HTTPS: 2}

_ALIAS_MODE: Final = b"\0\0"  # SvcPriority of an SVCB or HTTPS record that is an alias
_NO_EXTRAS: Final[dict[int, Extra]] = {}

Wanted = tuple[bytes, bytes, int]  # owner as it is written, key of the name that has its data, type


class Surroundings(Protocol):
    """The zone that hosts are looked for in: in memory while it is built, or in a transaction."""

    def rrsets(self, key: bytes, /) -> RRsets | None:
        """What a name (canonical key) of the zone has; None if it has no records."""

    def encloses(self, key: bytes, /) -> bool:
        """Whether a name, or one below it, is in the zone."""


def extras_of(apex: bytes, key: bytes, rrsets: RRsets, zone: Surroundings) -> dict[int, Extra]:
    """What goes with each RRset whose data names hosts of the same zone.

    A name server's addresses are found wherever they lie in the zone, below this or another cut,
    where they are glue, or at a wildcard. Those of servers at or below the delegation itself, which
    nobody can come by otherwise, stand before those of others (RFC 9471). Other hosts count where
    the zone answers for them. They come in the order of the records, as many as a message can
    carry.

    Args:
        apex, key: canonical keys of the zone and of the name that has the RRsets.
    """
    extras = _NO_EXTRAS
    for rrtype, rrset in rrsets.items():
        if rrtype not in HOST_OFFSET:
            continue
        if rrtype in (SVCB, HTTPS):
            wanted = _of_services(apex, key, rrtype, rrset, zone)
        else:
            wanted = _of_hosts(apex, key, rrtype, rrset, zone)
        records = _records(wanted, zone)
        if records:
            extras = extras or {}
            extras[rrtype] = Extra(len(records), b"".join(records))
    return extras


def _of_hosts(
    apex: bytes, key: bytes, rrtype: int, rrset: RRset, zone: Surroundings
) -> list[Wanted]:
    at = HOST_OFFSET[rrtype]
    hosts: dict[bytes, tuple[bytes, bytes]] = {}  # each once, in whatever case records name it
    for rdata in rrset[1]:
        host, end = names.read_key(rdata, at)
        if not end or host in hosts:
            continue
        source = _source(apex, host, zone)
        if source and (rrtype == NS or not _is_hidden(apex, host, zone)):
            hosts[host] = (rdata[at:end], source)
    found = list(hosts)
    if rrtype == NS:
        found.sort(key=lambda host: not host.startswith(key))
    return [(*hosts[host], address) for host in found for address in (A, AAAA)]


def _of_services(
    apex: bytes, key: bytes, rrtype: int, rrset: RRset, zone: Surroundings
) -> list[Wanted]:
    """Addresses of targets, and the services an alias stands for (RFC 9460 section 4.1)."""
    wanted: dict[tuple[bytes, int], Wanted] = {}
    for rdata in rrset[1]:
        at = HOST_OFFSET[rrtype]
        target, end = names.read_key(rdata, at)
        owner = rdata[at:end]
        is_alias = rdata[:at] == _ALIAS_MODE
        if owner == names.ROOT and not is_alias and not is_wildcard(key):
            # The owner itself (section 2.5.2), unless it is a wildcard and so not known yet.
            target, owner = key, names.wire_of_key(key)
        source = _source(apex, target, zone) if end else b""
        if source and not _is_hidden(apex, target, zone):
            for kind in (A, AAAA, rrtype) if is_alias else (A, AAAA):
                wanted.setdefault((target, kind), (owner, source, kind))
    return list(wanted.values())


def is_wildcard(key: bytes) -> bool:
    """Is the last label of a key `*`?"""
    return key.endswith(b"\0*\0") or key == b"*\0"


def names_hosts(blob: bytes) -> bool:
    """Has a node records of a type that may lead to hosts?"""
    at = 2
    while at < len(blob):
        if (blob[at] << 8) + blob[at + 1] in HOST_OFFSET:
            return True
        at = node.next_entry(blob, at)
    return False


def leads_inside(tail: bytes, blob: bytes) -> bool:
    """Does a record of a node lead to a host that lies in a zone, or is its apex?

    Args:
        tail: the apex, lower-case wire form. (Some other names end with the same octets; `hosts_in`
            tells them apart.)
    """
    at = 2
    size = len(blob)
    whole = len(tail)
    last = tail[whole - 2] | 32 if whole > 1 else 0  # its last letter: most hosts have another
    while at < size:
        rrtype = (blob[at] << 8) + blob[at + 1]
        if rrtype > HTTPS:  # the highest of those types
            break
        after = node.next_entry(blob, at)
        if rrtype in (NS, MB, MX, RT, SRV, KX, SVCB, HTTPS):
            record = at + 10
            offset = 12 + HOST_OFFSET[rrtype]
            for _ in range((blob[at + 2] << 8) + blob[at + 3]):
                end = record + offset
                while end < after and blob[end]:
                    end += 1 + blob[end]
                end += 1
                if whole <= end <= after and (
                    not last
                    or (blob[end - 2] | 32 == last and blob[end - whole : end].lower() == tail)
                ):
                    return True
                record += 12 + (blob[record + 10] << 8) + blob[record + 11]
        at = after
    return False


def stored(
    tail: bytes, generation: bytes, nodes: Iterable[tuple[bytes, bytes]]
) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
    """Nodes with their keys as they are stored, and those nodes of which records lead to hosts;
    `tail` as `leads_inside` has it.
    """
    rows = []
    leading = []
    for one in nodes:
        key, blob = one
        rows.append((generation + key, blob))
        if leads_inside(tail, blob):
            leading.append(one)
    return rows, leading


def hosts_in(apex: bytes, key: bytes, blob: bytes) -> list[bytes]:
    """The hosts, at or below the apex, that the records of a node lead to: those on which, beside
    the name's own records, its extras depend.

    Args:
        apex: canonical key of the zone.
        key: of the node, below the apex; it is left out itself.

    Returns:
        Keys below the apex, each once.
    """
    hosts: dict[bytes, bool] = {}
    at = 2
    while at < len(blob):
        rrtype = (blob[at] << 8) + blob[at + 1]
        if rrtype in HOST_OFFSET:
            record = at + 10
            end = record + (blob[at + 4] << 8) + blob[at + 5]
            while record < end:
                rdata = record + 12
                record = rdata + (blob[record + 10] << 8) + blob[record + 11]
                host, after = names.read_key(blob[rdata:record], HOST_OFFSET[rrtype])
                if after and host.startswith(apex):
                    hosts[host[len(apex) :]] = True
        at = node.next_entry(blob, at)
    hosts.pop(key, False)
    return list(hosts)


def _source(apex: bytes, key: bytes, zone: Surroundings) -> bytes:
    """The key of what has the records of a name: the name itself, or the wildcard at its closest
    encloser (RFC 4592 section 3.3.1). Empty if there is none in the zone.
    """
    if not key.startswith(apex):
        return b""
    if zone.rrsets(key) is not None:
        return key
    child = key
    while len(child) > len(apex):
        if zone.encloses(child):
            return b""  # the closest encloser, and no wildcard at it
        encloser = child[: child.rfind(b"\0", 0, -1) + 1]
        wildcard = encloser + b"*\0"
        if zone.rrsets(wildcard) is not None:
            return wildcard
        child = encloser
    return b""


def _is_hidden(apex: bytes, key: bytes, zone: Surroundings) -> bool:
    """Does a name lie at or below a delegation of the zone, or below a DNAME?"""
    end = len(key)
    while end >= len(apex):
        types = zone.rrsets(key[:end])
        if types is not None and (
            (NS in types and end > len(apex)) or (DNAME in types and end < len(key))
        ):
            return True
        end = key.rfind(b"\0", 0, end - 1) + 1 if end else -1
    return False


def _records(wanted: list[Wanted], zone: Surroundings) -> list[bytes]:
    """Records in wire form, up to what a message can carry."""
    records: list[bytes] = []
    room = MAX_RRSET_OCTETS
    for owner, key, rrtype in wanted:
        types = zone.rrsets(key)
        rrset = types.get(rrtype) if types else None
        if rrset is None:
            continue
        for rdata in rrset[1]:
            record = node.rr(owner, rrtype, rrset[0], rdata)
            room -= len(record)
            if room < 0:
                return records
            records.append(record)
    return records
