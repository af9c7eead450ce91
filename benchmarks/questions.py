"""The questions of the benchmarks, as packets ready to be sent.

Three sets: `hits` (existing names), `mix` (what a node of the network sees), `flood` (names that
do not exist, below parents that do).
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from benchmarks.names import SUFFIX, Namespace

TYPE_A, TYPE_MX, TYPE_TXT, TYPE_AAAA, TYPE_OPT, TYPE_SVCB = 1, 15, 16, 28, 41, 64
CLASS_IN = 1
EDNS_SIZE = 1232  # bytes
OPTION_COOKIE = 10
COOKIE_SIZE = 8  # bytes, of a client cookie
LENGTH = struct.Struct(">H")
NODATA_TYPES = (TYPE_A, TYPE_AAAA, TYPE_MX, TYPE_SVCB)


@dataclass(frozen=True, slots=True)
class Question:
    """A name (text, absolute) and the type asked for, with what the client adds to it."""

    name: str
    rrtype: int
    cookie: bytes = b""  # with it, the question carries EDNS


def hits(space: Namespace, random_source: random.Random) -> Question:
    """An existing name, asked plainly."""
    return Question(f"{space.name(random_source.randrange(space.count))}.{SUFFIX}", TYPE_TXT)


def flood(space: Namespace, random_source: random.Random) -> Question:
    """A random first label below an existing parent: the attack that never repeats a name."""
    parent = space.parent(random_source.randrange(space.count))
    return Question(f"{space.absent_label(random_source)}.{parent}.{SUFFIX}", TYPE_TXT)


def mix(space: Namespace, random_source: random.Random) -> Question:
    """60 % hits, 20 % referrals, 10 % no such name, 10 % no data; half with EDNS and a cookie."""
    chance = random_source.random()
    if chance < 0.6:
        question = hits(space, random_source)
    elif chance < 0.8:
        question = Question(f"{space.below_cut(random_source)}.{SUFFIX}", TYPE_TXT)
    elif chance < 0.9:
        question = flood(space, random_source)
    else:
        question = Question(hits(space, random_source).name, random_source.choice(NODATA_TYPES))
    cookie = random_source.randbytes(COOKIE_SIZE) if random_source.random() < 0.5 else b""
    return Question(_random_case(question.name, random_source), question.rrtype, cookie)


SETS: dict[str, Callable[[Namespace, random.Random], Question]] = {
    "hits": hits,
    "mix": mix,
    "flood": flood,
}


def _random_case(name: str, random_source: random.Random) -> str:
    bits = random_source.getrandbits(len(name))
    return "".join(c.upper() if bits >> i & 1 else c for i, c in enumerate(name))


def encode(question: Question) -> bytes:
    """The packet (RFC 1035 section 4) with ID 0; with a cookie, EDNS (RFC 6891, RFC 7873)."""
    name = b"".join(
        bytes((len(label),)) + label.encode() for label in question.name.rstrip(".").split(".")
    )
    additional = b""
    if question.cookie:
        option = struct.pack(">HH", OPTION_COOKIE, len(question.cookie)) + question.cookie
        additional = struct.pack(">BHHIH", 0, TYPE_OPT, EDNS_SIZE, 0, len(option)) + option
    header = struct.pack(">HHHHHH", 0, 0, 1, 0, 0, 1 if additional else 0)
    return header + name + struct.pack(">BHH", 0, question.rrtype, CLASS_IN) + additional


def read_packets(stream: BinaryIO) -> Iterator[bytes]:
    """The packets of a question file: each behind its length, 2 bytes, big-endian."""
    data = stream.read()
    position = 0
    while position < len(data):
        (length,) = LENGTH.unpack_from(data, position)
        position += LENGTH.size
        if length == 0 or position + length > len(data):
            raise ValueError(f"question file ends within a packet, at byte {position}")
        yield data[position : position + length]
        position += length
