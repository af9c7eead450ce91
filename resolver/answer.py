"""Answering: a query's bytes in, the answer's bytes out, or None where silence is right.

The route, top to bottom: `answer` reads header, question and EDNS; `_resolve` walks the tree as RFC
1034 section 4.3.2 asks and collects ready records; `_encode` puts them behind the header once and
drops what does not fit. No clock, no socket, no store: the time, the asker and one moment of the
store are arguments. Nothing a stranger sends raises an exception.
"""

from __future__ import annotations

import struct
from typing import Final

from csid.dns import (
    AAAA,
    ANY,
    AXFR,
    BADVERS,
    CLASS_IN,
    CNAME,
    DNAME,
    DS,
    EDE_NOT_AUTHORITATIVE,
    EDE_NOT_SUPPORTED,
    FORMERR,
    IXFR,
    MAILA,
    MAILB,
    NOERROR,
    NOTAUTH,
    NOTIMP,
    NS,
    NXDOMAIN,
    OPT,
    REFUSED,
    TKEY,
    TSIG,
    YXDOMAIN,
    A,
)
from csid.limits import (
    EDNS_UDP_OCTETS,
    HEADER_OCTETS,
    MAX_CHAIN,
    MAX_MESSAGE_OCTETS,
    MAX_NAME_OCTETS,
    MAX_RRSET_OCTETS,
    PLAIN_UDP_OCTETS,
)
from csid.names import key_of, read_key
from resolver.edns import Additional, Edns, OptWriter, read_additional
from resolver.lookup import DELEGATION, NO_NAME, REDIRECT, Snapshot, Zone, find
from resolver.node import (
    ALIAS,
    CUT,
    OWNER,
    POINTERS,
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

_HEAD: Final = struct.Struct(">HHHHH")  # a header without its ID
_ONE_QUESTION: Final = b"\0\1\0\0\0\0\0\0"
_QR: Final = 0x8000
_AA: Final = 0x0400
_TC: Final = 0x0200
_COPIED: Final = 0x0110  # RD and CD come back as they were (RFC 1035 4.1.1, RFC 4035 3.1.6)

_ADDRESSES: Final = (A, AAAA)

# Query types that ask for no data (RFC 6895 section 3.1), and what they get.
_META: Final = {
    OPT: FORMERR,
    TKEY: FORMERR,
    TSIG: FORMERR,
    IXFR: REFUSED,
    AXFR: REFUSED,
    MAILA: NOTIMP,
    MAILB: NOTIMP,
}


class Reply:
    """An answer in the making, with the query it is for.

    Attributes:
        packet: the query as received; its question ends at `end`.
        edns: what the query's OPT record says, if it has one.
        name: the name under work in wire form: that of the question, or what it is an alias of.
        owner: how records at `name` are owned: a pointer to where the message has it, or `name`.
        ede: extended error code (RFC 8914), or -1.
        courtesy: the authority section is there for good measure only.
        glue: the additional section is needed to follow the authority section.
        redirects: owners of the DNAMEs in the answer section.
    """

    __slots__ = (
        "aa",
        "additional",
        "additional_number",
        "answer",
        "answer_number",
        "authority",
        "authority_number",
        "courtesy",
        "ede",
        "edns",
        "end",
        "glue",
        "name",
        "owner",
        "packet",
        "rcode",
        "redirects",
        "stream",
        "truncated",
    )

    def __init__(self, packet: bytes, end: int, edns: Edns | None, stream: bool) -> None:
        self.packet = packet
        self.end = end
        self.edns = edns
        self.stream = stream
        self.name = packet[HEADER_OCTETS : end - 4] if end > HEADER_OCTETS else b""
        self.owner = OWNER
        self.rcode = NOERROR
        self.ede = -1
        self.aa = False
        self.truncated = False
        self.courtesy = False
        self.glue = False
        self.redirects: tuple[bytes, ...] = ()
        self.answer = b""
        self.answer_number = 0
        self.authority = b""
        self.authority_number = 0
        self.additional = b""
        self.additional_number = 0


class Answerer:
    """Answers queries from snapshots of the store.

    Args:
        opt: writes the OPT records of the answers.
    """

    def __init__(self, opt: OptWriter) -> None:
        self._opt = opt
        self._heads: dict[int, bytes] = {}

    def answer(
        self, packet: bytes, snapshot: Snapshot, now: int, address: bytes, stream: bool
    ) -> bytes | None:
        """The answer to a packet, or None if it deserves none.

        Args:
            packet: the message as received, without TCP's length.
            snapshot: the moment of the store to answer from.
            now: seconds since 1970.
            address: the asker's IP address, 4 or 16 octets; looked at only for a query that has
                an additional section.
            stream: the message came over TCP.
        """
        size = len(packet)
        if size < HEADER_OCTETS or packet[2] & 0x80:
            return None  # nothing to send back to, or itself an answer (RFC 8906 section 3)
        if packet[2] & 0x78:
            return _bare(packet, NOTIMP)
        plain = packet[4:12] == _ONE_QUESTION
        if not plain and packet[4:8] != _ONE_QUESTION[:4]:
            reply = _without_question(packet, stream)
            return self._encode(reply, now, address) if reply else _bare(packet, FORMERR)
        key, end = read_key(packet, HEADER_OCTETS)
        end += 4
        if end == 4 or end > size:
            return _bare(packet, FORMERR)
        qtype = (packet[end - 4] << 8) + packet[end - 3]
        if plain:
            if end != size:
                return _bare(packet, FORMERR)
            reply = Reply(packet, end, None, stream)
        else:
            extra = _read_additional(packet, end, qtype)
            if not extra.valid:
                return _bare(packet, FORMERR)
            reply = Reply(packet, end, extra.edns, stream)
            if extra.signed:
                reply.rcode = NOTAUTH
            elif extra.edns is not None and extra.edns.version:
                reply.rcode = BADVERS
        if reply.rcode == NOERROR:
            if (packet[end - 2] << 8) + packet[end - 1] != CLASS_IN:
                reply.rcode, reply.ede = REFUSED, EDE_NOT_AUTHORITATIVE
            elif qtype in _META:
                reply.rcode, reply.ede = _META[qtype], EDE_NOT_SUPPORTED
            else:
                _resolve(reply, snapshot, key, qtype)
        return self._encode(reply, now, address)

    def _encode(self, reply: Reply, now: int, address: bytes) -> bytes:
        """The message of a reply.

        What does not fit goes in the order of its worth: additional records, the authority section
        of a positive answer, then everything, with TC set so that the asker comes again over TCP
        (RFC 2181 section 9).
        """
        packet, end, edns = reply.packet, reply.end, reply.edns
        opt = b""
        limit = PLAIN_UDP_OCTETS
        if edns is not None:
            opt = self._opt.write(edns, reply.rcode, reply.ede, now, address, reply.stream)
            limit = edns.udp_octets if edns.udp_octets < EDNS_UDP_OCTETS else EDNS_UDP_OCTETS
        if reply.stream:
            limit = MAX_MESSAGE_OCTETS
        room = limit - end - len(opt) - len(reply.answer) - len(reply.authority)
        if len(reply.additional) > room:
            _cut_down(reply, room)
        flags = _QR | ((packet[2] << 8) + packet[3]) & _COPIED | reply.rcode & 15
        if reply.aa:
            flags |= _AA
        if reply.truncated:
            flags |= _TC
        head = self._head(
            flags,
            end > HEADER_OCTETS,
            reply.answer_number,
            reply.authority_number,
            reply.additional_number + (edns is not None),
        )
        question = packet[HEADER_OCTETS:end]
        return b"".join(
            (packet[:2], head, question, reply.answer, reply.authority, reply.additional, opt)
        )

    def _head(
        self, flags: int, questions: int, answers: int, authorities: int, additionals: int
    ) -> bytes:
        """The header from the flags on (RFC 1035 section 4.1.1). Few combinations make up nearly
        all answers, so each is packed once.
        """
        if answers > 15 or authorities > 15 or additionals > 15:
            return _HEAD.pack(flags, questions, answers, authorities, additionals)
        known = flags << 13 | questions << 12 | answers << 8 | authorities << 4 | additionals
        head = self._heads.get(known)
        if head is None:
            head = _HEAD.pack(flags, questions, answers, authorities, additionals)
            self._heads[known] = head
        return head


def _without_question(packet: bytes, stream: bool) -> Reply | None:
    """The reply to a query with no question or several: none, unless a cookie is all it asks for
    (RFC 7873 section 5.4).
    """
    if packet[4:10] != b"\0\0\0\0\0\0":
        return None
    extra = read_additional(packet, HEADER_OCTETS, (packet[10] << 8) + packet[11])
    if not extra.valid or extra.edns is None or not extra.edns.cookie:
        return None
    reply = Reply(packet, HEADER_OCTETS, extra.edns, stream)
    if extra.edns.version:
        reply.rcode = BADVERS
    return reply


def _read_additional(packet: bytes, end: int, qtype: int) -> Additional:
    """The records behind the question. Only an IXFR query has an authority section."""
    authority = (packet[8] << 8) + packet[9]
    if authority and qtype != IXFR:
        return Additional()
    return read_additional(packet, end, authority + (packet[10] << 8) + packet[11])


def _bare(packet: bytes, rcode: int) -> bytes:
    """A header alone: for what could not be read far enough to say more."""
    flags = _QR | ((packet[2] << 8) + packet[3]) & (0x7800 | _COPIED) | rcode
    return packet[:2] + _HEAD.pack(flags, 0, 0, 0, 0)


def _cut_down(reply: Reply, room: int) -> None:
    """Leave out what does not fit; `room` octets are free for additional records, or too few."""
    if reply.additional:
        # Without its glue a delegation is of no use (RFC 9471 section 3).
        reply.truncated = reply.glue
        reply.additional, reply.additional_number = b"", 0
    if room < 0 and reply.courtesy:
        room += len(reply.authority)
        reply.authority, reply.authority_number = b"", 0
    if room < 0:
        reply.truncated = True
        reply.answer, reply.answer_number = b"", 0
        reply.authority, reply.authority_number = b"", 0


def _resolve(reply: Reply, snapshot: Snapshot, key: bytes, qtype: int) -> None:
    """Collect the answer for the name with canonical key `key`, following aliases held here."""
    zone: Zone | None
    seen: set[bytes] | None = None  # keys of the names the chain has come through
    for _ in range(MAX_CHAIN):
        zone = snapshot.zone_of(key)
        if zone is not None and qtype == DS and key == zone.apex:
            # DS lies on the parent's side of a cut (RFC 4035 section 3.1.4.1)
            zone = snapshot.zone_above(key) or zone
        if zone is None:
            if not reply.answer_number:
                reply.rcode, reply.ede = REFUSED, EDE_NOT_AUTHORITATIVE
            return
        outcome, blob, depth = find(snapshot, zone, key)
        if outcome == DELEGATION and not (
            qtype == DS and depth == key.count(0) - zone.depth and blob[0] & CUT
        ):
            _refer(reply, zone, blob, depth)
            return
        reply.aa = True
        if outcome == NO_NAME:
            reply.rcode = NXDOMAIN
            _deny(reply, zone)
            return
        if outcome == REDIRECT:
            if not _redirect(reply, zone, blob, depth):
                return
        else:
            at = find_entry(blob, qtype)
            if at:
                _give(reply, zone, key, qtype, blob, at)
                return
            if qtype == ANY and len(blob) > 2:
                _give_any(reply, blob)
                return
            if not blob[0] & ALIAS:
                _deny(reply, zone)
                return
            _alias(reply, blob)
        if seen is None:
            seen = set()
        seen.add(key)
        key = key_of(reply.name)
        if key in seen:
            return


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
    if zone.ns_extra_number:
        _add_hosts(reply, zone, qtype in _ADDRESSES and key in zone.ns_hosts)


def _add_hosts(reply: Reply, zone: Zone, asked: bool) -> None:
    """The addresses of the apex's name servers, but for those that the message has already.

    Args:
        asked: the answer section holds addresses of one of them.
    """
    if asked:
        return
    if not reply.additional_number:
        reply.additional = zone.ns_extra
        reply.additional_number = zone.ns_extra_number
        return
    known = split_extra(reply.additional)
    fresh = [record for record in split_extra(zone.ns_extra) if record not in known]
    reply.additional += b"".join(fresh)
    reply.additional_number += len(fresh)


def _give_any(reply: Reply, blob: bytes) -> None:
    """One RRset of those at the name over UDP (RFC 8482 section 4.1), all of them over TCP."""
    at = 2
    given = 0
    while at < len(blob):
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
    reply.authority = with_owner(records_at(blob, at), _ancestor(reply, zone, depth))
    reply.authority_number = number_at(blob, at)
    reply.additional = extra_at(blob, at)
    reply.additional_number = extra_number_at(blob, at)
    reply.glue = True


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
