"""Queries put together octet by octet, and answers read back as sets of records."""

from __future__ import annotations

import struct
from collections import Counter

import dns.message
import dns.rdatatype
import dns.rrset

from csid import names
from csid.dns import CLASS_IN, OPT

NOW = 1_700_000_000  # the time of every answer in tests
PEER = bytes((198, 51, 100, 100))  # the asker's address

RD = 0x0100
CD = 0x0010


def question(name: str | bytes, qtype: int | str, qclass: int = CLASS_IN) -> bytes:
    """A question; a name as text, or as octets that are taken as they are."""
    wire = names.from_text(name) if isinstance(name, str) else name
    if isinstance(qtype, str):
        qtype = int(dns.rdatatype.from_text(qtype))
    return wire + struct.pack(">HH", qtype, qclass)


def option(code: int, data: bytes = b"") -> bytes:
    """One EDNS option."""
    return struct.pack(">HH", code, len(data)) + data


def opt(
    *options: bytes, octets: int = 1232, version: int = 0, flags: int = 0, owner: bytes = b"\0"
) -> bytes:
    """An OPT record with these options (RFC 6891 section 6.1.2)."""
    data = b"".join(options)
    head = struct.pack(">HHBBHH", OPT, octets, 0, version, flags, len(data))
    return owner + head + data


def message(
    *questions: bytes,
    additional: tuple[bytes, ...] = (),
    flags: int = 0,
    ident: int = 0x1234,
    counts: tuple[int, int, int, int] | None = None,
    tail: bytes = b"",
) -> bytes:
    """A message; `counts` says something else than the sections hold."""
    if counts is None:
        counts = (len(questions), 0, 0, len(additional))
    header = struct.pack(">HHHHHH", ident, flags, *counts)
    return b"".join((header, *questions, *additional, tail))


def query(name: str | bytes, qtype: int | str, *additional: bytes, flags: int = 0) -> bytes:
    """A query with one question."""
    return message(question(name, qtype), additional=additional, flags=flags)


def records(section: list[dns.rrset.RRset]) -> Counter[str]:
    """The records of a section as text, in lower case, with how often each stands there."""
    return Counter(
        f"{rrset.name} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {rdata}".lower()
        for rrset in section
        for rdata in rrset
    )


def parsed(packet: bytes) -> dns.message.Message:
    """A message as dnspython reads it, one RRset per record so that a repeated one is seen."""
    return dns.message.from_wire(packet, one_rr_per_rrset=True)
