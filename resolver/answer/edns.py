"""EDNS: what the OPT record of a query asks for, and the OPT record of the answer (RFC 6891)."""

from __future__ import annotations

import struct
from typing import Final

import siphash24

from csid.errors import CsidError
from csid.limits import (
    COOKIE_MEMO_ENTRIES,
    COOKIE_MEMO_SECONDS,
    EDNS_UDP_OCTETS,
    MAX_NSID_OCTETS,
    MAX_OPTIONS,
    PLAIN_UDP_OCTETS,
    TCP_IDLE_SECONDS,
)
from csid.protocol import (
    BADVERS,
    OPT,
    OPTION_COOKIE,
    OPTION_EDE,
    OPTION_KEEPALIVE,
    OPTION_NSID,
    TSIG,
)

_OPT_HEAD: Final = struct.Struct(">BHHBBHH")
_OPTION: Final = struct.Struct(">HH")
_DO: Final = 0x8000
_COOKIE_HEAD: Final = _OPTION.pack(OPTION_COOKIE, 24)  # client and server cookie behind it
_KEEPALIVE: Final = _OPTION.pack(OPTION_KEEPALIVE, 2) + int(TCP_IDLE_SECONDS * 10).to_bytes(
    2, "big"
)


class NsidError(CsidError):
    """A name for the server that would not fit its answers."""


class Edns:
    """What a query's OPT record says.

    Attributes:
        udp_octets: the largest answer the asker takes over UDP, at least 512.
        version: EDNS version; only 0 exists.
        flags: the DO bit and the reserved ones.
        cookie: the client cookie of 8 octets, or empty.
        nsid: whether the server's name is wanted (RFC 5001).
        keepalive: whether edns-tcp-keepalive was sent (RFC 7828).
    """

    __slots__ = ("cookie", "flags", "keepalive", "nsid", "udp_octets", "version")

    def __init__(self, udp_octets: int, version: int, flags: int) -> None:
        self.udp_octets = max(udp_octets, PLAIN_UDP_OCTETS)
        self.version = version
        self.flags = flags
        self.cookie = b""
        self.nsid = False
        self.keepalive = False


class Additional:
    """What stands behind the question of a query.

    Attributes:
        valid: the records are well formed and the message ends with them.
        edns: the OPT record, if there was one.
        signed: a TSIG record stands there (RFC 8945).
    """

    __slots__ = ("edns", "signed", "valid")

    def __init__(self) -> None:
        self.valid = False
        self.edns: Edns | None = None
        self.signed = False


def read_additional(packet: bytes, at: int, count: int) -> Additional:
    """Read the `count` records that follow the question at offset `at`."""
    found = Additional()
    size = len(packet)
    for _ in range(count):
        start = at
        at = _skip_name(packet, at)
        if not at or at + 10 > size:
            return found
        rrtype = (packet[at] << 8) + packet[at + 1]
        end = at + 10 + (packet[at + 8] << 8) + packet[at + 9]
        if end > size or found.signed:  # a TSIG is the last record (RFC 8945 section 5.1)
            return found
        if rrtype == OPT:
            # One OPT, owned by the root (RFC 6891 section 6.1.1)
            if found.edns is not None or packet[start]:
                return found
            found.edns = edns = Edns(
                (packet[at + 2] << 8) + packet[at + 3],
                packet[at + 5],
                (packet[at + 6] << 8) + packet[at + 7],
            )
            if not _read_options(edns, packet, at + 10, end):
                return found
        elif rrtype == TSIG:
            found.signed = True
        at = end
    found.valid = at == size
    return found


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


def _read_options(edns: Edns, packet: bytes, at: int, end: int) -> bool:
    """Read the options of an OPT record; unknown ones are passed over. False if malformed."""
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
            if not edns.cookie:  # of several the first counts (RFC 7873 section 5.2)
                edns.cookie = packet[at : at + 8]
        elif code == OPTION_NSID:
            edns.nsid = True
        elif code == OPTION_KEEPALIVE:
            edns.keepalive = True
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
        self._cookies: dict[bytes, bytes] = {}
        self._cookies_since = 0

    def write(
        self, edns: Edns, rcode: int, ede: int, now: int, address: bytes, stream: bool
    ) -> bytes:
        """The OPT record that answers `edns`.

        Args:
            rcode: the response code, of which this record carries the upper eight bits.
            ede: an extended error code, or -1 (RFC 8914).
            now: seconds since 1970.
            address: the asker's IP address, 4 or 16 octets.
            stream: the answer goes over TCP.
        """
        options = b""
        if rcode != BADVERS:
            if edns.cookie:
                options = self._cookie(edns.cookie, now, address)
            if edns.nsid:
                options += self._nsid
            if edns.keepalive and stream:
                options += _KEEPALIVE
            if ede >= 0:
                options += _option(OPTION_EDE, ede.to_bytes(2, "big"))
        known = rcode >> 4 << 31 | (edns.flags & _DO) << 15 | len(options)
        head = self._heads.get(known)
        if head is None:
            head = _OPT_HEAD.pack(
                0, OPT, EDNS_UDP_OCTETS, rcode >> 4, 0, edns.flags & _DO, len(options)
            )
            self._heads[known] = head
        return head + options if options else head

    def _cookie(self, client: bytes, now: int, address: bytes) -> bytes:
        """The COOKIE option for a client, made anew once a minute (RFC 9018 section 4)."""
        if now - self._cookies_since >= COOKIE_MEMO_SECONDS or now < self._cookies_since:
            self._cookies.clear()
            self._cookies_since = now
        asker = client + address
        known = self._cookies.get(asker)
        if known is None:
            if len(self._cookies) >= COOKIE_MEMO_ENTRIES:
                self._cookies.clear()
            known = _COOKIE_HEAD + client + server_cookie(self._secret, client, now, address)
            self._cookies[asker] = known
        return known


def server_cookie(secret: bytes, client: bytes, now: int, address: bytes) -> bytes:
    """The interoperable server cookie of 16 octets (RFC 9018 section 4.4)."""
    head = b"\x01\0\0\0" + (now & 0xFFFFFFFF).to_bytes(4, "big")
    digest: bytes = siphash24.siphash24(client + head + address, key=secret).digest()
    return head + digest


def _option(code: int, data: bytes) -> bytes:
    return _OPTION.pack(code, len(data)) + data
