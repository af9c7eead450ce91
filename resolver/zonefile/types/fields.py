"""The fields record data is made of, each read from text and written as text.

A field takes the words it needs from a line and gives their octets; the other way, it takes its
octets from the data and gives the text that every name server reads (RFC 1035 section 5.1). Here
stand numbers, names and octets; the fields of one use stand with the others of that use.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Final, NamedTuple

import dns.tokenizer

from csid import names
from csid.limits import MAX_NAME_OCTETS
from resolver.zonefile.tokens import name_of, ttl_of

Words = dns.tokenizer.Tokenizer
Read = Callable[[Words, bytes | None], bytes]
Write = Callable[[bytes, int], tuple[str, int]]

# All but what BIND 9.18, Knot 3.2, NSD 4.6 and PowerDNS 4.7 take as it is, anywhere in a name.
_NOT_PLAIN = re.compile(rb"[^A-Za-z0-9_*/-]")
_DIGITS: Final = re.compile(r"\d{1,20}", re.ASCII)


class NoTextForm(Exception):
    """Well-formed data that not every name server reads as text: it is written as RFC 3597 does.

    Args:
        end: the offset behind the field.
    """

    def __init__(self, end: int) -> None:
        super().__init__(end)
        self.end = end


class Field(NamedTuple):
    """One field of record data.

    Attributes:
        read: (words, origin) -> octets; ValueError or a dnspython error if they are not its text.
        write: (data, at) -> text and the offset behind the field; ValueError if there is no such
            field at `at`, NoTextForm if there is, but it is to be written in hexadecimal.
    """

    read: Read
    write: Write


def taken(data: bytes, at: int, size: int) -> bytes:
    """`size` octets of the data. ValueError if it ends before."""
    if at + size > len(data):
        raise ValueError("the data ends too early")
    return data[at : at + size]


def word(words: Words, what: str) -> str:
    """The next word, which stands without quotes, as written."""
    token = words.get()
    if not token.is_identifier():
        raise ValueError(f"{what} is missing")
    text: str = token.value
    return text


def rest_words(words: Words) -> list[str]:
    """The remaining words, none of which stands in quotes, as written."""
    remaining = words.get_remaining()
    if not all(token.is_identifier() for token in remaining):
        raise ValueError("a text in quotes where there is none")
    return [token.value for token in remaining]


def rest(words: Words) -> str:
    """The remaining words put together."""
    return "".join(rest_words(words))


def number(text: str, most: int) -> int:
    """A decimal number. ValueError if it is none or above `most`."""
    if not _DIGITS.fullmatch(text) or int(text) > most:
        raise ValueError(f"{text[:20]!r} is no number up to {most}")
    return int(text)


def name_text(wire: bytes) -> str:
    """An absolute name as every name server reads it: what is not plain is written \\DDD."""
    return "".join([_label_text(label) + "." for label in names.labels_of(wire)]) or "."


def _label_text(label: bytes) -> str:
    return _NOT_PLAIN.sub(lambda octet: b"\\%03d" % ord(octet[0]), label).decode("ascii")


def name_end(data: bytes, at: int) -> int:
    """The offset behind the uncompressed name at `at`. ValueError if there is none."""
    start = at
    while True:
        length = taken(data, at, 1)[0]
        at += 1 + length
        if length > 63 or at - start > MAX_NAME_OCTETS:
            raise ValueError("no uncompressed domain name")
        if length == 0:
            return at


def integer(octets: int) -> Field:
    """A number of that many octets, in decimal digits."""
    most = 256**octets - 1

    def write(data: bytes, at: int) -> tuple[str, int]:
        return str(int.from_bytes(taken(data, at, octets))), at + octets

    return Field(lambda words, _: number(word(words, "a number"), most).to_bytes(octets), write)


def named(octets: int, value_of: Callable[[str], int]) -> Field:
    """A number that may be given by a name, too; it is written as a number."""
    plain = integer(octets)

    def read(words: Words, origin: bytes | None) -> bytes:
        text = word(words, "a number or its name")
        if _DIGITS.fullmatch(text):
            return number(text, 256**octets - 1).to_bytes(octets)
        try:
            return value_of(text).to_bytes(octets)
        except (ValueError, OverflowError):
            raise ValueError(f"{text[:20]!r} is neither a number nor a name known here") from None

    return Field(read, plain.write)


def _read_seconds(words: Words, _: bytes | None) -> bytes:
    text = word(words, "a time in seconds")
    if _DIGITS.fullmatch(text):
        return number(text, 2**32 - 1).to_bytes(4)
    seconds = ttl_of(text)
    if seconds is None:
        raise ValueError(f"{text[:20]!r} is no time; write seconds, or units as in 1h30m")
    return seconds.to_bytes(4)


def _read_name(words: Words, origin: bytes | None) -> bytes:
    return name_of(word(words, "a domain name"), origin)


def _write_name(data: bytes, at: int) -> tuple[str, int]:
    end = name_end(data, at)
    return name_text(data[at:end]), end


def hex_octets(text: str) -> bytes:
    """Hexadecimal digits as octets; ValueError if they are none."""
    try:
        return binascii.unhexlify(text)
    except ValueError:
        raise ValueError(f"{text[:20]!r} is not hexadecimal, two digits an octet") from None


def base64_octets(text: str) -> bytes:
    """Base64 as octets; ValueError if it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError(f"{text[:20]!r} is not base64") from None


def hexadecimal(least: int) -> Field:
    """The remaining data in hexadecimal digits, of at least that many octets."""

    def read(words: Words, _: bytes | None) -> bytes:
        octets = hex_octets(rest(words))
        if len(octets) < least:
            raise ValueError("hexadecimal data is missing")
        return octets

    return Field(read, lambda data, at: (_remaining(data, at, least).hex(), len(data)))


def in_base64(least: int) -> Field:
    """The remaining data in base64, of at least that many octets."""

    def read(words: Words, _: bytes | None) -> bytes:
        octets = base64_octets(rest(words))
        if len(octets) < least:
            raise ValueError("base64 data is missing")
        return octets

    def write(data: bytes, at: int) -> tuple[str, int]:
        return base64.b64encode(_remaining(data, at, least)).decode("ascii"), len(data)

    return Field(read, write)


def _remaining(data: bytes, at: int, least: int) -> bytes:
    """NoTextForm if there is nothing and need not be: not all servers read an empty last field."""
    octets = taken(data, at, max(least, len(data) - at))
    if not octets:
        raise NoTextForm(at)
    return octets


def _read_base64_or_none(words: Words, _: bytes | None) -> bytes:
    text = rest(words)
    return b"" if text == "-" else base64_octets(text)


def _write_base64_or_none(data: bytes, at: int) -> tuple[str, int]:
    return BASE64.write(data, at) if at < len(data) else ("-", at)


U8: Final = integer(1)
U16: Final = integer(2)
U32: Final = integer(4)
SECONDS: Final = Field(_read_seconds, U32.write)
NAME: Final = Field(_read_name, _write_name)
HEX: Final = hexadecimal(1)
HEX_OR_NOTHING: Final = hexadecimal(0)
BASE64: Final = in_base64(1)
BASE64_OR_NOTHING: Final = in_base64(0)
BASE64_OR_NONE: Final = Field(_read_base64_or_none, _write_base64_or_none)
