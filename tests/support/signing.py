"""Messages signed as dnspython signs them, at any time and with anything wrong."""

from __future__ import annotations

import struct

import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tsig

from csid import names
from csid.protocol import CLASS_ANY, TSIG
from resolver.sync import tsig

SECRET = b"0123456789abcdef0123456789abcdef"
NAME = "the-key."
KEY = tsig.Key(names.from_text(NAME), "hmac-sha256", SECRET)
MAC_OCTETS = 32
_AFTER_MAC = 6  # octets of original ID, error, length of other data


def oracle(key: tsig.Key) -> dns.tsig.Key:
    """A key as dnspython has it."""
    return dns.tsig.Key(names.to_text(key.name), key.secret, key.algorithm)


def signed(
    wire: bytes,
    now: int,
    key: tsig.Key = KEY,
    request_mac: bytes = b"",
    fudge: int = 300,
    identity: int | None = None,
) -> tuple[bytes, bytes]:
    """A message with its TSIG record, by dnspython, and the MAC."""
    theirs = oracle(key)
    empty = dns.tsig.default_algorithm
    original = int.from_bytes(wire[:2], "big") if identity is None else identity
    rdata = dns.rdtypes.ANY.TSIG.TSIG(  # type: ignore[attr-defined]
        dns.rdataclass.ANY, dns.rdatatype.TSIG, theirs.algorithm or empty, 0, fudge, b"",
        original, 0, b"",
    )  # fmt: skip
    made, _ = dns.tsig.sign(original.to_bytes(2, "big") + wire[2:], theirs, rdata, now, request_mac)
    data = made.to_wire()
    assert data is not None
    return with_record(wire, key.name, data), made.mac


def with_record(
    wire: bytes, name: bytes, data: bytes, rrclass: int = CLASS_ANY, ttl: int = 0
) -> bytes:
    """A message with one more record of type TSIG behind it."""
    count = int.from_bytes(wire[10:12], "big") + 1
    head = struct.pack(">HHIH", TSIG, rrclass, ttl, len(data))
    return wire[:10] + count.to_bytes(2, "big") + wire[12:] + name + head + data


def shortened(message: bytes, octets: int, key: tsig.Key = KEY) -> bytes:
    """A message whose MAC of 32 octets is cut to so many."""
    end = len(message) - _AFTER_MAC
    begin = end - MAC_OCTETS
    size_at = begin - 2
    length_at = size_at - 8 - len(names.from_text(key.algorithm)) - 2
    cut = MAC_OCTETS - octets
    length = int.from_bytes(message[length_at : length_at + 2], "big") - cut
    return (
        message[:length_at]
        + length.to_bytes(2, "big")
        + message[length_at + 2 : size_at]
        + octets.to_bytes(2, "big")
        + message[begin : begin + octets]
        + message[end:]
    )


def spoiled(message: bytes) -> bytes:
    """A message with another MAC."""
    at = len(message) - _AFTER_MAC - 1
    return message[:at] + bytes((message[at] ^ 1,)) + message[at + 1 :]
