"""The fields record data is made of, each read from text and written as text.

A field takes the words it needs from a line and gives their octets; the other way, it takes its
octets from the data and gives the text that every name server reads. Sources: RFC 1035 section 5.1,
RFC 3597 section 5, RFC 4034 sections 2.2, 3.2 and 4.2.
"""

from __future__ import annotations

import base64
import binascii
import re
from calendar import timegm
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

import dns.dnssectypes
import dns.tokenizer

from csid import names
from csid.limits import MAX_NAME_OCTETS
from resolver.zonefile.tokens import name_of, ttl_of, type_name, type_number

Words = dns.tokenizer.Tokenizer
Read = Callable[[Words, bytes | None], bytes]
Write = Callable[[bytes, int], tuple[str, int]]

# What BIND 9.18, Knot 3.2, NSD 4.6 and PowerDNS 4.7 all take as it is, anywhere in a name.
_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_*/")
_CERTIFICATE_TYPES: Final = {  # RFC 4398 section 2.1
    "PKIX": 1,
    "SPKI": 2,
    "PGP": 3,
    "IPKIX": 4,
    "ISPKI": 5,
    "IPGP": 6,
    "ACPKIX": 7,
    "IACPKIX": 8,
    "URI": 253,
    "OID": 254,
}
_DIGITS: Final = re.compile(r"\d{1,20}", re.ASCII)
_TIME = re.compile(r"\d{14}", re.ASCII)
_TAG = re.compile(rb"[0-9A-Za-z]+")
_GROUPS = re.compile(r"[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){3}")


class NoTextForm(Exception):
    """Well-formed data that not every name server reads as text: it is written as RFC 3597 does."""


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
    if _PLAIN.issuperset(label):
        return label.decode("ascii")
    return "".join([chr(octet) if octet in _PLAIN else f"\\{octet:03d}" for octet in label])


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


def string_text(octets: bytes) -> str:
    """A character string in quotes (RFC 1035 section 5.1)."""
    return '"' + "".join([_octet_text(octet) for octet in octets]) + '"'


def _octet_text(octet: int) -> str:
    if octet in b'"\\':
        return "\\" + chr(octet)
    return chr(octet) if 0x20 <= octet <= 0x7E else f"\\{octet:03d}"


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


def _read_time(words: Words, _: bytes | None) -> bytes:
    """RFC 4034 section 3.2: YYYYMMDDHHmmSS, or seconds since 1970, modulo 2^32 (section 3.1.5)."""
    text = word(words, "a time")
    if not _TIME.fullmatch(text):
        return number(text, 2**32 - 1).to_bytes(4)
    moment = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return (timegm(moment.timetuple()) % 2**32).to_bytes(4)


def _write_time(data: bytes, at: int) -> tuple[str, int]:
    moment = datetime.fromtimestamp(int.from_bytes(taken(data, at, 4)), UTC)
    return moment.strftime("%Y%m%d%H%M%S"), at + 4


def _read_name(words: Words, origin: bytes | None) -> bytes:
    return name_of(word(words, "a domain name"), origin)


def _write_name(data: bytes, at: int) -> tuple[str, int]:
    end = name_end(data, at)
    return name_text(data[at:end]), end


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
    if tag != tag.lower():
        raise NoTextForm
    return tag.decode("ascii"), at + 1 + size


def _read_long_text(words: Words, _: bytes | None) -> bytes:
    return octets_of(words.get())


def _write_long_text(data: bytes, at: int) -> tuple[str, int]:
    return string_text(data[at:]), len(data)


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


def _read_hex(words: Words, _: bytes | None) -> bytes:
    octets = hex_octets(rest(words))
    if not octets:
        raise ValueError("hexadecimal data is missing")
    return octets


def _write_hex(data: bytes, at: int) -> tuple[str, int]:
    return taken(data, at, max(1, len(data) - at)).hex(), len(data)


def _read_base64(words: Words, _: bytes | None) -> bytes:
    octets = base64_octets(rest(words))
    if not octets:
        raise ValueError("base64 data is missing")
    return octets


def _write_base64(data: bytes, at: int) -> tuple[str, int]:
    octets = taken(data, at, max(1, len(data) - at))
    return base64.b64encode(octets).decode("ascii"), len(data)


def _read_base64_or_none(words: Words, _: bytes | None) -> bytes:
    text = rest(words)
    return b"" if text == "-" else base64_octets(text)


def _write_base64_or_none(data: bytes, at: int) -> tuple[str, int]:
    return _write_base64(data, at) if at < len(data) else ("-", at)


def _read_salt(words: Words, _: bytes | None) -> bytes:
    text = word(words, "a salt")
    octets = b"" if text == "-" else hex_octets(text)
    if len(octets) > 255:
        raise ValueError("a salt has at most 255 octets")
    return bytes((len(octets),)) + octets


def _write_salt(data: bytes, at: int) -> tuple[str, int]:
    size = taken(data, at, 1)[0]
    return taken(data, at + 1, size).hex() or "-", at + 1 + size


def _read_hash(words: Words, _: bytes | None) -> bytes:
    """RFC 5155 section 3.3: base32hex without padding."""
    text = word(words, "a hash")
    try:
        octets = base64.b32hexdecode(text.upper() + "=" * (-len(text) % 8))
    except ValueError:
        raise ValueError(f"{text[:20]!r} is not base32 with extended hex alphabet") from None
    return bytes((len(octets),)) + octets


def _write_hash(data: bytes, at: int) -> tuple[str, int]:
    size = taken(data, at, 1)[0]
    digest = base64.b32hexencode(taken(data, at + 1, size)).decode("ascii")
    return digest.rstrip("=").lower(), at + 1 + size


def _read_types(words: Words, _: bytes | None) -> bytes:
    """RFC 4034 section 4.1.2."""
    numbers = {type_number(text) for text in rest_words(words)}
    return _bitmap(numbers)


def _bitmap(numbers: set[int]) -> bytes:
    windows: dict[int, bytearray] = {}
    for one in sorted(numbers):
        bits = windows.setdefault(one >> 8, bytearray())
        low = one & 0xFF
        bits.extend(bytes((low >> 3) + 1 - len(bits)))
        bits[low >> 3] |= 0x80 >> (low & 7)
    return b"".join([bytes((high, len(bits))) + bits for high, bits in windows.items()])


def _write_types(data: bytes, at: int) -> tuple[str, int]:
    numbers: list[int] = []
    last = -1
    while at < len(data):
        high, size = taken(data, at, 2)
        bits = taken(data, at + 2, size)
        if high <= last or not 1 <= size <= 32 or not bits[-1]:
            raise ValueError("no bit map of types (RFC 4034 section 4.1.2)")
        numbers += [
            high << 8 | low for low in range(size * 8) if bits[low >> 3] & 0x80 >> (low & 7)
        ]
        last, at = high, at + 2 + size
    if 0 in numbers:
        raise NoTextForm  # a type that no record has, and that NSD takes in no text
    return " ".join(map(type_name, numbers)), at


def _read_old_types(words: Words, _: bytes | None) -> bytes:
    """RFC 2535 section 5.2: one bit map of the types 0 to 127."""
    numbers = {type_number(text) for text in rest_words(words)}
    if any(one > 127 for one in numbers):
        raise ValueError("types above 127 have no place in an NXT record (RFC 2535 section 5.2)")
    return _bitmap(numbers)[2:]


def _write_old_types(data: bytes, at: int) -> tuple[str, int]:
    bits = data[at:]
    if len(bits) > 16 or (bits and (bits[0] & 0x80 or not bits[-1])):
        raise ValueError("no bit map of types (RFC 2535 section 5.2)")
    text, _ = _write_types(bytes((0, len(bits))) + bits, 0) if bits else ("", 0)
    return text, len(data)


def _read_groups(words: Words, _: bytes | None) -> bytes:
    """RFC 6742 section 2.1.2: 64 bits as four groups of hexadecimal digits."""
    text = word(words, "a 64-bit value")
    if not _GROUPS.fullmatch(text):
        raise ValueError(f"{text[:20]!r} is not four groups of hexadecimal digits")
    return b"".join([int(group, 16).to_bytes(2) for group in text.split(":")])


def _write_groups(data: bytes, at: int) -> tuple[str, int]:
    return taken(data, at, 8).hex(":", 2), at + 8


def _write_type(data: bytes, at: int) -> tuple[str, int]:
    return type_name(int.from_bytes(taken(data, at, 2))), at + 2


U8: Final = integer(1)
U16: Final = integer(2)
U32: Final = integer(4)
SECONDS: Final = Field(_read_seconds, U32.write)
CERTIFICATE_TYPE: Final = named(2, lambda text: _CERTIFICATE_TYPES.get(text.upper(), -1))
TIME: Final = Field(_read_time, _write_time)
ALGORITHM: Final = named(1, lambda text: int(dns.dnssectypes.Algorithm.make(text.upper())))
DIGEST_TYPE: Final = named(
    1, lambda text: int(dns.dnssectypes.DSDigest.make(text.upper().replace("-", "")))
)
NAME: Final = Field(_read_name, _write_name)
STRING: Final = Field(_read_string, _write_string)
TAG: Final = Field(_read_tag, _write_tag)
LONG_TEXT: Final = Field(_read_long_text, _write_long_text)
HEX: Final = Field(_read_hex, _write_hex)
BASE64: Final = Field(_read_base64, _write_base64)
BASE64_OR_NONE: Final = Field(_read_base64_or_none, _write_base64_or_none)
SALT: Final = Field(_read_salt, _write_salt)
HASH: Final = Field(_read_hash, _write_hash)
TYPE: Final = Field(
    lambda words, _: type_number(word(words, "a record type")).to_bytes(2), _write_type
)
TYPES: Final = Field(_read_types, _write_types)
OLD_TYPES: Final = Field(_read_old_types, _write_old_types)
GROUPS: Final = Field(_read_groups, _write_groups)
