"""Parameters of SVCB and HTTPS records (RFC 9460 sections 2.1, 2.2, 7, 8 and appendix A).

What is well-formed is taken, also what a client will not use: parameters in AliasMode, which it
ignores (section 2.4.2), a key not known here, a list of ECH keys that is none.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Final

import dns.exception
import dns.ipv4
import dns.ipv6
import dns.tokenizer

from resolver.zonefile.types.fields import (
    Field,
    NoTextForm,
    Words,
    base64_octets,
    name_end,
    number,
    taken,
)
from resolver.zonefile.types.texts import octets_of, string_text

_MANDATORY: Final = 0
_ALPN: Final = 1
_NO_DEFAULT_ALPN: Final = 2
_KEYS: Final = (
    *("mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint"),
    *("dohpath", "ohttp", "tls-supported-groups", "docpath"),
)
_NUMBER_OF: Final = {name: key for key, name in enumerate(_KEYS)}
_NUMBERED = re.compile(r"key(0|[1-9]\d{0,4})", re.ASCII)
_ITEM = re.compile(rb"(?:[^\\,]|\\.)*", re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_PLAIN_ALPN = re.compile(rb"[A-Za-z0-9./-]{2,}")  # Knot takes no single letters in a list


def _key(text: str) -> int:
    known = _NUMBER_OF.get(text)
    if known is not None:
        return known
    found = _NUMBERED.fullmatch(text)
    if found is None or int(found[1]) > 65_535:
        raise ValueError(f"{text[:30]!r} is no parameter known here; write keyNNNNN (RFC 9460 2.1)")
    return int(found[1])


def _items(value: bytes) -> list[bytes]:
    """A list with commas between, in which a backslash takes a comma's or its own meaning away."""
    if not value:
        raise ValueError("an empty list")
    items, at = [], 0
    while at <= len(value):
        found = _ITEM.match(value, at)
        assert found is not None  # it matches nothing, too
        items.append(_ESCAPE.sub(rb"\1", found[0]))
        at = found.end() + 1
        if value[at - 1 : at] not in (b",", b""):
            raise ValueError("a backslash with nothing behind it")
    return items


def _texts(value: bytes) -> list[str]:
    return [item.decode("utf-8") for item in _items(value)]


def _mandatory(value: bytes) -> bytes:
    return b"".join([key.to_bytes(2) for key in sorted(map(_key, _texts(value)))])


def _strings(value: bytes) -> bytes:
    items = _items(value)
    if max(map(len, items)) > 255 or not min(map(len, items)):
        raise ValueError("a list of texts of 1 to 255 octets each")
    return b"".join([bytes((len(item),)) + item for item in items])


def _numbers(value: bytes) -> bytes:
    return b"".join([number(item, 65_535).to_bytes(2) for item in _texts(value)])


def _nothing(value: bytes) -> bytes:
    if value:
        raise ValueError("it takes no value")
    return b""


# How the value of a key called by its name is read; other values stand for their octets.
_READ: Final[dict[int, Callable[[bytes], bytes]]] = {
    _MANDATORY: _mandatory,
    _ALPN: _strings,
    _NO_DEFAULT_ALPN: _nothing,
    3: lambda value: number(value.decode("utf-8"), 65_535).to_bytes(2),
    4: lambda value: b"".join(map(dns.ipv4.inet_aton, _texts(value))),
    5: lambda value: base64_octets(value.decode("utf-8")),
    6: lambda value: b"".join(map(dns.ipv6.inet_aton, _texts(value))),
    8: _nothing,
    9: _numbers,
    10: lambda value: _strings(value) if value else b"",
}


def _pairs(wire: bytes) -> list[bytes]:
    return [wire[at : at + 2] for at in range(0, len(wire), 2)]


def _is_key_list(wire: bytes) -> bool:
    keys = _pairs(wire)
    return bool(wire) and not len(wire) % 2 and keys == sorted(set(keys)) and keys[0] != b"\0\0"


def _is_string_list(wire: bytes) -> bool:
    at = 0
    while at < len(wire) and wire[at]:
        at += 1 + wire[at]
    return 0 < at == len(wire)


# What the octets of a value must be: other name servers do not take it otherwise.
_WELL_FORMED: Final[dict[int, Callable[[bytes], bool]]] = {
    _MANDATORY: _is_key_list,
    _ALPN: _is_string_list,
    _NO_DEFAULT_ALPN: lambda wire: not wire,
    3: lambda wire: len(wire) == 2,
    4: lambda wire: bool(wire) and len(wire) % 4 == 0,
    6: lambda wire: bool(wire) and len(wire) % 16 == 0,
    7: bool,
}


def _read(words: Words, _: bytes | None) -> bytes:
    values: dict[int, bytes] = {}
    while not (token := words.get()).is_eol_or_eof():
        if not token.is_identifier():
            raise ValueError("a parameter begins with its key, which takes no quotes")
        text, equals, rest = token.value.partition("=")
        key = _key(text)
        if key in values:
            raise ValueError(f"parameter {text} comes twice")
        token.value = rest
        value = octets_of(_quoted_behind(words) if equals and not rest else token)
        try:
            values[key] = _READ.get(key, bytes)(value) if text in _NUMBER_OF else value
        except (ValueError, dns.exception.DNSException) as error:
            raise ValueError(f"parameter {text}: {error}") from None
    words.unget(token)
    return b"".join(
        [
            key.to_bytes(2) + len(value).to_bytes(2) + value
            for key, value in sorted(values.items())
            if len(value) < 2**16 or _too_long(key)
        ]
    )


def _too_long(key: int) -> bool:
    raise ValueError(f"the value of parameter {key} exceeds 65,535 octets")


def _quoted_behind(words: Words) -> dns.tokenizer.Token:
    """The quoted text that follows "=" at once, or an empty one."""
    token = words.get(want_leading=True)
    if token.is_quoted_string():
        return token
    words.unget(token)
    return dns.tokenizer.Token(dns.tokenizer.QUOTED_STRING, "")


def values_of(data: bytes, at: int) -> dict[int, bytes]:
    """The parameters from `at` to the end of the data, in ascending order of their keys.

    Raises:
        ValueError: they are malformed (RFC 9460 section 2.2).
    """
    values: dict[int, bytes] = {}
    last = -1
    while at < len(data):
        head = taken(data, at, 4)
        key, size = int.from_bytes(head[:2]), int.from_bytes(head[2:])
        value = taken(data, at + 4, size)
        if key <= last:
            raise ValueError("parameters stand in ascending order of their keys, each once")
        well_formed = _WELL_FORMED.get(key)
        if well_formed is not None and not well_formed(value):
            raise ValueError(f"the value of parameter {_KEYS[key]} is malformed")
        values[key] = value
        last, at = key, at + 4 + size
    return values


def check(data: bytes) -> None:
    """ValueError if the record contradicts itself (RFC 9460 sections 7.1.1 and 8)."""
    values = values_of(data, name_end(data, 2))
    if data[:2] == b"\0\0":
        return  # AliasMode: recipients ignore the parameters
    missing = _missing(values)
    if missing:
        raise ValueError(f"key {missing[0]} is mandatory, but it is not there")
    if _NO_DEFAULT_ALPN in values and _ALPN not in values:
        raise ValueError("no-default-alpn stands only beside alpn")


def _missing(values: dict[int, bytes]) -> list[int]:
    """The mandatory keys that are not there."""
    keys = map(int.from_bytes, _pairs(values.get(_MANDATORY, b"")))
    return [key for key in keys if key not in values]


def _key_text(key: int) -> str:
    return _KEYS[key] if key < 7 else f"key{key}"  # servers disagree on the names of later ones


def _write_alpn(value: bytes) -> str:
    items, at = [], 0
    while at < len(value):
        items.append(value[at + 1 : at + 1 + value[at]])
        at += 1 + value[at]
    if not all(map(_PLAIN_ALPN.fullmatch, items)):
        return ""  # servers disagree on the escapes of lists
    return b",".join(items).decode("ascii")


def _parts(value: bytes, size: int) -> list[bytes]:
    return [value[at : at + size] for at in range(0, len(value), size)]


_WRITE: Final[dict[int, Callable[[bytes], str]]] = {
    _MANDATORY: lambda value: ",".join(_key_text(int.from_bytes(key)) for key in _pairs(value)),
    _ALPN: _write_alpn,
    3: lambda value: str(int.from_bytes(value)),
    4: lambda value: ",".join(map(dns.ipv4.inet_ntoa, _parts(value, 4))),
    5: lambda value: base64.b64encode(value).decode("ascii"),
    6: lambda value: ",".join(map(dns.ipv6.inet_ntoa, _parts(value, 16))),
}


def _write(data: bytes, at: int) -> tuple[str, int]:
    values = values_of(data, at)
    if _missing(values):
        raise NoTextForm(len(data))  # in AliasMode, but NSD and Knot do not take it as text
    texts = [_text(key, value) for key, value in values.items()]
    return " ".join(texts), len(data)


def _text(key: int, value: bytes) -> str:
    if key == _NO_DEFAULT_ALPN:
        return _KEYS[key]
    shown = _WRITE[key](value) if key in _WRITE else ""
    return f"{_KEYS[key]}={shown}" if shown else f"key{key}={string_text(value)}"


PARAMETERS: Final = Field(_read, _write)
