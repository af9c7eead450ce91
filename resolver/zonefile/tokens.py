"""Names, TTLs, types and classes as a master file writes them (RFC 1035 section 5.1)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import dns.exception
import dns.name
import dns.rdatatype
import dns.tokenizer
import dns.ttl

from csid import names
from csid.errors import CsidError
from csid.limits import MAX_NAME_OCTETS, MAX_TTL
from csid.protocol import CSID, OPT

_MEMO_ENTRIES: Final = 16_384  # texts kept with their meaning, per function

_LENGTH_OCTET: Final = {length: bytes((length,)) for length in range(1, 64)}
_TTL = re.compile(r"\d+|(?:\d+[wdhms])+", re.ASCII | re.IGNORECASE)
_CLASSES: Final = {"IN": True, "CH": False, "HS": False, "CS": False}
_NUMBERED_CLASS = re.compile(r"CLASS\d{1,5}", re.ASCII | re.IGNORECASE)

# IANA DNS Parameters; dnspython knows these by number only.
_MORE_TYPES: Final = {
    "EID": 31,
    "NIMLOC": 32,
    "ATMA": 34,
    "SINK": 40,
    "RKEY": 57,
    "TALINK": 58,
    "UINFO": 100,
    "UID": 101,
    "GID": 102,
    "DOA": 259,
    "CLA": 263,
    "IPN": 264,
    "CSID": CSID,
}

# Types whose name and text form BIND 9.18, Knot 3.2, NSD 4.6 and PowerDNS 4.7 and later ones read.
# PowerDNS reads types it knows by no other form.
_KNOWN_EVERYWHERE: Final = (
    "A NS CNAME SOA PTR HINFO MX TXT RP AFSDB AAAA LOC SRV NAPTR DNAME DS SSHFP RRSIG NSEC DNSKEY "
    "NSEC3 NSEC3PARAM TLSA CDS CDNSKEY SVCB HTTPS URI CAA MINFO KEY KX CERT APL IPSECKEY DHCID "
    "SMIMEA OPENPGPKEY CSYNC ZONEMD SPF NID L32 L64 LP EUI48 EUI64"
)
TYPES_KNOWN_EVERYWHERE: Final = {
    int(dns.rdatatype.from_text(text)): text for text in _KNOWN_EVERYWHERE.split(" ")
}


class TextError(CsidError):
    """A piece of master file text that cannot be read; the reader adds the file and the line."""


class _AsciiOnly(dns.name.IDNACodec):
    """Refuses names outside ASCII: which Unicode form a writer meant would be a guess."""

    def __init__(self) -> None:
        """There is no state."""

    def encode(self, label: str) -> bytes:
        if label.isascii():
            return label.encode("ascii")
        raise TextError(f"{label!r} is not ASCII; write such names in A-label form (xn--...)")


_ASCII_ONLY: Final = _AsciiOnly()


def tokenizer(source: object) -> dns.tokenizer.Tokenizer:
    """dnspython's tokenizer over a text or an object with `read(1)`."""
    return dns.tokenizer.Tokenizer(source, "", idna_codec=_ASCII_ONLY)


def name_of(text: str, origin: bytes | None) -> bytes:
    """The absolute wire name of a name in text, its case kept.

    `origin` (wire) completes a relative name and stands for "@"; None if none is known yet.

    Raises:
        TextError: a relative name with no origin, or a name that is too long when completed.
        DomainNameError: not a domain name.
    """
    if text == "@":
        return _known(origin, text)
    if not text:
        raise TextError("an empty name; write @ for the origin, or . for the root")
    if "\\" in text or not text.isascii():
        return _escaped_name(text, origin)
    labels = text.encode("ascii").split(b".")
    if labels[-1]:
        tail = _known(origin, text)
    else:
        labels.pop()
        tail = names.ROOT
    try:
        wire = b"".join([_LENGTH_OCTET[len(label)] + label for label in labels]) + tail
    except KeyError:
        return names.from_text(text)  # the root, or a label too short or too long: it says which
    return _within_bounds(wire, text)


def _known(origin: bytes | None, text: str) -> bytes:
    if origin is None:
        raise TextError(
            f"{text!r} is relative, but no origin is known before the SOA record; "
            "write a $ORIGIN line before it or end the name with a dot"
        )
    return origin


def _escaped_name(text: str, origin: bytes | None) -> bytes:
    wire = names.from_text(text)
    body = text.removesuffix(".")
    backslashes = len(body) - len(body.rstrip("\\"))
    if body != text and backslashes % 2 == 0:
        return wire
    return _within_bounds(wire[:-1] + _known(origin, text), text)


def _within_bounds(wire: bytes, text: str) -> bytes:
    if len(wire) > MAX_NAME_OCTETS:
        raise TextError(
            f"{text!r} has {len(wire)} octets with its origin; "
            f"a name has at most {MAX_NAME_OCTETS} (RFC 1035 section 2.3.4)"
        )
    return wire


@lru_cache(maxsize=_MEMO_ENTRIES)
def ttl_of(text: str) -> int | None:
    """Seconds of a TTL written as a number or with units (1h30m); None if it is not a TTL at all.

    Raises:
        TextError: a TTL of more than 32 bits.
    """
    if not _TTL.fullmatch(text):
        return None
    try:
        return int(dns.ttl.from_text(text))
    except (ValueError, dns.ttl.BadTTL):
        raise TextError(
            f"TTL {text[:20]} has more than 32 bits; lower it to at most {MAX_TTL} seconds"
        ) from None


@lru_cache(maxsize=_MEMO_ENTRIES)
def type_of(text: str) -> int:
    """The number of a type of zone data given by name or as TYPEnnn (RFC 3597 section 5).

    Raises:
        TextError: no such type, or one that exists only in messages (RFC 6895 section 3.1).
    """
    kind = type_number(text)
    if kind in (0, OPT) or 128 <= kind <= 255:
        raise TextError(f"type {text} exists only in messages and cannot be zone data (RFC 6895)")
    return kind


def type_number(text: str) -> int:
    """The number of any type, those of messages too, as a bit map of types names them.

    Raises:
        TextError: no such type.
    """
    number = _MORE_TYPES.get(text.upper())
    if number is not None:
        return number
    try:
        return int(dns.rdatatype.from_text(text))
    except (dns.exception.DNSException, ValueError):
        raise TextError(
            f"{text[:20]!r} is no record type known here; write a known type or TYPEnnn (RFC 3597)"
        ) from None


def type_name(number: int) -> str:
    """A type as every name server reads it: TYPEnnn if older ones may not know its name."""
    return TYPES_KNOWN_EVERYWHERE.get(number) or f"TYPE{number}"


def is_class_in(text: str) -> bool:
    """Is this word class IN? No other word means it.

    Raises:
        TextError: another class, of which no zone is held here.
    """
    known = _CLASSES.get(text.upper())
    if known is None and _NUMBERED_CLASS.fullmatch(text):
        known = int(text[5:]) == 1
    if known is False:
        raise TextError(f"class {text}: only zones of class IN are held; remove the record")
    return known is True
