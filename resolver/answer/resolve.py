"""What the tree holds for a question, collected as RFC 1034 asks.

`TreeSource` walks the algorithm of section 4.3.2, with wildcards (RFC 4592) and DNAME (RFC 6672),
and lays ready records into a `Reply`.
"""

from __future__ import annotations

from typing import Any, Final

from csid.limits import (
    HEADER_OCTETS,
    MAX_CHAIN,
    MAX_CHAIN_OCTETS,
    MAX_NAME_OCTETS,
    MAX_RRSET_OCTETS,
)
from csid.names import key_of, read_key
from csid.protocol import (
    AAAA,
    ANY,
    CLASS_ANY,
    CNAME,
    DNAME,
    DS,
    EDE_INVALID_DATA,
    EDE_NOT_AUTHORITATIVE,
    EDE_NOT_READY,
    NS,
    NSEC,
    NXDOMAIN,
    REFUSED,
    RRSIG,
    SERVFAIL,
    TXT,
    YXDOMAIN,
    A,
)
from csid.status import LABEL_KEY
from resolver.answer.lookup import (
    DELEGATION,
    EXACT,
    NO_NAME,
    REDIRECT,
    WILDCARD,
    Snapshot,
    Zone,
    find,
)
from resolver.answer.reply import Reply
from resolver.answer.source import Source
from resolver.store.apexes import EXPIRED, NOT_READY
from resolver.store.node import (
    ALIAS,
    CUT,
    OWNER,
    POINTERS,
    check_entry,
    extra_at,
    extra_number_at,
    find_entry,
    first_rdata,
    next_entry,
    number_at,
    records_at,
    rr,
    split_extra,
    with_owner,
)

_ADDRESSES: Final = (A, AAAA)
_ALIAS_TYPES: Final = (CNAME, ANY)
# What is said of names in no zone, and in one that is not served, by its flags.
_NOT_ANSWERED: Final = {
    0: (REFUSED, EDE_NOT_AUTHORITATIVE),
    EXPIRED: (SERVFAIL, EDE_INVALID_DATA),
    NOT_READY: (SERVFAIL, EDE_NOT_READY),
}
_BESIDE_ALIAS: Final = (RRSIG, NSEC)  # asked of the alias itself (RFC 4034 sections 3 and 4)
_STATUS_END: Final = b"\0" + LABEL_KEY  # of the key of a name at which a status is asked for
_STATUS_TYPES: Final = (TXT, ANY)


class TreeSource(Source):
    """The resolution tree, at one moment of the store.

    Attributes:
        moment: the transaction it is of, for who looks after what is no plain query.
        live: says the statuses of names (`resolver.status.live`), if anybody does.
    """

    __slots__ = ("_snapshot", "live", "moment")

    def __init__(self, snapshot: Snapshot, moment: Any = None, live: Any = None) -> None:
        self._snapshot = snapshot
        self.moment = moment
        self.live = live

    def resolve(self, reply: Reply) -> bool:
        """Collect the answer, following aliases held here."""
        _follow(reply, self._snapshot, self)
        if reply.qclass == CLASS_ANY:
            reply.aa = False  # nobody knows the data of all classes (RFC 1034 section 3.7.1)
        return True


def _follow(reply: Reply, snapshot: Snapshot, source: TreeSource) -> None:
    """Collect the answer for the name asked for and those it is an alias of."""
    key, qtype = reply.key, reply.qtype
    zone: Zone | None
    seen: set[bytes] | None = None  # keys of the names the chain has come through
    for followed in range(MAX_CHAIN + 1):
        zone = snapshot.zone_of(key)
        if zone is not None and qtype == DS and key == zone.apex:
            # DS lies on the parent's side of a cut (RFC 4035 section 3.1.4.1)
            zone = snapshot.zone_above(key) or zone
        if zone is None or zone.flags:
            if not reply.answer_number:  # else the asker goes on from the alias it ends with
                reply.rcode, reply.ede = _NOT_ANSWERED[0 if zone is None else zone.flags]
            return
        outcome, blob, depth = find(snapshot, zone, key)
        if outcome == DELEGATION and not (
            qtype == DS and depth == key.count(0) - zone.depth and blob[0] & CUT
        ):
            _refer(reply, zone, blob, depth)
            return
        reply.aa = True
        if (
            outcome >= WILDCARD  # only of names that are not in the tree; so the others pay nothing
            and key.endswith(_STATUS_END)
            and _status(reply, source, snapshot, zone, key[: -len(LABEL_KEY)])
        ):
            return
        if outcome == NO_NAME:
            reply.rcode = NXDOMAIN
            _deny(reply, zone)
            return
        if outcome == REDIRECT:
            if followed == MAX_CHAIN:
                return
            if not _redirect(reply, zone, blob, depth) or qtype in _ALIAS_TYPES:
                return  # the CNAME that was made is what was asked for
        else:
            at = find_entry(blob, qtype)
            if at:
                _give(reply, zone, key, qtype, blob, at)
                return
            if qtype == ANY and len(blob) > 2:
                _give_any(reply, blob)
                return
            if not blob[0] & ALIAS or qtype in _BESIDE_ALIAS:
                _deny(reply, zone)
                return
            if followed == MAX_CHAIN:
                return
            _alias(reply, blob)
        if seen is None:
            seen = set()
        seen.add(key)
        key = key_of(reply.name)
        if key in seen or len(reply.answer) > MAX_CHAIN_OCTETS:
            return  # the asker goes on from the alias the answer ends with


def _status(reply: Reply, source: TreeSource, snapshot: Snapshot, zone: Zone, key: bytes) -> bool:
    """The status of a name, if there is the name and it may have one."""
    live = source.live
    if live is None or not live.covers(key) or find(snapshot, zone, key)[0] != EXACT:
        return False
    said = live.say(key, source.moment, zone.apex)
    if said is None:  # those that have the zone itself may be asked
        reply.aa = False
        reply.rcode, reply.ede = SERVFAIL, EDE_NOT_AUTHORITATIVE
    elif reply.qtype in _STATUS_TYPES:
        ttl, rdata = said
        reply.answer += rr(reply.owner, TXT, ttl, rdata)
        reply.answer_number += 1
    else:
        _deny(reply, zone)
    return True


def _give(reply: Reply, zone: Zone, key: bytes, qtype: int, blob: bytes, at: int) -> None:
    """The RRset that was asked for, and the zone's name servers as authority."""
    _add_answer(reply, blob, at)
    reply.additional_number = extra_number_at(blob, at)
    if reply.additional_number:
        reply.additional = extra_at(blob, at)
    if qtype == NS and key == zone.apex:
        return
    offset = _apex_offset(reply, zone)
    reply.courtesy = True
    reply.authority = zone.authority_at(offset) if offset else with_owner(zone.ns, zone.wire)
    reply.authority_number = zone.ns_number
    if zone.ns_extra_number and not (qtype in _ADDRESSES and key in zone.ns_hosts):
        _add_hosts(reply, zone)


def _add_hosts(reply: Reply, zone: Zone) -> None:
    """The addresses of the apex's name servers, but for those in the additional section already."""
    if not reply.additional_number:
        reply.additional = zone.ns_extra
        reply.additional_number = zone.ns_extra_number
        return
    known = {_folded(record) for record in split_extra(reply.additional)}
    fresh = [record for record in split_extra(zone.ns_extra) if _folded(record) not in known]
    reply.additional += b"".join(fresh)
    reply.additional_number += len(fresh)


def _folded(record: bytes) -> bytes:
    """A record whose owner is in full, to be compared with others in whatever case."""
    key: bytes
    key, end = read_key(record, 0)
    return key + record[end:]


def _give_any(reply: Reply, blob: bytes) -> None:
    """One RRset of those at the name over UDP (RFC 8482 section 4.1), all of them over TCP."""
    at = 2
    given = 0
    while at < len(blob):
        check_entry(blob, at)
        size = next_entry(blob, at) - at
        if given and (not reply.stream or given + size > MAX_RRSET_OCTETS):
            return
        _add_answer(reply, blob, at)
        given += size
        at += size


def _deny(reply: Reply, zone: Zone) -> None:
    """No such data: the zone's SOA says for how long (RFC 2308)."""
    offset = _apex_offset(reply, zone)
    reply.authority = zone.negative_at(offset) if offset else with_owner(zone.soa, zone.wire)
    reply.authority_number = 1


def _refer(reply: Reply, zone: Zone, blob: bytes, depth: int) -> None:
    """The name servers of the cut `depth` labels below the apex, with their addresses."""
    at = find_entry(blob, NS)
    start = _label_start(reply.name, _labels(reply.name) - zone.depth - depth)
    reply.cut = reply.name[start:]
    owner = POINTERS[HEADER_OCTETS + start] if reply.owner is OWNER else reply.cut
    reply.authority = with_owner(records_at(blob, at), owner)
    reply.authority_number = number_at(blob, at)
    reply.additional = extra_at(blob, at)
    reply.additional_number = extra_number_at(blob, at)


def _alias(reply: Reply, blob: bytes) -> None:
    """A CNAME on the way: give it and go on with its target."""
    at = find_entry(blob, CNAME)
    _add_answer(reply, blob, at)
    _go_on(reply, first_rdata(records_at(blob, at)))


def _redirect(reply: Reply, zone: Zone, blob: bytes, depth: int) -> bool:
    """A DNAME above the name: give it, with the CNAME it stands for (RFC 6672 section 3.1).

    False if the name that results is too long; the answer is then YXDOMAIN.
    """
    records = records_at(blob, find_entry(blob, DNAME))
    kept = _label_start(reply.name, _labels(reply.name) - zone.depth - depth)
    owner = reply.name[kept:].lower()
    if owner not in reply.redirects:  # a chain may come through one DNAME again and again
        reply.redirects += (owner,)
        reply.answer += with_owner(records, _ancestor(reply, zone, depth))
        reply.answer_number += 1
    name = reply.name[:kept] + first_rdata(records)
    if len(name) > MAX_NAME_OCTETS:
        reply.rcode = YXDOMAIN
        return False
    ttl = int.from_bytes(records[6:10], "big")
    reply.answer += rr(reply.owner, CNAME, ttl, name)
    reply.answer_number += 1
    _go_on(reply, name)
    return True


def _go_on(reply: Reply, name: bytes) -> None:
    """Take up the name that ends the answer section; records it owns point there if they can."""
    offset = reply.end + len(reply.answer) - len(name)
    reply.name = name
    reply.owner = (0xC000 | offset).to_bytes(2, "big") if offset < 0x4000 else name


def _add_answer(reply: Reply, blob: bytes, at: int) -> None:
    """Put an RRset into the answer section under the name it is found at."""
    records = records_at(blob, at)
    if reply.owner is not OWNER:
        records = with_owner(records, reply.owner)
    reply.answer += records
    reply.answer_number += number_at(blob, at)


def _apex_offset(reply: Reply, zone: Zone) -> int:
    """Where the question names the apex, for a pointer; 0 behind an alias."""
    if reply.owner is not OWNER:
        return 0
    return HEADER_OCTETS + len(reply.name) - zone.wire_octets


def _ancestor(reply: Reply, zone: Zone, depth: int) -> bytes:
    """The ancestor `depth` labels below the apex of the name under work, as an owner."""
    start = _label_start(reply.name, _labels(reply.name) - zone.depth - depth)
    if reply.owner is OWNER:
        return POINTERS[HEADER_OCTETS + start]
    return reply.name[start:]


def _labels(name: bytes) -> int:
    """How many labels a name in wire form has, the root's left out."""
    count = at = 0
    while name[at]:
        at += 1 + name[at]
        count += 1
    return count


def _label_start(name: bytes, skipped: int) -> int:
    """Where a name in wire form goes on after its first `skipped` labels."""
    at = 0
    for _ in range(skipped):
        at += 1 + name[at]
    return at
