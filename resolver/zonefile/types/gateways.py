"""Fields whose form another field tells: gateways, relays and rendezvous servers."""

from __future__ import annotations

import base64
from typing import Final

from resolver.zonefile.tokens import name_of
from resolver.zonefile.types.addresses import IPV4, IPV6
from resolver.zonefile.types.fields import (
    BASE64,
    NAME,
    U8,
    Field,
    NoTextForm,
    Words,
    base64_octets,
    hex_octets,
    rest_words,
    taken,
    word,
)

_RELAY_TYPE: Final = 0x7F  # below the D bit (RFC 8777 section 4.2.2)


def _read_nothing(words: Words, _: bytes | None) -> bytes:
    if word(words, "a gateway, or '.' for none") != ".":
        raise ValueError("a gateway of type 0 is none; write '.'")
    return b""


_FORMS: Final = (  # by type: RFC 4025 section 2.3, RFC 8777 section 4.2.3
    Field(_read_nothing, lambda data, at: (".", at)),
    IPV4,
    IPV6,
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
            raise NoTextForm(len(data))  # a key of no algorithm
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
        raise NoTextForm(len(data))  # RFC 8777 section 4.2.3: what follows is opaque
    relay, at = _form(kind & _RELAY_TYPE).write(data, at + 2)
    return f"{precedence} {kind >> 7} {kind & _RELAY_TYPE} {relay}", at


def _read_host_identity(words: Words, origin: bytes | None) -> bytes:
    """RFC 8005 section 5, as text in section 6: algorithm, HIT, key and rendezvous servers."""
    algorithm = U8.read(words, origin)
    tag = hex_octets(word(words, "a host identity tag"))
    key = base64_octets(word(words, "a public key"))
    if not 1 <= len(tag) <= 255 or not 1 <= len(key) <= 65_535:
        raise ValueError("a host identity tag has 1 to 255 octets, a public key 1 to 65,535")
    servers = [name_of(text, origin) for text in rest_words(words)]
    return b"".join([bytes((len(tag),)), algorithm, len(key).to_bytes(2), tag, key, *servers])


def _write_host_identity(data: bytes, at: int) -> tuple[str, int]:
    head = taken(data, at, 4)
    tag_end = 4 + head[0]
    key_end = tag_end + int.from_bytes(head[2:])
    if not 4 < tag_end < key_end <= len(data):
        raise ValueError("a host identity tag or a public key that is empty or cut off")
    texts = [str(head[1]), data[4:tag_end].hex(), base64.b64encode(data[tag_end:key_end]).decode()]
    at = key_end
    while at < len(data):
        server, at = NAME.write(data, at)
        texts.append(server)
    return " ".join(texts), at


IPSEC_GATEWAY: Final = Field(_read_ipsec, _write_ipsec)
RELAY: Final = Field(_read_relay, _write_relay)
HOST_IDENTITY: Final = Field(_read_host_identity, _write_host_identity)
