"""An answer in the making, with the query it is for: what passes along the answer path."""

from __future__ import annotations

from collections.abc import Callable

from mypy_extensions import mypyc_attr

from csid.limits import HEADER_OCTETS, PLAIN_UDP_OCTETS
from csid.protocol import NOERROR
from resolver.store.node import OWNER


@mypyc_attr(acyclic=True, free_list_len=1)  # octets and numbers only, and mostly one at a time
class Reply:
    """A query as read by `parse`, filled by a source, made a message by `encode`.

    Of the query:
        packet: the message as received; its question ends at `end`, HEADER_OCTETS if it has none.
        address: the asker's IP address, 4 or 16 octets.
        stream: it came over TCP.
        asks: it is a whole and well-formed question for data, so a source is to be asked.
        key, qtype, qclass: the name asked for as canonical key, type and class.
        edns: it has an OPT record, and so does its answer; from there
            udp_octets: the largest answer the asker takes over UDP, at least 512;
            version: of EDNS; only 0 exists;
            flags: the DO bit and the reserved ones;
            cookie: the client cookie of 8 octets, or empty;
            nsid: whether the server's name is wanted (RFC 5001);
            keepalive: whether edns-tcp-keepalive was sent (RFC 7828);
            asks_expire: whether it is to be told when the zone expires (RFC 7314);
            pads: whether padding was sent (RFC 7830).
        signed: where the TSIG record begins that ends it (RFC 8945); 0 if none does.
        special: it is no plain query, and may be granted all the same: signed, or a transfer,
            NOTIFY or UPDATE (`resolver.sync.front`). What it gets if nobody looks after it is set.

    Of the answer:
        rcode, ede: response code, and extended error code (RFC 8914) or -1.
        aa, truncated: header flags.
        expire: seconds until the zone expires, or -1.
        answer, authority, additional: ready records, with their numbers; no OPT among them.
        age: seconds the records have been held, by which their TTLs are less.
        name: the name under work in wire form: that of the question, or what it is an alias of.
        owner: how records at `name` are owned: a pointer to where the message has it, or `name`.
        cut: of a referral the name of the delegation, in wire form; its addresses are glue.
        courtesy: the authority section is there for good measure only.
        redirects: owners of the DNAMEs in the answer section.
        sign: signs the message once it is made, given the seconds since 1970; None if it goes
            unsigned.
        reserved: octets to be left for the signature.
    """

    __slots__ = (
        "aa",
        "additional",
        "additional_number",
        "address",
        "age",
        "answer",
        "answer_number",
        "asks",
        "asks_expire",
        "authority",
        "authority_number",
        "cookie",
        "courtesy",
        "cut",
        "ede",
        "edns",
        "end",
        "expire",
        "flags",
        "keepalive",
        "key",
        "name",
        "nsid",
        "owner",
        "packet",
        "pads",
        "qclass",
        "qtype",
        "rcode",
        "redirects",
        "reserved",
        "sign",
        "signed",
        "special",
        "stream",
        "truncated",
        "udp_octets",
        "version",
    )

    def __init__(self, packet: bytes, address: bytes, stream: bool) -> None:
        self.packet = packet
        self.address = address
        self.stream = stream
        self.asks = False
        self.end = HEADER_OCTETS
        self.key = b""
        self.qtype = 0
        self.qclass = 0
        self.edns = False
        self.udp_octets = PLAIN_UDP_OCTETS
        self.version = 0
        self.flags = 0
        self.cookie = b""
        self.nsid = False
        self.keepalive = False
        self.asks_expire = False
        self.pads = False
        self.expire = -1
        self.signed = 0
        self.special = False
        self.sign: Callable[[bytes, int], bytes] | None = None
        self.reserved = 0
        self.rcode = NOERROR
        self.ede = -1
        self.name = b""
        self.owner = OWNER
        self.cut = b""
        self.redirects: tuple[bytes, ...] = ()
        self.age = 0
        self.clear()

    def clear(self) -> None:
        """Leave the answer without records and flags."""
        self.aa = False
        self.truncated = False
        self.courtesy = False
        self.answer = b""
        self.answer_number = 0
        self.authority = b""
        self.authority_number = 0
        self.additional = b""
        self.additional_number = 0
