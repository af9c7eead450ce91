"""Queries put together octet by octet, and answers read back as sets of records."""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Sequence

import dns.message
import dns.rdatatype
import dns.rrset

from csid import names
from csid.protocol import CLASS_IN, OPT

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


# -- random queries, the same for the same seed

TYPES = (
    1,
    2,
    5,
    6,
    15,
    16,
    28,
    33,
    39,
    41,
    43,
    46,
    0,
    249,
    250,
    251,
    252,
    253,
    254,
    255,
    731,
    65347,
)
OPTIONS = (
    option(3),
    option(10, bytes(8)),
    option(10, bytes(24)),
    option(10, bytes(9)),
    option(11),
    option(15, b"\0\0"),
    option(65001, bytes(30)),
)


def random_query(rng: random.Random, owners: Sequence[bytes]) -> bytes:
    """A query that is mostly well formed, for a name at, below or beside one of `owners`."""
    name = rng.choice(owners)
    if rng.random() < 0.4:
        label = bytes(rng.choice(b"abXyz*\0\1-") for _ in range(rng.choice((1, 1, 2, 9, 63))))
        if len(name) + 1 + len(label) <= 255:
            name = bytes((len(label),)) + label + name
    if rng.random() < 0.3:
        name = bytes(octet ^ 0x20 if 65 <= octet & 0xDF <= 90 else octet for octet in name)
    additional: list[bytes] = []
    if rng.random() < 0.6:
        chosen = rng.sample(OPTIONS, rng.choice((0, 0, 1, 1, 2, 3)))
        additional.append(
            opt(
                *chosen,
                octets=rng.choice((0, 512, 1232, 4096, 65535)),
                version=rng.choice((0, 0, 0, 0, 1)),
                flags=rng.choice((0, 0x8000, 0xFFFF)),
            )
        )
    return message(
        question(name, rng.choice(TYPES), rng.choice((1, 1, 1, 1, 1, 1, 1, 1, 3, 255))),
        additional=tuple(additional),
        flags=rng.choice((0, 0, 0, RD, CD, RD | CD, 0x0440)),
        ident=rng.randrange(65536),
    )


def mutated(rng: random.Random, packet: bytes) -> bytes:
    """The packet with some octets changed, left out, put in or repeated."""
    octets = bytearray(packet)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        at = rng.randrange(len(octets) + 1)
        match rng.randrange(6):
            case 0 | 1 if at < len(octets):
                octets[at] = rng.choice((0, 1, 0x3F, 0x40, 0xC0, 0xFF, rng.randrange(256)))
            case 2:
                del octets[at : at + rng.choice((1, 2, 10))]
            case 3:
                octets[at:at] = rng.randbytes(rng.choice((1, 2, 20)))
            case 4:
                del octets[at:]
            case _:
                octets[at:at] = octets[rng.randrange(len(octets) + 1) :][:200]
    return bytes(octets)
