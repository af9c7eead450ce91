"""From a filled reply to the octets of its message (RFC 1035 section 4.1)."""

from __future__ import annotations

from typing import Final

from csid.limits import EDNS_UDP_OCTETS, MAX_MESSAGE_OCTETS, PLAIN_UDP_OCTETS
from resolver.answer.edns import OptWriter, padded
from resolver.answer.fit import cut_down, with_age
from resolver.answer.reply import Reply

try:
    from csid.coctets import message
except ImportError:  # not compiled on this machine
    from csid.octets import message

_QR: Final = 0x8000
_AA: Final = 0x0400
_TC: Final = 0x0200
_RA: Final = 0x0080
# The opcode, RD and CD come back as they were (RFC 1035 4.1.1, RFC 4035 3.1.6).
_COPIED: Final = 0x7910


class Encoder:
    """Makes messages of replies.

    Args:
        opt: writes their OPT records.
        recursive: others are asked for who wants that (RA).

    Attributes:
        over_tls: messages go over TLS, and are padded where that is asked for (RFC 7830).
    """

    def __init__(self, opt: OptWriter, recursive: bool = False) -> None:
        self._opt = opt
        self._always = _QR | _RA if recursive else _QR
        self.over_tls = False

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
        room = limit - end - len(opt) - reply.reserved
        if len(reply.answer) + len(reply.authority) + len(reply.additional) > room:
            cut_down(reply, room)
        if reply.pads and self.over_tls:
            others = len(reply.answer) + len(reply.authority) + len(reply.additional)
            opt = padded(opt, end + others + len(opt) + reply.reserved)
        flags = self._always | ((packet[2] << 8) + packet[3]) & _COPIED | reply.rcode & 15
        if reply.aa:
            flags |= _AA
        if reply.truncated:
            flags |= _TC
        made: bytes = message(
            packet,
            end,
            flags,
            reply.answer_number,
            reply.authority_number,
            reply.additional_number + reply.edns,
            reply.answer,
            reply.authority,
            reply.additional,
            opt,
        )
        return made
