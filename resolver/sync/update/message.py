"""UPDATE messages as octets: read into records, and answered (RFC 2136 sections 2 and 3.8).

What is read here is the form alone. Whether a record may stand where it stands is told when its
turn comes (`resolver.sync.update.effect`), since an earlier one may have another response code.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from csid import names
from csid.errors import DomainNameError
from csid.limits import EDNS_UDP_OCTETS, HEADER_OCTETS, MAX_NAME_OCTETS
from csid.protocol import (
    AAAA,
    CLASS_IN,
    CLASS_NONE,
    CNAME,
    CSID,
    DNAME,
    EDE_OTHER,
    FORMERR,
    MX,
    NOTAUTH,
    NS,
    OPT,
    OPTION_EDE,
    PTR,
    RECEIPT,
    REFUSED,
    SOA,
    SRV,
    TXT,
    UPDATE,
    A,
)

_RR: Final = struct.Struct(">HHIH")  # type, class, TTL and length, behind the owner
_COUNTS: Final = struct.Struct(">4H")
_EDE_OCTETS: Final = 400  # of text in an answer, so that it fits any datagram
_RESPONSE: Final = 0x80


class Record(NamedTuple):
    """A record of the prerequisite or the update section.

    Attributes:
        key: canonical key of the owner.
        data: uncompressed in class IN and, where it is compared, in class NONE; as it came in ANY.
    """

    key: bytes
    rrtype: int
    rrclass: int
    ttl: int
    data: bytes


class Asked(NamedTuple):
    """What an UPDATE asks for.

    Attributes:
        origin: of the zone, in wire form, lower case.
        apex: its canonical key.
        edns: the message has an OPT record, so its answer may, too.
    """

    origin: bytes
    apex: bytes
    prerequisites: tuple[Record, ...]
    changes: tuple[Record, ...]
    edns: bool = False


class _Malformed(Exception):
    """The message is malformed, or cannot be taken; with the response code."""

    def __init__(self, rcode: int = FORMERR) -> None:
        super().__init__(rcode)
        self.rcode = rcode


def read(message: bytes) -> Asked | int:
    """What a message of opcode UPDATE asks for, or the response code that it gets.

    A TSIG record is passed over; work, in time and memory, is in proportion to the octets.
    """
    try:
        return _read(message)
    except _Malformed as error:
        return error.rcode
    except (IndexError, struct.error, dns.exception.DNSException, ValueError):
        return FORMERR


def _read(message: bytes) -> Asked:
    if len(message) < HEADER_OCTETS or message[2] >> 3 != UPDATE:
        raise _Malformed
    zones, prerequisites, changes, additional = _COUNTS.unpack_from(message, 4)
    if zones != 1:
        raise _Malformed
    origin, at = _name(message, HEADER_OCTETS)
    rrtype, rrclass = struct.unpack_from(">HH", message, at)
    at += 4
    if rrtype != SOA:
        raise _Malformed
    if rrclass != CLASS_IN:  # other classes are served by nobody here (section 3.1.2)
        raise _Malformed(NOTAUTH)
    compared, at = _section(message, at, prerequisites, frozenset({CLASS_IN}))
    changed, at = _section(message, at, changes, frozenset({CLASS_IN, CLASS_NONE}))
    edns = False
    for _ in range(additional):
        _, at = _name(message, at)
        rrtype, _, _, length = _RR.unpack_from(message, at)
        at += _RR.size + length
        if rrtype == OPT and edns:
            raise _Malformed
        edns |= rrtype == OPT
    if at != len(message):
        raise _Malformed
    origin = origin.lower()
    return Asked(origin, names.key_of(origin), compared, changed, edns)


def _section(
    message: bytes, at: int, count: int, classes: frozenset[int]
) -> tuple[tuple[Record, ...], int]:
    """The records of a section, those of some classes with data as it is stored."""
    records = []
    for _ in range(count):
        owner, at = _name(message, at)
        try:
            key = names.checked_key(owner)
        except DomainNameError:  # no name of any zone here, nor can it become one
            raise _Malformed(REFUSED) from None
        rrtype, rrclass, ttl, length = _RR.unpack_from(message, at)
        at += _RR.size
        end = at + length
        if end > len(message):
            raise _Malformed
        if rrclass in classes and not is_meta(rrtype):
            data = _data(message, at, end, rrtype)
        else:
            data = message[at:end]
        records.append(Record(key, rrtype, rrclass, ttl, data))
        at = end
    return tuple(records), at


def is_meta(rrtype: int) -> bool:
    """Whether a type is one of questions and messages only (RFC 6895 section 3.1)."""
    return rrtype in (0, OPT) or 128 <= rrtype < 256


def _name(message: bytes, at: int) -> tuple[bytes, int]:
    """A name, its compression undone, and the offset behind it."""
    labels = []
    size = 1
    end = 0
    start = at
    while length := message[at]:
        if length >= 192:
            target = ((length & 63) << 8) + message[at + 1]
            if target >= start:  # only back, so that there is an end (RFC 1035 section 4.1.4)
                raise _Malformed
            end = end or at + 2
            at = start = target
            continue
        size += 1 + length
        if length > 63 or size > MAX_NAME_OCTETS or at + 1 + length > len(message):
            raise _Malformed
        labels.append(message[at : at + 1 + length])
        at += 1 + length
    labels.append(b"\0")
    return b"".join(labels), end or at + 1


# -- data


def _data(message: bytes, at: int, end: int, rrtype: int) -> bytes:
    """The data of a record, uncompressed."""
    layout = _LAYOUTS.get(rrtype)
    if layout is None:
        # dnspython knows which types have names, and what else must hold of the octets.
        kind = dns.rdatatype.RdataType.make(rrtype)
        return dns.rdata.from_wire(dns.rdataclass.IN, kind, message, at, end - at).to_wire() or b""
    return layout(message, at, end)


def _fixed(octets: int) -> Callable[[bytes, int, int], bytes]:
    def read_fixed(message: bytes, at: int, end: int) -> bytes:
        if end - at != octets:
            raise _Malformed
        return message[at:end]

    return read_fixed


def _opaque(message: bytes, at: int, end: int) -> bytes:
    return message[at:end]


def _named(before: int, count: int, behind: int) -> Callable[[bytes, int, int], bytes]:
    """Data with so many octets before and behind some names."""

    def read_named(message: bytes, at: int, end: int) -> bytes:
        parts = [message[at : at + before]]
        at += before
        for _ in range(count):
            name, at = _name(message, at)
            parts.append(name)
        if at + behind != end:
            raise _Malformed
        return b"".join((*parts, message[at:end]))

    return read_named


def _strings(message: bytes, at: int, end: int) -> bytes:
    start = at
    while at < end:
        at += 1 + message[at]
    if at != end or start == end:
        raise _Malformed
    return message[start:end]


_ONE_NAME: Final = _named(0, 1, 0)
_LAYOUTS: Final[dict[int, Callable[[bytes, int, int], bytes]]] = {
    A: _fixed(4),
    AAAA: _fixed(16),
    NS: _ONE_NAME,
    CNAME: _ONE_NAME,
    DNAME: _ONE_NAME,
    PTR: _ONE_NAME,
    MX: _named(2, 1, 0),
    SRV: _named(6, 1, 0),
    SOA: _named(0, 2, 20),
    TXT: _strings,
    CSID: _opaque,
    RECEIPT: _opaque,
}


# -- the answer


def request(origin: bytes, changes: Sequence[bytes], held: Sequence[bytes] = ()) -> bytes:
    """An UPDATE, not signed, with ID zero; the OPT record lets the answer say why in words.

    Args:
        origin: of the zone, in wire form.
        changes: records of the update section in wire form (RFC 2136 section 2.5).
        held: those of the prerequisite section (section 2.4).
    """
    header = struct.pack(">6H", 0, UPDATE << 11, 1, len(held), len(changes), 1)
    zone = origin + struct.pack(">HH", SOA, CLASS_IN)
    return b"".join((header, zone, *held, *changes, _opt("")))


def response(message: bytes, rcode: int, text: str = "", edns: bool = False) -> bytes:
    """The answer to a message, not signed: its header and no section but, where ``edns`` says that
    the asker has sent one, an OPT record with a text for people (RFC 8914).
    """
    flags = bytes((message[2] & 0x78 | _RESPONSE, rcode & 15))
    header = message[:2] + flags + bytes(7) + bytes((edns,))
    return header + _opt(text) if edns else header


def _opt(text: str) -> bytes:
    options = b""
    if text:
        told = text.encode("utf-8", "replace")[:_EDE_OCTETS].decode("utf-8", "ignore").encode()
        options = struct.pack(">HHH", OPTION_EDE, 2 + len(told), EDE_OTHER) + told
    return struct.pack(">BHHIH", 0, OPT, EDNS_UDP_OCTETS, 0, len(options)) + options
