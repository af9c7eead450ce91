"""Fields of text: character strings, tags, and text to the end of the data (RFC 1035 3.3, 5.1)."""

from __future__ import annotations

import re
from typing import Final

import dns.tokenizer

from resolver.zonefile.types.fields import Field, NoTextForm, Words, taken

_PLAIN_STRING = re.compile(rb"[ !#-\[\]-~]*")
_LONGEST_TAG: Final = 15  # octets that NSD reads (RFC 6844 section 5.1)
_TAG = re.compile(rb"[0-9A-Za-z]+")


def string_text(octets: bytes) -> str:
    """A character string in quotes (RFC 1035 section 5.1)."""
    if _PLAIN_STRING.fullmatch(octets):
        return f'"{octets.decode("ascii")}"'
    return '"' + "".join([_octet_text(octet) for octet in octets]) + '"'


def _octet_text(octet: int) -> str:
    if octet in b'"\\':
        return "\\" + chr(octet)
    return chr(octet) if 0x20 <= octet <= 0x7E else f"\\{octet:03d}"


def octets_of(token: dns.tokenizer.Token) -> bytes:
    """What a word or a quoted text stands for, as UTF-8."""
    if not (token.is_identifier() or token.is_quoted_string()):
        raise ValueError("a text is missing")
    return bytes(token.unescape_to_bytes().value)


def _read_string(words: Words, _: bytes | None) -> bytes:
    octets = octets_of(words.get())
    if len(octets) > 255:
        raise ValueError(f"a text of {len(octets)} octets; it has at most 255")
    return bytes((len(octets),)) + octets


def _write_string(data: bytes, at: int) -> tuple[str, int]:
    size = taken(data, at, 1)[0]
    return string_text(taken(data, at + 1, size)), at + 1 + size


def _read_optional_string(words: Words, origin: bytes | None) -> bytes:
    token = words.get()
    words.unget(token)
    return b"" if token.is_eol_or_eof() else _read_string(words, origin)


def _write_optional_string(data: bytes, at: int) -> tuple[str, int]:
    return _write_string(data, at) if at < len(data) else ("", at)


def _read_strings(words: Words, origin: bytes | None) -> bytes:
    strings = _read_string(words, origin)
    while more := _read_optional_string(words, origin):
        strings += more
    return strings


def _write_strings(data: bytes, at: int) -> tuple[str, int]:
    text, at = _write_string(data, at)
    texts = [text]
    while at < len(data):
        text, at = _write_string(data, at)
        texts.append(text)
    return " ".join(texts), at


def _read_tag(words: Words, _: bytes | None) -> bytes:
    """RFC 8659 section 4.1."""
    octets = octets_of(words.get())
    if not _TAG.fullmatch(octets) or len(octets) > 255:
        raise ValueError("a tag has 1 to 255 ASCII letters and digits")
    return bytes((len(octets),)) + octets


def _write_tag(data: bytes, at: int) -> tuple[str, int]:
    size = taken(data, at, 1)[0]
    tag = taken(data, at + 1, size)
    if not _TAG.fullmatch(tag):
        raise ValueError("a tag has 1 to 255 ASCII letters and digits")
    if tag != tag.lower() or size > _LONGEST_TAG:
        raise NoTextForm(at + 1 + size)
    return tag.decode("ascii"), at + 1 + size


def _read_long_text(words: Words, _: bytes | None) -> bytes:
    return octets_of(words.get())


def _write_long_text(data: bytes, at: int) -> tuple[str, int]:
    return string_text(data[at:]), len(data)


STRING: Final = Field(_read_string, _write_string)
OPTIONAL_STRING: Final = Field(_read_optional_string, _write_optional_string)
STRINGS: Final = Field(_read_strings, _write_strings)
TAG: Final = Field(_read_tag, _write_tag)
LONG_TEXT: Final = Field(_read_long_text, _write_long_text)
