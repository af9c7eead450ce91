"""From a filled reply to the octets of its message (RFC 1035 section 4.1)."""

from __future__ import annotations

import struct
from typing import Final

from csid.limits import EDNS_UDP_OCTETS, HEADER_OCTETS, MAX_MESSAGE_OCTETS, PLAIN_UDP_OCTETS
from resolver.answer.edns import OptWriter
from resolver.answer.fit import cut_down, with_age
from resolver.answer.reply import Reply

_HEAD: Final = struct.Struct(">HHHHH")  # a header without its ID
_QR: Final = 0x8000
_AA: Final = 0x0400
_TC: Final = 0x0200
# The opcode, RD and CD come back as they were (RFC 1035 4.1.1, RFC 4035 3.1.6).
_COPIED: Final = 0x7910


class Encoder:
    """Makes messages of replies.

    Args:
        opt: writes their OPT records.
    """

    def __init__(self, opt: OptWriter) -> None:
        self._opt = opt
        self._heads: dict[int, bytes] = {}

    def encode(self, reply: Reply, now: int) -> bytes:
        """The message of a reply; `now` is in seconds since 1970.

        What does not fit is left out, see `fit.cut_down`.
        """
        packet, end = reply.packet, reply.end
        opt = b""
        limit = PLAIN_UDP_OCTETS
        if reply.edns:
            opt = self._opt.write(reply, now)
            limit = reply.udp_octets if reply.udp_octets < EDNS_UDP_OCTETS else EDNS_UDP_OCTETS
        if reply.stream:
            limit = MAX_MESSAGE_OCTETS
        if reply.age:
            with_age(reply)
        room = limit - end - len(opt)
        if len(reply.answer) + len(reply.authority) + len(reply.additional) > room:
            cut_down(reply, room)
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
            reply.additional_number + reply.edns,
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
