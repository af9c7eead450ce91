"""EDNS: what the OPT record of a query asks for, and the OPT record of the answer (RFC 6891)."""

from __future__ import annotations

import struct
from typing import Final

from csid.errors import CsidError
from csid.limits import (
    EDNS_UDP_OCTETS,
    MAX_MESSAGE_OCTETS,
    MAX_NSID_OCTETS,
    MAX_OPTIONS,
    PADDED_OCTETS,
    PLAIN_UDP_OCTETS,
    TCP_IDLE_SECONDS,
)
from csid.protocol import (
    BADVERS,
    OPT,
    OPTION_COOKIE,
    OPTION_EDE,
    OPTION_EXPIRE,
    OPTION_KEEPALIVE,
    OPTION_NSID,
    OPTION_PADDING,
    TSIG,
)
from resolver.answer.reply import Reply

try:
    from csid.coctets import cookie_option
except ImportError:  # not compiled on this machine
    from csid.octets import cookie_option

_OPT_HEAD: Final = struct.Struct(">BHHBBHH")
_OPTION: Final = struct.Struct(">HH")
_DO: Final = 0x8000
_KEEPALIVE: Final = _OPTION.pack(OPTION_KEEPALIVE, 2) + int(TCP_IDLE_SECONDS * 10).to_bytes(
    2, "big"
)


class NsidError(CsidError):
    """A name for the server that would not fit its answers."""


def read_additional(reply: Reply, at: int, before: int) -> bool:
    """Take what the additional section of a query asks for into its reply.

    Args:
        reply: of the query; what its OPT record says is set even if something behind is wrong.
        at: where the sections behind the question begin.
        before: records of the answer and authority sections, which are passed over.

    Returns:
        Whether all records are well formed and the message ends with them.
    """
    packet = reply.packet
    size = len(packet)
    count = before + (packet[10] << 8) + packet[11]
    for number in range(count):
        start = at
        at = _skip_name(packet, at)
        if not at or at + 10 > size:
            return False
        rrtype = (packet[at] << 8) + packet[at + 1]
        end = at + 10 + (packet[at + 8] << 8) + packet[at + 9]
        if end > size or reply.signed:  # a TSIG is the last record (RFC 8945 section 5.1)
            return False
        if rrtype == TSIG:
            if number < before:
                return False
            reply.signed = start
        elif rrtype == OPT and number >= before:
            # One OPT, owned by the root (RFC 6891 section 6.1.1)
            if reply.edns or packet[start]:
                return False
            reply.edns = True
            octets = (packet[at + 2] << 8) + packet[at + 3]
            if octets > PLAIN_UDP_OCTETS:
                reply.udp_octets = octets
            reply.version = packet[at + 5]
            reply.flags = (packet[at + 6] << 8) + packet[at + 7]
            if not _read_options(reply, at + 10, end):
                return False
        at = end
    return at == size


def _skip_name(packet: bytes, at: int) -> int:
    """The offset behind a name that may end in a pointer; 0 if it is cut short."""
    size = len(packet)
    while at < size:
        length = packet[at]
        if length == 0:
            return at + 1
        if length >= 192:
            return at + 2
        if length > 63:
            return 0
        at += 1 + length
    return 0


def _read_options(reply: Reply, at: int, end: int) -> bool:
    """Read the options of an OPT record; unknown ones are passed over. False if malformed."""
    packet = reply.packet
    for _ in range(MAX_OPTIONS):
        if at == end:
            return True
        if at + 4 > end:
            return False
        code = (packet[at] << 8) + packet[at + 1]
        length = (packet[at + 2] << 8) + packet[at + 3]
        at += 4
        if at + length > end:
            return False
        if code == OPTION_COOKIE:
            # A client cookie of 8 octets, alone or with a server cookie of 8 to 32 (RFC 7873 4)
            if length != 8 and not 16 <= length <= 40:
                return False
            if not reply.cookie:  # of several the first counts (RFC 7873 section 5.2)
                reply.cookie = packet[at : at + 8]
        elif code == OPTION_NSID:
            reply.nsid = True
        elif code == OPTION_KEEPALIVE:
            reply.keepalive = True
        elif code == OPTION_EXPIRE:
            reply.asks_expire = True
        elif code == OPTION_PADDING:
            reply.pads = True
        at += length
    return True


class OptWriter:
    """Writes the OPT records of answers.

    Args:
        cookie_secret: 16 octets shared by all servers of one address (RFC 9018 section 5).
        nsid: the name this server gives when asked (RFC 5001); empty to give none.

    Raises:
        NsidError: `nsid` is too long.
    """

    def __init__(self, cookie_secret: bytes, nsid: bytes = b"") -> None:
        if len(nsid) > MAX_NSID_OCTETS:
            raise NsidError(
                f"a server name of {len(nsid)} octets; answers have room for {MAX_NSID_OCTETS}"
            )
        self._secret = cookie_secret
        self._nsid = _option(OPTION_NSID, nsid) if nsid else b""
        self._heads: dict[int, bytes] = {}

    def write(self, reply: Reply, now: int) -> bytes:
        """The OPT record of a reply, `now` being in seconds since 1970."""
        rcode = reply.rcode
        options = b""
        if rcode != BADVERS:
            if reply.cookie:
                options = cookie_option(self._secret, reply.cookie, now, reply.address)
            if reply.nsid:
                options += self._nsid
            if reply.keepalive and reply.stream:
                options += _KEEPALIVE
            if reply.expire >= 0:
                options += _option(OPTION_EXPIRE, reply.expire.to_bytes(4, "big"))
            if reply.ede >= 0:
                options += _option(OPTION_EDE, reply.ede.to_bytes(2, "big"))
        flags = reply.flags & _DO
        known = rcode >> 4 << 31 | (flags) << 15 | len(options)
        head = self._heads.get(known)
        if head is None:
            head = _OPT_HEAD.pack(0, OPT, EDNS_UDP_OCTETS, rcode >> 4, 0, flags, len(options))
            self._heads[known] = head
        return head + options if options else head


def padded(opt: bytes, octets: int, block: int = PADDED_OCTETS) -> bytes:
    """An OPT record with padding (RFC 7830), so that its message fills whole blocks (RFC 8467).

    Args:
        octets: that the message has without padding, with its signature.
        block: octets of a block.
    """
    octets += _OPTION.size
    size = min(-octets % block, MAX_MESSAGE_OCTETS - octets)
    if size < 0:
        return opt
    padding = _option(OPTION_PADDING, bytes(size))
    length = (opt[9] << 8) + opt[10] + len(padding)
    return opt[:9] + length.to_bytes(2, "big") + opt[11:] + padding


def _option(code: int, data: bytes) -> bytes:
    return _OPTION.pack(code, len(data)) + data
