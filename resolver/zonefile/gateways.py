"""Fields whose form another field tells: gateways, relays, and the addresses of old types."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from resolver.zonefile.fields import (
    BASE64,
    NAME,
    U8,
    Field,
    NoTextForm,
    Words,
    hex_octets,
    rest,
    string_text,
    taken,
    word,
)

_RELAY_TYPE: Final = 0x7F  # below the D bit (RFC 8777 section 4.2.2)
_E164 = re.compile(r"\+\d+", re.ASCII)


def _read_nothing(words: Words, _: bytes | None) -> bytes:
    if word(words, "a gateway, or '.' for none") != ".":
        raise ValueError("a gateway of type 0 is none; write '.'")
    return b""


def _address(octets: int, packed: Callable[[str], bytes], shown: Callable[[bytes], str]) -> Field:
    def read(words: Words, _: bytes | None) -> bytes:
        return packed(word(words, "an address"))

    return Field(read, lambda data, at: (shown(taken(data, at, octets)), at + octets))


_FORMS: Final = (  # by type: RFC 4025 section 2.3, RFC 8777 section 4.2.3
    Field(_read_nothing, lambda data, at: (".", at)),
    _address(4, lambda text: IPv4Address(text).packed, lambda wire: str(IPv4Address(wire))),
    _address(16, lambda text: IPv6Address(text).packed, lambda wire: str(IPv6Address(wire))),
    NAME,
)


def _form(kind: int) -> Field:
    if kind >= len(_FORMS):
        raise ValueError(f"gateway type {kind}; only types 0 to {len(_FORMS) - 1} have a text form")
    return _FORMS[kind]


def _read_ipsec(words: Words, origin: bytes | None) -> bytes:
    head = b"".join([U8.read(words, origin) for _ in range(3)])
    gateway = _form(head[1]).read(words, origin)
    token = words.get()
    words.unget(token)
    if token.is_eol_or_eof():
        if head[2]:
            raise ValueError(f"algorithm {head[2]} takes a key; only algorithm 0 has none")
        return head + gateway
    return head + gateway + BASE64.read(words, origin)


def _write_ipsec(data: bytes, at: int) -> tuple[str, int]:
    precedence, kind, algorithm = taken(data, at, 3)
    gateway, at = _form(kind).write(data, at + 3)
    head = f"{precedence} {kind} {algorithm} {gateway}"
    if not algorithm:
        if at < len(data):
            raise NoTextForm  # a key of no algorithm
        return head, at
    key, at = BASE64.write(data, at)
    return f"{head} {key}", at


def _read_relay(words: Words, origin: bytes | None) -> bytes:
    precedence, discovery, kind = (U8.read(words, origin)[0] for _ in range(3))
    if discovery > 1:
        raise ValueError(f"discovery-optional is 0 or 1, not {discovery}")
    relay = _form(kind).read(words, origin)
    return bytes((precedence, discovery << 7 | kind)) + relay


def _write_relay(data: bytes, at: int) -> tuple[str, int]:
    precedence, kind = taken(data, at, 2)
    if kind & _RELAY_TYPE >= len(_FORMS):
        raise NoTextForm  # RFC 8777 section 4.2.3: what follows is opaque
    relay, at = _form(kind & _RELAY_TYPE).write(data, at + 2)
    return f"{precedence} {kind >> 7} {kind & _RELAY_TYPE} {relay}", at


def _read_a6(words: Words, origin: bytes | None) -> bytes:
    """RFC 2874 section 3.2: prefix length, the address without its prefix, the prefix's name."""
    length = U8.read(words, origin)
    bits = length[0]
    if bits > 128:
        raise ValueError(f"prefix length {bits} is above 128")
    suffix = IPv6Address(word(words, "an address")).packed if bits < 128 else b""
    kept = int.from_bytes(suffix) & ((1 << 128 - bits) - 1)
    name = NAME.read(words, origin) if bits else b""
    return length + kept.to_bytes(16)[bits // 8 :] + name


def _write_a6(data: bytes, at: int) -> tuple[str, int]:
    bits = taken(data, at, 1)[0]
    if bits > 128:
        raise ValueError("a prefix length above 128")
    octets = 16 - bits // 8
    suffix = taken(data, at + 1, octets)
    at += 1 + octets
    texts = [str(bits)] + ([str(IPv6Address(suffix.rjust(16, b"\0")))] if octets else [])
    if bits:
        name, at = NAME.write(data, at)
        texts.append(name)
    return " ".join(texts), at


def _read_atma(words: Words, _: bytes | None) -> bytes:
    """ATM Forum af-dans-0152: an AESA in hexadecimal digits and dots, or +E.164."""
    text = rest(words).replace(".", "")
    if _E164.fullmatch(text):
        return b"\1" + text[1:].encode("ascii")
    octets = hex_octets(text)
    if not octets:
        raise ValueError("an ATM address is missing")
    return b"\0" + octets


def _write_atma(data: bytes, at: int) -> tuple[str, int]:
    form = taken(data, at, 2)[0]
    if form == 1 and not data[at + 1 :].isdigit():
        raise ValueError("an E.164 address has nothing but digits")
    text = data[at + 1 :].hex() if form == 0 else "+" + string_text(data[at + 1 :])[1:-1]
    return text, len(data)


IPSEC_GATEWAY: Final = Field(_read_ipsec, _write_ipsec)
RELAY: Final = Field(_read_relay, _write_relay)
A6: Final = Field(_read_a6, _write_a6)
ATM_ADDRESS: Final = Field(_read_atma, _write_atma)
