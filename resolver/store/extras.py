"""Records for the additional section: the addresses of hosts that the records of a name lead to."""

from __future__ import annotations

from typing import Final

from csid import names
from csid.limits import MAX_RRSET_OCTETS
from csid.protocol import AAAA, HTTPS, KX, MB, MX, NS, RT, SRV, SVCB, A
from resolver.store import node
from resolver.store.held import Held, RRsets, unpacked
from resolver.store.node import Extra, RRset

# Where in the data the host stands whose addresses help the asker. These are the types for which at
# least two of NSD, Knot and BIND add addresses (RFC 1035 3.3, RFC 1183 3.3, RFC 2230, RFC 2782,
# RFC 9460 4.1).
HOST_OFFSET: Final = {NS: 0, MB: 0, MX: 2, RT: 2, SRV: 6, KX: 2, SVCB: 2, HTTPS: 2}

_ALIAS_MODE: Final = b"\0\0"  # SvcPriority of an SVCB or HTTPS record that is an alias
_NO_EXTRAS: Final[dict[int, Extra]] = {}

Wanted = tuple[bytes, bytes, int]  # owner as it is written, its key, type


def extras_of(apex: bytes, key: bytes, rrsets: RRsets, held: dict[bytes, Held]) -> dict[int, Extra]:
    """What goes with each RRset whose data names hosts of the same zone.

    A name server's addresses are found wherever they lie in the zone, below this or another cut:
    there they are glue. Those of servers at or below the delegation itself, which nobody can come
    by otherwise, stand before those of others (RFC 9471). Other hosts count outside delegations
    only. They come in the order of the records, as many as a message can carry.

    Args:
        apex, key: canonical keys of the zone and of the name that has the RRsets.
        held: the zone, by canonical key.
    """
    extras = _NO_EXTRAS
    for rrtype, rrset in rrsets.items():
        if rrtype not in HOST_OFFSET:
            continue
        if rrtype in (SVCB, HTTPS):
            wanted = _of_services(apex, key, rrtype, rrset, held)
        else:
            wanted = _of_hosts(apex, key, rrtype, rrset, held)
        records = _records(wanted, held)
        if records:
            extras = extras or {}
            extras[rrtype] = Extra(len(records), b"".join(records))
    return extras


def _of_hosts(
    apex: bytes, key: bytes, rrtype: int, rrset: RRset, held: dict[bytes, Held]
) -> list[Wanted]:
    at = HOST_OFFSET[rrtype]
    hosts: dict[bytes, bytes] = {}  # each once, however many records name it in whatever case
    for rdata in rrset[1]:
        host, end = names.read_key(rdata, at)
        if end and host in held and (rrtype == NS or not _is_delegated(apex, host, held)):
            hosts.setdefault(host, rdata[at:end])
    found = list(hosts)
    if rrtype == NS:
        found.sort(key=lambda host: not host.startswith(key))
    return [(hosts[host], host, address) for host in found for address in (A, AAAA)]


def _of_services(
    apex: bytes, key: bytes, rrtype: int, rrset: RRset, held: dict[bytes, Held]
) -> list[Wanted]:
    """Addresses of targets, and the services an alias stands for (RFC 9460 section 4.1)."""
    wanted: dict[tuple[bytes, int], bytes] = {}
    for rdata in rrset[1]:
        at = HOST_OFFSET[rrtype]
        target, end = names.read_key(rdata, at)
        owner = rdata[at:end]
        is_alias = rdata[:at] == _ALIAS_MODE
        if owner == names.ROOT and not is_alias and not key.endswith(b"\0*\0"):
            # The owner itself (section 2.5.2), unless it is a wildcard and so not known yet.
            target, owner = key, names.wire_of_key(key)
        if end and target in held and not _is_delegated(apex, target, held):
            for kind in (A, AAAA, rrtype) if is_alias else (A, AAAA):
                wanted.setdefault((target, kind), owner)
    return [(owner, target, kind) for (target, kind), owner in wanted.items()]


def _is_delegated(apex: bytes, key: bytes, held: dict[bytes, Held]) -> bool:
    """Does a name lie at or below a delegation of the zone?"""
    end = len(key)
    while end > len(apex):
        at = held.get(key[:end])
        if at is not None and NS in unpacked(at):
            return True
        end = key.rfind(b"\0", 0, end - 1) + 1
    return False


def _records(wanted: list[Wanted], held: dict[bytes, Held]) -> list[bytes]:
    """Records in wire form, up to what a message can carry."""
    records: list[bytes] = []
    room = MAX_RRSET_OCTETS
    for owner, key, rrtype in wanted:
        rrset = unpacked(held[key]).get(rrtype)
        if rrset is None:
            continue
        for rdata in rrset[1]:
            record = node.rr(owner, rrtype, rrset[0], rdata)
            room -= len(record)
            if room < 0:
                return records
            records.append(record)
    return records
