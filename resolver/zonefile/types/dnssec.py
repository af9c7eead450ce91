"""Fields of keys, signatures, digests and certificates, and the names that numbers in them have.

Sources: RFC 4034 sections 2.2, 3.2 and appendix A, RFC 2535 section 3.1.2 (flags and protocols of
KEY), RFC 4398 section 2.1, RFC 5155 section 3.3, the IANA registries, and BIND 9, whose older names
stand in zones, too. Case makes no difference in a name.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Final

import dns.dnssectypes

from resolver.zonefile.types.fields import (
    Field,
    NoTextForm,
    Words,
    hex_octets,
    named,
    number,
    taken,
    word,
)

_ALGORITHMS: Final = {
    **{algorithm.name: int(algorithm) for algorithm in dns.dnssectypes.Algorithm},
    "NSEC3DSA": 6,
    "NSEC3RSASHA1": 7,
    "ECDSA256": 13,
    "ECDSA384": 14,
    "SM2SM3": 17,
    "ECCGOST12": 23,
}
_DIGEST_TYPES: Final = {
    **{digest.name: int(digest) for digest in dns.dnssectypes.DSDigest},
    "GOST12": 5,
    "SM3": 6,
}
_NSEC3_HASHES: Final = {"SHA1": 1}
_PROTOCOLS: Final = {"NONE": 0, "TLS": 1, "EMAIL": 2, "DNSSEC": 3, "IPSEC": 4, "ALL": 255}
_FLAGS: Final = {
    "NOAUTH": 0x8000,
    "NOCONF": 0x4000,
    "NOKEY": 0xC000,
    "FLAG2": 0x2000,
    "EXTEND": 0x1000,
    "FLAG4": 0x0800,
    "FLAG5": 0x0400,
    "USER": 0x0000,
    "ZONE": 0x0100,
    "HOST": 0x0200,
    "NTYP3": 0x0300,
    "FLAG8": 0x0080,
    "FLAG9": 0x0040,
    "FLAG10": 0x0020,
    "FLAG11": 0x0010,
    **{f"SIG{signatory}": signatory for signatory in range(16)},
    "REVOKE": 0x0080,
    "KSK": 0x0001,
    "SEP": 0x0001,
}
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
_EPOCH: Final = date(1970, 1, 1).toordinal()
_HEX_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]{1,8}")
_TIME = re.compile(r"\d{14}", re.ASCII)


def _by_name(values: Mapping[str, int]) -> Callable[[str], int]:
    """Names are found without their dashes: SHA-1, SHA1 and DSA-NSEC3-SHA1 are all written."""
    return lambda text: values.get(text.upper().replace("-", ""), -1)


def _flags(text: str) -> int:
    """Flags in hexadecimal, or as names with "|" between."""
    if _HEX_NUMBER.fullmatch(text):
        return int(text, 16)
    value = 0
    for name in text.upper().split("|"):
        value |= _FLAGS.get(name, -1)
    return value


def _read_time(words: Words, _: bytes | None) -> bytes:
    """RFC 4034 section 3.2: YYYYMMDDHHmmSS, or seconds since 1970, modulo 2^32 (section 3.1.5)."""
    text = word(words, "a time")
    if not _TIME.fullmatch(text):
        return number(text, 2**32 - 1).to_bytes(4)
    day = date(int(text[:4]), int(text[4:6]), int(text[6:8])).toordinal() - _EPOCH
    hours, minutes, seconds = int(text[8:10]), int(text[10:12]), int(text[12:])
    if hours > 23 or minutes > 59 or seconds > 60:  # 60 in a leap second
        raise ValueError(f"{text} is no time; write YYYYMMDDHHmmSS or seconds since 1970")
    return (((day * 24 + hours) * 60 + minutes) * 60 + seconds).to_bytes(8, signed=True)[4:]


def _write_time(data: bytes, at: int) -> tuple[str, int]:
    moment = datetime.fromtimestamp(int.from_bytes(taken(data, at, 4)), UTC)
    return moment.strftime("%Y%m%d%H%M%S"), at + 4


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
    if not size or size % 5:
        taken(data, at + 1, size)
        raise NoTextForm(at + 1 + size)  # Knot reads no digits but those of five octets
    digest = base64.b32hexencode(taken(data, at + 1, size)).decode("ascii")
    return digest.rstrip("=").lower(), at + 1 + size


ALGORITHM: Final = named(1, _by_name(_ALGORITHMS))
DIGEST_TYPE: Final = named(1, _by_name(_DIGEST_TYPES))
CERTIFICATE_TYPE: Final = named(2, _by_name(_CERTIFICATE_TYPES))
NSEC3_HASH: Final = named(1, _by_name(_NSEC3_HASHES))
KEY_FLAGS: Final = named(2, _flags)
KEY_PROTOCOL: Final = named(1, _by_name(_PROTOCOLS))
TIME: Final = Field(_read_time, _write_time)
SALT: Final = Field(_read_salt, _write_salt)
HASH: Final = Field(_read_hash, _write_hash)
