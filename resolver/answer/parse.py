"""Reading a query: header, question, and what stands behind it.

Whatever is wrong with a query is told in the answer's response code; the asker's OPT record is
answered by one even then, if it could be read (RFC 6891 section 6.1.1).
"""

from __future__ import annotations

from typing import Final

from csid.limits import HEADER_OCTETS
from csid.names import read_key
from csid.protocol import (
    ANY,
    AXFR,
    BADVERS,
    CLASS_ANY,
    CLASS_IN,
    EDE_NOT_AUTHORITATIVE,
    EDE_NOT_SUPPORTED,
    FORMERR,
    IXFR,
    MAILA,
    MAILB,
    NOTAUTH,
    NOTIFY,
    NOTIMP,
    OPT,
    QUERY,
    REFUSED,
    SOA,
    STATUS,
    TKEY,
    TSIG,
    UPDATE,
)
from resolver.answer.edns import read_additional
from resolver.answer.reply import Reply

# What asks for no data: opcodes, and of QUERY the types that are found in messages only (RFC 6895
# sections 2.2 and 3.1), with the response code and the extended error they get where nobody looks
# after what is special.
_UNSERVED: Final[dict[tuple[int, int], tuple[int, int]]] = {
    (STATUS, ANY): (NOTIMP, EDE_NOT_SUPPORTED),
    (NOTIFY, ANY): (NOTIMP, EDE_NOT_SUPPORTED),
    (UPDATE, ANY): (NOTIMP, EDE_NOT_SUPPORTED),
    (QUERY, OPT): (FORMERR, -1),
    (QUERY, TKEY): (FORMERR, -1),
    (QUERY, TSIG): (FORMERR, -1),
    (QUERY, IXFR): (REFUSED, EDE_NOT_SUPPORTED),
    (QUERY, AXFR): (REFUSED, EDE_NOT_SUPPORTED),
    (QUERY, MAILA): (NOTIMP, EDE_NOT_SUPPORTED),
    (QUERY, MAILB): (NOTIMP, EDE_NOT_SUPPORTED),
}
_UNKNOWN_OPCODE: Final = (NOTIMP, EDE_NOT_SUPPORTED)
_ABOUT_ZONES: Final = (NOTIFY, UPDATE)  # their first section is one question, about a zone
_TRANSFERS: Final = (AXFR, IXFR)


def parse(packet: bytes, address: bytes, stream: bool) -> Reply | None:
    """The query in a message, as a reply to be filled; None where silence is right.

    Args:
        packet: the message as received, without TCP's length.
        address: the asker's IP address, 4 or 16 octets.
        stream: it came over TCP.
    """
    size = len(packet)
    if size < HEADER_OCTETS or packet[2] & 0x80:
        return None  # nothing to send back to, or itself an answer (RFC 8906 section 3)
    reply = Reply(packet, address, stream)
    opcode = packet[2] >> 3 & 15
    questions = (packet[4] << 8) + packet[5]
    key: bytes
    end: int
    others = packet[6] | packet[7] | packet[8] | packet[9] | packet[10] | packet[11]
    if questions == 1:
        key, end = read_key(packet, HEADER_OCTETS)
        if end == 0 or end + 4 > size:
            reply.rcode = NOTIMP if opcode and opcode not in _ABOUT_ZONES else FORMERR
            return reply
        reply.key = key
        reply.name = packet[HEADER_OCTETS:end]
        reply.qtype = (packet[end] << 8) + packet[end + 1]
        reply.qclass = (packet[end + 2] << 8) + packet[end + 3]
        reply.end = end + 4
        if not others and not opcode:
            if end + 4 == size:
                _judge(reply)
            else:
                reply.rcode = FORMERR
            return reply
    _read_rest(reply, opcode, questions)
    return reply


def _judge(reply: Reply) -> None:
    """Whether a well-formed query asks for data."""
    qtype = reply.qtype
    if reply.version:
        reply.rcode = BADVERS
    elif reply.qclass != CLASS_IN and reply.qclass != CLASS_ANY:
        reply.rcode, reply.ede = REFUSED, EDE_NOT_AUTHORITATIVE
    elif (qtype == OPT or 128 <= qtype < ANY) and (QUERY, qtype) in _UNSERVED:
        reply.rcode, reply.ede = _UNSERVED[QUERY, qtype]
        reply.special = qtype in _TRANSFERS
    else:
        reply.asks = True
        # When a zone expires is no data of it (RFC 7314).
        reply.special = reply.asks_expire and qtype == SOA


def _read_rest(reply: Reply, opcode: int, questions: int) -> None:
    """A query with more behind its question, or with no question or several."""
    packet = reply.packet
    at = reply.end
    if questions != 1:
        at = _skip_questions(packet, questions)
    answers = (packet[6] << 8) + packet[7]
    authorities = (packet[8] << 8) + packet[9]
    whole = at > 0 and read_additional(reply, at, answers + authorities)
    if opcode:
        _read_opcode(reply, opcode, whole and questions == 1, whole)
    elif not whole or answers or (authorities and reply.qtype != IXFR):
        # Only an IXFR query has an authority section (RFC 1995 section 3).
        reply.rcode = FORMERR
    elif reply.signed:
        reply.special = True
        reply.rcode = NOTAUTH
    elif questions == 1:
        _judge(reply)
    elif questions or authorities or not reply.cookie:
        reply.rcode = FORMERR
    elif reply.version:
        reply.rcode = BADVERS
    # else a cookie alone was asked for (RFC 7873 section 5.4)


def _read_opcode(reply: Reply, opcode: int, is_about_zone: bool, is_whole: bool) -> None:
    """Another message than a query."""
    reply.rcode, reply.ede = _UNSERVED.get((opcode, ANY), _UNKNOWN_OPCODE)
    if opcode not in _ABOUT_ZONES or reply.qtype != SOA:
        reply.end = HEADER_OCTETS  # what there is need be no question
    if opcode not in _ABOUT_ZONES:
        reply.special = is_whole and reply.signed > 0
    elif is_about_zone:
        reply.special = True
    else:
        reply.rcode, reply.ede = FORMERR, -1


def _skip_questions(packet: bytes, questions: int) -> int:
    """The offset behind the question section; 0 if it is cut short."""
    at = HEADER_OCTETS
    for _ in range(questions):
        end: int
        _, end = read_key(packet, at)
        at = end + 4
        if not end or at > len(packet):
            return 0
    return at
