"""Records for the additional section: the addresses of hosts that the records of a name lead to."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from csid import names
from csid.limits import MAX_RRSET_OCTETS
from csid.protocol import AAAA, DNAME, HTTPS, KX, MB, MX, NS, RT, SRV, SVCB, A
from resolver.store import node
from resolver.store.held import Held, RRsets, unpacked
from resolver.store.node import Extra, RRset

# Where in the data the host stands whose addresses help the asker. These are the types for which at
# least two of NSD, Knot and BIND add addresses (RFC 1035 3.3, RFC 1183 3.3, RFC 2230, RFC 2782,
# RFC 9460 4.1).
HOST_OFFSET: Final = {NS: 0, MB: 0, MX: 2, RT: 2, SRV: 6, KX: 2, SVCB: 2, HTTPS: 2}

_ALIAS_MODE: Final = b"\0\0"  # SvcPriority of an SVCB or HTTPS record that is an alias
_NO_EXTRAS: Final[dict[int, Extra]] = {}

Wanted = tuple[bytes, bytes, int]  # owner as it is written, key of the name that has its data, type


def extras_of(
    apex: bytes, key: bytes, rrsets: RRsets, held: dict[bytes, Held], keys: Sequence[bytes]
) -> dict[int, Extra]:
    """What goes with each RRset whose data names hosts of the same zone.

    A name server's addresses are found wherever they lie in the zone, below this or another cut,
    where they are glue, or at a wildcard. Those of servers at or below the delegation itself, which
    nobody can come by otherwise, stand before those of others (RFC 9471). Other hosts count where
    the zone answers for them. They come in the order of the records, as many as a message can
    carry.

    Args:
        apex, key: canonical keys of the zone and of the name that has the RRsets.
        held: the zone, by canonical key; `keys` are these in order.
    """
    extras = _NO_EXTRAS
    for rrtype, rrset in rrsets.items():
        if rrtype not in HOST_OFFSET:
            continue
        if rrtype in (SVCB, HTTPS):
            wanted = _of_services(apex, key, rrtype, rrset, held, keys)
        else:
            wanted = _of_hosts(apex, key, rrtype, rrset, held, keys)
        records = _records(wanted, held)
        if records:
            extras = extras or {}
            extras[rrtype] = Extra(len(records), b"".join(records))
    return extras


def _of_hosts(
    apex: bytes,
    key: bytes,
    rrtype: int,
    rrset: RRset,
    held: dict[bytes, Held],
    keys: Sequence[bytes],
) -> list[Wanted]:
    at = HOST_OFFSET[rrtype]
    hosts: dict[bytes, tuple[bytes, bytes]] = {}  # each once, in whatever case records name it
    for rdata in rrset[1]:
        host, end = names.read_key(rdata, at)
        if not end or host in hosts:
            continue
        source = _source(apex, host, held, keys)
        if source and (rrtype == NS or not _is_hidden(apex, host, held)):
            hosts[host] = (rdata[at:end], source)
    found = list(hosts)
    if rrtype == NS:
        found.sort(key=lambda host: not host.startswith(key))
    return [(*hosts[host], address) for host in found for address in (A, AAAA)]


def _of_services(
    apex: bytes,
    key: bytes,
    rrtype: int,
    rrset: RRset,
    held: dict[bytes, Held],
    keys: Sequence[bytes],
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
        source = _source(apex, target, held, keys) if end else b""
        if source and not _is_hidden(apex, target, held):
            for kind in (A, AAAA, rrtype) if is_alias else (A, AAAA):
                wanted.setdefault((target, kind), (owner, source, kind))
    return list(wanted.values())


def is_wildcard(key: bytes) -> bool:
    """Is the last label of a key `*`?"""
    return key.endswith(b"\0*\0") or key == b"*\0"


def _source(apex: bytes, key: bytes, held: dict[bytes, Held], keys: Sequence[bytes]) -> bytes:
    """The key of what has the records of a name: the name itself, or the wildcard at its closest
    encloser (RFC 4592 section 3.3.1). Empty if there is none in the zone.
    """
    if key in held:
        return key
    if not key.startswith(apex):
        return b""
    child = key
    while len(child) > len(apex):
        at = bisect_left(keys, child)
        if at < len(keys) and keys[at].startswith(child):
            return b""  # the closest encloser, and no wildcard at it
        encloser = child[: child.rfind(b"\0", 0, -1) + 1]
        wildcard = encloser + b"*\0"
        if wildcard in held:
            return wildcard
        child = encloser
    return b""


def _is_hidden(apex: bytes, key: bytes, held: dict[bytes, Held]) -> bool:
    """Does a name lie at or below a delegation of the zone, or below a DNAME?"""
    end = len(key)
    while end >= len(apex):
        at = held.get(key[:end])
        if at is not None:
            types = unpacked(at)
            if (NS in types and end > len(apex)) or (DNAME in types and end < len(key)):
                return True
        end = key.rfind(b"\0", 0, end - 1) + 1 if end else -1
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
