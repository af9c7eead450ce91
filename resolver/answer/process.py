"""Answering: a query's bytes in, the answer's bytes out, or None where silence is right.

The route, top to bottom: `answer` reads header, question and EDNS; `resolve` (resolve.py) collects
ready records from the tree; `_encode` puts them behind the header once and drops what does not fit.
No clock, no socket, no store: the time, the asker and one moment of the store are
arguments. Nothing a stranger sends raises an exception.
"""

from __future__ import annotations

import struct
from typing import Final

from csid.limits import (
    EDNS_UDP_OCTETS,
    HEADER_OCTETS,
    MAX_MESSAGE_OCTETS,
    PLAIN_UDP_OCTETS,
)
from csid.names import read_key
from csid.protocol import (
    AXFR,
    BADVERS,
    CLASS_IN,
    EDE_NOT_AUTHORITATIVE,
    EDE_NOT_SUPPORTED,
    FORMERR,
    IXFR,
    MAILA,
    MAILB,
    NOERROR,
    NOTAUTH,
    NOTIMP,
    OPT,
    REFUSED,
    TKEY,
    TSIG,
)
from resolver.answer.edns import Additional, OptWriter, read_additional
from resolver.answer.lookup import Snapshot
from resolver.answer.resolve import Reply, resolve

_HEAD: Final = struct.Struct(">HHHHH")  # a header without its ID
_ONE_QUESTION: Final = b"\0\1\0\0\0\0\0\0"
_QR: Final = 0x8000
_AA: Final = 0x0400
_TC: Final = 0x0200
_COPIED: Final = 0x0110  # RD and CD come back as they were (RFC 1035 4.1.1, RFC 4035 3.1.6)

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
                resolve(reply, snapshot, key, qtype)
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
